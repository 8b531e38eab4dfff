//! What people type.

use std::time::Duration;

use serde_json::json;

use crate::{kubectl, pool::Pool, scaling::fast, stand_in::StandIn, team::Team, wait::until};

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
