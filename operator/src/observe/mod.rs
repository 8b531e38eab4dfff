//! What is there: the depth of the queues, what pods say of themselves, and what was watched. Unknown is a value.

pub mod queues;
mod readers;
pub mod reports;
mod rivals;
pub mod workload;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Instant};

use exportpool_contract::{PodReport, report::ByQueue};
use exportpool_scaling::{Depth, Observation, PodPhase, PodSeen, Reading, UnknownDepth, UnreadReport};
use jiff::Timestamp;

pub use readers::{Readers, Started};

use crate::{
    api::ExportPool,
    names::WORKER_PORT,
    reconcile::Context,
    report::{QueueRead, Reports},
};
use reports::{Answers, Asked, sample};
use workload::{PodView, Workload, millis};

/// What one look at a pool saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// For the decision.
    pub observation: Observation,
    /// The queues, for people.
    pub queues: ByQueue<QueueRead>,
    /// How many reports were read.
    pub reports: Reports,
    /// When the oldest work in hand was put on its queue.
    pub oldest: Option<Timestamp>,
    /// Other pools on its queues.
    pub rivals: ByQueue<Vec<Arc<ExportPool>>>,
}

/// Looks at a pool: at its queues, and at the pods whose turn it is. `turn` counts the looks at this pool.
pub async fn observe(pool: &ExportPool, context: &Context, workload: &Workload, turn: usize) -> Seen {
    let readers = &context.shared.readers;
    let pods = sample(&asked(&workload.pods), turn);
    let (queues, answers) = tokio::join!(readers.queues(pool), readers.reports.read(&pods));
    let rivals = readers.rivals.of(pool, &context.shared.pools, Instant::now());
    Seen { rivals, ..seen(workload, queues, &answers, (context.clock)()) }
}

/// What every pod says of itself, by UID: before it is chosen which of them go.
pub(crate) async fn all_reports(context: &Context, pods: &[PodView]) -> BTreeMap<String, Reading> {
    let answers = context.shared.readers.reports.read(&asked(pods)).await;
    pods.iter().map(|pod| (pod.uid.clone(), reading(pod, &answers))).collect()
}

/// Pods that may have something to say.
fn asked(pods: &[PodView]) -> Vec<Asked> {
    let running = pods.iter().filter(|pod| has_started(pod));
    let asked =
        |pod: &PodView| Some(Asked { uid: pod.uid.clone(), at: SocketAddr::new(pod.ip?, WORKER_PORT) });
    running.filter_map(asked).collect()
}

fn seen(workload: &Workload, queues: ByQueue<QueueRead>, answers: &Answers, now: Timestamp) -> Seen {
    let depth = |read: &QueueRead| read.depth.unwrap_or(Depth::Unknown(UnknownDepth::NotRead));
    let observation = Observation {
        now: millis(now),
        queues: ByQueue {
            export_jobs: depth(&queues.export_jobs),
            download_tasks: depth(&queues.download_tasks),
        },
        pods: workload.pods.iter().map(|pod| pod_seen(pod, answers)).collect(),
        replicas: workload.replicas(),
    };
    let told = answers.values().filter_map(|answer| answer.as_ref().ok());
    let oldest = told.filter_map(|report: &PodReport| report.oldest_enqueued_at).min();
    let oldest = oldest.and_then(|at| Timestamp::from_millisecond(i64::try_from(at).ok()?).ok());
    Seen { observation, reports: counted(workload, answers), oldest, queues, rivals: ByQueue::default() }
}

fn counted(workload: &Workload, answers: &Answers) -> Reports {
    let ready = workload.pods.iter().filter(|pod| pod.phase == PodPhase::Ready);
    let answered: Vec<_> = ready.filter_map(|pod| answers.get(&pod.uid)).collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Reports {
        asked: count(answered.len()),
        read: count(answered.iter().filter(|answer| answer.is_ok()).count()),
    }
}

fn has_started(pod: &PodView) -> bool {
    !matches!(pod.phase, PodPhase::Unscheduled | PodPhase::Pending)
}

fn pod_seen(pod: &PodView, answers: &Answers) -> PodSeen {
    PodSeen {
        uid: pod.uid.clone(),
        phase: pod.phase,
        created_at: pod.created_at,
        ready_at: pod.ready_at,
        report: reading(pod, answers),
    }
}

fn reading(pod: &PodView, answers: &Answers) -> Reading {
    match answers.get(&pod.uid) {
        Some(Ok(report)) => Reading::Read(Box::new(report.into())),
        Some(Err(why)) => Reading::Unread(*why),
        None if pod.ip.is_none() || !has_started(pod) => Reading::Unread(UnreadReport::NotRunning),
        None => Reading::Unread(UnreadReport::NotSampled),
    }
}
