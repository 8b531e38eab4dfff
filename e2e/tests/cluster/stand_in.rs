//! A stand-in of AWS in a team's namespace, and a load on its queues.

use std::{env, time::Duration};

use serde_json::{Value, json};

use crate::{kubectl, team::Team, wait::until};

/// Images that `make image` made.
pub(crate) fn image(name: &str) -> String {
    let tag = env::var("E2E_TAG").unwrap_or_else(|_| "dev".to_owned());
    let registry = env::var("E2E_REGISTRY").unwrap_or_else(|_| "localhost/exportpool".to_owned());
    format!("{registry}/{name}:{tag}")
}

/// What a namespace that enforces `restricted` asks of a container.
fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

fn deployment(team: &Team, arguments: &[&str], replicas: u32) -> Value {
    let labels = json!({"app": "aws"});
    let temporary = json!({"name": "tmp", "mountPath": "/tmp"});
    let arguments: Vec<_> = ["aws", "--bind", "0.0.0.0"].iter().chain(arguments).collect();
    let container = json!({
        "name": "aws",
        "image": image("exportctl"),
        "args": arguments,
        "ports": [{"containerPort": 4566}],
        "readinessProbe": {"tcpSocket": {"port": 4566}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "securityContext": restricted(),
        "volumeMounts": [temporary],
    });
    let pod = json!({
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "automountServiceAccountToken": false,
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "aws", "namespace": team.namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    })
}

/// SQS, S3, DynamoDB and a source of files, as `http://aws:4566` in a namespace.
pub(crate) struct StandIn<'a> {
    team: &'a Team,
}

impl<'a> StandIn<'a> {
    /// Starts it, and waits until it answers.
    pub(crate) fn start(team: &'a Team) -> Self {
        let labels = json!({"app": "aws"});
        kubectl::apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "aws", "namespace": team.namespace},
                "spec": {"selector": labels, "ports": [{"port": 4566}]},
            },
            {
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "aws", "namespace": team.namespace},
                "stringData": {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
            },
        ]}));
        let stand_in = Self { team };
        stand_in.run(&[]);
        stand_in
    }

    /// Runs it anew with these arguments: what was on its queues is gone, and they are at the same address.
    pub(crate) fn run(&self, arguments: &[&str]) {
        kubectl::apply(&deployment(self.team, arguments, 1));
        until("the stand-in to be ready", Duration::from_secs(60), || self.is_ready(), || self.team.told());
    }

    /// Nobody answers at its address.
    pub(crate) fn end(&self) {
        kubectl::apply(&deployment(self.team, &[], 0));
        let gone = || kubectl::list("pods", &self.team.namespace, "app=aws").is_empty().then_some(());
        until("the stand-in to be gone", Duration::from_secs(60), gone, || self.team.told());
    }

    /// One pod of the newest template, and no older one.
    fn is_ready(&self) -> Option<()> {
        let deployment = kubectl::get("deployment", &self.team.namespace, "aws");
        let status = &deployment["status"];
        let seen = status["observedGeneration"] == deployment["metadata"]["generation"];
        let all = ["replicas", "updatedReplicas", "readyReplicas"].iter().all(|count| status[count] == 1);
        (seen && all).then_some(())
    }

    /// Its address in the cluster.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://aws.{}.svc:4566", self.team.namespace)
    }

    /// Starts the load Job: `exportctl load` with `--verify`, which succeeds when every file is stored once.
    pub(crate) fn load(&self, arguments: &[&str]) -> Load<'_> {
        let endpoint = self.endpoint();
        let fixed = ["load", "--emulator", &endpoint, "--json", "--verify"];
        let arguments: Vec<_> = fixed.iter().chain(arguments).collect();
        let container = json!({
            "name": "load",
            "image": image("exportctl"),
            "args": arguments,
            "securityContext": restricted(),
        });
        let pod = json!({"restartPolicy": "Never", "automountServiceAccountToken": false, "containers": [container]});
        kubectl::apply(&json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "load", "namespace": self.team.namespace},
            "spec": {"backoffLimit": 0, "template": {"spec": pod}},
        }));
        Load { team: self.team }
    }
}

/// A load Job.
pub(crate) struct Load<'a> {
    team: &'a Team,
}

impl Load<'_> {
    /// Whether something of it is not done yet.
    pub(crate) fn is_on(&self) -> bool {
        kubectl::get("job", &self.team.namespace, "load")["status"]["active"] == 1
    }

    /// Waits until it is over, and answers what it found.
    pub(crate) fn findings(&self, within: Duration) -> Value {
        let over = || {
            let status = kubectl::get("job", &self.team.namespace, "load")["status"].clone();
            (status["succeeded"] == 1 || status["failed"] == 1).then_some(())
        };
        until("the load to be verified", within, over, || self.team.told());
        let log = kubectl::ok(&["logs", "-n", &self.team.namespace, "job/load"]);
        log.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or_else(|| panic!("{log}"))
    }
}
