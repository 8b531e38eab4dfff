//! How often a pool is looked at.

use std::time::Duration;

use exportpool_scaling::Depth;

use crate::{api::ExportPool, decide::count, observe::Seen};

/// A pool with work is looked at this often, or as often as an idle one if that is more often.
const ACTIVE: Duration = Duration::from_secs(5);
/// A pool without `scaling` has nothing to decide: its queues are read for people.
const FIXED: Duration = Duration::from_secs(30);
/// What failed and passes is tried again after this, and twice that the next time,
pub(super) const AGAIN: Duration = Duration::from_millis(500);
/// to this.
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// The time until the queues are read again, or up to a tenth sooner: pools must not march in step.
pub(super) fn interval(pool: &ExportPool, seen: &Seen) -> Duration {
    let idle = pool.spec.scaling.as_ref().map_or(FIXED, |scaling| seconds(scaling.idle_poll_seconds));
    let interval = if is_active(seen) { idle.min(ACTIVE) } else { idle };
    interval.mul_f64(0.9 + 0.1 * fastrand::f64())
}

/// The time until something is tried again that failed so often.
pub(super) fn again(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (AGAIN * (1 << doublings)).min(AGAIN_AT_MOST)
}

fn is_active(seen: &Seen) -> bool {
    let queues = &seen.observation.queues;
    let waits = |depth: &Depth| matches!(depth, Depth::Known { visible: 1.., .. });
    let pods = seen.observation.replicas > 0 || !seen.observation.pods.is_empty();
    pods || waits(&queues.export_jobs) || waits(&queues.download_tasks)
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::from(count(seconds)))
}
