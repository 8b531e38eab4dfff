//! The decision to scale.
