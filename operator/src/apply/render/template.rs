//! What people add to the pods, merged into what is ours; and what they cannot add.

use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Value, json};

use super::container::RESERVED;
use crate::{api::Template, names::POOL_LABEL};

/// Everything in `spec.template` that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidTemplate(pub Vec<Refusal>);

/// Something in `spec.template` that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it is.
    pub path: String,
    /// What to do instead.
    pub remedy: &'static str,
}

impl InvalidTemplate {
    /// A stable word for conditions.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "InvalidTemplate"
    }
}

impl Display for InvalidTemplate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("spec.template cannot be used: ")?;
        for (index, Refusal { path, remedy }) in self.0.iter().enumerate() {
            write!(f, "{}{path} {remedy}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Fields of the pod that are ours alone, and what to do instead.
const OF_THE_POD: &[(&str, &str)] = &[
    ("securityContext", "cannot be set: pods are as restricted as Kubernetes can make them"),
    ("serviceAccountName", "cannot be set here: set spec.serviceAccount.name"),
    ("serviceAccount", "cannot be set here: set spec.serviceAccount.name"),
    ("automountServiceAccountToken", "cannot be set: consumers do not talk to the API server"),
    ("terminationGracePeriodSeconds", "cannot be set here: it is spec.worker.taskTimeoutSeconds and 50 s"),
    ("restartPolicy", "cannot be set: pods of a Deployment always restart"),
    ("hostNetwork", "cannot be set: a pod's report is asked for at its own address"),
    ("hostPID", "cannot be set"),
    ("hostIPC", "cannot be set"),
    ("hostUsers", "cannot be set"),
];

/// Fields of the container `worker` that are ours alone.
const OF_THE_WORKER: &[(&str, &str)] = &[
    ("image", "cannot be set here: set spec.image"),
    ("securityContext", "cannot be set: pods are as restricted as Kubernetes can make them"),
    ("command", "cannot be set: the consumer has no arguments, and is set up by spec.worker and env"),
    ("args", "cannot be set: the consumer has no arguments, and is set up by spec.worker and env"),
    ("ports", "cannot be set: port 3000 is named http"),
    ("livenessProbe", "cannot be set: the consumer knows by itself whether it is stuck"),
    ("readinessProbe", "cannot be set: readiness must not depend on load"),
    ("startupProbe", "cannot be set"),
    ("lifecycle", "cannot be set: SIGTERM begins the drain"),
];

/// Keys by which lists are merged, as `kubectl apply` does; lists that are not here are replaced
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>).
const KEYED: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("volumeMounts", "mountPath"),
    ("hostAliases", "ip"),
];

/// Our pod template with what people add.
///
/// # Errors
/// [`InvalidTemplate`]
pub(super) fn merged(mut ours: Value, theirs: Option<&Template>) -> Result<Value, InvalidTemplate> {
    let Some(theirs) = theirs else { return Ok(ours) };
    let refusals = refusals(&ours, theirs);
    if !refusals.is_empty() {
        return Err(InvalidTemplate(refusals));
    }
    merge(&mut ours["metadata"]["labels"], &json!(theirs.metadata.labels));
    merge(&mut ours["metadata"]["annotations"], &json!(theirs.metadata.annotations));
    merge_maps(&mut ours["spec"], &theirs.spec);
    Ok(ours)
}

fn refusals(ours: &Value, theirs: &Template) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refuse = |path: String, remedy: &'static str| refusals.push(Refusal { path, remedy });
    for label in theirs.metadata.labels.keys() {
        if label == POOL_LABEL || ours["metadata"]["labels"].get(label).is_some() {
            refuse(format!("metadata.labels[{label}]"), "cannot be set: the operator finds its pods by it");
        }
    }
    for (field, remedy) in OF_THE_POD {
        if theirs.spec.contains_key(*field) {
            refuse(format!("spec.{field}"), remedy);
        }
    }
    for (index, volume) in list(&theirs.spec, "volumes").enumerate() {
        if volume["name"] == "tmp" {
            refuse(format!("spec.volumes[{index}]"), "cannot be set: /tmp is the consumer's own");
        }
    }
    for (index, container) in list(&theirs.spec, "containers").enumerate() {
        let path = format!("spec.containers[{index}]");
        if container["name"] == "worker" {
            of_the_worker(container, &path, &mut refuse);
        } else if container["name"].as_str().is_none_or(str::is_empty) {
            refuse(
                path,
                "has no name: name it worker to change the consumer's container, or otherwise to add one",
            );
        }
    }
    refusals
}

fn of_the_worker(container: &Value, path: &str, refuse: &mut impl FnMut(String, &'static str)) {
    for (field, remedy) in OF_THE_WORKER {
        if container.get(field).is_some() {
            refuse(format!("{path}.{field}"), remedy);
        }
    }
    let variables = container["env"].as_array().into_iter().flatten();
    for name in variables.filter_map(|variable| variable["name"].as_str()) {
        if RESERVED.contains(&name) {
            refuse(format!("{path}.env[{name}]"), "cannot be set here: a field of the pool sets it");
        }
    }
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    if mounts.into_iter().any(|mount| mount["mountPath"] == "/tmp") {
        refuse(format!("{path}.volumeMounts[/tmp]"), "cannot be set: /tmp is the consumer's own");
    }
}

fn list<'a>(map: &'a Map<String, Value>, field: &str) -> impl Iterator<Item = &'a Value> {
    map.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn merge(ours: &mut Value, theirs: &Value) {
    match theirs {
        Value::Object(theirs) if ours.is_object() => merge_maps(ours, theirs),
        theirs => *ours = theirs.clone(),
    }
}

fn merge_maps(ours: &mut Value, theirs: &Map<String, Value>) {
    for (field, value) in theirs {
        let key = KEYED.iter().find(|(list, _)| list == field).map(|(_, key)| *key);
        match (key, ours[field].as_array_mut(), value.as_array()) {
            (Some(key), Some(ours), Some(theirs)) => merge_lists(ours, theirs, key),
            _ => merge(&mut ours[field], value),
        }
    }
}

/// Those of the same key are merged, others added behind.
fn merge_lists(ours: &mut Vec<Value>, theirs: &[Value], key: &str) {
    for item in theirs {
        match ours.iter_mut().find(|of_ours| !item[key].is_null() && of_ours[key] == item[key]) {
            Some(of_ours) => merge(of_ours, item),
            None => ours.push(item.clone()),
        }
    }
}
