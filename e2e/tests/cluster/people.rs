//! What people type.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{
    kubectl,
    plugin::exportctl,
    pool::Pool,
    scaling::{all_stored, fast},
    stand_in::StandIn,
    team::Team,
    wait::until,
};

#[test]
fn kubectl_explains_every_field() {
    let fields = kubectl::ok(&["explain", "exportpool.spec.scaling", "--recursive"]);
    assert!(fields.contains("drainTimeSeconds") && fields.contains("afterFailedReads"), "{fields}");
    let field = kubectl::ok(&["explain", "xp.spec.scaling.drainTimeSeconds"]);
    assert!(field.contains("In which time a backlog has to be worked off"), "{field}");
}

#[test]
fn kubectl_scales_a_pool_of_a_fixed_number_and_is_told_why_it_cannot_scale_another() {
    let team = Team::new("fixed");
    let aws = StandIn::start(&team);
    let mut object = Pool::object(&team, &aws, &fast(2));
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("scaling");
    spec.insert("replicas".to_owned(), json!(1));
    let pool = Pool::apply(&team, &object);
    pool.has_ready(1);
    kubectl::ok(&["scale", "xp", "pool", "-n", &team.namespace, "--replicas=2"]);
    pool.asks_for("two pods to be asked for", Duration::from_secs(20), |replicas| replicas == 2);
    let line = kubectl::ok(&["get", "xp", "-n", &team.namespace]);
    assert!(line.starts_with("NAME") && line.contains("DESIRED") && line.contains("Fixed"), "{line}");
    let selector = pool.get()["status"]["selector"].as_str().unwrap().to_owned();
    assert_eq!(kubectl::list("pods", &team.namespace, &selector).len(), pool.pods().len());

    let scaled = Team::new("scaled");
    let aws = StandIn::start(&scaled);
    Pool::apply(&scaled, &Pool::object(&scaled, &aws, &fast(2)));
    let refused = kubectl::run(&["scale", "xp", "pool", "-n", &scaled.namespace, "--replicas=2"], None);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("not both"), "{said}");
}

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

#[test]
fn what_somebody_changes_by_hand_is_put_right_and_what_others_add_stays() {
    let team = Team::new("drift");
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &Pool::object(&team, &aws, &fast(2)));
    pool.has("Ready", "True", "ScaledToZero");
    let patch = |kind: &str, patch: serde_json::Value| {
        kubectl::ok(&[
            "patch",
            kind,
            "pool",
            "-n",
            &team.namespace,
            "--type=merge",
            "-p",
            &patch.to_string(),
        ]);
    };
    patch("deployment", json!({"spec": {"replicas": 2}, "metadata": {"annotations": {"mine": "stays"}}}));
    pool.asks_for("the replicas to be put right", Duration::from_secs(20), |replicas| replicas == 0);
    let told = pool.has("ReplicasContested", "True", "ForeignWriter");
    assert!(told["message"].as_str().unwrap().starts_with("kubectl"), "{told}");
    patch("pdb", json!({"spec": {"maxUnavailable": 0}}));
    let right =
        || (kubectl::get("pdb", &team.namespace, "pool")["spec"]["maxUnavailable"] == "25%").then_some(());
    until("the budget to be put right", Duration::from_secs(20), right, || team.told());
    kubectl::ok(&["delete", "service", "pool", "-n", &team.namespace]);
    let there = || (!kubectl::get("service", &team.namespace, "pool").is_null()).then_some(());
    until("the service to be there again", Duration::from_secs(20), there, || team.told());
    for kind in ["deployment", "pdb"] {
        patch(kind, json!({"metadata": {"labels": {MANAGED_BY: null}}}));
        let labelled = || {
            (!kubectl::get(kind, &team.namespace, "pool")["metadata"]["labels"][MANAGED_BY].is_null())
                .then_some(())
        };
        until("the label to be there again", Duration::from_secs(60), labelled, || team.told());
    }
    let deployment = kubectl::get("deployment", &team.namespace, "pool");
    assert_eq!(deployment["metadata"]["annotations"]["mine"], "stays");
}

#[test]
fn a_pool_that_is_deleted_takes_everything_with_it() {
    let team = Team::new("deleted");
    let aws = StandIn::start(&team);
    let pool = Pool::of_one(&team, &aws, &fast(2));
    kubectl::ok(&["delete", "xp", "pool", "-n", &team.namespace]);
    let gone = || {
        let kinds = ["deployment", "service", "serviceaccount", "pdb"];
        let left = kinds.iter().filter(|kind| !kubectl::get(kind, &team.namespace, "pool").is_null()).count();
        (left == 0 && pool.pods().is_empty()).then_some(())
    };
    until("everything of the pool to be gone", Duration::from_secs(90), gone, || team.told());
}

/// One sample of a pool and its pods.
fn monitored(team: &Team) -> Value {
    let mut command = Command::new(exportctl());
    command.args(["monitor", "--pool", "pool", "--once", "--json", "-n", &team.namespace]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn monitor_shows_a_pool_and_what_each_of_its_pods_does() {
    let team = Team::new("monitor");
    let aws = StandIn::start(&team);
    let pool = Pool::of_one(&team, &aws, &fast(1));
    pool.has("QueuesReadable", "True", "Read");
    let load = aws.load(&["40", "--delay", "1s", "--size", "10KiB", "--timeout", "2m"]);
    let at_work = || {
        let shown = monitored(&team);
        (shown["consumers"][0]["slots"]["busy"].as_u64()? > 0).then_some(shown)
    };
    let shown = until("a pod to be shown at work", Duration::from_secs(40), at_work, || team.told());
    let pods: Vec<_> = pool.pods().iter().map(|pod| pod["metadata"]["name"].clone()).collect();
    let consumers: Vec<_> = shown["consumers"].as_array().unwrap().iter().collect();
    assert_eq!(consumers.iter().map(|consumer| consumer["consumer"].clone()).collect::<Vec<_>>(), pods);
    assert_eq!((&consumers[0]["state"], &consumers[0]["slots"]["total"]), (&json!("working"), &json!(4)));
    assert_eq!(shown["pool"]["desiredReplicas"], 1);
    assert_eq!(shown["queues"][0]["queue"], "export-jobs");
    assert!(shown["queues"][0]["visible"].is_u64(), "{shown}");
    all_stored(&load.findings(Duration::from_secs(120)), 40);
}
