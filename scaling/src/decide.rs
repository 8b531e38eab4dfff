//! From demand and limits to a decision.

use crate::brake::Braked;
use crate::decision::{Decision, Inputs, Reason};
use crate::demand::Demand;
use crate::history::History;
use crate::limits::{Ceiling, step_floor, step_too_soon, zero_block};
use crate::observation::Observation;
use crate::policy::Policy;

/// How many replicas to ask for, and why.
///
/// [`History::observe`] with the same observation comes first. Changes nothing and can be asked again.
///
/// What wins over what: a pause; then what is unknown; then `minReplicas` and `maxReplicas`; then the work.
#[must_use]
pub fn decide(policy: &Policy, history: &History, seen: &Observation) -> Decision {
    let demand = Demand::measure(policy, history, seen);
    if policy.paused {
        let inputs = demand.ok().map(|demand| demand.inputs);
        return Decision { desired: seen.replicas, reason: Reason::Paused, inputs };
    }
    match demand {
        Ok(demand) => Weighed { policy, history, seen, demand: &demand }.decide(),
        Err((queue, why)) => {
            let desired = seen.replicas.clamp(policy.min_replicas, policy.max_replicas);
            Decision { desired, reason: Reason::HeldUnknown { queue, why }, inputs: None }
        }
    }
}

/// All that a decision is weighed by.
struct Weighed<'a> {
    policy: &'a Policy,
    history: &'a History,
    seen: &'a Observation,
    demand: &'a Demand,
}

impl Weighed<'_> {
    fn decide(&self) -> Decision {
        let (desired, reason) = self.bounded().or_else(|| self.to_zero()).unwrap_or_else(|| {
            if self.demand.target() > self.seen.replicas { self.out() } else { self.inwards() }
        });
        let inputs: Inputs = self.demand.inputs.clone();
        Decision { desired, reason, inputs: Some(inputs) }
    }

    /// Replicas outside of the bounds are moved into them at once.
    fn bounded(&self) -> Option<(u32, Reason)> {
        let Self { policy, seen, demand, .. } = self;
        let wanted = demand.wanted;
        if seen.replicas > policy.max_replicas {
            return Some((policy.max_replicas, Reason::AtMax { wanted, max: policy.max_replicas }));
        }
        let short = seen.replicas < policy.min_replicas && wanted <= policy.min_replicas;
        short.then(|| (policy.min_replicas, Reason::AtMin { wanted, min: policy.min_replicas }))
    }

    fn to_zero(&self) -> Option<(u32, Reason)> {
        let Self { policy, history, seen, demand } = self;
        if seen.replicas == 0 && demand.wanted == 0 {
            return Some((0, Reason::ScaledToZero));
        }
        let may = policy.min_replicas == 0 && demand.census.readable() && seen.replicas > 0;
        (may && zero_block(policy, history, seen, demand).is_none()).then(|| self.step_towards(0))
    }

    /// All the way in one step, as far as there is room.
    fn out(&self) -> (u32, Reason) {
        let Self { policy, seen, demand, .. } = self;
        let (from, wanted, target) = (seen.replicas, demand.wanted, demand.target());
        let ceiling = Ceiling::of(policy, self.history, seen, demand);
        let brake = ceiling.brake.map_or(u32::MAX, |(limit, _)| limit);
        let to = target.min(ceiling.room).min(ceiling.blind).min(brake).max(from).max(policy.min_replicas);
        if to > from && to > wanted.max(policy.min_replicas) {
            return (to, Reason::Compensated { from, to, wanted, stuck: demand.census.stuck });
        }
        if to > from {
            return (to, Reason::ScaledOut { from, to, wanted });
        }
        (from, self.not_out(ceiling))
    }

    fn not_out(&self, ceiling: Ceiling) -> Reason {
        let (wanted, max) = (self.demand.wanted, self.policy.max_replicas);
        if self.seen.replicas == max {
            Reason::AtMax { wanted, max }
        } else if ceiling.room <= self.seen.replicas {
            Reason::WaitingForDrain { wanted, terminating: self.demand.census.terminating }
        } else if let Some((_, braked)) = ceiling.brake {
            self.braked(braked)
        } else {
            self.unreadable()
        }
    }

    fn braked(&self, braked: Braked) -> Reason {
        let wanted = self.demand.wanted;
        match braked {
            Braked::Failing(share) => Reason::HeldFailing { wanted, share },
            Braked::Unavailable(pods, of) => Reason::HeldUnavailable { wanted, pods, of },
            Braked::NoGain(left) => Reason::HeldNoGain { wanted, seconds: left.as_secs_f64() },
        }
    }

    /// Enough replicas are there: may some go?
    fn inwards(&self) -> (u32, Reason) {
        let replicas = self.seen.replicas;
        let reason = match self.demand.enough {
            _ if replicas == self.policy.min_replicas => self.at_min(),
            _ if !self.demand.census.readable() => self.unreadable(),
            Some(enough) if enough >= replicas => Reason::Steady,
            _ if replicas == 1 => self.above_zero(),
            enough => return self.stabilized(enough),
        };
        (replicas, reason)
    }

    fn at_min(&self) -> Reason {
        let (wanted, min) = (self.demand.wanted, self.policy.min_replicas);
        if wanted == min { Reason::Steady } else { Reason::AtMin { wanted, min } }
    }

    fn above_zero(&self) -> Reason {
        let block = zero_block(self.policy, self.history, self.seen, self.demand);
        block.map_or(Reason::Steady, |because| Reason::HeldAboveZero { because })
    }

    fn unreadable(&self) -> Reason {
        let census = &self.demand.census;
        Reason::HeldUnreadable { read: census.answered, asked: census.asked, wanted: self.demand.wanted }
    }

    /// Only what was enough for the whole window is enough.
    fn stabilized(&self, enough: Option<u32>) -> (u32, Reason) {
        let Self { policy, history, seen, .. } = self;
        let window = policy.stabilization_window();
        match history.enough.largest(seen.now, window) {
            Some(largest) if largest < seen.replicas && !step_too_soon(policy, history, seen) => {
                self.drained(largest.max(policy.min_replicas).max(1))
            }
            largest => {
                let window = window.as_secs_f64();
                (seen.replicas, Reason::HeldStabilizing { enough, largest, window_seconds: window })
            }
        }
    }

    /// Replicas stay until what is left fits into the slots of those that remain.
    fn drained(&self, target: u32) -> (u32, Reason) {
        let target = target.max(self.demand.fits);
        if target >= self.seen.replicas {
            let tasks = self.demand.inputs.tasks;
            return (self.seen.replicas, Reason::HeldDraining { tasks, fits: self.demand.fits });
        }
        self.step_towards(target)
    }

    fn step_towards(&self, target: u32) -> (u32, Reason) {
        let from = self.seen.replicas;
        if step_too_soon(self.policy, self.history, self.seen) {
            let window_seconds = self.policy.stabilization_window().as_secs_f64();
            let (enough, largest) = (Some(target), None);
            return (from, Reason::HeldStabilizing { enough, largest, window_seconds });
        }
        match target.max(step_floor(self.policy, from)) {
            0 => (0, Reason::ScaledToZero),
            to => (to, Reason::ScaledIn { from, to }),
        }
    }
}
