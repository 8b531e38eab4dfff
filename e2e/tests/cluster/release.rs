//! The chart as it is installed, and what its operator may.

use std::{env, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::{kubectl, pool::Pool, stand_in::StandIn, team::Team, wait::until};

fn helm(arguments: &[&str]) -> (bool, String) {
    let program = env::var("HELM").unwrap_or_else(|_| "helm".to_owned());
    let output =
        Command::new(program).args(arguments).output().expect("helm runs: HELM or the PATH names it");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The chart, installed in a team's namespace under the namespace's name, for pools of a class of that name.
pub(crate) struct Release<'a> {
    team: &'a Team,
}

impl<'a> Release<'a> {
    pub(crate) fn install(team: &'a Team, values: &[&str]) -> Self {
        let release = Self { team };
        let installed = release.helm(&["install", release.name(), &chart()], values);
        assert!(installed.0, "{}", installed.1);
        release
    }

    /// The same with so many operators, once they are ready. It is nobody else's: it can be disturbed.
    pub(crate) fn with_operators(team: &'a Team, operators: u32, values: &[&str]) -> Self {
        Self::of_chart(team, &chart(), operators, values)
    }

    /// The same of a chart.
    pub(crate) fn of_chart(team: &'a Team, chart: &str, operators: u32, values: &[&str]) -> Self {
        let release = Self { team };
        let replicas = format!("replicas={operators}");
        let ours = [replicas.as_str(), "allowEndpoints=true"];
        let values: Vec<_> = ours.iter().chain(values).copied().collect();
        let (went, said) = release.helm(&["install", release.name(), chart], &values);
        assert!(went, "{said}");
        release.is_ready();
        release
    }

    /// Waits until all its operators are ready, and of the newest template.
    #[track_caller]
    pub(crate) fn is_ready(&self) {
        let ready = || {
            let deployment = kubectl::get("deployment", self.name(), self.name());
            let (wanted, status) = (deployment["spec"]["replicas"].as_u64(), &deployment["status"]);
            let seen = status["observedGeneration"] == deployment["metadata"]["generation"];
            let all = ["replicas", "updatedReplicas", "readyReplicas"]
                .iter()
                .all(|count| Some(status[count].as_u64().unwrap_or(0)) == wanted);
            (seen && all).then_some(())
        };
        until("the operators to be ready", Duration::from_secs(90), ready, || {
            format!("{}\n{}", self.team.told(), self.log())
        });
    }

    /// What its operators say.
    pub(crate) fn log(&self) -> String {
        let label = format!("app.kubernetes.io/instance={}", self.name());
        let output = kubectl::run(&["logs", "-n", self.name(), "-l", &label, "--tail=-1"], None);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A pool that it looks after.
    pub(crate) fn pool(&self, team: &Team, aws: &StandIn<'_>, scaling: &Value) -> Value {
        let mut object = Pool::object(team, aws, scaling);
        object["spec"]["class"] = Value::from(self.name());
        object
    }

    pub(crate) fn name(&self) -> &str {
        &self.team.namespace
    }

    /// What it is called outside of its namespace.
    pub(crate) fn wide(&self) -> String {
        format!("{0}-{0}", self.name())
    }

    pub(crate) fn helm(&self, arguments: &[&str], values: &[&str]) -> (bool, String) {
        let registry = env::var("E2E_REGISTRY").unwrap_or_else(|_| "localhost/exportpool".to_owned());
        let tag = env::var("E2E_TAG").unwrap_or_else(|_| "dev".to_owned());
        let image = format!("image.repository={registry}/operator,image.tag={tag}");
        let class = format!("class={}", self.name());
        let ours = ["crds.enabled=false", "replicas=0", &image, &class];
        let mut all = [arguments, &["--namespace", self.name()]].concat();
        if arguments.contains(&"install") {
            all.extend(ours.iter().chain(values).flat_map(|value| ["--set", value]));
        }
        helm(&all)
    }

    pub(crate) fn uninstall(&self) -> (bool, String) {
        self.helm(&["uninstall", self.name(), "--timeout", "90s"], &[])
    }

    pub(crate) fn operator(&self) -> String {
        format!("--as=system:serviceaccount:{0}:{0}", self.name())
    }

    /// Whether the operator may, by RBAC alone.
    pub(crate) fn may(&self, words: &str) -> bool {
        may(&self.operator(), words)
    }

    /// What the API server says to a change of the operator's, if it refuses it. Nothing is changed.
    pub(crate) fn told(&self, arguments: &[&str], object: Option<&Value>) -> Result<(), String> {
        let operator = self.operator();
        let all = [arguments, &[&*operator, "--dry-run=server", "-n", self.name()]].concat();
        let output = kubectl::run(&all, object.map(Value::to_string).as_deref());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(said)
    }

    pub(crate) fn patched(&self, pod: &str, patch: &Value) -> Result<(), String> {
        self.told(&["patch", "pod", pod, "--type=merge", "-p", &patch.to_string()], None)
    }

    pub(crate) fn applied(&self, object: &Value) -> Result<(), String> {
        let arguments =
            ["apply", "--server-side", "--force-conflicts", "--field-manager=exportpool-operator"];
        self.told(&[&arguments[..], &["-f", "-"]].concat(), Some(object))
    }

    /// Everything that it made, of all kinds in all namespaces.
    pub(crate) fn objects(&self) -> Vec<String> {
        let kinds = kubectl::ok(&["api-resources", "--verbs=list,delete", "-o", "name"]);
        let kinds: Vec<_> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
        let label = format!("app.kubernetes.io/instance={}", self.name());
        let found =
            kubectl::ok(&["get", &kinds.join(","), "-A", "-l", &label, "-o", "name", "--ignore-not-found"]);
        found.lines().map(str::to_owned).collect()
    }
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.helm(&["uninstall", self.name(), "--no-hooks", "--ignore-not-found"], &[]);
    }
}

/// The chart as it is, packaged under another version.
pub(crate) fn chart_of_version(version: &str, into: &Path) -> String {
    let into = into.to_string_lossy().into_owned();
    let (went, said) =
        helm(&["package", &chart(), "--version", version, "--app-version", version, "--destination", &into]);
    assert!(went, "{said}");
    format!("{into}/exportpool-{version}.tgz")
}

pub(crate) fn chart() -> String {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    house.join("charts/exportpool").to_string_lossy().into_owned()
}

/// Whether somebody may: `list secrets -n kube-system`.
pub(crate) fn may(who: &str, words: &str) -> bool {
    let asked = ["auth", "can-i", who].into_iter().chain(words.split(' ')).collect::<Vec<_>>();
    kubectl::run(&asked, None).status.success()
}
