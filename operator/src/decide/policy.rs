//! What the scaling works by, from what people wrote.

use std::time::Duration;

use exportpool_scaling::{InvalidPolicy, Policy, Settings};

use crate::api::{ExportPoolSpec, Scaling, TerminationPolicy, Worker};

/// The policy of a pool. `at_least` is what a schedule asks for now.
///
/// A pool that drains has no least number, and keeps nothing alive: it works off what there is.
///
/// # Errors
/// [`InvalidPolicy`] for what the API server would have refused: an older schema is installed.
pub fn policy(spec: &ExportPoolSpec, at_least: u32) -> Result<Policy, InvalidPolicy> {
    let slots_per_pod = slots(&spec.worker);
    let of_scaling = |scaling: &Scaling| settings(scaling, slots_per_pod, at_least);
    let fixed = || Settings { max_replicas: count(spec.replicas.unwrap_or(0)).max(1), ..Settings::default() };
    let settings = spec.scaling.as_ref().map_or_else(fixed, of_scaling);
    let settings = Settings { slots_per_pod, ..settings };
    let min_replicas = if spec.drain { 0 } else { settings.min_replicas };
    let keep_alive = if spec.drain { Duration::ZERO } else { settings.keep_alive };
    Policy::new(Settings { min_replicas, keep_alive, ..settings })
}

/// Tasks that a pod works on at a time.
#[must_use]
pub fn slots(worker: &Worker) -> u32 {
    count(worker.pool_size).saturating_mul(count(worker.tasks_per_worker))
}

fn settings(scaling: &Scaling, slots_per_pod: u32, at_least: u32) -> Settings {
    let max_replicas = count(scaling.max_replicas);
    let millis = |millis| Duration::from_millis(u64::from(count(millis)));
    Settings {
        min_replicas: count(scaling.min_replicas).max(at_least.min(max_replicas)),
        max_replicas,
        count_terminating: scaling.termination_policy == TerminationPolicy::Count,
        drain_time: seconds(scaling.drain_time_seconds),
        slots_per_pod,
        target_utilization: f64::from(scaling.target_utilization_percent) / 100.0,
        expected_task: scaling.expected_task_milliseconds.map(millis),
        stabilization: scaling.scale_in.stabilization_seconds.map(seconds),
        max_step_percent: count(scaling.scale_in.max_step_percent),
        keep_alive: seconds(scaling.activation.keep_alive_seconds),
        ..Settings::default()
    }
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::from(count(seconds)))
}

/// Kubernetes counts in signed numbers; the schema lets no negative one through.
pub(crate) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}
