//! The pool of worker threads in each pod.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The pool of worker threads in each pod, and how much it takes in hand.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.poolSize * self.tasksPerWorker <= 10000").message(
    "poolSize x tasksPerWorker is above 10000: lower one of them"
))]
pub struct Worker {
    /// Worker threads of a pod: 1 to 256.
    #[serde(default = "pool_size")]
    #[schemars(range(min = 1, max = 256))]
    pub pool_size: i32,
    /// Tasks at a time on each thread: 1 to 64. More than one helps where sources are slow.
    #[serde(default = "tasks_per_worker")]
    #[schemars(range(min = 1, max = 64))]
    pub tasks_per_worker: i32,
    /// Jobs that a pod has in hand at a time: 1 to 10,000.
    #[serde(default = "max_concurrent_jobs")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent_jobs: i32,
    /// Tasks that wait in a pod's memory: 0 to 100,000. What does not fit is sent to `download-tasks`.
    #[serde(default = "max_queue_size")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_queue_size: i32,
    /// Longest run of one task in seconds: 1 to 43,000. A pod that is told to end gets this and 50 s more; many
    /// platforms end pods after 600 s whatever they are given.
    #[serde(default = "task_timeout_seconds")]
    #[schemars(range(min = 1, max = 43_000))]
    pub task_timeout_seconds: i32,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            pool_size: pool_size(),
            tasks_per_worker: tasks_per_worker(),
            max_concurrent_jobs: max_concurrent_jobs(),
            max_queue_size: max_queue_size(),
            task_timeout_seconds: task_timeout_seconds(),
        }
    }
}

/// Whether pods may be profiled.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profiling {
    /// They may, by whoever may forward their ports. Nothing is measured otherwise.
    #[default]
    Allowed,
    /// They may not: they do not listen for it.
    Forbidden,
}

impl Profiling {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

const fn pool_size() -> i32 {
    4
}

const fn tasks_per_worker() -> i32 {
    1
}

const fn max_concurrent_jobs() -> i32 {
    20
}

const fn max_queue_size() -> i32 {
    100
}

const fn task_timeout_seconds() -> i32 {
    300
}
