//! The pod report, from the desk.

use exportpool_contract::{
    PodReport,
    report::{Breaker, ByQueue, Gauges, SCHEMA, Slots},
};

use std::time::Instant;

use super::{board::Said, http::unix_millis};
use crate::{message::QueueName, place::Desk};

/// Who reports.
#[derive(Debug, Clone)]
pub struct Identity {
    /// New at every start.
    pub instance: String,
    /// The pod's UID, when there is one.
    pub pod_uid: Option<String>,
    /// When the instance started, in milliseconds since the Unix epoch.
    pub started_at: u64,
}

impl Identity {
    /// A new instance, now; the pod's UID is taken from `POD_UID`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            instance: format!("{:016x}", fastrand::u64(..)),
            pod_uid: std::env::var("POD_UID").ok().filter(|uid| (1..=MAX_UID_BYTES).contains(&uid.len())),
            started_at: unix_millis(),
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// The longest reason that is told, and the longest UID that is taken: the report has a bound.
const MAX_REASON_CHARS: usize = 1_000;
const MAX_UID_BYTES: usize = 64;

/// What the main thread says of itself. Delays are added when it is read.
#[must_use]
pub fn say(identity: &Identity, sequence: u64, desk: &Desk, now: Instant) -> Said {
    let hand = desk.in_hand();
    let unavailable: Option<String> =
        desk.unavailable().map(|why| why.chars().take(MAX_REASON_CHARS).collect());
    let count = |n: usize| n as u64;
    let report = PodReport {
        schema: SCHEMA,
        instance_id: identity.instance.clone(),
        pod_uid: identity.pod_uid.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        started_at: identity.started_at,
        sequence,
        uptime_ms: 0,
        draining: desk.is_draining(),
        breaker: Breaker { open: unavailable.is_some(), resource: unavailable.clone() },
        slots: Slots { total: count(hand.slots), busy: count(hand.busy), abandoned: count(desk.abandoned()) },
        gauges: Gauges {
            waiting: count(hand.waiting),
            jobs: count(hand.jobs),
            unlisted: count(desk.unlisted()),
            leased: ByQueue {
                export_jobs: count(desk.leased(QueueName::ExportJobs)),
                download_tasks: count(desk.leased(QueueName::DownloadTasks)),
            },
            scheduled_retries: count(desk.scheduled_retries(now)),
        },
        queues: desk.counters(now),
        counters: desk.tally.counters.clone(),
        oldest_enqueued_at: desk.oldest_enqueued_at(),
        last_real_message_at: desk.tally.last_message_at,
        ..PodReport::default()
    };
    Said { report, alive: count(desk.workers_alive()), started: desk.has_started(), unavailable }
}
