//! What was measured in one poll. What could not be read says so: nothing is zero for want of a reading.

use std::fmt;
use std::time::Duration;

use exportpool_contract::PodReport;
use exportpool_contract::report::{ByQueue, QueueCounters, Slots};
use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What was measured in one poll of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// When it was measured. Grows from poll to poll.
    pub now: Millis,
    /// The depth of each queue.
    pub queues: ByQueue<Depth>,
    /// Every pod of the pool, terminating ones as well. Only pods that are gone are left out.
    pub pods: Vec<PodSeen>,
    /// The replicas that are asked for now, whether their pods exist or not.
    pub replicas: u32,
}

/// One of the two queues of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Jobs, each with its tasks.
    ExportJobs,
    /// Single tasks: overflow and retries.
    DownloadTasks,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExportJobs => "export-jobs",
            Self::DownloadTasks => "download-tasks",
        })
    }
}

/// What a queue answered. The counts are SQS's approximate ones, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// It answered.
    Known {
        /// To be received by anyone: `ApproximateNumberOfMessages`.
        visible: u64,
        /// Received and not settled, or deferred: `ApproximateNumberOfMessagesNotVisible`.
        not_visible: u64,
        /// Not yet due: `ApproximateNumberOfMessagesDelayed`.
        delayed: u64,
        /// The queue's own `DelaySeconds`. Delayed messages are backlog only if it is within the drain time.
        delay: Duration,
    },
    /// It did not.
    Unknown(UnknownDepth),
}

impl Depth {
    /// A queue that was read, with nothing received and nothing delayed.
    #[must_use]
    pub const fn visible(visible: u64) -> Self {
        Self::Known { visible, not_visible: 0, delayed: 0, delay: Duration::ZERO }
    }
}

/// Why a queue's depth is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnknownDepth {
    /// It was not asked yet.
    NotRead,
    /// Too many requests.
    Throttled,
    /// No permission, or credentials that are missing or expired.
    Denied,
    /// No such queue.
    NotFound,
    /// No answer, or none in time.
    Unreachable,
    /// An answer that is not understood.
    Malformed,
    /// The last answer is too old.
    Stale,
}

impl UnknownDepth {
    /// A stable word, for conditions and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotRead => "NotRead",
            Self::Throttled => "Throttled",
            Self::Denied => "Denied",
            Self::NotFound => "NotFound",
            Self::Unreachable => "Unreachable",
            Self::Malformed => "Malformed",
            Self::Stale => "Stale",
        }
    }
}

/// A pod of the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSeen {
    /// Its UID; never used again for another pod.
    pub uid: String,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// When it was created, if known. With `ready_at` the time that a start takes is learned.
    pub created_at: Option<Millis>,
    /// When it last became ready, if it is.
    pub ready_at: Option<Millis>,
    /// What it says of itself.
    pub report: Reading,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodPhase {
    /// Asked for; no node has room for it. It holds no work.
    Unscheduled,
    /// On a node; its container never ran. It holds no work.
    Pending,
    /// Ran, and is not ready.
    Unready,
    /// Works.
    Ready,
    /// Told to stop; finishes what it has.
    Terminating,
}

/// What a pod says of itself, if it could be asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It was read in this poll.
    Read(Box<PodNumbers>),
    /// It was not.
    Unread(UnreadReport),
}

/// Why a pod's report is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnreadReport {
    /// It was not its turn: large pools are sampled. Its last report stands for two minutes.
    NotSampled,
    /// It is not running yet, or no longer.
    NotRunning,
    /// No answer, or none in time.
    Unreachable,
    /// An answer that is too large or not understood.
    Malformed,
}

/// The numbers of a [`PodReport`] that a decision needs. Counters grow from the start of the instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodNumbers {
    /// New at every start: a change is a reset of the counters.
    pub instance_id: String,
    /// When the instance started.
    pub started_at: Millis,
    /// Places to work; never more busy than there are.
    pub slots: Slots,
    /// Tasks waiting in memory.
    pub waiting: u64,
    /// Tasks waiting on a queue for another attempt, not yet due.
    pub scheduled_retries: u64,
    /// Messages leased, by queue.
    pub leased: ByQueue<u64>,
    /// Counters by queue.
    pub queues: ByQueue<QueueCounters>,
    /// Tasks read from jobs.
    pub tasks_listed: u64,
    /// Tasks of jobs sent to `download-tasks`.
    pub handed_over: u64,
    /// When the last message that was real work came in.
    pub last_real_message_at: Option<Millis>,
    /// Faults of its own resources stop its intake: a queue, the bucket or the table does not answer.
    #[serde(default)]
    pub unavailable: bool,
}

impl From<&PodReport> for PodNumbers {
    fn from(report: &PodReport) -> Self {
        let busy = report.slots.busy.min(report.slots.total);
        Self {
            instance_id: report.instance_id.clone(),
            started_at: Millis(report.started_at),
            slots: Slots { busy, ..report.slots },
            waiting: report.gauges.waiting,
            scheduled_retries: report.gauges.scheduled_retries,
            leased: report.gauges.leased,
            queues: report.queues,
            tasks_listed: report.counters.tasks_listed,
            handed_over: report.counters.handed_over,
            last_real_message_at: report.last_real_message_at.map(Millis),
            unavailable: report.breaker.open,
        }
    }
}

impl PodNumbers {
    /// Nothing in hand: no task at work or waiting, no message leased.
    #[must_use]
    pub fn idle(&self) -> bool {
        let leased = self.leased.export_jobs.saturating_add(self.leased.download_tasks);
        self.slots.busy == 0 && self.waiting == 0 && leased == 0
    }
}
