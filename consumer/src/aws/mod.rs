//! The only rooms that know the AWS SDK.

pub mod connect;
