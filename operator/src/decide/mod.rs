//! How many pods, and why: what `scaling` decides, and what people said beside it. Pure; time is an argument.
//!
//! In this order: `override`, a fixed number, `paused`, an older pool of another namespace on the same queue, then the
//! scaling with what a schedule asks for at least, and with a fallback while the queues cannot be read. `mode: Observe`
//! tells what would be, and changes nothing.

mod asked;
mod memory;
mod policy;
mod schedule;
mod share;
#[cfg(test)]
mod tests;
mod verdict;

use exportpool_scaling::{Decision, InvalidPolicy, Observation, Reason};
use jiff::Timestamp;

pub use memory::Memory;
pub use policy::{policy, slots};
pub use schedule::{InvalidSchedule, in_force};
pub use share::Sharing;
pub use verdict::{Verdict, Why};

use crate::api::{ExportPoolSpec, Fallback, FallbackBehavior, Schedule};
use asked::{only_observes, overridden, paused};
pub(crate) use policy::count;

/// A spec that nothing can be decided by: an older schema is installed, or a schedule is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    /// A number outside of its range.
    #[error("{0}")]
    Policy(#[from] InvalidPolicy),
    /// A schedule.
    #[error("{0}")]
    Schedule(#[from] InvalidSchedule),
}

impl Undecidable {
    /// A stable word for conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Policy(_) => "InvalidScaling",
            Self::Schedule(_) => "InvalidSchedule",
        }
    }
}

/// Takes an observation into the memory and decides. Once for each observation.
///
/// # Errors
/// [`Undecidable`]: the pods stay as many as they are.
pub fn decide(
    spec: &ExportPoolSpec,
    memory: &mut Memory,
    seen: &Observation,
    sharing: Sharing,
) -> Result<Verdict, Undecidable> {
    let now = timestamp(seen);
    let schedules = spec.scaling.as_ref().map_or(&[][..], |scaling| &scaling.schedules);
    let schedule = in_force(schedules, now)?.filter(|_| !spec.drain);
    let policy = policy(spec, schedule.map_or(0, |schedule| count(schedule.min_replicas)))?;
    let decision = memory.decide(&policy, &sharing.part_of(seen));
    let (replicas, why) = Case { spec, memory, seen, sharing: &sharing, now }.choose(&decision, schedule);
    Ok(Verdict { replicas, why, inputs: decision.inputs, shared_with: sharing.with })
}

/// What a verdict is made from, beside the decision.
struct Case<'a> {
    spec: &'a ExportPoolSpec,
    memory: &'a Memory,
    seen: &'a Observation,
    sharing: &'a Sharing,
    now: Timestamp,
}

impl Case<'_> {
    fn choose(&self, decision: &Decision, schedule: Option<&Schedule>) -> (u32, Why) {
        let present = self.seen.replicas;
        if let Some(by) = overridden(self.spec, self.now) {
            return (count(by.replicas), Why::Overridden { until: by.until.0 });
        }
        if let (Some(replicas), false) = (self.spec.replicas, self.spec.drain) {
            return (count(replicas), Why::Fixed);
        }
        if let Some(paused) = paused(self.spec, self.now) {
            let until = paused.until.as_ref().map(|until| until.0);
            return (present, Why::Paused { reason: paused.reason.clone(), until });
        }
        if only_observes(self.spec) {
            return (present, Why::Observing { would: decision.desired, reason: decision.reason.clone() });
        }
        if let Some(to) = self.yields_to(decision) {
            return (present, Why::Yielding { to });
        }
        self.scaled(decision, schedule)
    }

    /// Only of a queue that this pool may read: whoever may not learns nothing of who else does. One that is drained goes on:
    /// that is a way out.
    fn yields_to(&self, decision: &Decision) -> Option<String> {
        let unknown = matches!(decision.reason, Reason::HeldUnknown { .. });
        self.sharing.yields_to.clone().filter(|_| !unknown && !self.spec.drain)
    }

    fn scaled(&self, decision: &Decision, schedule: Option<&Schedule>) -> (u32, Why) {
        let (replicas, reason) = (decision.desired, decision.reason.clone());
        if let Some(fallen_back) = self.fallen_back(decision) {
            return fallen_back;
        }
        if self.spec.drain {
            let drained =
                replicas == 0 && self.seen.pods.is_empty() && !matches!(reason, Reason::HeldUnknown { .. });
            return (replicas, if drained { Why::Drained } else { Why::Draining { reason } });
        }
        match (&reason, schedule) {
            (Reason::AtMin { wanted, min }, Some(schedule)) if *min <= count(schedule.min_replicas) => {
                (replicas, Why::Scheduled { schedule: schedule.name.clone(), wanted: *wanted })
            }
            _ => (replicas, Why::Scaled(reason)),
        }
    }

    /// Never fewer than there are: what cannot be read takes nobody's pods away.
    fn fallen_back(&self, decision: &Decision) -> Option<(u32, Why)> {
        let fallback = self.spec.scaling.as_ref()?.fallback.as_ref()?;
        let failed_reads = self.memory.failed_reads();
        let unknown = matches!(decision.reason, Reason::HeldUnknown { .. });
        if !unknown || failed_reads < count(fallback.after_failed_reads) {
            return None;
        }
        let at_least = self.at_least(fallback)?;
        let replicas = decision.desired.max(at_least.min(self.largest()));
        Some((replicas, Why::FallenBack { behavior: fallback.behavior, failed_reads, at_least }))
    }

    fn at_least(&self, fallback: &Fallback) -> Option<u32> {
        match fallback.behavior {
            FallbackBehavior::Hold => None,
            FallbackBehavior::Static => fallback.replicas.map(count),
            FallbackBehavior::LastGood => self.memory.last_good(),
        }
    }

    fn largest(&self) -> u32 {
        self.spec.scaling.as_ref().map_or(u32::MAX, |scaling| count(scaling.max_replicas))
    }
}

fn timestamp(seen: &Observation) -> Timestamp {
    let millis = i64::try_from(seen.now.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}
