//! The children of a pool, as objects. Pure: the same pool gives the same bytes, in every release that can.

mod container;
mod refuse;
mod template;
#[cfg(test)]
mod tests;
mod warn;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{ResourceExt, core::ApiResource};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use template::{InvalidTemplate, Refusal};
pub use warn::{Warning, warnings};

use super::children::Child;
use crate::{
    api::ExportPool,
    api::ExportPoolSpec,
    names::{ASKED_FOR, GENERATION, OPERATOR, POOL_LABEL, TEMPLATE, WORKER_PORT},
    watch::PodMonitor,
};

/// What a pod that is told to end needs beside its task's time, in seconds: returning, recording, deleting.
const ENDING_SECONDS: i64 = 50;
/// A rollout that moves nothing for so long, beside the grace period, is told as failed.
const PROGRESS_SECONDS: i64 = 600;
const COMPONENT: &str = "exportpool-worker";

/// What a cluster serves beside Kubernetes' own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// PodMonitors of the Prometheus operator.
    pub pod_monitors: bool,
}

/// The children of a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// All but the Deployment, in the order in which they are applied.
    pub children: Vec<Child>,
    /// A hash of the pods' template: the same in each release that renders the same.
    pub(super) template: String,
    /// The generation of the spec that it is rendered from.
    pub(super) generation: String,
    /// A hash of what of the spec it is rendered from: another number of pods is no other pods.
    pub(super) asked_for: String,
    deployment: Child,
}

impl Rendered {
    /// The Deployment with so many replicas, and who wrote it. Replicas are never left out: a field that nobody applies is
    /// nobody's.
    #[must_use]
    pub fn deployment_by(&self, operator: &str, replicas: u32) -> Child {
        let mut deployment = self.deployment.clone();
        deployment.object["metadata"]["annotations"][OPERATOR] = json!(operator);
        deployment.object["spec"]["replicas"] = json!(replicas);
        deployment
    }
}

/// Renders the children of a pool.
///
/// # Errors
/// [`InvalidTemplate`]: everything in `spec.template` that cannot be.
pub fn render(pool: &ExportPool, served: Served) -> Result<Rendered, InvalidTemplate> {
    let spec = deployment(pool)?;
    let template = hash(&spec["template"]);
    let generation = pool.metadata.generation.unwrap_or_default().to_string();
    let asked_for = hash(&of_pods(&pool.spec));
    let mut deployment = child::<Deployment>(pool, "spec", &spec);
    deployment.object["metadata"]["annotations"] =
        json!({TEMPLATE: template, GENERATION: generation, ASKED_FOR: asked_for});
    let mut children = vec![
        child::<PodDisruptionBudget>(pool, "spec", &disruption_budget(pool)),
        child::<Service>(pool, "spec", &service(pool)),
    ];
    if account(&pool.spec).is_none() {
        children.insert(0, service_account(pool));
    }
    if served.pod_monitors {
        children.push(pod_monitor(pool));
    }
    Ok(Rendered { children, template, generation, asked_for, deployment })
}

/// A spec without what only says how many pods there are, and who looks after them.
fn of_pods(spec: &ExportPoolSpec) -> Value {
    json!(ExportPoolSpec { scaling: None, replicas: None, drain: false, class: None, ..spec.clone() })
}

/// Maps of JSON are sorted by their keys. Eight bytes suffice to tell two releases apart.
fn hash(of: &Value) -> String {
    Sha256::digest(of.to_string())
        .iter()
        .take(8)
        .fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"))
}

/// The account that the pods run as, if it is not ours to make.
fn account(spec: &ExportPoolSpec) -> Option<&str> {
    spec.service_account.as_ref()?.name.as_deref()
}

fn child<K: kube::Resource<DynamicType = ()>>(pool: &ExportPool, field: &str, value: &Value) -> Child {
    let resource = ApiResource::erase::<K>(&());
    let object = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata(pool),
        field: value,
    });
    Child { resource, name: pool.name_any(), object }
}

fn metadata(pool: &ExportPool) -> Value {
    json!({
        "name": pool.name_any(),
        "namespace": pool.namespace(),
        "labels": labels(pool),
        "ownerReferences": [{
            "apiVersion": "exportpool.dev/v1alpha1",
            "kind": "ExportPool",
            "name": pool.name_any(),
            "uid": pool.uid(),
            "controller": true,
            "blockOwnerDeletion": true,
        }],
    })
}

fn labels(pool: &ExportPool) -> Value {
    json!({
        "app.kubernetes.io/name": COMPONENT,
        "app.kubernetes.io/instance": pool.name_any(),
        "app.kubernetes.io/managed-by": "exportpool-operator",
        POOL_LABEL: pool.name_any(),
    })
}

/// Never changes: a Deployment's selector cannot.
fn selector(pool: &ExportPool) -> Value {
    json!({"app.kubernetes.io/name": COMPONENT, POOL_LABEL: pool.name_any()})
}

/// Between SIGTERM and SIGKILL.
fn grace_seconds(spec: &ExportPoolSpec) -> i64 {
    i64::from(spec.worker.task_timeout_seconds) + ENDING_SECONDS
}

fn deployment(pool: &ExportPool) -> Result<Value, InvalidTemplate> {
    let grace = grace_seconds(&pool.spec);
    Ok(json!({
        "selector": {"matchLabels": selector(pool)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": grace + PROGRESS_SECONDS,
        "template": pod_template(pool)?,
    }))
}

fn pod_template(pool: &ExportPool) -> Result<Value, InvalidTemplate> {
    let name = pool.name_any();
    let ours = json!({
        "metadata": {"labels": labels(pool), "annotations": {}},
        "spec": {
            "serviceAccountName": account(&pool.spec).unwrap_or(&name),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": grace_seconds(&pool.spec),
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container::worker(&pool.spec)],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
        },
    });
    template::merged(ours, pool.spec.template.as_ref())
}

fn service_account(pool: &ExportPool) -> Child {
    let mut child = child::<ServiceAccount>(pool, "automountServiceAccountToken", &json!(false));
    let annotations = pool.spec.service_account.as_ref().map(|account| &account.annotations);
    child.object["metadata"]["annotations"] = json!(annotations);
    child
}

/// Never `minAvailable`: at one pod it would keep a node from ever being drained.
fn disruption_budget(pool: &ExportPool) -> Value {
    json!({
        "maxUnavailable": "25%",
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": selector(pool)},
    })
}

fn service(pool: &ExportPool) -> Value {
    json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": selector(pool),
        "ports": [{"name": "http", "port": WORKER_PORT, "targetPort": "http", "protocol": "TCP"}],
    })
}

fn pod_monitor(pool: &ExportPool) -> Child {
    let spec = json!({
        "selector": {"matchLabels": selector(pool)},
        "podMetricsEndpoints": [{"port": "http", "path": "/metrics"}],
    });
    child::<PodMonitor>(pool, "spec", &spec)
}
