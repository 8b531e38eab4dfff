//! Pools on one queue: those of a namespace share its work, and of two namespaces the younger pool holds.
//!
//! Each works off its part, by what it may grow to: `maxReplicas` times the slots of a pod, or the pods that people fixed it
//! at. Otherwise each would ask for pods for all of the backlog.

use std::sync::Arc;

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{Depth, Observation};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    asked::{only_observes, overridden, paused},
    count, slots,
};
use crate::{
    api::{ConditionStatus, ExportPool},
    observe::queues::QueueFault,
};

/// How a pool shares its queues with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharing {
    /// The part of each queue's messages that is this pool's, above 0 to 1.
    pub parts: ByQueue<f64>,
    /// Pools of its namespace on one of its queues, by name.
    pub with: Vec<String>,
    /// An older pool of another namespace on one of its queues: `namespace/name`.
    pub yields_to: Option<String>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { parts: ByQueue { export_jobs: 1.0, download_tasks: 1.0 }, with: vec![], yields_to: None }
    }
}

impl Sharing {
    /// How a pool shares its queues with the other pools on them.
    ///
    /// One that may not read a queue has no part in it: else whoever may create a pool could keep others from their work.
    #[must_use]
    pub fn of(pool: &ExportPool, rivals: &ByQueue<Vec<Arc<ExportPool>>>, now: Timestamp) -> Self {
        let all = || rivals.export_jobs.iter().chain(&rivals.download_tasks).filter(|rival| reads(rival));
        let is_near = |rival: &&Arc<ExportPool>| rival.namespace() == pool.namespace();
        let mut with: Vec<_> = all().filter(is_near).map(|rival| rival.name_any()).collect();
        with.sort();
        with.dedup();
        let mut far = all().filter(|rival| !is_near(rival) && !only_observes(&rival.spec));
        let older = far.find(|rival| is_older(rival, pool));
        Self {
            parts: ByQueue {
                export_jobs: part(pool, &rivals.export_jobs, now),
                download_tasks: part(pool, &rivals.download_tasks, now),
            },
            with,
            yields_to: older
                .map(|older| format!("{}/{}", older.namespace().unwrap_or_default(), older.name_any())),
        }
    }

    /// What of an observation is this pool's.
    #[must_use]
    pub(super) fn part_of(&self, seen: &Observation) -> Observation {
        let queues = ByQueue {
            export_jobs: scaled(seen.queues.export_jobs, self.parts.export_jobs),
            download_tasks: scaled(seen.queues.download_tasks, self.parts.download_tasks),
        };
        Observation { queues, ..seen.clone() }
    }
}

/// A pool's part of a queue.
#[expect(clippy::cast_precision_loss, reason = "a part of it is what matters")]
fn part(pool: &ExportPool, rivals: &[Arc<ExportPool>], now: Timestamp) -> f64 {
    let near = rivals.iter().filter(|rival| rival.namespace() == pool.namespace() && reads(rival));
    let own = weight(pool, now).max(1);
    let all = near.fold(own, |all, rival| all.saturating_add(weight(rival, now)));
    own as f64 / all as f64
}

/// The slots that a pool may grow to, or has where people fixed them. One that only observes asks for none.
fn weight(pool: &ExportPool, now: Timestamp) -> u64 {
    let spec = &pool.spec;
    let replicas = match (overridden(spec, now), &spec.scaling) {
        (Some(by), _) => by.replicas,
        (None, None) => spec.replicas.unwrap_or(0),
        (None, Some(_)) if paused(spec, now).is_some() => {
            pool.status.as_ref().map_or(0, |status| status.desired_replicas)
        }
        (None, Some(_)) if only_observes(spec) => 0,
        (None, Some(scaling)) => scaling.max_replicas,
    };
    u64::from(count(replicas)) * u64::from(slots(&spec.worker))
}

/// Whether a pool reads its queues, or did: one that no operator looks after, or not yet, has no part in them.
fn reads(rival: &ExportPool) -> bool {
    let conditions = rival.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let readable = conditions.iter().find(|condition| condition.type_ == "QueuesReadable");
    let may = readable.is_some_and(|readable| {
        readable.status == ConditionStatus::True || QueueFault::passes(&readable.reason)
    });
    may && rival.metadata.deletion_timestamp.is_none()
}

/// By creation, and of the same second by name: both must come to the same answer.
fn is_older(rival: &ExportPool, pool: &ExportPool) -> bool {
    let age = |of: &ExportPool| (of.creation_timestamp().map(|at| at.0), of.namespace(), of.name_any());
    age(rival) < age(pool)
}

/// Rounded up: a message that is there stays there.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "SQS's counts are approximate, and casts of floats saturate"
)]
fn scaled(depth: Depth, part: f64) -> Depth {
    let of = |messages: u64| if part < 1.0 { (messages as f64 * part).ceil() as u64 } else { messages };
    match depth {
        Depth::Known { visible, not_visible, delayed, delay } => {
            Depth::Known { visible: of(visible), not_visible: of(not_visible), delayed: of(delayed), delay }
        }
        unknown @ Depth::Unknown(_) => unknown,
    }
}

#[cfg(test)]
mod tests {
    use exportpool_scaling::UnknownDepth;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::sample::pool;

