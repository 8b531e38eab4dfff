//! The pod report, from the desk.

use exportpool_contract::{
    PodReport,
    report::{Breaker, ByQueue, Gauges, SCHEMA, Slots},
};

use std::time::Instant;

use super::board::Said;
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
    /// A new instance, started at `started_at` in milliseconds since the Unix epoch. A UID that is longer than any that
    /// Kubernetes gives is not told.
    #[must_use]
    pub fn new(pod_uid: Option<String>, started_at: u64) -> Self {
        Self {
            instance: format!("{:016x}", fastrand::u64(..)),
            pod_uid: pod_uid.filter(|uid| uid.len() <= MAX_UID_BYTES),
            started_at,
        }
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

#[cfg(test)]
mod tests {
    use exportpool_contract::report::{Counters, LoopDelay, MAX_REPORT_BYTES};

    use super::*;
    use crate::{
        config::Pool,
        event::{Event, Resource},
        fail::{AwsFault, AwsKind, AwsResource, Reason},
        place::desk::Rules,
    };

    /// All words that there are, and the longest reasons.
    #[test]
    fn the_fullest_report_is_within_its_bound() {
        let pool = Pool { workers: 1, tasks_per_worker: 1, max_jobs: 1, max_waiting: 1 };
        let mut desk =
            Desk::new(Rules { pool, visibility: std::time::Duration::from_secs(60) }, fastrand::Rng::new());
        for resource in Resource::ALL {
            let fault = AwsFault {
                kind: AwsKind::Failed,
                resource: AwsResource::Queue("r".repeat(900)),
                detail: "é".repeat(900),
            };
            desk.handle(Event::Unreachable { resource, fault }, Instant::now());
        }
        let most = |words: &[&str]| words.iter().map(|word| ((*word).to_owned(), u64::MAX)).collect();
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let kinds: Vec<_> = AwsKind::ALL.iter().map(|kind| kind.reason()).collect();
        desk.tally.counters = Counters {
            source_errors: most(&[reasons, vec!["fenced"]].concat()),
            aws_errors: most(&kinds),
            ..Counters::default()
        };
        let identity = Identity::new(Some("u".repeat(MAX_UID_BYTES)), u64::MAX);
        assert!(identity.pod_uid.is_some());
        let report = say(&identity, u64::MAX, &desk, Instant::now()).report;
        let delay = LoopDelay {
            p50_micros: u64::MAX,
            p99_micros: u64::MAX,
            p999_micros: u64::MAX,
            max_micros: u64::MAX,
        };
        let report = PodReport {
            loop_delay: delay,
            run_queue_delay: Some(delay),
            worker_loop_delay: delay,
            worker_run_queue_delay: Some(delay),
            ..report
        };
        let bytes = serde_json::to_vec(&report).unwrap().len();
        assert!((2_000..=MAX_REPORT_BYTES / 2).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_uid_of_any_length_leaves_the_report_its_bound() {
        assert_eq!(Identity::new(Some("u".repeat(MAX_UID_BYTES + 1)), 0).pod_uid, None);
    }
}
