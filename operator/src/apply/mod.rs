//! What was decided becomes so: children by server-side apply, pods that may go first, replicas.

mod children;
pub mod fault;
pub mod render;
mod scale_in;
mod victims;

use std::time::{Duration, Instant};

use exportpool_scaling::PodPhase;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube_runtime::reflector::ObjectRef;

use crate::{api::ExportPool, observe::workload::Workload, reconcile::Context, report::Obstacle};
use children::{Applied, Child, Owner};
use fault::ApplyFault;
use render::{Rendered, render};
use scale_in::Way;

/// Marks that nobody was deleted by are taken away after this.
const MARKS_STAY: Duration = Duration::from_secs(10);
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

/// Makes a pool's children what they have to be. Answers the replicas that are asked for now: in a rollout nothing is
/// taken away.
///
/// # Errors
/// [`Obstacle`]: what is in the way. What was not written stays as it is.
pub async fn apply(
    pool: &ExportPool,
    context: &Context,
    applying: &mut Applying,
    target: Target<'_>,
) -> Result<u32, Obstacle> {
    let rendered = render(pool, context.settings.served)
        .map_err(|invalid| Obstacle::Spec { reason: invalid.reason(), message: invalid.to_string() })?;
    let (namespace, uid) = (pool.namespace().unwrap_or_default(), pool.uid().unwrap_or_default());
    let owner = Owner { namespace: &namespace, uid: &uid };
    for child in &rendered.children {
        let watched = watched(context, owner, child);
        applying.applied.put(&context.client, owner, child, watched.as_ref()).await?;
    }
    let replicas = allowed(target);
    if is_scale_in(target, replicas) {
        let taken = target.workload.replicas() - replicas;
        Way { pool, context }.make(taken).await;
        applying.scaled_in_at = Some(Instant::now());
    } else if applying.scaled_in_at.is_none_or(|at| at.elapsed() > MARKS_STAY) {
        Way { pool, context }.clear(target.workload).await;
    }
    put_deployment(context, owner, &rendered, applying, replicas).await?;
    Ok(replicas)
}

/// While a rollout is on, pods of both templates are there, and which of them go is not ours to say: nothing is taken
/// away, unless there is nothing to lose.
fn allowed(Target { workload, replicas }: Target<'_>) -> u32 {
    let present = workload.replicas();
    if replicas > 0 && replicas < present && workload.is_rolling_out() { present } else { replicas }
}

/// To zero nobody is chosen: all go.
fn is_scale_in(target: Target<'_>, replicas: u32) -> bool {
    let ready = target.workload.pods.iter().any(|pod| pod.phase == PodPhase::Ready);
    ready && 0 < replicas && replicas < target.workload.replicas()
}

/// Writes the Deployment, and never over what is not known here: the write carries the version that was read.
async fn put_deployment(
    context: &Context,
    owner: Owner<'_>,
    rendered: &Rendered,
    applying: &mut Applying,
    replicas: u32,
) -> Result<(), ApplyFault> {
    let child = rendered.deployment_with(replicas);
    for _ in 1..TRIES {
        let watched = watched(context, owner, &child);
        match applying.applied.put(&context.client, owner, &child, watched.as_ref()).await {
            Err(ApplyFault::Conflict { .. }) => tokio::time::sleep(PAUSE).await,
            other => return other.map(|_| ()),
        }
    }
    let watched = watched(context, owner, &child);
    applying.applied.put(&context.client, owner, &child, watched.as_ref()).await.map(|_| ())
}

/// What is watched of a child, if its kind is.
fn watched(context: &Context, owner: Owner<'_>, child: &Child) -> Option<ObjectMeta> {
    let watched = &context.watched;
    let (name, namespace) = (&child.name, owner.namespace);
    match child.resource.kind.as_str() {
        "Deployment" => {
            watched.deployments.get(&ObjectRef::new(name).within(namespace)).map(|o| o.metadata.clone())
        }
        "Service" => {
            watched.services.get(&ObjectRef::new(name).within(namespace)).map(|o| o.metadata.clone())
        }
        "ServiceAccount" => {
            watched.service_accounts.get(&ObjectRef::new(name).within(namespace)).map(|o| o.metadata.clone())
        }
        "PodDisruptionBudget" => {
            watched.budgets.get(&ObjectRef::new(name).within(namespace)).map(|o| o.metadata.clone())
        }
        _ => None,
    }
}
