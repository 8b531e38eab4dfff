//! The export consumer.
pub mod aws;
