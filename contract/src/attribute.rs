//! Names of message attributes.

/// Why a message was given up: a stable word. On dead letters.
pub const REASON: &str = "reason";
/// The reason in words, for people. On dead letters.
pub const DETAIL: &str = "detail";
/// How often the task had been started. On dead letters and hand-overs.
pub const ATTEMPT: &str = "attempt";
/// The epoch in which the task failed: when the dead letter is redriven, it reopens the task.
pub const EPOCH: &str = "epoch";
/// W3C trace context (<https://www.w3.org/TR/trace-context/>), carried when present.
pub const TRACEPARENT: &str = "traceparent";
/// When the work was first put on a queue, in milliseconds since the Unix epoch.
pub const ENQUEUED_AT: &str = "enqueuedAt";
