//! What happens to clusters, while a load is worked off: nothing is lost, nothing twice.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kubectl,
    pool::Pool,
    scaling::{all_stored, fast},
    stand_in::StandIn,
    team::Team,
    wait::until,
};

const SYSTEM: &str = "exportpool-system";
const LOAD: [&str; 7] = ["400", "--delay", "400ms", "--size", "10KiB", "--timeout", "3m"];

fn lease() -> Value {
    kubectl::get("lease", SYSTEM, "exportpool")
}

fn leader() -> String {
    lease()["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

/// Another one leads, within that time.
fn another_leads(than: &str, within: Duration) {
    let another = || Some(leader()).filter(|leader| !leader.is_empty() && leader != than);
    until("another operator to lead", within, another, || lease().to_string());
}

#[test]
fn an_operator_that_is_killed_is_followed_by_another_one_and_loses_nothing() {
    let team = Team::new("killed");
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &Pool::object(&team, &aws, &fast(4)));
    pool.has("Ready", "True", "ScaledToZero");
    let first = leader();
    let load = aws.load(&LOAD);
    pool.asks_for("the pool to scale out", Duration::from_secs(30), |replicas| replicas > 0);
    // At once: it gives nothing back.
    kubectl::ok(&["delete", "pod", &first, "-n", SYSTEM, "--grace-period=0", "--force"]);
    another_leads(&first, Duration::from_secs(20));
    all_stored(&load.findings(Duration::from_secs(240)), 400);
}

#[test]
fn an_operator_that_ends_gives_the_lead_to_another_one_at_once() {
    let first = until(
        "an operator to lead",
        Duration::from_secs(30),
        || Some(leader()).filter(|l| !l.is_empty()),
        || lease().to_string(),
    );
    kubectl::ok(&["delete", "pod", &first, "-n", SYSTEM, "--wait=false"]);
    // It tries every two seconds.
    another_leads(&first, Duration::from_secs(6));
}

#[test]
fn a_rollout_and_an_eviction_under_load_lose_nothing() {
    let team = Team::new("rollout");
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &Pool::object(&team, &aws, &fast(4)));
    pool.has("Ready", "True", "ScaledToZero");
    let load = aws.load(&LOAD);
    pool.has_ready(2);
    let evicted = pool.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    evict(&team, &evicted);
    pool.change(&json!({"template": {"metadata": {"annotations": {"example.com/version": "2"}}}}));
    all_stored(&load.findings(Duration::from_secs(240)), 400);
    let newest = || {
        let pods = pool.pods();
        let is_new = |pod: &Value| pod["metadata"]["annotations"]["example.com/version"] == "2";
        pods.iter().all(is_new).then_some(())
    };
    until("all pods to be of the newest template", Duration::from_secs(120), newest, || team.told());
}

/// As a node that is drained does it: by the eviction API, which asks the disruption budget.
fn evict(team: &Team, pod: &str) {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": team.namespace},
    });
    let at = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", team.namespace);
    let evicted = || {
        let output = kubectl::run(&["create", "--raw", &at, "-f", "-"], Some(&eviction.to_string()));
        output.status.success().then_some(())
    };
    until("the budget to allow an eviction", Duration::from_secs(60), evicted, || team.told());
}
