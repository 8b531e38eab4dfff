//! Ready, and what stands in the way. Pure.
//!
//! `Reconciling` and `Stalled` are there only while they are true, as kstatus has it
//! (<https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>).

use exportpool_scaling::{Depth, PodPhase, Reason, UnknownDepth};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{QueueRead, Round};
use crate::{
    api::{Condition, ConditionStatus},
    apply::is_foreign,
    decide::{Verdict, Why},
    names::DELETION_COST,
};

/// What to do where two operators look after one pool.
pub(crate) const ONE_EACH: &str =
    "give one of the two a class, or namespaces (the chart's class and watchNamespaces) without this one";

/// A condition without its times.
struct Fact {
    type_: &'static str,
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Fact {
    fn new(type_: &'static str, status: ConditionStatus, reason: &str, message: impl Into<String>) -> Self {
        Self { type_, status, reason: reason.to_owned(), message: message.into() }
    }
}

use ConditionStatus::{False, True, Unknown};

/// Every type of condition there is.
pub(super) const TYPES: [&str; 11] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "QueuesReadable",
    "ReportsReadable",
    "ScalingActive",
    "ObjectiveReachable",
    "ReplicasContested",
    "PoolContested",
    "QueueShared",
    "CostContested",
];

/// The conditions of a round, with the times of those that did not change.
pub(super) fn conditions(round: &Round<'_>, before: &[Condition]) -> Vec<Condition> {
    let facts = [
        Some(ready(round)),
        reconciling(round),
        stalled(round),
        Some(queues_readable(round)),
        Some(reports_readable(round)),
        Some(scaling_active(round)),
        objective_reachable(round),
        replicas_contested(round),
        pool_contested(round),
        queue_shared(round),
        cost_contested(round),
    ];
    facts.into_iter().flatten().map(|fact| dated(fact, round, before)).collect()
}

fn dated(fact: Fact, round: &Round<'_>, before: &[Condition]) -> Condition {
    debug_assert!(TYPES.contains(&fact.type_), "{} is not among TYPES", fact.type_);
    let same = before.iter().find(|c| c.type_ == fact.type_ && c.status == fact.status);
    Condition {
        type_: fact.type_.to_owned(),
        status: fact.status,
        reason: fact.reason,
        message: fact.message.chars().take(1024).collect(),
        last_transition_time: same.map_or(Time(round.now), |c| c.last_transition_time.clone()),
        observed_generation: round.pool.metadata.generation,
    }
}

fn ready(round: &Round<'_>) -> Fact {
    if let Some((reason, message)) = lasting_obstacle(round) {
        return Fact::new("Ready", False, reason, message);
    }
    if let Some((reason, message)) = unreadable(round) {
        return Fact::new("Ready", False, reason, message);
    }
    if let (Some(obstacle), None) = (round.hindrance.obstacle, &round.workload.deployment) {
        return Fact::new("Ready", False, obstacle.reason(), format!("{obstacle}: tried again"));
    }
    let Some(Ok(verdict)) = round.verdict else {
        return Fact::new("Ready", Unknown, "NotRead", "the queues were not read yet");
    };
    let (_, ready) = round.workload.present();
    let wanted = usize::try_from(verdict.replicas).unwrap_or(usize::MAX);
    if wanted == 0 {
        return Fact::new("Ready", True, "ScaledToZero", "there is nothing to do, and the queues are read");
    }
    if ready >= wanted {
        return Fact::new("Ready", True, "PodsReady", format!("{ready} pods are ready"));
    }
    let (reason, why) = missing_pods(round);
    Fact::new("Ready", False, reason, format!("{ready} of {wanted} pods are ready{why}"))
}

