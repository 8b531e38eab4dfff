//! Observations, made up.

use std::time::Duration;

use exportpool_contract::report::{ByQueue, QueueCounters, Settled, Slots};
use exportpool_scaling::{
    Decision, Depth, History, Millis, Observation, PodNumbers, PodPhase, PodSeen, Policy, Reading, Settings,
    UnreadReport, decide,
};

pub(crate) const SLOTS: u64 = 4;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn policy(change: impl FnOnce(&mut Settings)) -> Policy {
    let mut settings = Settings::default();
    change(&mut settings);
    Policy::new(settings).unwrap_or_else(|invalid| unreachable!("{invalid}"))
}

/// Tasks of a second each.
pub(crate) fn second_tasks(settings: &mut Settings) {
    settings.expected_task = Some(secs(1));
}

/// `visible` jobs and nothing else, `second` seconds after the start of time.
pub(crate) fn seen(second: u64, visible: u64, replicas: u32) -> Observation {
    Observation {
        now: Millis(second * 1_000),
        queues: ByQueue { export_jobs: Depth::visible(visible), download_tasks: Depth::visible(0) },
        pods: vec![],
        replicas,
    }
}

pub(crate) fn with_pods(mut observation: Observation, pods: Vec<PodSeen>) -> Observation {
    observation.pods = pods;
    observation
}

pub(crate) fn pod(uid: u32, report: Reading) -> PodSeen {
    PodSeen { uid: format!("pod-{uid}"), phase: PodPhase::Ready, created_at: None, ready_at: None, report }
}

pub(crate) fn busy_pods(count: u32, busy: u64) -> Vec<PodSeen> {
    (0..count).map(|uid| pod(uid, Reading::Read(Box::new(numbers(busy))))).collect()
}

pub(crate) fn unread_pods(count: u32) -> Vec<PodSeen> {
    (0..count).map(|uid| pod(uid, Reading::Unread(UnreadReport::Unreachable))).collect()
}

pub(crate) fn numbers(busy: u64) -> PodNumbers {
    PodNumbers {
        instance_id: "first".into(),
        slots: Slots { total: SLOTS, busy, abandoned: 0 },
        leased: ByQueue { export_jobs: busy, download_tasks: 0 },
        ..PodNumbers::default()
    }
}

/// Numbers of a pod that has done so many jobs of one task each, of so many milliseconds.
pub(crate) fn done(jobs: u64, millis: u64) -> PodNumbers {
    let settled = Settled { done: jobs, ..Settled::default() };
    let queue = QueueCounters {
        received: jobs,
        settled,
        busy_slot_millis: jobs * millis,
        ..QueueCounters::default()
    };
    let queues = ByQueue { export_jobs: queue, download_tasks: QueueCounters::default() };
    PodNumbers { queues, tasks_listed: jobs, ..numbers(0) }
}

/// Observes all, decides on the last.
pub(crate) fn run(policy: &Policy, course: &[Observation]) -> Decision {
    let mut history = History::default();
    run_from(policy, &mut history, course)
}

pub(crate) fn run_from(policy: &Policy, history: &mut History, course: &[Observation]) -> Decision {
    course.iter().for_each(|observation| history.observe(policy, observation));
    let last = course.last().unwrap_or_else(|| unreachable!("a course has an observation"));
    decide(policy, history, last)
}

/// One observation a second, from..=to.
pub(crate) fn every_second(from: u64, to: u64, make: impl Fn(u64) -> Observation) -> Vec<Observation> {
    (from..=to).map(make).collect()
}

/// Asserts what was decided.
pub(crate) fn is(decision: &Decision, desired: u32, word: &str) {
    assert_eq!((decision.desired, decision.reason.word()), (desired, word), "{decision:#?}");
}
