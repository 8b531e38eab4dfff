//! What anyone may ask: health, readiness, metrics and the pod report; and what is told without being asked, one
//! log line a settled task.

pub mod board;
pub mod http;
pub mod log;
pub mod loop_delay;
pub mod metrics;
pub mod operations;
pub(crate) mod profile;
pub mod report;
