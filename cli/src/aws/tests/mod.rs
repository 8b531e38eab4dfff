//! What the consumer relies on, asked of the stand-in through the SDKs.

mod dynamodb;
mod multipart;
mod queues;
mod s3;
mod serve;
mod speed;
mod sqs;
