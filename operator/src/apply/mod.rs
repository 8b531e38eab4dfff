//! What was decided becomes so: children by server-side apply, pods that may go first, replicas.

mod children;
pub mod fault;
pub mod render;
pub mod rollout;
mod scale_in;
mod victims;

use std::time::Duration;

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Resource, ResourceExt, core::PartialObjectMeta};
use kube_runtime::reflector::{ObjectRef, Store};
use tokio::time::Instant;

use crate::{api::ExportPool, observe::workload::Workload, reconcile::Context, report::Obstacle};
use children::{Applied, Child, Over, Owner};
use fault::ApplyFault;
use render::{Served, render};
use scale_in::Way;
pub(crate) use victims::is_foreign;

/// A write over a Deployment that changed meanwhile is tried so often, with this pause.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// What is kept of a pool's children from round to round.
#[derive(Debug, Default)]
pub struct Applying {
    applied: Applied,
    scaled_in_at: Option<Instant>,
}

/// What has to become so.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What is there.
    pub workload: &'a Workload,
    /// The replicas that were decided.
    pub replicas: u32,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The replicas that are asked for now: in a rollout nothing is taken away.
    pub replicas: u32,
    /// The pods are to be replaced, and those of other pools are first: [`rollout`].
    pub waits_its_turn: bool,
    /// A child that could not be written: no reason not to scale a Deployment that is there.
    pub lacks: Option<ApplyFault>,
}

/// Makes a pool's children what they have to be. Of a pool that goes away meanwhile nothing more is written: what is made
/// then would be left to the garbage collector.
///
/// # Errors
/// [`Obstacle`]: what is in the way. What was not written stays as it is.
pub async fn apply(
    pool: &ExportPool,
    context: &Context,
    applying: &mut Applying,
    target: Target<'_>,
) -> Result<Written, Obstacle> {
    let served = Served { pod_monitors: context.watched.pod_monitors.get().is_some() };
    let (namespace, uid) = (pool.namespace().unwrap_or_default(), pool.uid().unwrap_or_default());
    let rendered = render(pool, served).map_err(|invalid| {
        context.shared.rollouts.forget(&uid);
        Obstacle::Spec { reason: invalid.reason(), message: invalid.to_string() }
    })?;
    let owner = Owner { namespace: &namespace, uid: &uid };
    let lacks = put_children(pool, context, (owner, applying), &rendered.children, target.workload).await?;
    let replicas = allowed(target);
    if context.is_there(pool) {
        Way { pool, context }.prepare(applying, target, replicas).await;
    }
    if !context.is_there(pool) {
        return Ok(Written { replicas: target.workload.replicas(), waits_its_turn: false, lacks });
    }
    let waits_its_turn = !context.shared.rollouts.may_write(&uid, target.workload, &rendered);
    let deployment = rendered.deployment_by(&context.settings.operator, replicas);
    if is_of_another_operator(target.workload, &context.settings.operator) {
        applying.applied.forget(&deployment);
    }
    if waits_its_turn {
        children::put_replicas(&context.client, owner, &deployment, target.workload, replicas).await?;
    } else if let Err(fault) = put_deployment(context, owner, applying, &deployment, target.workload).await {
        // What lasts keeps no other pool waiting.
        if !fault.passes() {
            context.shared.rollouts.forget(&uid);
        }
        return Err(fault.into());
    }
    Ok(Written { replicas, waits_its_turn, lacks })
}

fn is_of_another_operator(workload: &Workload, ours: &str) -> bool {
    workload.deployment.is_some() && workload.operator() != Some(ours)
}

/// Makes the children beside the Deployment what they have to be. A pool is not begun by halves; of one that is there, no
/// child keeps the Deployment back, and what is wrong with the first is answered.
async fn put_children(
    pool: &ExportPool,
    context: &Context,
    (owner, applying): (Owner<'_>, &mut Applying),
    children: &[Child],
    workload: &Workload,
) -> Result<Option<ApplyFault>, ApplyFault> {
    let mut lacks = None;
    for child in children {
        if !context.is_there(pool) {
            break;
        }
        let watched = watched(context, owner, child);
        let put = applying.applied.put(&context.client, owner, child, watched.as_ref(), Over::Anything).await;
        match put {
            Ok(_) => {}
            Err(fault) if !may_lack(child, workload) => return Err(fault),
            // Each further child may take as long.
            Err(fault @ ApplyFault::Unreachable { .. }) => return Ok(lacks.or(Some(fault))),
            Err(fault) => lacks = lacks.or(Some(fault)),
        }
    }
    Ok(lacks)
}

/// Pods need nothing of a PodMonitor.
fn may_lack(child: &Child, workload: &Workload) -> bool {
    workload.deployment.is_some() || child.resource.kind == "PodMonitor"
}

/// While a rollout is on, pods of both templates are there, and which of them go is not ours to say: nothing is taken
/// away, unless there is nothing to lose.
fn allowed(Target { workload, replicas }: Target<'_>) -> u32 {
    let present = workload.replicas();
    if replicas > 0 && replicas < present && workload.is_rolling_out() { present } else { replicas }
}

/// Writes the Deployment, and never over what is not known here: the write carries the version that is watched. Where that
/// is older than what is there, it is tried again, unless somebody wrote other replicas than those that were decided from.
/// One that is there and not watched is given its labels back, and decided about anew.
async fn put_deployment(
    context: &Context,
    owner: Owner<'_>,
    applying: &mut Applying,
    child: &Child,
    decided_from: &Workload,
) -> Result<(), ApplyFault> {
    let mut conflict = ApplyFault::Conflict { kind: child.resource.kind.clone() };
    for _ in 0..TRIES {
        let at = ObjectRef::new(&child.name).within(owner.namespace);
        let deployment = context.watched.deployments.get(&at);
        if replicas(deployment.as_deref()) != replicas(decided_from.deployment.as_deref()) {
            break;
        }
        let watched = deployment.as_ref().map(|deployment| &deployment.metadata);
        match applying.applied.put(&context.client, owner, child, watched, Over::WhatWasWatched).await {
            Err(fault @ ApplyFault::Conflict { .. }) if watched.is_none() => {
                children::label(&context.client, owner, child).await?;
                return Err(fault);
            }
            Err(fault @ ApplyFault::Conflict { .. }) => conflict = fault,
            other => return other.map(|_| ()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(conflict)
}

fn replicas(deployment: Option<&Deployment>) -> Option<i32> {
    deployment?.spec.as_ref()?.replicas
}

/// What is watched of a child beside the Deployment, if its kind is.
fn watched(context: &Context, owner: Owner<'_>, child: &Child) -> Option<ObjectMeta> {
    let at = (child.name.as_str(), owner.namespace);
    match child.resource.kind.as_str() {
        "Service" => metadata(&context.watched.services, at),
        "ServiceAccount" => metadata(&context.watched.service_accounts, at),
        "PodDisruptionBudget" => metadata(&context.watched.budgets, at),
        "PodMonitor" => metadata(context.watched.pod_monitors.get()?, at),
        _ => None,
    }
}

fn metadata<K>(store: &Store<PartialObjectMeta<K>>, (name, namespace): (&str, &str)) -> Option<ObjectMeta>
where
    K: Resource<DynamicType = ()> + 'static,
    PartialObjectMeta<K>: Clone,
{
    store.get(&ObjectRef::new(name).within(namespace)).map(|object| object.metadata.clone())
}
