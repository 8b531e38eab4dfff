//! The only rooms that know the AWS SDK.

pub mod connect;
mod credentials;
pub mod dynamodb;
pub mod fault;
pub mod ports;
pub(crate) mod queue_facts;
pub mod s3;
pub mod sqs;
