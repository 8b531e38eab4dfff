//! What a pool owns, by server-side apply. Nothing is sent when nothing changed.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::fault::ApplyFault;
use crate::{
    names::{FIELD_MANAGER, OPERATOR},
    observe::workload::{Workload, controller},
    report::metrics,
};

/// A child that no watch tells of for so long after it was written was deleted before it was seen.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// A child as it has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// What it is.
    pub resource: ApiResource,
    /// Its name.
    pub name: String,
    /// The fields that are ours. What others set beside them is left.
    pub object: Value,
}

/// What was applied last of each child of a pool.
#[derive(Debug, Default)]
pub(super) struct Applied(HashMap<String, Mark>);

/// A child as it was written.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    rendered: u64,
    written: Option<String>,
    /// As it was watched then, or is by now: the watch may be behind.
    known: Option<String>,
    at: Instant,
}

impl Mark {
    /// Whether a child is as it was written, and has to be so.
    fn is_current(&mut self, rendered: u64, watched: Option<&String>) -> bool {
        if watched == self.written.as_ref() {
            self.known = watched.cloned();
        }
        let is_gone = watched.is_none() && self.at.elapsed() > SEEN_WITHIN;
        self.rendered == rendered && watched == self.known.as_ref() && !is_gone
    }
}

/// Whose a child is, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The pool's namespace.
    pub(super) namespace: &'a str,
    /// The pool's UID.
    pub(super) uid: &'a str,
}

/// What a write may go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Whatever is there.
    Anything,
    /// What was watched alone: the write carries its resourceVersion, and conflicts with any other.
    WhatWasWatched,
}

impl Applied {
    /// A child is written the next time, whatever is known of it.
    pub(super) fn forget(&mut self, child: &Child) {
        self.0.remove(&child.resource.kind);
    }

    /// Makes a child what it has to be. `watched` is what was seen of it.
    ///
    /// Answers whether something was sent.
    ///
    /// # Errors
    /// [`ApplyFault`]; nothing was written.
    pub(super) async fn put(
        &mut self,
        client: &Client,
        owner: Owner<'_>,
        child: &Child,
        watched: Option<&ObjectMeta>,
        over: Over,
    ) -> Result<bool, ApplyFault> {
        let kind = &child.resource.kind;
        let rendered = hash(&child.object);
        let known = watched.and_then(version);
        let before = self.0.get_mut(kind);
        let is_new = before.is_none();
        if before.is_some_and(|mark| mark.is_current(rendered, known.as_ref())) {
            return Ok(false);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), owner.namespace, &child.resource);
        if is_new || watched.is_none() {
            let is_there = check_owner(&api, owner, child).await?;
            if is_there && watched.is_none() && over == Over::WhatWasWatched {
                return Err(ApplyFault::Conflict { kind: kind.clone() });
            }
        } else if watched.is_some_and(|metadata| !is_owned(metadata.owner_references.as_deref(), owner)) {
            return Err(conflict(child));
        }
        let how = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        let read =
            watched.filter(|_| over == Over::WhatWasWatched).and_then(|it| it.resource_version.as_ref());
        let written = api.patch(&child.name, &how, &Patch::Apply(guarded(&child.object, read))).await;
        let written = written.map_err(|error| ApplyFault::of(kind, &error));
        metrics::applied(kind, written.as_ref().map(|_| ()).map_err(ApplyFault::reason));
        let written = version(&written?.metadata);
        self.0.insert(kind.clone(), Mark { rendered, written, known, at: Instant::now() });
        Ok(true)
    }
}

/// Sets a Deployment's replicas and who wrote them, and nothing else of it, if the one that was watched asks for others.
///
/// # Errors
/// [`ApplyFault`]: also if somebody wrote it meanwhile. Nothing was written.
pub(super) async fn put_replicas(
    client: &Client,
    owner: Owner<'_>,
    deployment: &Child,
    workload: &Workload,
    replicas: u32,
) -> Result<(), ApplyFault> {
    let Some(watched) = &workload.deployment else { return Ok(()) };
    if workload.replicas() == replicas {
        return Ok(());
    }
    let kind = &deployment.resource.kind;
    let patch = json!({
        "metadata": {
            "resourceVersion": watched.metadata.resource_version,
            "annotations": {OPERATOR: deployment.object["metadata"]["annotations"][OPERATOR]},
        },
        "spec": {"replicas": replicas},
    });
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), owner.namespace, &deployment.resource);
    let written = api.patch(&deployment.name, &merging(), &Patch::Merge(patch)).await;
    let written = written.map(|_| ()).map_err(|error| ApplyFault::of(kind, &error));
    metrics::applied(kind, written.as_ref().copied().map_err(ApplyFault::reason));
    written
}

