//! What a pool owns, by server-side apply. Nothing is sent when nothing changed.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};
use serde_json::Value;

use super::fault::ApplyFault;
use crate::names::FIELD_MANAGER;

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

#[derive(Debug, PartialEq, Eq)]
struct Mark {
    rendered: u64,
    version: Option<String>,
}

/// Whose a child is, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The pool's namespace.
    pub(super) namespace: &'a str,
    /// The pool's UID.
    pub(super) uid: &'a str,
}

impl Applied {
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
    ) -> Result<bool, ApplyFault> {
        let kind = &child.resource.kind;
        let rendered = hash(&child.object);
        let before = self.0.get(kind);
        let same =
            before.is_some_and(|mark| mark.rendered == rendered && mark.version == watched.and_then(version));
        if same {
            return Ok(false);
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), owner.namespace, &child.resource);
        if before.is_none() {
            check_owner(&api, owner, child).await?;
        } else if watched.is_some_and(|metadata| !is_owned(metadata.owner_references.as_deref(), owner)) {
            return Err(conflict(child));
        }
        let how = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        let written = api.patch(&child.name, &how, &Patch::Apply(&child.object)).await;
        let written = written.map_err(|error| ApplyFault::of(kind, &error))?;
        self.0.insert(kind.clone(), Mark { rendered, version: version(&written.metadata) });
        Ok(true)
    }
}

/// Before the first write: the child is not there, or is this pool's.
async fn check_owner(api: &Api<DynamicObject>, owner: Owner<'_>, child: &Child) -> Result<(), ApplyFault> {
    let found = api.get_metadata_opt(&child.name).await;
    let found = found.map_err(|error| ApplyFault::of(&child.resource.kind, &error))?;
    let foreign = found.is_some_and(|found| !is_owned(found.metadata.owner_references.as_deref(), owner));
    if foreign { Err(conflict(child)) } else { Ok(()) }
}

fn is_owned(owners: Option<&[OwnerReference]>, owner: Owner<'_>) -> bool {
    owners.unwrap_or_default().iter().any(|of| of.controller == Some(true) && of.uid == owner.uid)
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
