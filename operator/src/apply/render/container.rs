//! The container `worker`.

use exportpool_contract::environment as name;
use serde_json::{Value, json};

use crate::{
    api::{ExportPoolSpec, Profiling},
    decide::slots,
    names::WORKER_PORT,
};

/// The name of [`WORKER_PORT`].
pub(super) const PORT_NAME: &str = "http";
/// Of `terminationGracePeriodSeconds`, what the kubelet needs itself.
const KUBELET_SECONDS: i32 = 5;
/// The time between SIGTERM and the end that the consumer plans with, beside its task's.
const GRACE_SECONDS: i32 = 50 - KUBELET_SECONDS;
/// Memory for each slot: a part of an upload is 5 MiB at least, and larger files want larger ones.
const MIB_A_SLOT: u32 = 8;
/// What a consumer needs beside its buffers, in MiB. Twice: it plans with half of its limit.
const MIB_BESIDE: u32 = 64;

pub(super) fn worker(spec: &ExportPoolSpec) -> Value {
    json!({
        "name": "worker",
        "image": spec.image,
        "env": environment(spec),
        "ports": [{"name": PORT_NAME, "containerPort": WORKER_PORT, "protocol": "TCP"}],
        "startupProbe": probe("/live", 1, 60),
        "livenessProbe": probe("/live", 10, 3),
        "readinessProbe": probe("/ready", 5, 3),
        "resources": resources(spec),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    })
}

fn probe(path: &str, period_seconds: u32, failure_threshold: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": PORT_NAME},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 2,
        "failureThreshold": failure_threshold,
    })
}

/// No limit of CPU: what is throttled is late, and a lease that is late is lost.
fn resources(spec: &ExportPoolSpec) -> Value {
    let memory = format!("{}Mi", 2 * (slots(&spec.worker) * MIB_A_SLOT + MIB_BESIDE));
    json!({
        "requests": {"cpu": "100m", "memory": memory},
        "limits": {"memory": memory},
    })
}

/// The environment, in this order: an older operator wrote the same bytes.
fn environment(spec: &ExportPoolSpec) -> Vec<Value> {
    let worker = &spec.worker;
    let mut variables = vec![
        variable(name::SQS_EXPORT_JOBS_URL, &spec.queues.export_jobs.url),
        variable(name::SQS_DOWNLOAD_TASKS_URL, &spec.queues.download_tasks.url),
        variable(name::S3_BUCKET, &spec.storage.bucket),
        variable(name::DYNAMODB_TABLE, &spec.storage.table),
        variable(name::AWS_REGION, &spec.aws.region),
        variable(name::WORKER_POOL_SIZE, &worker.pool_size),
        variable(name::TASKS_PER_WORKER, &worker.tasks_per_worker),
        variable(name::MAX_CONCURRENT_JOBS, &worker.max_concurrent_jobs),
        variable(name::MAX_QUEUE_SIZE, &worker.max_queue_size),
        variable(name::TASK_TIMEOUT_SECONDS, &worker.task_timeout_seconds),
        variable(name::SHUTDOWN_GRACE_SECONDS, &(worker.task_timeout_seconds + GRACE_SECONDS)),
        variable(name::PORT, &WORKER_PORT),
        variable(name::LOG_FORMAT, "json"),
        json!({"name": name::POD_UID, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}),
    ];
    variables.extend(spec.storage.prefix.as_ref().map(|prefix| variable(name::S3_PREFIX, prefix)));
    variables.extend(spec.aws.endpoint.as_ref().map(|endpoint| variable(name::AWS_ENDPOINT, endpoint)));
    if !spec.allowed_networks.is_empty() {
        variables.push(variable(name::EXPORT_ALLOWED_NETWORKS, &spec.allowed_networks.join(",")));
    }
    if spec.profiling == Profiling::Forbidden {
        variables.push(variable(name::PROFILE_PORT, "none"));
    }
    variables.extend(credentials(spec));
    variables
}

/// By reference: the operator never copies a Secret.
fn credentials(spec: &ExportPoolSpec) -> Vec<Value> {
    let Some(secret) = &spec.aws.credentials_secret_ref else { return Vec::new() };
    let from = |key: &str, optional: bool| {
        json!({
            "name": key,
            "valueFrom": {"secretKeyRef": {"name": secret.name, "key": key, "optional": optional}},
        })
    };
    vec![
        from(name::AWS_ACCESS_KEY_ID, false),
        from(name::AWS_SECRET_ACCESS_KEY, false),
        from(name::AWS_SESSION_TOKEN, true),
    ]
}

/// Kubernetes replaces `$(NAME)` in a value, and takes `$$` for a dollar: what is in the spec is meant as it stands.
fn variable<V: ToString + ?Sized>(name: &str, value: &V) -> Value {
    json!({"name": name, "value": value.to_string().replace('$', "$$")})
}

/// Names that the pool sets, or that it may set: nobody else does.
pub(super) const RESERVED: &[&str] = &[
    name::SQS_EXPORT_JOBS_URL,
    name::SQS_DOWNLOAD_TASKS_URL,
    name::S3_BUCKET,
    name::S3_PREFIX,
    name::DYNAMODB_TABLE,
    name::AWS_REGION,
    name::AWS_ENDPOINT,
    name::AWS_ACCESS_KEY_ID,
    name::AWS_SECRET_ACCESS_KEY,
    name::AWS_SESSION_TOKEN,
    name::WORKER_POOL_SIZE,
    name::TASKS_PER_WORKER,
    name::MAX_CONCURRENT_JOBS,
    name::MAX_QUEUE_SIZE,
    name::TASK_TIMEOUT_SECONDS,
    name::SHUTDOWN_GRACE_SECONDS,
    name::EXPORT_ALLOWED_NETWORKS,
    name::PORT,
    name::PROFILE_PORT,
    name::POD_UID,
];
