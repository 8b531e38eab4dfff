//! The chart as it is installed, and what its operator may.

use std::{env, path::Path, process::Command};

use serde_json::Value;

use crate::{kubectl, team::Team};

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

pub(crate) fn chart() -> String {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    house.join("charts/exportpool").to_string_lossy().into_owned()
}

/// Whether somebody may: `list secrets -n kube-system`.
pub(crate) fn may(who: &str, words: &str) -> bool {
    let asked = ["auth", "can-i", who].into_iter().chain(words.split(' ')).collect::<Vec<_>>();
    kubectl::run(&asked, None).status.success()
}
