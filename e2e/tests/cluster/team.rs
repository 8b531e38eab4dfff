//! A namespace of a test: a team that exports.

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use crate::kubectl;

/// A namespace that enforces `restricted`, gone when the test is over; kept when it fails, for whoever looks.
pub(crate) struct Team {
    /// Its name.
    pub(crate) namespace: String,
}

impl Team {
    pub(crate) fn new(name: &str) -> Self {
        static COUNTED: AtomicU32 = AtomicU32::new(0);
        let number = COUNTED.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("e2e-{name}-{}-{number}", process::id());
        let labels = json!({
            "pod-security.kubernetes.io/enforce": "restricted",
            "exportpool.dev/e2e": "true",
        });
        kubectl::apply(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels},
        }));
        Self { namespace }
    }

    /// Events about an object.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let about = format!("regarding.name={name}");
        let arguments =
            ["get", "events.events.k8s.io", "-n", &self.namespace, "--field-selector", &about, "-o", "json"];
        let list: Value = serde_json::from_slice(&kubectl::run(&arguments, None).stdout).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Everything that helps to see what is wrong.
    pub(crate) fn told(&self) -> String {
        let look = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().copied().chain(["-n", &self.namespace]).collect();
            let output = kubectl::run(&arguments, None);
            format!("$ kubectl {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stdout))
        };
        [
            look(&["get", "xp,deploy,rs,pods,jobs", "-o", "wide"]),
            look(&["get", "xp", "-o", "yaml"]),
            look(&["get", "events", "--sort-by=.lastTimestamp"]),
            look(&["logs", "-l", "job-name=load", "--tail=20"]),
        ]
        .join("\n")
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if std::thread::panicking() && env::var_os("E2E_KEEP").is_some() {
            return;
        }
        kubectl::run(&["delete", "namespace", &self.namespace, "--wait=false"], None);
    }
}
