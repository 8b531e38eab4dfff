//! An ExportPool of a test.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kubectl,
    stand_in::{StandIn, image},
    team::Team,
    wait::until,
};

/// A pool named `pool`.
pub(crate) struct Pool<'a> {
    team: &'a Team,
}

impl<'a> Pool<'a> {
    /// A pool as this test needs it, not applied. Its files come after 400 ms, four at a time in each pod.
    pub(crate) fn object(team: &Team, aws: &StandIn<'_>, scaling: &Value) -> Value {
        let endpoint = aws.endpoint();
        let queue = |name: &str| json!({"url": format!("{endpoint}/000000000000/{name}")});
        json!({
            "apiVersion": "exportpool.dev/v1alpha1",
            "kind": "ExportPool",
            "metadata": {"name": "pool", "namespace": team.namespace},
            "spec": {
                "image": image("consumer"),
                "worker": {"poolSize": 4, "taskTimeoutSeconds": 30},
                "queues": {"exportJobs": queue("export-jobs"), "downloadTasks": queue("download-tasks")},
                "storage": {"bucket": "exports", "table": "exports"},
                "aws": {"region": "us-east-1", "endpoint": endpoint, "credentialsSecretRef": {"name": "aws"}},
                "allowedNetworks": ["10.0.0.0/8"],
                "scaling": scaling,
            },
        })
    }

    /// Applies a pool.
    pub(crate) fn apply(team: &'a Team, object: &Value) -> Self {
        kubectl::apply(object);
        Self { team }
    }

    /// Applies a pool that has one pod at least, and waits until that is ready.
    pub(crate) fn of_one(team: &'a Team, aws: &StandIn<'_>, scaling: &Value) -> Self {
        Self::of_one_as(team, Self::object(team, aws, scaling))
    }

    /// The same of this object.
    pub(crate) fn of_one_as(team: &'a Team, mut object: Value) -> Self {
        object["spec"]["scaling"]["minReplicas"] = json!(1);
        let pool = Self::apply(team, &object);
        pool.has_ready(1);
        pool
    }

    /// Changes its spec, by a merge.
    pub(crate) fn change(&self, spec: &Value) {
        let patch = json!({"spec": spec}).to_string();
        kubectl::ok(&["patch", "xp", "pool", "-n", &self.team.namespace, "--type=merge", "-p", &patch]);
    }

    /// It, as the API server has it.
    pub(crate) fn get(&self) -> Value {
        kubectl::get("exportpool", &self.team.namespace, "pool")
    }

    /// Its Deployment's replicas, as asked for.
    pub(crate) fn replicas(&self) -> Option<u64> {
        kubectl::get("deployment", &self.team.namespace, "pool")["spec"]["replicas"].as_u64()
    }

    /// Its pods.
    pub(crate) fn pods(&self) -> Vec<Value> {
        kubectl::list("pods", &self.team.namespace, "exportpool.dev/pool=pool")
    }

    /// Waits until a condition is so, for that reason.
    #[track_caller]
    pub(crate) fn has(&self, type_: &str, status: &str, reason: &str) -> Value {
        let wanted = |condition: &Value| {
            condition["type"] == type_ && condition["status"] == status && condition["reason"] == reason
        };
        let look = || self.get()["status"]["conditions"].as_array()?.iter().find(|c| wanted(c)).cloned();
        let what = format!("{type_} to be {status} for {reason}");
        until(&what, Duration::from_secs(60), look, || self.team.told())
    }

    /// Waits until nothing stands in its way.
    #[track_caller]
    pub(crate) fn is_well(&self) {
        let well = || {
            let conditions = self.get()["status"]["conditions"].to_string();
            (!conditions.contains("Stalled") && !conditions.contains("Reconciling")).then_some(())
        };
        until("the pool to be well", Duration::from_secs(60), well, || self.team.told());
    }

    /// Everything that belongs to it, by kind and name.
    pub(crate) fn belongings(&self) -> Vec<String> {
        let kinds = "deployments,replicasets,pods,services,serviceaccounts,poddisruptionbudgets";
        let label = "app.kubernetes.io/managed-by=exportpool-operator";
        let found = kubectl::ok(&["get", kinds, "-n", &self.team.namespace, "-l", label, "-o", "name"]);
        found.lines().map(str::to_owned).collect()
    }

    /// Waits until so many pods are ready.
    #[track_caller]
    pub(crate) fn has_ready(&self, wanted: u64) {
        let ready = || (self.get()["status"]["readyReplicas"].as_u64()? >= wanted).then_some(());
        until(&format!("{wanted} pods to be ready"), Duration::from_secs(60), ready, || self.team.told());
    }

    /// Waits until so many replicas are asked for.
    #[track_caller]
    pub(crate) fn asks_for(&self, what: &str, within: Duration, wanted: impl Fn(u64) -> bool) -> u64 {
        until(what, within, || self.replicas().filter(|replicas| wanted(*replicas)), || self.team.told())
    }
}