/// An object whose write fails unless the one that is there has this version.
fn guarded<'a>(object: &'a Value, version: Option<&String>) -> Cow<'a, Value> {
    let Some(version) = version else { return Cow::Borrowed(object) };
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = Value::from(version.as_str());
    Cow::Owned(object)
}

/// Before a child is made, and before the first write: it is not there, or is this pool's. Answers whether it is there.
async fn check_owner(api: &Api<DynamicObject>, owner: Owner<'_>, child: &Child) -> Result<bool, ApplyFault> {
    let found = api.get_metadata_opt(&child.name).await;
    let found = found.map_err(|error| ApplyFault::of(&child.resource.kind, &error))?;
    let foreign =
        found.as_ref().is_some_and(|found| !is_owned(found.metadata.owner_references.as_deref(), owner));
    if foreign { Err(conflict(child)) } else { Ok(found.is_some()) }
}

/// Gives a child of the owner back the labels that it is watched by: somebody took them away. Nothing else of it is
/// written.
///
/// # Errors
/// [`ApplyFault`]; nothing was written.
pub(super) async fn label(client: &Client, owner: Owner<'_>, child: &Child) -> Result<(), ApplyFault> {
    let patch = json!({"metadata": {"labels": child.object["metadata"]["labels"]}});
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), owner.namespace, &child.resource);
    let labelled = api.patch_metadata(&child.name, &merging(), &Patch::Merge(patch)).await;
    labelled.map(|_| ()).map_err(|error| ApplyFault::of(&child.resource.kind, &error))
}

fn merging() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn is_owned(owners: Option<&[OwnerReference]>, owner: Owner<'_>) -> bool {
    controller(owners.unwrap_or_default()) == Some(owner.uid)
}

fn conflict(child: &Child) -> ApplyFault {
    ApplyFault::NameConflict { kind: child.resource.kind.clone(), name: child.name.clone() }
}

/// Changes when somebody changes what is asked for; where there is no generation, when anybody changes anything.
fn version(metadata: &ObjectMeta) -> Option<String> {
    let generation = metadata.generation.map(|generation| generation.to_string());
    generation.or_else(|| metadata.resource_version.clone())
}

fn hash(object: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(known: Option<&str>) -> Mark {
        Mark {
            rendered: 1,
            written: Some("2".to_owned()),
            known: known.map(str::to_owned),
            at: Instant::now(),
        }
    }

    fn is_current(mark: &mut Mark, watched: Option<&str>) -> bool {
        mark.is_current(1, watched.map(str::to_owned).as_ref())
    }

    #[test]
    fn a_watch_that_is_behind_is_no_reason_to_write_again() {
        let mut mark = written(Some("1"));
        assert!(is_current(&mut mark, Some("1")));
        assert!(is_current(&mut mark, Some("2")));
        assert!(!is_current(&mut mark, Some("1")), "it went back: somebody wrote");
    }

    #[test]
    fn a_child_that_is_new_to_the_watch_is_written_once() {
        let mut mark = written(None);
        assert!(is_current(&mut mark, None) && is_current(&mut mark, None));
    }

    #[test]
    fn what_somebody_changed_or_deleted_is_written_again() {
        let mut mark = written(None);
        assert!(!is_current(&mut mark, Some("3")));
        assert!(is_current(&mut mark, Some("2")));
        assert!(!is_current(&mut mark, None), "it was there, and is gone");
    }

    #[test]
    fn a_guarded_write_carries_the_version_that_was_watched_and_another_one_none() {
        let object = serde_json::json!({"metadata": {"name": "pool"}, "spec": {"replicas": 3}});
        let version = "7".to_owned();
        let with = guarded(&object, Some(&version));
        assert_eq!(
            (&with["metadata"]["resourceVersion"], &with["spec"]),
            (&Value::from("7"), &object["spec"])
        );
        assert_eq!(*guarded(&object, None), object);
    }

    #[test]
    fn what_has_to_be_otherwise_is_written_again() {
        assert!(!written(None).is_current(2, None));
    }
}
