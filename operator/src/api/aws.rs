//! Queues, storage, and how they are reached.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The two queues of a pool.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.exportJobs.url != self.downloadTasks.url")
        .message("exportJobs and downloadTasks are the same queue: jobs and tasks need one each")
)]
pub struct Queues {
    /// Jobs, each with its tasks.
    pub export_jobs: Queue,
    /// Single tasks: what does not fit into a pod, and what is tried again.
    pub download_tasks: Queue,
}

/// A standard queue of SQS.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Its URL, such as `https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs`. Its dead-letter queue is read
    /// from its redrive policy.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(
        validation = Rule::new("!self.endsWith('.fifo')").message(
            "FIFO queues are not supported: a pool of workers does not keep their order. Name a standard queue"
        ),
        validation = Rule::new(
            "self.endsWith('.fifo') || self.matches('^https?://[^/?#@ ]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}$')"
        )
        .message("this is no URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs")
    )]
    pub url: String,
}

/// Where files and records go.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// The bucket for files.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"))]
    pub bucket: String,
    /// Put before every key, without a slash at either end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub prefix: Option<String>,
    /// The table for records.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub table: String,
}

/// Region, endpoint and credentials.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.endpoint) || has(self.credentialsSecretRef)").message(
    "an endpoint of your own needs credentials of your own: set credentialsSecretRef"
))]
pub struct Aws {
    /// The region, such as `eu-west-1`. It cannot be changed: make a new pool, and set `drain` on this one.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "aws.region cannot be changed: make a new pool, and set drain: true on this one until it is empty"
    ))]
    pub region: String,
    /// One endpoint for SQS, S3 and DynamoDB instead of AWS's own, such as LocalStack's. The operator has to be started
    /// with `--allow-endpoints`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@ ]+/?$')").message(
        "this is no endpoint, such as http://localstack.default.svc:4566"
    ))]
    pub endpoint: Option<String>,
    /// A Secret in the pool's namespace with the keys `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, where needed,
    /// `AWS_SESSION_TOKEN`. The pods and the reading of the queues use it. Left out: the pods use the identity of their
    /// ServiceAccount, and the operator its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// A role that the operator assumes to read the queues' depth, with the external ID `<cluster>/<namespace>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"))]
    pub read_role_arn: Option<String>,
}

/// A Secret in the pool's own namespace.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}
