//! What people add to the pods.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is added to the pods, as in a Deployment's `template`.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// Labels and annotations.
    #[serde(skip_serializing_if = "TemplateMetadata::is_empty")]
    pub metadata: TemplateMetadata,
    /// A PodSpec, or parts of one: lists are merged by name, as `kubectl apply` does. The consumer's container is named
    /// `worker`; give it `resources`, `env` or `volumeMounts`, or add containers. What keeps a pod safe
    /// (`securityContext`, `serviceAccountName`, `terminationGracePeriodSeconds`, the environment that the pool sets)
    /// cannot be set here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "pod_spec")]
    pub spec: Map<String, Value>,
}

/// Labels and annotations of the pods.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMetadata {
    /// Labels. Those of the pool itself cannot be set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
}

impl TemplateMetadata {
    fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// The account that the pods run as.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccount {
    /// One that exists. Left out: one is made, named as the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
    /// Annotations for the one that is made, such as `eks.amazonaws.com/role-arn`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
}

/// The schema of a PodSpec is larger than everything else together, and the API server checks it anyway when the
/// Deployment is applied: here it is any object.
fn pod_spec(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
