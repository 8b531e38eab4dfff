//! Events of a pool: on change only, and without numbers that move.

use std::time::Duration;

use jiff::Timestamp;
use kube_runtime::events::{Event, EventType};

use crate::{
    api::{Condition, ConditionStatus, ExportPool},
    apply::render::warnings,
};

/// `ScaledOut` and `ScaledIn` come at most this often.
const SCALED_EVERY: Duration = Duration::from_secs(10);

/// What was told of a pool.
#[derive(Debug, Default)]
pub struct Told {
    scaled_at: Option<Timestamp>,
}

impl Told {
    /// The event for replicas that were changed; none if the last one is too recent.
    pub fn scaled(&mut self, from: u32, to: u32, why: &str, now: Timestamp) -> Option<Event> {
        let recent = self.scaled_at.is_some_and(|at| now.duration_since(at).unsigned_abs() < SCALED_EVERY);
        if from == to || recent {
            return None;
        }
        self.scaled_at = Some(now);
        let reason = if to > from { "ScaledOut" } else { "ScaledIn" };
        Some(event(EventType::Normal, reason, "Scale", format!("from {from} to {to} pods: {why}")))
    }
}

/// What people should know of a spec, once for each generation of it.
#[must_use]
pub fn of_spec(pool: &ExportPool) -> Vec<Event> {
    let told = pool.status.as_ref().and_then(|status| status.observed_generation);
    if told == pool.metadata.generation {
        return Vec::new();
    }
    let warnings = warnings(&pool.spec).into_iter();
    warnings.map(|warning| event(EventType::Warning, warning.reason, "Render", warning.message)).collect()
}

/// The events for conditions that changed from good to bad, or back.
#[must_use]
pub fn of_conditions(before: &[Condition], now: &[Condition]) -> Vec<Event> {
    let changed = now.iter().filter_map(|condition| {
        let (was, is) = (badness(find(before, condition)), badness(Some(condition)));
        match (was, is) {
            (was, Some(reason)) if was != Some(reason) => Some(warning(condition, reason)),
            (Some(_), None) => Some(recovered(condition)),
            _ => None,
        }
    });
    let gone = before
        .iter()
        .filter(|condition| badness(Some(condition)).is_some() && find(now, condition).is_none());
    changed.chain(gone.map(recovered)).collect()
}

fn find<'a>(conditions: &'a [Condition], like: &Condition) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == like.type_)
}

/// The reason why a condition is bad, for those that people should hear of: others follow from them, or come and go with
/// every scaling.
fn badness(condition: Option<&Condition>) -> Option<&str> {
    let condition = condition?;
    let bad = match condition.type_.as_str() {
        "Stalled" | "ReplicasContested" | "PoolContested" | "CostContested" => {
            condition.status == ConditionStatus::True
        }
        "QueuesReadable" | "ReportsReadable" | "ObjectiveReachable" => {
            condition.status == ConditionStatus::False
        }
        _ => false,
    };
    bad.then_some(condition.reason.as_str())
}

fn warning(condition: &Condition, reason: &str) -> Event {
    event(EventType::Warning, reason, "Reconcile", condition.message.clone())
}

fn recovered(condition: &Condition) -> Event {
    let note = format!("{} is well again", condition.type_);
    event(EventType::Normal, "Recovered", "Reconcile", note)
}

fn event(type_: EventType, reason: &str, action: &str, note: String) -> Event {
    Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::sample::pool;

    #[test]
    fn a_spec_is_warned_of_once_for_each_generation() {
        let told = |observed: Option<i64>| {
            let pool = pool(|pool| {
                pool["metadata"]["generation"] = json!(2);
                pool["spec"]["image"] = json!("consumer:latest");
                pool["status"] = json!({"observedGeneration": observed});
            });
            of_spec(&pool).into_iter().map(|event| event.reason).collect::<Vec<_>>()
        };
        assert_eq!(told(None), ["MovingTag"]);
        assert_eq!(told(Some(1)), ["MovingTag"]);
        assert!(told(Some(2)).is_empty());
    }
}
