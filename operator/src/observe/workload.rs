//! The Deployment of a pool and its pods, as watched.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use exportpool_scaling::{Millis, PodPhase};
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{ContainerStatus, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference},
};
use kube::{ResourceExt, core::PartialObjectMeta};
use kube_runtime::reflector::ObjectRef;

use crate::{
    api::ExportPool,
    names::{DELETION_COST, FIELD_MANAGER, OPERATOR, POOL_LABEL},
    watch::Watched,
};

/// The Deployment of a pool and its pods.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// The Deployment, if there is one.
    pub deployment: Option<Arc<Deployment>>,
    /// Pods of its ReplicaSets, by name.
    pub pods: Vec<PodView>,
}

/// A pod, as watched.
#[derive(Debug, Clone, PartialEq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its ReplicaSet's UID.
    pub replica_set: String,
    /// Where its report is asked for; none where it has no address, or the node's own.
    pub ip: Option<IpAddr>,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// When it was created.
    pub created_at: Option<Millis>,
    /// When it last became ready, if it is.
    pub ready_at: Option<Millis>,
    /// Its deletion cost, if it has one.
    pub deletion_cost: Option<i32>,
    /// Why it does not become ready, as the scheduler or the kubelet says it: a word.
    pub waits_for: Option<String>,
}

impl Workload {
    /// What is watched of a pool. Pods count only by the chain of controllers, never by their labels alone.
    #[must_use]
    pub fn of(pool: &ExportPool, watched: &Watched) -> Self {
        let (name, namespace) = (pool.name_any(), pool.namespace().unwrap_or_default());
        let deployment = watched.deployments.get(&ObjectRef::new(&name).within(&namespace));
        let deployment = deployment
            .filter(|deployment| is_controlled(deployment.owner_references(), pool.metadata.uid.as_ref()));
        let Some(uid) = deployment.as_ref().and_then(|deployment| deployment.uid()) else {
            return Self { deployment, pods: Vec::new() };
        };
        let of_deployment = |set: &PartialObjectMeta<ReplicaSet>| {
            set.metadata.namespace.as_deref() == Some(&namespace)
                && is_controlled(set.owner_references(), Some(&uid))
        };
        let sets = watched.replica_sets.state_filter(of_deployment);
        let sets: HashSet<String> = sets.iter().filter_map(|set| set.uid()).collect();
        // Most of them are other pools'.
        let of_pool = |pod: &Pod| {
            pod.metadata.namespace.as_deref() == Some(&namespace)
                && pod.labels().get(POOL_LABEL) == Some(&name)
        };
        let pods = watched.pods.state_filter(of_pool);
        let mut pods: Vec<_> = pods.iter().filter_map(|pod| view(pod, &sets)).collect();
        pods.sort_by(|a, b| a.name.cmp(&b.name));
        Self { deployment, pods }
    }

    /// Replicas that are asked for now.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        let replicas = self.deployment.as_ref().and_then(|deployment| deployment.spec.as_ref()?.replicas);
        replicas.map_or(0, crate::decide::count)
    }

    /// Who else writes the Deployment's replicas: each of our writes takes them back.
    #[must_use]
    pub fn contested_by(&self) -> Option<String> {
        let entries = self.deployment.as_ref()?.metadata.managed_fields.as_ref()?;
        let theirs = entries.iter().filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
        let writes = |entry: &&ManagedFieldsEntry| {
            let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
            fields.is_some_and(|fields| !fields["f:spec"]["f:replicas"].is_null())
        };
        theirs.filter(writes).find_map(|entry| entry.manager.clone())
    }

    /// The operator that wrote the Deployment last.
    #[must_use]
    pub fn operator(&self) -> Option<&str> {
        self.deployment.as_ref()?.annotations().get(OPERATOR).map(String::as_str)
    }

    /// Pods that are not terminating, and of these the ready ones.
    #[must_use]
    pub fn present(&self) -> (usize, usize) {
        let present = self.pods.iter().filter(|pod| pod.phase != PodPhase::Terminating);
        let ready = self.pods.iter().filter(|pod| pod.phase == PodPhase::Ready);
        (present.count(), ready.count())
    }

    /// Whether a rollout is on its way: not all pods are of the newest template, or the Deployment was not looked at
    /// since it changed.
    #[must_use]
    pub fn is_rolling_out(&self) -> bool {
        let Some(deployment) = &self.deployment else { return false };
        let status = deployment.status.clone().unwrap_or_default();
        let updated = status.updated_replicas.unwrap_or(0);
        let lags = status.observed_generation < deployment.metadata.generation;
        lags || updated < status.replicas.unwrap_or(0)
    }
}

/// The UID of what controls an object: there is at most one.
pub(crate) fn controller(owners: &[OwnerReference]) -> Option<&str> {
    owners.iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str())
}

fn is_controlled(owners: &[OwnerReference], by: Option<&String>) -> bool {
    by.is_some() && controller(owners) == by.map(String::as_str)
}

fn view(pod: &Pod, sets: &HashSet<String>) -> Option<PodView> {
    let replica_set = controller(pod.owner_references())?.to_owned();
    let status = pod.status.as_ref();
    let ended = matches!(status.and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
    if ended || !sets.contains(&replica_set) {
        return None;
    }
    let own_address = pod.spec.as_ref().and_then(|spec| spec.host_network) != Some(true);
    let ip = status.and_then(|status| status.pod_ip.as_ref()?.parse().ok()).filter(|_| own_address);
    let ready_at = ready_since(pod);
    Some(PodView {
        name: pod.name_any(),
        uid: pod.uid()?,
        replica_set,
        ip,
        phase: phase(pod, ready_at),
        created_at: pod.creation_timestamp().map(|time| millis(time.0)),
        ready_at,
        deletion_cost: pod.annotations().get(DELETION_COST).and_then(|cost| cost.parse().ok()),
        waits_for: waits_for(pod),
    })
}

fn phase(pod: &Pod, ready_at: Option<Millis>) -> PodPhase {
    let started = containers(pod).iter().any(has_run);
    match (pod.metadata.deletion_timestamp.is_some(), ready_at, started) {
        (true, _, _) => PodPhase::Terminating,
        (false, Some(_), _) => PodPhase::Ready,
        (false, None, true) => PodPhase::Unready,
        (false, None, false) if is_on_a_node(pod) => PodPhase::Pending,
        (false, None, false) => PodPhase::Unscheduled,
    }
}

fn is_on_a_node(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

fn containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default()
}

fn has_run(container: &ContainerStatus) -> bool {
    let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    running || container.restart_count > 0
}

fn ready_since(pod: &Pod) -> Option<Millis> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|c| c.type_ == "Ready" && c.status == "True")?;
    ready.last_transition_time.as_ref().map(|time| millis(time.0))
}

/// `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`: a word, and never a message, which may hold anything.
fn waits_for(pod: &Pod) -> Option<String> {
    let waiting = containers(pod).iter().find_map(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let conditions = pod.status.as_ref()?.conditions.as_deref().unwrap_or_default();
    let unscheduled = conditions.iter().find(|c| c.type_ == "PodScheduled" && c.status == "False");
    unscheduled.and_then(|c| c.reason.clone()).or(waiting)
}

/// Since the Unix epoch; nothing in a cluster is older.
pub(crate) fn millis(time: Timestamp) -> Millis {
    Millis(u64::try_from(time.as_millisecond()).unwrap_or(0))
}
