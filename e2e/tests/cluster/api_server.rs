//! An API server that goes away for a while, under load. It takes every other test with it: these run alone.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kubectl, machine,
    pool::Pool,
    release::Release,
    scaling::{all_stored, fast},
    stand_in::StandIn,
    team::Team,
    wait::until,
};

const LOAD: [&str; 7] = ["400", "--delay", "400ms", "--size", "10KiB", "--timeout", "4m"];

/// A load that is worked off while the API server is away, and what the operator does after that.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn without_an_api_server_for(name: &str, seconds: u32) {
    if !machine::is_ours() {
        eprintln!(
            "skipped: the API server of KUBECONFIG is not restarted, make cluster makes one that can be"
        );
        return;
    }
    let team = Team::new(name);
    let release = Release::with_operators(&team, 2, &[]);
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &release.pool(&team, &aws, &fast(4)));
    pool.has("Ready", "True", "ScaledToZero");
    let load = aws.load(&LOAD);
    pool.has_ready(2);
    let before = renewed(&release);
    machine::restart("apiserver", seconds);
    // It may take kube-proxy minutes to hear of an API server that is back, and pods reach that one through it.
    machine::restart("proxy", 0);
    let leads = || (renewed(&release) != before).then_some(());
    // Operators that lost the Lease end, and are started again after ever longer pauses.
    until("an operator to lead", Duration::from_secs(180), leads, || release.log());
    all_stored(&load.findings(Duration::from_secs(260)), 400);
    pool.change(&json!({"scaling": {"minReplicas": 1}}));
    pool.asks_for("the pool to go down to one", Duration::from_secs(180), |replicas| replicas == 1);
    release.is_ready();
    pool.is_well();
    what_is_made_later_is_seen(&release, name);
}

/// A new pool is looked after: names and addresses of new Services are known a minute later only, and the tests after this
/// one need them.
fn what_is_made_later_is_seen(release: &Release<'_>, name: &str) {
    let team = Team::new(&format!("{name}-later"));
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &release.pool(&team, &aws, &fast(1)));
    let read = || {
        let conditions = pool.get()["status"]["conditions"].as_array().cloned()?;
        conditions.iter().any(|of| of["type"] == "Ready" && of["reason"] == "ScaledToZero").then_some(())
    };
    until("a new pool to be looked after", Duration::from_secs(150), read, || team.told());
}

fn renewed(release: &Release<'_>) -> Value {
    kubectl::get("lease", release.name(), release.name())["spec"]["renewTime"].clone()
}

#[test]
fn an_api_server_that_is_restarted_under_load_loses_nothing_and_the_operator_goes_on() {
    without_an_api_server_for("restarted", 0);
}

#[test]
fn an_api_server_that_is_away_for_longer_than_a_lease_loses_nothing_and_the_operator_comes_back() {
    without_an_api_server_for("away", 25);
}
