//! The document at `/health`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a consumer is, for people and dashboards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// In one word.
    pub status: Status,
    /// Tasks waiting in memory.
    pub queued_tasks: u64,
    /// Tasks on a worker.
    pub active_tasks: u64,
    /// The worker threads.
    pub workers: Workers,
    /// Age of the oldest message in hand, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_message_age_millis: Option<u64>,
    /// Milliseconds since the start.
    pub uptime_millis: u64,
    /// The consumer's version.
    pub version: String,
    /// What is unavailable, when something is: `sqs`, `s3` or `dynamodb` and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// A consumer's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Started, its queues, bucket and table not reached yet.
    Starting,
    /// Working.
    Ok,
    /// Something it needs is unavailable; what it holds it keeps.
    Degraded,
    /// Told to stop: it finishes what it has.
    Draining,
    /// The main loop has not answered for 30 s.
    Stalled,
}

/// The worker threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workers {
    /// Threads that take work.
    pub alive: u64,
    /// Threads replaced since the start.
    pub restarted: u64,
}
