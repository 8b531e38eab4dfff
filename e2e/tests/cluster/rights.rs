//! Operators that lack a right: what is said of it, and what goes on without.
//!
//! Each test has a release of its own, with an operator.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kubectl, pool::Pool, release::Release, scaling::fast, stand_in::StandIn, team::Team, wait::until,
};

const SOON: Duration = Duration::from_secs(20);

/// Rules of RBAC, which can be taken from and put right.
struct Rules<'a> {
    kind: &'static str,
    release: &'a Release<'a>,
    namespace: &'a str,
    whole: Value,
}

impl<'a> Rules<'a> {
    /// Of a Role in a namespace, or of the ClusterRole.
    fn of(kind: &'static str, release: &'a Release<'a>, namespace: &'a str) -> Self {
        let whole = kubectl::get(kind, namespace, &release.wide())["rules"].clone();
        assert!(whole.is_array(), "no rules");
        Self { kind, release, namespace, whole }
    }

    /// Takes a verb away, and waits until the API server knows.
    fn lose(&self, verb: &str, resource: &str) {
        let mut rules = self.whole.clone();
        for rule in rules.as_array_mut().unwrap() {
            if rule["resources"].as_array().unwrap().contains(&json!(resource)) {
                rule["verbs"].as_array_mut().unwrap().retain(|has| has != verb);
            }
        }
        // One without verbs is no rule.
        rules.as_array_mut().unwrap().retain(|rule| rule["verbs"] != json!([]));
        assert_ne!(rules, self.whole);
        self.write(&rules);
        let lost = || {
            let words = format!("{verb} {resource} -n {}", self.namespace);
            (!self.release.may(&words)).then_some(())
        };
        until("the right to be lost", SOON, lost, || rules.to_string());
    }

    fn restore(&self) {
        self.write(&self.whole);
    }

    fn write(&self, rules: &Value) {
        let (name, patch) = (self.release.wide(), json!({"rules": rules}).to_string());
        kubectl::ok(&["patch", self.kind, &name, "-n", self.namespace, "--type=merge", "-p", &patch]);
    }
}

/// A condition's message names what is missing, and what to do.
#[track_caller]
fn says(told: &Value, words: &[&str]) {
    let message = told["message"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not in: {message}");
}

#[test]
fn a_right_that_is_missing_in_one_namespace_is_told_there_and_pods_follow_the_work_all_the_same() {
    let (team, others) = (Team::new("lacks"), Team::new("lacksnot"));
    let watched = format!("watchNamespaces={{{},{}}}", team.namespace, others.namespace);
    let release = Release::with_operators(&team, 1, &[&watched]);
    let (aws, aws_of_others) = (StandIn::start(&team), StandIn::start(&others));
    let pool = Pool::of_one_as(&team, release.pool(&team, &aws, &fast(3)));
    let well = Pool::of_one_as(&others, release.pool(&others, &aws_of_others, &fast(3)));
    let rules = Rules::of("role", &release, &team.namespace);
    rules.lose("patch", "poddisruptionbudgets");
    let never = json!({"spec": {"maxUnavailable": 0}}).to_string();
    kubectl::ok(&["patch", "pdb", "pool", "-n", &team.namespace, "--type=merge", "-p", &never]);
    let told = pool.has("Stalled", "True", "Forbidden");
    says(&told, &["may not write PodDisruptionBudget", "patch", "ServiceAccount the rights of the chart"]);
    pool.has("Ready", "False", "Forbidden");
    pool.change(&json!({"scaling": {"minReplicas": 2}}));
    well.change(&json!({"scaling": {"minReplicas": 2}}));
    pool.has_ready(2);
    well.has("Ready", "True", "PodsReady");
    well.has_ready(2);
    pool.has("Stalled", "True", "Forbidden");
    rules.restore();
    let right =
        || (kubectl::get("pdb", &team.namespace, "pool")["spec"]["maxUnavailable"] == "25%").then_some(());
    until("the budget to be put right", SOON, right, || team.told());
    pool.is_well();
}

#[test]
fn an_operator_that_may_not_write_deployments_takes_no_pod_away_and_goes_on_when_it_may() {
    let team = Team::new("lacksdeploy");
    let release = Release::with_operators(&team, 1, &[]);
    let aws = StandIn::start(&team);
    let pool = Pool::of_one_as(&team, release.pool(&team, &aws, &fast(3)));
    let rules = Rules::of("clusterrole", &release, &team.namespace);
    rules.lose("patch", "deployments");
    pool.change(&json!({"scaling": {"minReplicas": 2}}));
    let told = pool.has("Stalled", "True", "Forbidden");
    says(&told, &["may not write Deployment", "cannot patch resource \"deployments\"", "ServiceAccount"]);
    assert_eq!((pool.replicas(), pool.pods().len()), (Some(1), 1));
    rules.restore();
    pool.has_ready(2);
    pool.is_well();
}

#[test]
fn an_operator_that_may_not_read_a_secret_says_so_and_reads_it_when_it_may() {
    let team = Team::new("lackssecret");
    let release = Release::with_operators(&team, 1, &[]);
    let aws = StandIn::start(&team);
    let rules = Rules::of("clusterrole", &release, &team.namespace);
    rules.lose("get", "secrets");
    let pool = Pool::apply(&team, &release.pool(&team, &aws, &fast(3)));
    let told = pool.has("QueuesReadable", "False", "SecretForbidden");
    says(&told, &["may not read Secret aws", "get on secrets"]);
    rules.restore();
    pool.has("QueuesReadable", "True", "Read");
    pool.has("Ready", "True", "ScaledToZero");
}

#[test]
fn an_operator_that_may_not_list_what_it_needs_is_not_ready_and_says_why() {
    let team = Team::new("lackslist");
    let release = Release::install(&team, &[]);
    let rules = Rules::of("clusterrole", &release, &team.namespace);
    rules.lose("list", "pods");
    kubectl::ok(&["scale", "deployment", release.name(), "-n", release.name(), "--replicas=1"]);
    let says = || {
        let line = release.log().lines().find(|line| line.contains("cannot list")).map(str::to_owned);
        line.filter(|line| line.contains("pods is forbidden"))
    };
    until("the operator to say what it may not", Duration::from_secs(60), says, || release.log());
    let readyz = || {
        let label = format!("app.kubernetes.io/instance={}", release.name());
        let pods = kubectl::list("pods", release.name(), &label);
        let pod = pods.first()?["metadata"]["name"].as_str()?.to_owned();
        let at = format!("/api/v1/namespaces/{}/pods/{pod}:8080/proxy/readyz", release.name());
        // Of an answer that is no success, kubectl tells the body only so.
        let output = kubectl::run(&["get", "--raw", &at, "-v=9"], None);
        let said = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&said).into_owned())
    };
    let names = || readyz().filter(|said| said.contains("pods is forbidden"));
    until("its readiness to name what is missing", SOON, names, || format!("{:?}", readyz()));
    rules.restore();
    release.is_ready();
}
