//! Which pods may go first: idle ones, by their deletion cost. Choosing is pure; a drain on SIGTERM is what makes it
//! safe to be wrong.
//!
//! The ReplicaSet controller deletes pods that are not assigned, pending or not ready before it looks at any cost
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset>).

use std::collections::BTreeMap;

use exportpool_scaling::{PodPhase, Reading};

use crate::observe::workload::PodView;

/// The lowest of our costs. They are all below what people use, so that whose a cost is can be seen.
const LOWEST: i32 = -2_000_000_000;
const HIGHEST: i32 = LOWEST + 1_000_000;

/// A pod that may go, and the cost that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Victim {
    /// Its name.
    pub(super) pod: String,
    /// Its UID.
    pub(super) uid: String,
    /// The lower, the sooner it goes.
    pub(super) cost: i32,
}

/// Whether a cost is one of ours.
#[must_use]
pub(super) const fn is_ours(cost: i32) -> bool {
    LOWEST <= cost && cost < HIGHEST
}

/// The pods that are to go when so many are taken away: the idlest, and of these the youngest. Pods that are not ready
/// go by themselves, and need no cost; pods with a cost of somebody else are left alone.
#[must_use]
pub(super) fn choose(pods: &[PodView], reports: &BTreeMap<String, Reading>, taken: u32) -> Vec<Victim> {
    let by_themselves =
        pods.iter().filter(|pod| !matches!(pod.phase, PodPhase::Ready | PodPhase::Terminating)).count();
    let taken = usize::try_from(taken).unwrap_or(usize::MAX).saturating_sub(by_themselves);
    let mut ready: Vec<_> =
        pods.iter().filter(|pod| pod.phase == PodPhase::Ready && !is_foreign(pod)).collect();
    ready.sort_by_key(|pod| {
        (in_hand(reports.get(&pod.uid)), std::cmp::Reverse(pod.ready_at), pod.name.clone())
    });
    let costs = LOWEST..HIGHEST;
    ready.iter().zip(costs).take(taken).map(|(pod, cost)| victim(pod, cost)).collect()
}

/// Pods whose cost is ours and that are not to go any more.
#[must_use]
pub(super) fn spared<'a>(pods: &'a [PodView], victims: &[Victim]) -> Vec<&'a PodView> {
    let is_victim = |pod: &PodView| victims.iter().any(|victim| victim.uid == pod.uid);
    let marked = pods.iter().filter(|pod| pod.deletion_cost.is_some_and(is_ours));
    marked.filter(|pod| pod.phase != PodPhase::Terminating && !is_victim(pod)).collect()
}

/// Whether every victim is seen with its cost.
#[must_use]
pub(super) fn all_marked(pods: &[PodView], victims: &[Victim]) -> bool {
    let marked = |victim: &Victim| {
        pods.iter().any(|pod| pod.uid == victim.uid && pod.deletion_cost == Some(victim.cost))
    };
    let gone = |victim: &Victim| pods.iter().all(|pod| pod.uid != victim.uid);
    victims.iter().all(|victim| marked(victim) || gone(victim))
}

/// Whether a pod has a cost that somebody else gave it.
pub(crate) fn is_foreign(pod: &PodView) -> bool {
    pod.deletion_cost.is_some_and(|cost| !is_ours(cost))
}

fn victim(pod: &PodView, cost: i32) -> Victim {
    Victim { pod: pod.name.clone(), uid: pod.uid.clone(), cost }
}

/// What a pod has in hand; one that does not say goes last.
fn in_hand(report: Option<&Reading>) -> u64 {
    match report {
        Some(Reading::Read(numbers)) => numbers.slots.busy + numbers.waiting,
        _ => u64::MAX,
    }
}