/// What keeps pods from becoming ready, in the words of the scheduler or the kubelet.
fn missing_pods(round: &Round<'_>) -> (&'static str, String) {
    let not_ready = |phase| !matches!(phase, PodPhase::Ready | PodPhase::Terminating);
    let mut waiting = round.workload.pods.iter().filter(|pod| not_ready(pod.phase));
    let stuck = waiting.find_map(|pod| {
        let word = pod
            .waits_for
            .as_deref()
            .filter(|word| *word != "ContainerCreating" && *word != "PodInitializing");
        word.map(|word| format!("; {}: {word}, see kubectl describe pod {}", pod.name, pod.name))
    });
    stuck.map_or_else(|| ("PodsStarting", String::new()), |why| ("PodsStuck", why))
}

fn reconciling(round: &Round<'_>) -> Option<Fact> {
    if let Some(obstacle) = round.hindrance.obstacle.filter(|obstacle| obstacle.passes()) {
        return Some(Fact::new("Reconciling", True, obstacle.reason(), format!("{obstacle}: tried again")));
    }
    if round.hindrance.waits_its_turn {
        let message = "this operator renders other pods than the one before it: they are replaced when those of other \
                       pools are (--max-concurrent-rollouts)";
        return Some(Fact::new("Reconciling", True, "AwaitsRollout", message));
    }
    let rolling = round.workload.is_rolling_out();
    rolling.then(|| Fact::new("Reconciling", True, "RollingOut", "pods of an older template are replaced"))
}

fn stalled(round: &Round<'_>) -> Option<Fact> {
    lasting_obstacle(round).map(|(reason, message)| Fact::new("Stalled", True, reason, message))
}

/// What will not pass before somebody does something.
fn lasting_obstacle(round: &Round<'_>) -> Option<(&'static str, String)> {
    if let Some(obstacle) = round.hindrance.obstacle.filter(|obstacle| !obstacle.passes()) {
        return Some((obstacle.reason(), obstacle.to_string()));
    }
    match round.verdict {
        Some(Err(undecidable)) => Some((undecidable.reason(), undecidable.to_string())),
        Some(Ok(Verdict { why: why @ Why::Yielding { .. }, .. })) => Some((why.word(), why.to_string())),
        _ => None,
    }
}

fn queues_readable(round: &Round<'_>) -> Fact {
    let queues = [&round.queues.export_jobs, &round.queues.download_tasks];
    if let Some((reason, message)) = unreadable(round) {
        return Fact::new("QueuesReadable", False, reason, message);
    }
    if queues.iter().any(|queue| queue.depth.is_none()) {
        return Fact::new("QueuesReadable", Unknown, "NotRead", "the queues were not read yet");
    }
    Fact::new("QueuesReadable", True, "Read", "both queues are read")
}

/// The first queue that cannot be read.
fn unreadable(round: &Round<'_>) -> Option<(&'static str, String)> {
    let named = [("exportJobs", &round.queues.export_jobs), ("downloadTasks", &round.queues.download_tasks)];
    named.into_iter().find_map(|(name, queue)| {
        let (reason, message) = told(queue)?;
        Some((reason, format!("{name} cannot be read: {message}")))
    })
}

fn told(queue: &QueueRead) -> Option<(&'static str, String)> {
    match (&queue.fault, &queue.depth) {
        (Some(fault), _) => Some(fault.clone()),
        (None, Some(Depth::Unknown(why))) if *why != UnknownDepth::NotRead => {
            Some((why.word(), "it is read again".to_owned()))
        }
        (None, _) => None,
    }
}

fn reports_readable(round: &Round<'_>) -> Fact {
    let (asked, read) = (round.reports.asked, round.reports.read);
    if asked == 0 {
        return Fact::new("ReportsReadable", True, "NoPods", "there are no ready pods to ask");
    }
    let enough = read * 2 >= asked;
    if enough {
        // Without numbers: they move from round to round.
        return Fact::new("ReportsReadable", True, "Read", "pods tell what they do");
    }
    let message = "most pods do not tell what they do: nothing is scaled in; look whether a NetworkPolicy keeps the \
                   operator from port 3000 of the pods";
    Fact::new("ReportsReadable", False, "Unreadable", message)
}

