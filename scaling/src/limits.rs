//! What stands between the demand and the decision.

use crate::brake::Braked;
use crate::decision::ZeroBlock;
use crate::demand::Demand;
use crate::history::History;
use crate::observation::Observation;
use crate::policy::Policy;

/// How many replicas may be asked for, and why not more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ceiling {
    /// By `maxReplicas`, less the pods that are still terminating where they count.
    pub room: u32,
    /// By the reports that cannot be read.
    pub blind: u32,
    /// By what says that more would not help.
    pub brake: Option<(u32, Braked)>,
}

impl Ceiling {
    pub(crate) fn of(policy: &Policy, history: &History, seen: &Observation, demand: &Demand) -> Self {
        let taken = if policy.count_terminating { demand.census.terminating } else { 0 };
        let room = policy.max_replicas.saturating_sub(taken);
        let brake = history.brake.limit(seen.now, &demand.census, seen.replicas);
        Self { room, blind: history.blind_limit().unwrap_or(u32::MAX), brake }
    }
}

/// What keeps the last replica; nothing if the pool may go to zero. Each rule needs the one before it.
pub(crate) fn zero_block(
    policy: &Policy,
    history: &History,
    seen: &Observation,
    demand: &Demand,
) -> Option<ZeroBlock> {
    let (reads, span) = history.zero_reads(seen.now);
    let idle = history.idle_for(seen.now);
    let census = &demand.census;
    if demand.visible > 0 {
        Some(ZeroBlock::Visible { messages: demand.visible })
    } else if census.at_work > 0 {
        Some(ZeroBlock::PodsAtWork { pods: census.at_work })
    } else if census.unread > 0 {
        Some(ZeroBlock::PodsUnread { pods: census.unread })
    } else if reads < policy.zero_reads || span < policy.zero_span {
        Some(ZeroBlock::TooFewReads { reads, seconds: span.as_secs_f64() })
    } else if idle < policy.keep_alive {
        Some(ZeroBlock::KeepAlive { seconds: idle.as_secs_f64() })
    } else {
        None
    }
}

/// The fewest replicas that one step may leave. At least one is taken away.
pub(crate) fn step_floor(policy: &Policy, replicas: u32) -> u32 {
    let step = u64::from(replicas) * u64::from(policy.max_step_percent);
    let step = u32::try_from(step.div_ceil(100)).unwrap_or(u32::MAX);
    replicas.saturating_sub(step.max(1))
}

/// Whether the last step is too recent for another. Steps of everything at once need not wait.
pub(crate) fn step_too_soon(policy: &Policy, history: &History, seen: &Observation) -> bool {
    let window = policy.stabilization_window();
    policy.max_step_percent < 100 && history.since_cut(seen.now).is_some_and(|since| since < window)
}
