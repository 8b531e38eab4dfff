//! The CustomResourceDefinition: as it has to be, and as it is served.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Client, CustomResourceExt, api::Api};
use serde_json::Value;

use crate::api::ExportPool;

/// Why pools cannot be looked after.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// There is no definition.
    #[error(
        "the CustomResourceDefinition {0} is not installed: install the chart with crds.enabled=true, or \
         `exportpool-operator crd | kubectl apply --server-side -f -`"
    )]
    Missing(String),
    /// The definition is older than this operator.
    #[error(
        "the CustomResourceDefinition {name} is older than this operator (it has no {}): upgrade the chart with \
         crds.enabled=true, or `exportpool-operator crd | kubectl apply --server-side -f -`",
        .fields.join(", ")
    )]
    Older {
        /// The definition.
        name: String,
        /// Fields that it does not have, at most five.
        fields: Vec<String>,
    },
    /// It cannot be read.
    #[error("the CustomResourceDefinition {name} cannot be read: {why}")]
    Unreadable {
        /// The definition.
        name: String,
        /// Why.
        why: String,
    },
}

/// The definition, in YAML, as `crds/` has it.
///
/// # Errors
/// None in practice: the definition is of this program.
pub fn yaml() -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&ExportPool::crd())
}

/// Looks whether the definition that is served has every field that this operator knows. Where the operator may not
/// look, as with rights in some namespaces only, it is taken on trust.
///
/// # Errors
/// [`SchemaFault`]
pub async fn check(client: &Client) -> Result<(), SchemaFault> {
    let name = ExportPool::crd_name().to_owned();
    let found = match Api::<CustomResourceDefinition>::all(client.clone()).get_opt(&name).await {
        Ok(found) => found.ok_or_else(|| SchemaFault::Missing(name.clone()))?,
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            tracing::warn!("the CustomResourceDefinition may not be read: its version is not checked");
            return Ok(());
        }
        Err(error) => return Err(SchemaFault::Unreadable { name, why: error.to_string() }),
    };
    let fields = missing(&schema(&ExportPool::crd()), &schema(&found));
    if fields.is_empty() { Ok(()) } else { Err(SchemaFault::Older { name, fields }) }
}

fn schema(definition: &CustomResourceDefinition) -> Value {
    let versions = definition.spec.versions.iter();
    let ours = versions
        .filter(|version| version.name == "v1alpha1" && version.served)
        .find_map(|version| serde_json::to_value(version.schema.as_ref()?.open_api_v3_schema.as_ref()?).ok());
    ours.unwrap_or(Value::Null)
}

/// Paths of the first five properties that one schema has and the other has not.
fn missing(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_missing(ours, theirs, "", &mut found);
    found.truncate(5);
    found
}

fn collect_missing(ours: &Value, theirs: &Value, path: &str, found: &mut Vec<String>) {
    for (name, property) in ours["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match theirs["properties"].get(name) {
            Some(their) => collect_missing(property, their, &path, found),
            None => found.push(path),
        }
    }
    if !ours["items"].is_null() {
        collect_missing(&ours["items"], &theirs["items"], &format!("{path}[]"), found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_older_schema_does_not_have_is_named_by_its_path() {
        let ours = json!({"properties": {"a": {"properties": {"b": {}, "c": {}}}, "l": {"items": {"properties": {"x": {}}}}}});
        let theirs = json!({"properties": {"a": {"properties": {"b": {}, "z": {}}}, "l": {"items": {}}}});
        assert_eq!(missing(&ours, &theirs), ["a.c", "l[].x"]);
        assert_eq!(missing(&ours, &ours), [""; 0]);
    }

    /// `make crd` writes both.
    #[test]
    fn the_definition_in_the_tree_and_in_the_chart_is_of_these_types() {
        let house = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |path: &str| std::fs::read_to_string(house.join(path)).unwrap();
        assert!(read("crds/exportpools.yaml") == yaml().unwrap(), "crds/ is old: make crd");
        let ours = |line: &&str| {
            !line.contains("{{") && !line.contains("annotations:") && !line.contains("resource-policy")
        };
        let chart = read("charts/exportpool-crds/templates/exportpools.yaml");
        let chart: Vec<_> = chart.lines().filter(ours).collect();
        let tree = yaml().unwrap();
        assert!(
            chart == tree.lines().filter(ours).collect::<Vec<_>>(),
            "the chart's definition is old: make crd"
        );
    }

    /// The etcd of a cluster is not for essays (<https://kubernetes.io/docs/concepts/overview/kubernetes-api/>): the
    /// definition stays under 200 KiB.
    #[test]
    fn the_definition_stays_small_and_serves_one_version() {
        assert!(yaml().unwrap().len() < 200 * 1024);
        assert_eq!(missing(&schema(&ExportPool::crd()), &schema(&ExportPool::crd())), [""; 0]);
        assert!(schema(&ExportPool::crd())["properties"]["spec"]["properties"]["scaling"].is_object());
    }
}
