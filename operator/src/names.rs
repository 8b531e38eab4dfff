//! Names that the operator and other programs agree on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_runtime::reflector::ObjectRef;

use crate::api::ExportPool;

/// Owns what the operator writes, by server-side apply.
pub const FIELD_MANAGER: &str = "exportpool-operator";
/// Keys of labels and annotations that begin so are the project's.
pub const OF_THE_PROJECT: &str = "exportpool.dev/";
/// On everything of a pool: its name.
pub const POOL_LABEL: &str = "exportpool.dev/pool";
/// On a Deployment: the hash of the pods' template as it was rendered.
pub const TEMPLATE: &str = "exportpool.dev/template";
/// On a Deployment: the generation of the pool that it was rendered for.
pub const GENERATION: &str = "exportpool.dev/generation";
/// On a Deployment: a hash of what the pool asks for of its pods, whoever renders it.
pub const ASKED_FOR: &str = "exportpool.dev/asked-for";
/// On a Deployment: the operator that wrote it, as namespace and name of its Lease: those that take turns have one name.
pub const OPERATOR: &str = "exportpool.dev/operator";
/// Where consumers answer: `/report`, `/metrics`, probes.
pub const WORKER_PORT: u16 = 3000;
/// Selects everything that operators manage.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by=exportpool-operator";
/// Selects pods of pools.
pub const IS_WORKER: &str = "app.kubernetes.io/name=exportpool-worker";
/// On a namespace: patterns of the ARNs of queues whose depth the operator may read with its own identity.
pub const ALLOWED_QUEUES: &str = "exportpool.dev/allowed-queues";
/// On a pod: the lower, the sooner it is deleted
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost>).
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The pool that something belongs to, by its label.
#[must_use]
pub fn pool_of(metadata: &ObjectMeta) -> Option<ObjectRef<ExportPool>> {
    let name = metadata.labels.as_ref()?.get(POOL_LABEL)?;
    Some(ObjectRef::new(name).within(metadata.namespace.as_deref()?))
}
