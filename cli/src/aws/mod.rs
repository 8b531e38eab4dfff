//! SQS, S3 and DynamoDB in this process: for the demo, for tests, and by themselves as `exportctl aws`.
//!
//! The services are the `rustack` crates; each has a room here with the layer that mends it. What they lack even
//! so is in docs/decisions/0001-aws-stand-in.md.

mod admit;
mod dynamodb;
mod error;
mod ill;
mod provision;
mod route;
pub(crate) mod run;
mod s3;
mod serve;
mod sqs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use error::Error;
pub(crate) use provision::make_resources;
pub(crate) use run::{Args, run};
pub(crate) use serve::{Options, StandIn};
