//! What a pool says of itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a pool says of itself. Written when something changed, and not for every number that moves: live numbers are
/// metrics.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExportPoolStatus {
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods that there are, terminating ones not counted.
    pub replicas: i32,
    /// Of these, ready ones.
    pub ready_replicas: i32,
    /// Pods that the pool asks for.
    pub desired_replicas: i32,
    /// Selects the pods, for the scale subresource.
    #[schemars(length(max = 256))]
    pub selector: String,
    /// When backlog, rate, queues and the decision's inputs were counted: they are written every 30 seconds at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Time>,
    /// Messages that wait to be received, in both queues. Not there while a queue cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backlog: Option<i64>,
    /// When the oldest work in hand was put on its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_enqueued_at: Option<Time>,
    /// Messages a second that arrive, smoothed, such as `12.5/s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub rate: Option<String>,
    /// The queues as last read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub queues: Vec<QueueStatus>,
    /// What was learned of the work. Kept for the next leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedStatus>,
    /// The last decision, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<LastDecision>,
    /// Ready, and what stands in the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A queue as last read: SQS's approximate counts.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// `exportJobs` or `downloadTasks`.
    #[schemars(length(max = 32))]
    pub name: String,
    /// Messages to be received.
    pub visible: i64,
    /// Messages received and not settled.
    pub not_visible: i64,
    /// Messages that are not due yet.
    pub delayed: i64,
    /// Messages not visible and in no pod's hands that is known: tried again later. Shown, never work.
    pub deferred: i64,
}

/// What was learned of the work, as decimal numbers.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LearnedStatus {
    /// Slot time of a task that came with its job, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub job_task_seconds: Option<String>,
    /// Slot time of a task from `download-tasks`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub task_seconds: Option<String>,
    /// Tasks that a job lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tasks_per_job: Option<String>,
    /// The share of a job's tasks that is sent to `download-tasks`, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub handed_share: Option<String>,
    /// How long the newest starts of pods took, in milliseconds, the newest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub pod_start_milliseconds: Vec<i64>,
}

/// The last decision, and why.
#[derive(JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastDecision {
    /// A stable word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// A sentence with the numbers.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When this was first decided.
    pub time: Time,
    /// The numbers it came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub inputs: Vec<DecisionInput>,
}

/// A number that a decision came from.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionInput {
    /// Its name.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Its value, as a decimal number or a word.
    #[schemars(length(max = 64))]
    pub value: String,
}

/// Whether something holds, as in Kubernetes' own types
/// (<https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md>).
#[derive(JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is told of.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A stable word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// A sentence for people: what is wrong, and what to do.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Whether something holds.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}