fn scaling_active(round: &Round<'_>) -> Fact {
    let verdict = match round.verdict {
        None => return Fact::new("ScalingActive", Unknown, "NotRead", "the queues were not read yet"),
        Some(Err(undecidable)) => {
            return Fact::new("ScalingActive", False, undecidable.reason(), undecidable.to_string());
        }
        Some(Ok(verdict)) => verdict,
    };
    let word = verdict.why.word();
    match &verdict.why {
        Why::Fixed | Why::Overridden { .. } | Why::Paused { .. } | Why::Yielding { .. } => {
            Fact::new("ScalingActive", False, word, verdict.why.to_string())
        }
        Why::Observing { .. } => Fact::new(
            "ScalingActive",
            False,
            word,
            "scaling.mode is Observe: decisions are reported, and not carried out",
        ),
        Why::FallenBack { .. } | Why::Scaled(Reason::HeldUnknown { .. }) => {
            Fact::new("ScalingActive", False, word, "a queue cannot be read: no pod is taken away")
        }
        _ => Fact::new("ScalingActive", True, "Scaling", "the pods follow the queues"),
    }
}

/// Whether the backlog can be worked off in the drain time.
fn objective_reachable(round: &Round<'_>) -> Option<Fact> {
    let scaling = round.pool.spec.scaling.as_ref()?;
    let Some(Ok(Verdict { inputs: Some(inputs), .. })) = round.verdict else { return None };
    let drain = scaling.drain_time_seconds;
    let start = inputs.pod_start_seconds.unwrap_or(0.0);
    if start >= f64::from(drain) {
        let message = format!(
            "pods take {start:.0} s to start, drainTimeSeconds is {drain}: raise it, or make pods start faster (a \
             smaller image, nodes that are there)"
        );
        return Some(Fact::new("ObjectiveReachable", False, "StartTooSlow", message));
    }
    let max = scaling.max_replicas;
    if inputs.wanted > crate::decide::count(max) {
        let message = format!(
            "the backlog needs {} pods to be worked off in {drain} s, maxReplicas is {max}: raise maxReplicas or \
             drainTimeSeconds",
            inputs.wanted
        );
        return Some(Fact::new("ObjectiveReachable", False, "MaxReplicas", message));
    }
    Some(Fact::new("ObjectiveReachable", True, "Reachable", "the pods suffice for the drain time"))
}

fn replicas_contested(round: &Round<'_>) -> Option<Fact> {
    let who = round.hindrance.contested_by?;
    let message = format!(
        "{who} writes the replicas of the Deployment as well, and is overruled: let it scale the ExportPool (spec.replicas \
         in place of spec.scaling), or not at all"
    );
    Some(Fact::new("ReplicasContested", True, "ForeignWriter", message))
}

fn pool_contested(round: &Round<'_>) -> Option<Fact> {
    let who = round.hindrance.rival?;
    let message = format!("the operator {who} looks after this pool as well, and lets go of it: {ONE_EACH}");
    Some(Fact::new("PoolContested", True, "AnotherOperator", message))
}

fn queue_shared(round: &Round<'_>) -> Option<Fact> {
    let Some(Ok(Verdict { shared_with: with, .. })) = round.verdict else { return None };
    if with.is_empty() {
        return None;
    }
    let message = format!(
        "{} work on one of these queues as well: each pool works off its part, by maxReplicas times slots",
        some(with)
    );
    Some(Fact::new("QueueShared", True, "SameNamespace", message))
}

fn cost_contested(round: &Round<'_>) -> Option<Fact> {
    let pods = round.workload.pods.iter().filter(|pod| pod.phase != PodPhase::Terminating);
    let theirs: Vec<_> = pods.filter(|pod| is_foreign(pod)).map(|pod| pod.name.clone()).collect();
    if theirs.is_empty() {
        return None;
    }
    let message = format!(
        "pods have a {DELETION_COST} that is not the operator's, which is left alone, so that busy pods may go before idle \
         ones: remove that annotation from {}",
        some(&theirs)
    );
    Some(Fact::new("CostContested", True, "ForeignAnnotation", message))
}

/// The first names of many.
fn some(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        few => few.join(", "),
    }
}
