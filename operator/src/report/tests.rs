//! What a pool says of itself.

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{Depth, Learned, Millis, PodPhase, Reason, UnknownDepth};
use jiff::Timestamp;

use super::{conditions::conditions, *};
use crate::{
    api::{Condition, ConditionStatus, sample::pool},
    decide::Why,
    observe::workload::PodView,
};

const NOON: Timestamp = Timestamp::constant(1_795_608_000, 0);

fn pod(n: u32, phase: PodPhase) -> PodView {
    PodView {
        name: format!("reports-{n}"),
        uid: format!("uid-{n}"),
        replica_set: "set".into(),
        ip: None,
        phase,
        created_at: None,
        ready_at: (phase == PodPhase::Ready).then_some(Millis(0)),
        deletion_cost: None,
        waits_for: None,
    }
}

fn verdict(replicas: u32, why: Why) -> Result<Verdict, Undecidable> {
    Ok(Verdict { replicas, why, inputs: None, shared_with: vec![] })
}

fn steady(replicas: u32) -> Result<Verdict, Undecidable> {
    verdict(replicas, Why::Scaled(Reason::Steady))
}

fn read(depth: Depth) -> QueueRead {
    QueueRead { depth: Some(depth), fault: None }
}

/// The conditions of a pool with such pods and such a verdict, whose queues hold nothing.
fn told(
    pods: Vec<PodView>,
    verdict: &Result<Verdict, Undecidable>,
    hindrance: Hindrance<'_>,
) -> Vec<Condition> {
    let empty = || read(Depth::visible(0));
    told_of(&ByQueue { export_jobs: empty(), download_tasks: empty() }, pods, verdict, hindrance)
}

fn told_of(
    queues: &ByQueue<QueueRead>,
    pods: Vec<PodView>,
    verdict: &Result<Verdict, Undecidable>,
    hindrance: Hindrance<'_>,
) -> Vec<Condition> {
    let round = Round {
        pool: &pool(|_| {}),
        now: NOON,
        workload: &Workload { deployment: None, pods },
        queues,
        reports: Reports::default(),
        oldest: None,
        learned: &Learned::default(),
        verdict: Some(verdict),
        hindrance,
    };
    conditions(&round, &[])
}

/// A condition's status, its reason and its message; none if it is not there.
fn find(conditions: &[Condition], type_: &str) -> Option<(ConditionStatus, String, String)> {
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    Some((found.status, found.reason.clone(), found.message.clone()))
}

fn of(conditions: &[Condition], type_: &str) -> (ConditionStatus, String, String) {
    find(conditions, type_).unwrap_or_else(|| panic!("no {type_} in {conditions:#?}"))
}

#[test]
fn a_pool_whose_pods_are_ready_is_and_says_nothing_of_trouble() {
    let ready = vec![pod(1, PodPhase::Ready), pod(2, PodPhase::Ready)];
    let conditions = told(ready, &steady(2), Hindrance::default());
    assert_eq!(of(&conditions, "Ready").1, "PodsReady");
    let trouble = ["Reconciling", "Stalled", "ReplicasContested", "QueueShared", "CostContested"];
    assert!(trouble.iter().all(|type_| find(&conditions, type_).is_none()), "{conditions:#?}");
}

#[test]
fn pods_that_do_not_start_say_why_in_the_schedulers_or_kubelets_word() {
    let waits = |phase, word: &str| PodView { waits_for: Some(word.into()), ..pod(1, phase) };
    for (phase, word) in [
        (PodPhase::Unscheduled, "Unschedulable"),
        (PodPhase::Pending, "ImagePullBackOff"),
        (PodPhase::Unready, "CrashLoopBackOff"),
    ] {
        let (status, reason, message) =
            of(&told(vec![waits(phase, word)], &steady(1), Hindrance::default()), "Ready");
        assert_eq!((status, reason.as_str()), (ConditionStatus::False, "PodsStuck"));
        assert!(message.contains(word) && message.contains("kubectl describe pod reports-1"), "{message}");
    }
    let starting = waits(PodPhase::Pending, "ContainerCreating");
    let (_, reason, _) = of(&told(vec![starting], &steady(1), Hindrance::default()), "Ready");
    assert_eq!(reason, "PodsStarting");
}

