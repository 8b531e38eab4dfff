//! What people cannot add to the pods, and what to do instead.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    container::{PORT_NAME, RESERVED},
    template::{KEYED, Refusal},
};
use crate::{
    api::{Template, TemplateMetadata},
    names::{DELETION_COST, OF_THE_PROJECT, WORKER_PORT},
};

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

/// Everything in `theirs` that cannot be.
pub(super) fn refusals(ours: &Value, theirs: &Template) -> Vec<Refusal> {
    let mut refusals = Refusals::default();
    refusals.of_metadata(ours, &theirs.metadata);
    refusals.of_pod(&theirs.spec);
    refusals.of_containers(&theirs.spec);
    refusals.0
}

#[derive(Default)]
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn add(&mut self, path: String, remedy: &'static str) {
        self.0.push(Refusal { path, remedy });
    }

    fn of_metadata(&mut self, ours: &Value, theirs: &TemplateMetadata) {
        for label in theirs.labels.keys() {
            if label.starts_with(OF_THE_PROJECT) || ours["metadata"]["labels"].get(label).is_some() {
                self.add(
                    format!("metadata.labels[{label}]"),
                    "cannot be set: the operator finds its pods by it",
                );
            }
        }
        for annotation in theirs.annotations.keys() {
            if annotation == DELETION_COST || annotation.starts_with(OF_THE_PROJECT) {
                self.add(
                    format!("metadata.annotations[{annotation}]"),
                    "cannot be set: it is the operator's",
                );
            }
        }
    }

    fn of_pod(&mut self, spec: &Map<String, Value>) {
        self.of_fields(spec, "spec", OF_THE_POD);
        self.of_lists(spec, "spec");
        for (index, volume) in items(spec.get("volumes")).enumerate() {
            let path = format!("spec.volumes[{index}]");
            if volume["name"] == "tmp" {
                self.add(path, "cannot be set: /tmp is the consumer's own");
            } else if items(volume["projected"].get("sources")).any(is_token_for_the_api_server) {
                self.add(path, "has a token for the API server: name the audience that it is for");
            }
        }
    }

    fn of_containers(&mut self, spec: &Map<String, Value>) {
        for (index, container) in items(spec.get("containers")).enumerate() {
            let path = format!("spec.containers[{index}]");
            match container.as_object() {
                Some(worker) if container["name"] == "worker" => self.of_worker(worker, &path),
                Some(_) if container["name"].as_str().is_some_and(|name| !name.is_empty()) => {
                    self.of_ports(container, &path);
                }
                _ => self.add(
                    path,
                    "has no name: name it worker to change the consumer's container, or otherwise to add one",
                ),
            }
        }
        for (index, container) in items(spec.get("initContainers")).enumerate() {
            self.of_ports(container, &format!("spec.initContainers[{index}]"));
        }
    }

    fn of_worker(&mut self, worker: &Map<String, Value>, path: &str) {
        self.of_fields(worker, path, OF_THE_WORKER);
        self.of_lists(worker, path);
        for name in items(worker.get("env")).filter_map(|variable| variable["name"].as_str()) {
            if RESERVED.contains(&name) {
                self.add(format!("{path}.env[{name}]"), "cannot be set here: a field of the pool sets it");
            }
        }
        let mut mounts = items(worker.get("volumeMounts")).filter_map(|mount| mount["mountPath"].as_str());
        if mounts.any(|mount| mount.trim_end_matches('/') == "/tmp") {
            self.add(format!("{path}.volumeMounts[/tmp]"), "cannot be set: /tmp is the consumer's own");
        }
    }

    /// The containers of a pod share its address, and Prometheus asks all ports of a name.
    fn of_ports(&mut self, container: &Value, path: &str) {
        for (index, port) in items(container.get("ports")).enumerate() {
            if port["name"] == PORT_NAME || port["containerPort"] == WORKER_PORT {
                self.add(
                    format!("{path}.ports[{index}]"),
                    "cannot be 3000 or named http: that is the consumer's port",
                );
            }
        }
    }

    fn of_fields(&mut self, theirs: &Map<String, Value>, path: &str, fields: &[(&str, &'static str)]) {
        for (field, remedy) in fields {
            if theirs.contains_key(*field) {
                self.add(format!("{path}.{field}"), remedy);
            }
        }
    }

    /// Lists that are merged by a key have to be lists, each key in them once: otherwise what is meant is not known.
    fn of_lists(&mut self, theirs: &Map<String, Value>, path: &str) {
        for (field, key) in KEYED {
            let Some(list) = theirs.get(*field) else { continue };
            if !list.is_array() {
                self.add(format!("{path}.{field}"), "has to be a list");
            }
            let mut seen = HashSet::new();
            for name in items(Some(list)).filter_map(|item| item[key].as_str()) {
                if !seen.insert(name) {
                    self.add(format!("{path}.{field}[{name}]"), "is there more than once: join them");
                }
            }
        }
    }
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

/// Without an audience a token is for the API server. The chart's policy refuses the same.
fn is_token_for_the_api_server(source: &Value) -> bool {
    let token = source.get("serviceAccountToken");
    token.is_some_and(|token| token["audience"].as_str().is_none_or(str::is_empty))
}
