//! `ExportPool`, as it is written by people: `exportpool.dev/v1alpha1`.
//!
//! Doc comments here are what `kubectl explain` says. Fields are only ever added, never renamed or re-meant; every
//! list, string and map has a maximum. What an API server can check, it checks, by the schema and by rules in CEL.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type where nobody reaches it")]

mod aws;
#[cfg(test)]
pub(crate) mod sample;
mod scaling;
mod status;
mod template;
#[cfg(test)]
mod tests;
mod worker;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use aws::{Aws, Queue, Queues, SecretRef, Storage};
pub use scaling::{
    Activation, Fallback, FallbackBehavior, Mode, Override, Paused, ScaleIn, Scaling, Schedule,
    TerminationPolicy,
};
pub use status::{
    Condition, ConditionStatus, DecisionInput, ExportPoolStatus, LastDecision, LearnedStatus, QueueStatus,
};
pub use template::{ServiceAccount, Template, TemplateMetadata};
pub use worker::{Profiling, Worker};

/// An ExportPool runs consumers that take export jobs from SQS, download each file and put it into S3, recorded in
/// DynamoDB; and as many of them as the queues need.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "exportpool.dev",
    version = "v1alpha1",
    kind = "ExportPool",
    plural = "exportpools",
    shortname = "xp",
    category = "exportpool",
    namespaced,
    status = "ExportPoolStatus",
    derive = "PartialEq",
    doc = "An ExportPool runs consumers that take export jobs from SQS, download each file and put it into S3, \
           recorded in DynamoDB; and as many of them as the queues need.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Desired",
        type_ = "integer",
        json_path = ".status.desiredReplicas",
        description = "Replicas that the pool asks for"
    ),
    printcolumn(
        name = "Ready",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Pods that are ready"
    ),
    printcolumn(
        name = "Backlog",
        type_ = "integer",
        json_path = ".status.backlog",
        description = "Messages that wait to be received, in both queues"
    ),
    printcolumn(
        name = "Oldest",
        type_ = "date",
        json_path = ".status.oldestEnqueuedAt",
        description = "How long ago the oldest work in hand was put on its queue"
    ),
    printcolumn(
        name = "Rate",
        type_ = "string",
        json_path = ".status.rate",
        description = "Messages a second that arrive, smoothed"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.lastDecision.reason",
        description = "Why it asks for so many"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 52")
        .message("the name is too long: names of pods are made of it, 52 characters are allowed"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "the pool's Service has its name: it must begin with a letter, and have lower-case letters, digits and hyphens"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.replicas) != has(self.scaling)")
        .message("set either replicas (a fixed number, or what HPA and kubectl scale write) or scaling, not both"),
    validation = Rule::new(
        "[self.queues.exportJobs.url, self.queues.downloadTasks.url].all(u, !u.contains('.amazonaws.com/') \
         || u.contains('//sqs.' + self.aws.region + '.') || u.contains('//' + self.aws.region + '.queue.'))"
    )
    .message("a queue's URL is of another region than aws.region: a pool works in one region")
)]
pub struct ExportPoolSpec {
    /// Image of the consumer, such as `ghcr.io/exportpool/consumer:0.1.0`. A tag that moves makes rollouts that nobody
    /// asked for: name a version or a digest.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// The pool of worker threads in each pod. Left out: 4 threads with one task each.
    #[serde(default)]
    pub worker: Worker,
    /// The queues to take work from. They cannot be changed: make a new pool, and set `drain` on this one.
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "queues cannot be changed: make a new pool, and set drain: true on this one until it is empty"
    ))]
    pub queues: Queues,
    /// Where files and records go. It cannot be changed: make a new pool, and set `drain` on this one.
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "storage cannot be changed: make a new pool, and set drain: true on this one until it is empty"
    ))]
    pub storage: Storage,
    /// Region, endpoint and credentials.
    pub aws: Aws,
    /// Scale with the queues. Either this or `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// A number of pods that only people, an HPA or `kubectl scale` change. Either this or `scaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5_000))]
    pub replicas: Option<i32>,
    /// Work off what the queues hold, then go to zero and stay there, whatever `scaling` or `replicas` say. For a pool
    /// that another one replaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
    /// The operator that looks after this pool, where several are installed: the one that was started with this
    /// `--class`. Left out: the one without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub class: Option<String>,
    /// Networks in CIDR notation that downloads may reach although they are not public, such as `10.0.0.0/8`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 4, max = 49)))]
    pub allowed_networks: Vec<String>,
    /// Whether whoever may forward ports of the pods may profile them: `exportctl profile doctor --pod`.
    #[serde(default, skip_serializing_if = "Profiling::is_default")]
    pub profiling: Profiling,
    /// What is added to the pods: labels, resources, node selectors, sidecars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// The account that the pods run as. Left out: one is made, without rights, named as the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
}
