//! How many pods, by what the queues need.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many pods, by what the queues need.
#[derive(KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minReplicas <= self.maxReplicas").message(
    "minReplicas is above maxReplicas: raise maxReplicas, or lower minReplicas"
))]
pub struct Scaling {
    /// Never fewer pods. 0 lets the pool go to zero.
    #[serde(default)]
    #[schemars(range(min = 0, max = 5_000))]
    pub min_replicas: i32,
    /// Never more pods, running and (unless `terminationPolicy` is `Ignore`) terminating together.
    #[schemars(range(min = 1, max = 5_000))]
    pub max_replicas: i32,
    /// In which time a backlog has to be worked off, on top of what arrives: 1 to 86,400 s.
    #[serde(default = "default_drain_time")]
    #[schemars(range(min = 1, max = 86_400))]
    pub drain_time_seconds: i32,
    /// The share of the slots that arrivals alone may keep busy, in percent: 30 to 100. The rest is for bursts.
    #[serde(default = "default_utilization")]
    #[schemars(range(min = 30, max = 100))]
    pub target_utilization_percent: i32,
    /// How long a task takes, in milliseconds, for as long as none is learned. Left out: one task a slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub expected_task_milliseconds: Option<i32>,
    /// How often the queues are read while there is nothing to do: 1 to 300 s. This is how late the first message may
    /// be seen, and what reading costs: two queues every 5 s are $0.41 a month, every second $2.07.
    #[serde(default = "default_idle_poll")]
    #[schemars(range(min = 1, max = 300))]
    pub idle_poll_seconds: i32,
    /// When a pool at zero starts, and how long the last pod stays.
    #[serde(default)]
    pub activation: Activation,
    /// How carefully pods are taken away.
    #[serde(default)]
    pub scale_in: ScaleIn,
    /// Times at which at least so many pods are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub schedules: Vec<Schedule>,
    /// What to do while the queues cannot be read. Left out: the pods stay as many as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Leave the pods as many as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Whether pods that are still terminating count to `maxReplicas`.
    #[serde(default)]
    pub termination_policy: TerminationPolicy,
    /// `Observe` decides and reports, and leaves the pods as many as they are: to try it beside another autoscaler.
    #[serde(default)]
    pub mode: Mode,
    /// For whoever is on call: so many pods until then, whatever the queues say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#override: Option<Override>,
}

/// When a pool at zero starts, and how long the last pod stays.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Activation {
    /// How long after the last work one pod stays: 0 to 86,400 s.
    #[schemars(range(min = 0, max = 86_400))]
    pub keep_alive_seconds: i32,
}

impl Default for Activation {
    fn default() -> Self {
        Self { keep_alive_seconds: 60 }
    }
}

/// How carefully pods are taken away.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleIn {
    /// For how long fewer have to be enough before pods are taken away: 0 to 3,600 s. Left out: the drain time, at least
    /// 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3_600))]
    pub stabilization_seconds: Option<i32>,
    /// The largest share of the pods that is taken away at a time, in percent; below 100 at most once in the time above.
    #[schemars(range(min = 1, max = 100))]
    pub max_step_percent: i32,
}

impl Default for ScaleIn {
    fn default() -> Self {
        Self { stabilization_seconds: None, max_step_percent: 100 }
    }
}

/// A time at which at least so many pods are there.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Its name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// When it begins: minute, hour, day of month, month, day of week, as in a CronJob.
    #[schemars(length(min = 9, max = 128))]
    pub start: String,
    /// How long it lasts: 60 to 604,800 s.
    #[schemars(range(min = 60, max = 604_800))]
    pub duration_seconds: i32,
    /// The time zone of `start`, such as `Europe/Berlin`.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// At least so many pods; never more than `maxReplicas`.
    #[schemars(range(min = 0, max = 5_000))]
    pub min_replicas: i32,
}

/// What to do while the queues cannot be read.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.behavior == 'Static') == has(self.replicas)").message(
    "replicas belongs to behavior Static, and to no other"
))]
pub struct Fallback {
    /// `Hold`: as many pods as there are. `Static`: at least `replicas`. `LastGood`: at least as many as were last
    /// decided from queues that could be read.
    pub behavior: FallbackBehavior,
    /// After so many reads in a row that failed.
    #[serde(default = "default_failed_reads")]
    #[schemars(range(min = 1, max = 1_000))]
    pub after_failed_reads: i32,
    /// For `Static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_000))]
    pub replicas: Option<i32>,
}

/// What to do while the queues cannot be read.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FallbackBehavior {
    /// As many pods as there are.
    Hold,
    /// At least so many.
    Static,
    /// At least as many as were last decided from queues that could be read.
    LastGood,
}

/// Leaves the pods as many as they are.
#[derive(JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// Why, for whoever wonders.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Until then. Left out: until this is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// Whether pods that are still terminating count to `maxReplicas`.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TerminationPolicy {
    /// They do: there are never more pods than that.
    #[default]
    Count,
    /// They do not.
    Ignore,
}

/// Whether decisions are carried out.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// They are.
    #[default]
    Enforce,
    /// They are reported only.
    Observe,
}

/// So many pods until then, whatever the queues say.
#[derive(JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Override {
    /// So many.
    #[schemars(range(min = 0, max = 5_000))]
    pub replicas: i32,
    /// Until then.
    pub until: Time,
}

const fn default_drain_time() -> i32 {
    60
}

const fn default_utilization() -> i32 {
    80
}

const fn default_idle_poll() -> i32 {
    5
}

const fn default_failed_reads() -> i32 {
    3
}

fn default_time_zone() -> String {
    "Etc/UTC".to_owned()
}
