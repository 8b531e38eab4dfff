//! The export consumer: SQS → a pool of worker threads → S3, recorded in DynamoDB.
//!
//! Reading order follows the data: [`poll`] receives, [`place`] decides, [`admit`] reads, [`work`] fetches and
//! stores, [`record`] writes down and acknowledges. [`fail`] says what went wrong and whose fault it is, and
//! [`observe`] answers whoever asks. Threads meet in [`run`].

pub mod admit;
pub mod aws;
mod cgroup;
pub mod clock;
pub mod config;
pub mod event;
pub mod fail;
pub mod kill;
pub mod message;
pub mod observe;
pub mod place;
pub mod poll;
pub mod ports;
pub mod record;
pub mod run;
#[cfg(all(test, feature = "shuttle"))]
#[path = "../tests/interleavings/schedule.rs"]
#[allow(dead_code, reason = "whole consumers need more of it")]
mod schedule;
pub mod spec;
mod sync;
pub mod work;
