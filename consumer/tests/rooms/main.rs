//! The whole consumer in one process, its threads and all, over fake ports with injected failures.
//!
//! Each test has a world of its own: queues, bucket, table and web in memory. Nobody sleeps to wait: a test waits
//! for a condition with a deadline. In these worlds delays that SQS is asked for are written down and cut short
//! ([`fakes::queue::LONGEST_DELAY`]), so that a retry after minutes is a matter of milliseconds.
#![allow(unreachable_pub, reason = "modules of one test binary")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod fakes;
mod letters;
mod pod;

mod blame;
mod failing;
mod faults;
mod isolation;
mod jobs;
mod large;
mod leases;
mod model;
mod observed;
mod ours;
mod pages;
mod refused;
mod shutdown;
mod storing;
mod stuck;
mod sweeping;
mod twice;
mod waiting;
