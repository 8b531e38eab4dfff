//! What people add to the pods, merged into what is ours; and what they cannot add.

use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Value, json};

use super::refuse::refusals;
use crate::api::Template;

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

/// Keys by which lists are merged, as `kubectl apply` does; lists that are not here are replaced
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>).
pub(super) const KEYED: &[(&str, &str)] = &[
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
