//! What is deleted in the middle of its work.

use std::time::Duration;

use serde_json::Value;

use crate::{
    kubectl,
    pool::Pool,
    release::Release,
    scaling::{all_stored, fast},
    stand_in::StandIn,
    team::Team,
    wait::until,
};

const LOAD: [&str; 7] = ["300", "--delay", "1s", "--size", "10KiB", "--timeout", "4m"];

#[test]
fn a_pool_that_is_deleted_while_it_scales_out_takes_everything_with_it_and_loses_nothing() {
    let team = Team::new("deletedload");
    let aws = StandIn::start(&team);
    let object = Pool::object(&team, &aws, &fast(6));
    let pool = Pool::apply(&team, &object);
    pool.has("Ready", "True", "ScaledToZero");
    let load = aws.load(&LOAD);
    pool.asks_for("the pool to scale out", Duration::from_secs(30), |replicas| replicas == 6);
    pool.has_ready(1);
    kubectl::ok(&["delete", "xp", "pool", "-n", &team.namespace, "--wait=false"]);
    let gone = || (pool.get().is_null() && pool.belongings().is_empty()).then_some(());
    until("everything of the pool to be gone", Duration::from_secs(120), gone, || team.told());
    assert!(load.is_on(), "nothing was left to be lost");
    // Whoever works on the queues next finds all that was not done.
    Pool::apply(&team, &object);
    all_stored(&load.findings(Duration::from_secs(260)), 300);
}

/// Whether somebody should look at a line of a log.
fn is_complaint(line: &str) -> bool {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    matches!(line["level"].as_str(), Some("WARN" | "ERROR"))
}

#[test]
fn a_namespace_that_is_deleted_in_the_middle_of_a_load_ends_and_bothers_nobody() {
    let (team, others) = (Team::new("ended"), Team::new("stays"));
    let release = Release::with_operators(&others, 1, &[]);
    let (aws, aws_of_others) = (StandIn::start(&team), StandIn::start(&others));
    let pool = Pool::apply(&team, &release.pool(&team, &aws, &fast(4)));
    let other = Pool::apply(&others, &release.pool(&others, &aws_of_others, &fast(2)));
    pool.has("Ready", "True", "ScaledToZero");
    other.has("Ready", "True", "ScaledToZero");
    let (_, load) = (aws.load(&LOAD), aws_of_others.load(&["100", "--delay", "1s", "--timeout", "3m"]));
    pool.has_ready(2);
    kubectl::ok(&["delete", "namespace", &team.namespace, "--wait=false"]);
    // Pods have 80 s to end, with nobody there any more to give their work back to.
    let gone = || kubectl::get("namespace", "default", &team.namespace).is_null().then_some(());
    until("the namespace to be gone", Duration::from_secs(150), gone, || team.told());
    let log = release.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains(&team.namespace)).collect();
    let complaints = told.iter().filter(|line| is_complaint(line)).count();
    assert!(told.len() <= 30 && complaints <= 5, "{complaints} of {}:\n{}", told.len(), told.join("\n"));
    all_stored(&load.findings(Duration::from_secs(200)), 100);
    // Nobody looks for it any more, but for a round that was on.
    let after = release.log();
    let later: Vec<_> =
        after.lines().skip(log.lines().count()).filter(|line| line.contains(&team.namespace)).collect();
    assert!(later.len() <= 2, "{}", later.join("\n"));
    other.asks_for("the other pool to go to zero", Duration::from_secs(180), |replicas| replicas == 0);
}