#[test]
fn a_queue_that_cannot_be_read_is_named_with_its_remedy() {
    let fault = ("Denied", "allow sqs:GetQueueAttributes".to_owned());
    let denied = QueueRead { depth: Some(Depth::Unknown(UnknownDepth::Denied)), fault: Some(fault) };
    let queues = ByQueue { export_jobs: read(Depth::visible(0)), download_tasks: denied };
    let conditions = told_of(&queues, vec![], &steady(0), Hindrance::default());
    let (status, reason, message) = of(&conditions, "QueuesReadable");
    assert_eq!((status, reason.as_str()), (ConditionStatus::False, "Denied"));
    assert!(
        message.contains("downloadTasks") && message.contains("allow sqs:GetQueueAttributes"),
        "{message}"
    );
    assert_eq!(of(&conditions, "Ready").1, "Denied");
}

#[test]
fn the_younger_pool_of_two_is_stalled_and_says_which_one_has_its_queue() {
    let yielding = verdict(0, Why::Yielding { to: "other/older".into() });
    let conditions = told(vec![], &yielding, Hindrance::default());
    for type_ in ["Ready", "Stalled", "ScalingActive"] {
        let (_, reason, message) = of(&conditions, type_);
        assert_eq!(reason, "QueueConflict", "{type_}");
        assert!(message.contains("other/older") && message.contains("queues of its own"), "{message}");
    }
    assert_eq!(of(&conditions, "Stalled").0, ConditionStatus::True);
}

#[test]
fn pools_that_share_a_queue_are_named_but_not_all_of_many() {
    let sharing = |with: &[&str]| {
        let shared_with = with.iter().map(|name| (*name).to_owned()).collect();
        let verdict = steady(0).map(|verdict| Verdict { shared_with, ..verdict });
        let conditions = told(vec![], &verdict, Hindrance::default());
        assert_eq!(of(&conditions, "Ready").0, ConditionStatus::True);
        of(&conditions, "QueueShared").2
    };
    assert!(sharing(&["a"]).starts_with("a work on"));
    assert!(sharing(&["a", "b", "c"]).starts_with("a, b, c work on"));
    assert!(sharing(&["a", "b", "c", "d", "e"]).starts_with("a, b, c and 2 more work on"));
}

#[test]
fn a_deletion_cost_of_somebody_else_is_told_of_and_not_of_pods_that_go() {
    let foreign = |phase| PodView { deletion_cost: Some(100), ..pod(1, phase) };
    let conditions = told(vec![foreign(PodPhase::Ready)], &steady(1), Hindrance::default());
    let (status, reason, message) = of(&conditions, "CostContested");
    assert_eq!((status, reason.as_str()), (ConditionStatus::True, "ForeignAnnotation"));
    assert!(message.contains("reports-1"), "{message}");
    let ours = PodView { deletion_cost: Some(-2_000_000_000), ..pod(2, PodPhase::Ready) };
    let conditions = told(vec![foreign(PodPhase::Terminating), ours], &steady(1), Hindrance::default());
    assert_eq!(find(&conditions, "CostContested"), None);
}

#[test]
fn what_passes_is_reconciling_and_what_does_not_is_stalled() {
    let of_fault = |fault: ApplyFault| {
        let obstacle = Obstacle::Apply(fault);
        let hindrance = Hindrance { obstacle: Some(&obstacle), ..Hindrance::default() };
        let conditions = told(vec![], &steady(0), hindrance);
        (find(&conditions, "Reconciling").is_some(), find(&conditions, "Stalled").is_some())
    };
    assert_eq!(of_fault(ApplyFault::Conflict { kind: "Deployment".into() }), (true, false));
    let forbidden = ApplyFault::Forbidden { kind: "Deployment".into(), said: String::new() };
    assert_eq!(of_fault(forbidden), (false, true));
}

#[test]
fn the_time_of_a_condition_is_of_its_last_change_of_status() {
    let before = told(vec![], &steady(0), Hindrance::default());
    let later = Timestamp::constant(1_795_608_060, 0);
    let (empty, verdict) = (read(Depth::visible(0)), verdict(3, Why::Fixed));
    let round = Round {
        pool: &pool(|_| {}),
        now: later,
        workload: &Workload::default(),
        queues: &ByQueue { export_jobs: empty.clone(), download_tasks: empty },
        reports: Reports::default(),
        oldest: None,
        learned: &Learned::default(),
        verdict: Some(&verdict),
        hindrance: Hindrance::default(),
    };
    let now = conditions(&round, &before);
    let at = |type_: &str| now.iter().find(|c| c.type_ == type_).unwrap().last_transition_time.0;
    assert_eq!((at("Ready"), at("QueuesReadable")), (later, NOON));
}