    fn named(namespace: &str, name: &str, second: u32, change: impl FnOnce(&mut Value)) -> Arc<ExportPool> {
        Arc::new(pool(|pool| {
            pool["metadata"]["name"] = json!(name);
            pool["metadata"]["namespace"] = json!(namespace);
            pool["metadata"]["creationTimestamp"] = json!(format!("2026-11-25T12:00:{second:02}Z"));
            queues_readable(pool, "True", "Read");
            change(pool);
        }))
    }

    fn queues_readable(pool: &mut Value, status: &str, reason: &str) {
        pool["status"] = json!({"conditions": [{
            "type": "QueuesReadable", "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-25T12:00:00Z",
        }]});
    }

    fn unreadable(reason: &'static str) -> impl FnOnce(&mut Value) {
        move |pool| queues_readable(pool, "False", reason)
    }

    fn sharing(pool: &ExportPool, rivals: &[&Arc<ExportPool>]) -> Sharing {
        let rivals: Vec<_> = rivals.iter().map(|rival| Arc::clone(rival)).collect();
        let now = "2026-11-25T13:00:00Z".parse().unwrap();
        Sharing::of(pool, &ByQueue { export_jobs: rivals, download_tasks: vec![] }, now)
    }

    #[test]
    fn pools_of_a_namespace_share_a_queue_by_the_slots_they_may_grow_to() {
        let max = |max: i32| move |pool: &mut Value| pool["spec"]["scaling"] = json!({"maxReplicas": max});
        let (a, b) = (named("x", "a", 1, max(30)), named("x", "b", 2, max(10)));
        let (of_a, of_b) = (sharing(&a, &[&b]), sharing(&b, &[&a]));
        assert_eq!((of_a.parts.export_jobs, of_b.parts.export_jobs), (0.75, 0.25));
        assert_eq!((of_a.parts.download_tasks, of_a.with, of_a.yields_to), (1.0, vec!["b".to_owned()], None));
    }

    #[test]
    fn a_pool_that_people_fixed_has_the_part_of_the_pods_that_it_has() {
        let max = |more: Value| {
            move |pool: &mut Value| {
                pool["spec"]["scaling"] = more;
                pool["spec"]["scaling"]["maxReplicas"] = json!(30);
                pool["status"]["desiredReplicas"] = json!(10);
            }
        };
        let pool = named("x", "a", 1, max(json!({})));
        let part = |more: Value| sharing(&pool, &[&named("x", "b", 2, max(more))]).parts.export_jobs;
        let until = |hour: u32| format!("2026-11-25T{hour}:00:00Z");
        assert_eq!(part(json!({"override": {"replicas": 0, "until": until(14)}})), 1.0);
        assert_eq!(part(json!({"override": {"replicas": 0, "until": until(12)}})), 0.5, "it is over");
        assert_eq!(part(json!({"paused": {"reason": "an incident"}})), 0.75);
        assert_eq!(part(json!({"paused": {"reason": "an incident", "until": until(12)}})), 0.5, "it is over");
    }

    #[test]
    fn of_two_namespaces_the_younger_pool_yields_and_of_one_second_one_of_them() {
        let (a, b) = (named("x", "a", 1, |_| {}), named("y", "b", 2, |_| {}));
        assert_eq!(sharing(&a, &[&b]), Sharing::default());
        assert_eq!(sharing(&b, &[&a]).yields_to.as_deref(), Some("x/a"));
        let twin = named("y", "b", 1, |_| {});
        assert_eq!(sharing(&a, &[&twin]).yields_to, None);
        assert_eq!(sharing(&twin, &[&a]).yields_to.as_deref(), Some("x/a"));
    }

    #[test]
    fn who_may_not_read_a_queue_keeps_nobody_from_it() {
        let pool = named("y", "b", 2, |_| {});
        for reason in ["NotAllowed", "Denied", "SecretMissing"] {
            let stranger = named("x", "a", 1, unreadable(reason));
            assert_eq!(sharing(&pool, &[&stranger]), Sharing::default(), "{reason}");
        }
        let unattended = named("x", "a", 1, |pool| pool["status"] = json!({}));
        assert_eq!(sharing(&pool, &[&unattended]), Sharing::default());
        let throttled = named("x", "a", 1, unreadable("Throttled"));
        assert_eq!(sharing(&pool, &[&throttled]).yields_to.as_deref(), Some("x/a"));
    }

    #[test]
    fn a_pool_that_goes_away_or_only_observes_leaves_the_work_to_others() {
        let pool = named("x", "b", 2, |_| {});
        let leaving =
            |pool: &mut Value| pool["metadata"]["deletionTimestamp"] = json!("2026-11-25T12:00:03Z");
        assert_eq!(sharing(&pool, &[&named("y", "a", 1, leaving)]), Sharing::default());
        let observes = |pool: &mut Value| pool["spec"]["scaling"]["mode"] = json!("Observe");
        assert_eq!(sharing(&pool, &[&named("x", "a", 1, observes)]).parts, Sharing::default().parts);
        assert_eq!(sharing(&pool, &[&named("y", "a", 1, observes)]), Sharing::default());
    }

    #[test]
    fn a_message_that_is_there_stays_there_and_what_is_unknown_stays_unknown() {
        let third = |depth| scaled(depth, 1.0 / 3.0);
        assert_eq!(third(Depth::visible(1)), Depth::visible(1));
        assert_eq!(third(Depth::visible(30)), Depth::visible(10));
        let unknown = Depth::Unknown(UnknownDepth::Throttled);
        assert_eq!(third(unknown), unknown);
        assert_eq!(scaled(Depth::visible(u64::MAX), 1.0), Depth::visible(u64::MAX));
    }
}
