//! The pod report: what a consumer answers at `/report`, and the operator scales by. At most 16 KiB.
//!
//! Counters only grow, from the start of the instance; a new `instanceId` is a reset. Durations and times are
//! milliseconds, times since the Unix epoch.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The report's version. Fields are added within a version, never renamed or re-meant.
pub const SCHEMA: u32 = 1;
/// The largest report, in bytes.
pub const MAX_REPORT_BYTES: usize = 16 * 1024;

/// What a consumer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// New at every start.
    pub instance_id: String,
    /// The pod's UID, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// The consumer's version.
    pub version: String,
    /// When the instance started.
    pub started_at: u64,
    /// Counts the reports of this instance.
    pub sequence: u64,
    /// Time since the start.
    pub uptime_ms: u64,
    /// Told to stop.
    pub draining: bool,
    /// Whether faults of our own stop the intake.
    pub breaker: Breaker,
    /// Places to work.
    pub slots: Slots,
    /// What is in hand now.
    pub gauges: Gauges,
    /// Since the start, by queue.
    pub queues: ByQueue<QueueCounters>,
    /// Since the start, of the whole instance.
    pub counters: Counters,
    /// When the oldest work in hand was first put on a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_enqueued_at: Option<u64>,
    /// When the last message that was real work came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_real_message_at: Option<u64>,
    /// The main loop's delay since the start.
    pub loop_delay: LoopDelay,
    /// How long main was ready and waited for a CPU, between two measurements of its loop: what the loop's delay owes to
    /// a lack of CPUs. Not there where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_queue_delay: Option<LoopDelay>,
    /// The loop delays of all worker threads together since the start, measured every 20 ms: its largest is the largest
    /// of any.
    #[serde(default)]
    pub worker_loop_delay: LoopDelay,
    /// As `runQueueDelay`, of all worker threads together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_run_queue_delay: Option<LoopDelay>,
}

/// Whether faults of our own stop the intake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Breaker {
    /// No new work is received.
    pub open: bool,
    /// What is unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

impl Breaker {
    /// What is unavailable at the start, before anything has failed: it is looked at for the first time.
    pub const STARTING: &str = "starting";
}

/// Places to work: worker threads times tasks on each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slots {
    /// All places of live workers.
    pub total: u64,
    /// Places with a task.
    pub busy: u64,
    /// Worker threads given up as stuck since the start; with more than two the consumer drains and ends.
    pub abandoned: u64,
}

/// What is in hand now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gauges {
    /// Tasks waiting in memory.
    pub waiting: u64,
    /// Jobs in hand.
    pub jobs: u64,
    /// Jobs in hand whose tasks are not all known.
    pub unlisted: u64,
    /// Messages leased, by queue.
    pub leased: ByQueue<u64>,
    /// Tasks waiting on a queue for another attempt, sent by this instance and not yet due.
    pub scheduled_retries: u64,
}

/// A value for each queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByQueue<T> {
    /// For `export-jobs`.
    pub export_jobs: T,
    /// For `download-tasks`.
    pub download_tasks: T,
}

/// Counters of one queue since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueCounters {
    /// Messages received.
    pub received: u64,
    /// Of these, received before by anyone (receive count over 1).
    pub redelivered: u64,
    /// Receives that brought nothing.
    pub empty: u64,
    /// Receives that failed.
    pub failed_receives: u64,
    /// Tasks settled, by how.
    pub settled: Settled,
    /// Slot time spent on the queue's tasks, those that run now included.
    pub busy_slot_millis: u64,
    /// Time from claim to recorded of the queue's tasks that were done, summed.
    pub service_millis: u64,
}

/// Tasks settled, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settled {
    /// Stored and recorded.
    pub done: u64,
    /// Given up, with a dead letter.
    pub failed: u64,
    /// To be tried again.
    pub retried: u64,
    /// Given back unstarted.
    pub returned: u64,
    /// Refused by the ledger, or the lease was lost: somebody else has it.
    pub fenced: u64,
}

/// Counters of the instance since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Tasks read from jobs.
    pub tasks_listed: u64,
    /// Tasks of jobs sent to `download-tasks`.
    pub handed_over: u64,
    /// Messages sent to a dead-letter queue.
    pub dead_lettered: u64,
    /// Leases that ended before their message was settled.
    pub leases_lost: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// Worker threads replaced.
    pub workers_restarted: u64,
    /// Faults of sources, and of tasks that took their worker with them, by stable word.
    pub source_errors: BTreeMap<String, u64>,
    /// Faults of AWS services, by stable word.
    pub aws_errors: BTreeMap<String, u64>,
}

/// How late a loop was, in microseconds: how long it took to take up an event that came every 10 ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoopDelay {
    /// Half of the measurements were below.
    pub p50_micros: u64,
    /// 99 of 100 were below.
    pub p99_micros: u64,
    /// 999 of 1,000 were below.
    pub p999_micros: u64,
    /// The largest.
    pub max_micros: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_report_is_within_its_bound() {
        let words = || (0..40).map(|n| (format!("some-longish-error-word-{n}"), u64::MAX)).collect();
        let counters = Counters { source_errors: words(), aws_errors: words(), ..Counters::default() };
        let report = PodReport { counters, ..PodReport::default() };
        assert!(serde_json::to_vec(&report).unwrap().len() <= MAX_REPORT_BYTES);
    }
}
