//! Events of a pool: on change only, and without numbers that move.

use std::time::Duration;

use jiff::Timestamp;
use kube_runtime::events::{Event, EventType};

use crate::api::{Condition, ConditionStatus};

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
        "Stalled" | "ReplicasContested" => condition.status == ConditionStatus::True,
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
