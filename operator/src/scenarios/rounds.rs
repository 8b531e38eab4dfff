//! What a round writes, and what it leaves.

use std::{sync::Arc, time::Duration};

use kube_runtime::{controller::Action, reflector::ObjectRef};
use serde_json::json;
use tokio::time::timeout;

use super::{Cluster, DEPLOYMENT, Fate, Operator, POOL, Reply, Sqs, put_pool, settle};

const ALL: [&str; 5] = [
    "PATCH serviceaccounts/reports",
    "PATCH poddisruptionbudgets/reports",
    "PATCH services/reports",
    "PATCH deployments/reports",
    "PATCH exportpools/reports/status",
];

fn meanwhile(by: impl Fn(&Cluster) + Send + Sync + 'static) -> [Fate; 1] {
    [Fate::Preceded(Arc::new(by))]
}

#[tokio::test(start_paused = true)]
async fn a_new_pools_children_are_written_before_its_deployment_and_its_status_last() {
    let operator = Operator::with(|_| {}).await;
    operator.round().await;
    assert_eq!(operator.written(), ALL);
    assert!(operator.cluster.replicas() > Some(0));
    assert_eq!(operator.cluster.condition(POOL, "QueuesReadable").unwrap()[0], "True");
}

#[tokio::test(start_paused = true)]
async fn a_round_in_which_nothing_changed_writes_nothing() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    operator.next_round().await;
    operator.round().await;
    assert_eq!(operator.cluster.written(), [], "no event either");
}

#[tokio::test(start_paused = true)]
async fn numbers_that_move_all_the_time_are_written_every_half_a_minute() {
    let operator = Operator::with(|_| {}).await;
    operator.sqs.replies(Reply::Depth(1_000));
    operator.come_to_rest().await;
    for round in 1..=12 {
        operator.sqs.replies(Reply::Depth(1_000 << round));
        operator.next_round().await;
    }
    assert_eq!(operator.written(), ["PATCH exportpools/reports/status"; 2], "in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_somebody_wrote_meanwhile_is_written_over_its_newer_version() {
    let operator = Operator::with(|_| {}).await;
    operator.round().await;
    let theirs = |cluster: &Cluster| {
        cluster.put(DEPLOYMENT, &json!({"metadata": {"annotations": {"theirs": "stays"}}}));
    };
    operator.cluster.fate("PATCH deployments/reports", meanwhile(theirs));
    operator.cluster.put(POOL, &json!({"spec": {"image": "consumer:2"}}));
    operator.round().await;
    let written = operator.cluster.written();
    let (_, sent) = written.iter().rev().find(|(name, _)| name == "PATCH deployments/reports").unwrap();
    assert!(sent["metadata"]["resourceVersion"].is_string(), "of no other version, or it would be refused");
    let deployment = operator.cluster.get(DEPLOYMENT);
    assert_eq!(deployment["metadata"]["annotations"]["theirs"], "stays");
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "consumer:2");
    assert_ne!(operator.cluster.holds(POOL, "Reconciling").as_deref(), Some("Conflict"));
}

#[tokio::test(start_paused = true)]
async fn replicas_that_somebody_wrote_meanwhile_are_decided_from_and_not_written_over() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    assert_eq!(operator.cluster.replicas(), Some(15));
    let more = |cluster: &Cluster| cluster.put(DEPLOYMENT, &json!({"spec": {"replicas": 18}}));
    operator.cluster.fate("PATCH deployments/reports", meanwhile(more));
    operator.cluster.put(POOL, &json!({"spec": {"image": "consumer:2"}}));
    let action = operator.round().await;
    assert_eq!(operator.written(), ["PATCH exportpools/reports/status"]);
    assert_eq!(operator.cluster.replicas(), Some(18));
    assert_eq!(operator.cluster.holds(POOL, "Reconciling").as_deref(), Some("Conflict"));
    assert_eq!(action, Action::requeue(Duration::from_millis(500)));
    operator.next_round().await;
    let deployment = operator.cluster.get(DEPLOYMENT);
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "consumer:2");
    assert_eq!(
        deployment["spec"]["replicas"], 18,
        "what the work does not need goes when its window is over"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deployment_of_somebody_else_is_not_touched() {
    let cluster = Cluster::default();
    put_pool(&cluster, "reports", |_| {});
    let theirs = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "reports",
        "namespace": "team"}, "spec": {"replicas": 4}});
    cluster.put(DEPLOYMENT, &theirs);
    let before = cluster.get(DEPLOYMENT);
    let operator = Operator::on(&cluster, &Sqs::that(Reply::Depth(30))).await;
    operator.round().await;
    operator.next_round().await;
    assert_eq!(cluster.get(DEPLOYMENT), before);
    let [status, reason, message] = cluster.condition(POOL, "Stalled").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NameConflict"));
    assert!(
        message.contains("Deployment \"reports\"") && message.contains("delete or rename it"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_makes_in_place_of_a_child_is_not_touched() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    for (place, kind) in [("services/reports", "Service"), (DEPLOYMENT, "Deployment")] {
        let ours = operator.cluster.get(place);
        operator.cluster.delete(place);
        let theirs = json!({"apiVersion": ours["apiVersion"], "kind": ours["kind"], "spec": {"replicas": 4},
            "metadata": {"name": "reports", "namespace": "team", "uid": "another"}});
        operator.cluster.put(place, &theirs);
        let before = operator.cluster.get(place);
        operator.next_round().await;
        assert_eq!(operator.cluster.get(place), before);
        let [_, reason, message] = operator.cluster.condition(POOL, "Stalled").unwrap();
        assert_eq!(reason, "NameConflict");
        assert!(message.contains(&format!("{kind} \"reports\"")), "{message}");
        operator.cluster.delete(place);
        operator.come_to_rest().await;
        assert_eq!(operator.cluster.condition(POOL, "Stalled"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_pool_is_scaled_although_somebody_elses_service_has_its_name() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    let before = operator.cluster.replicas();
    operator.cluster.put("services/reports", &json!({"metadata": {"ownerReferences": null}}));
    operator.sqs.replies(Reply::Depth(1_000));
    operator.next_round().await;
    assert!(operator.cluster.replicas() > before);
    assert_eq!(operator.cluster.holds(POOL, "Stalled").as_deref(), Some("NameConflict"));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_lost_its_labels_is_given_them_back_and_keeps_its_replicas() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    let labels = operator.cluster.get(DEPLOYMENT)["metadata"]["labels"].clone();
    take_label(&operator.cluster);
    for _ in 0..8 {
        operator.next_round().await;
    }
    let after = operator.cluster.get(DEPLOYMENT);
    assert_eq!((&after["metadata"]["labels"], &after["spec"]["replicas"]), (&labels, &json!(15)));
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_starts_and_finds_a_deployment_without_its_labels_keeps_its_replicas() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    take_label(&operator.cluster);
    let next = Operator::on(&operator.cluster, &Sqs::that(Reply::Depth(0))).await;
    for _ in 0..3 {
        next.round().await;
        assert_eq!(next.cluster.replicas(), Some(15));
    }
    assert_eq!(next.cluster.condition(POOL, "Stalled"), None);
}

/// Somebody takes away what the Deployment is watched by.
fn take_label(cluster: &Cluster) {
    cluster.put(DEPLOYMENT, &json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_deleted_before_it_was_seen_is_made_again() {
    for place in [DEPLOYMENT, "services/reports"] {
        let operator = Operator::with(|_| {}).await;
        operator.round().await;
        operator.cluster.delete(place);
        for _ in 0..8 {
            operator.next_round().await;
        }
        assert!(!operator.cluster.get(place).is_null());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_written_of_a_pool_that_goes_away_in_the_middle_of_a_round() {
    let gone: fn(&Cluster) = |cluster| cluster.delete(POOL);
    let going: fn(&Cluster) = |cluster| {
        cluster.put(POOL, &json!({"metadata": {"deletionTimestamp": "2026-11-25T12:00:00Z"}}));
    };
    for (goes, first) in [(gone, 0), (gone, 2), (gone, 3), (going, 0), (going, 2), (going, 3)] {
        let operator = Operator::with(|_| {}).await;
        operator.cluster.fate(ALL[first], meanwhile(goes));
        operator.round().await;
        assert_eq!(operator.written(), ALL[..=first]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_going_away_is_left_alone() {
    let operator = Operator::with(|_| {}).await;
    operator.cluster.put(POOL, &json!({"metadata": {"deletionTimestamp": "2026-11-25T12:00:00Z"}}));
    assert_eq!(operator.round().await, Action::await_change());
    assert_eq!(operator.cluster.written(), []);
}

#[tokio::test(start_paused = true)]
async fn pod_monitors_that_are_served_later_are_made_then_and_kept() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    assert!(operator.cluster.get("podmonitors/reports").is_null());
    let mut touched = operator.context.watched.touched();
    let served = json!({"kind": "APIResourceList", "groupVersion": "monitoring.coreos.com/v1", "resources": [
        {"name": "podmonitors", "singularName": "podmonitor", "namespaced": true, "kind": "PodMonitor", "verbs": ["get"]}]});
    operator.cluster.put("/apis/monitoring.coreos.com/v1", &served);
    let pool = timeout(Duration::from_secs(61), touched.recv()).await.expect("within a minute").unwrap();
    assert_eq!(pool, ObjectRef::new("reports").within("team"));
    operator.round().await;
    assert_eq!(operator.written(), ["PATCH podmonitors/reports"]);
    operator.round().await;
    assert_eq!(operator.written(), Vec::<String>::new());
    settle().await;
    operator.cluster.delete("podmonitors/reports");
    operator.round().await;
    assert_eq!(operator.written(), ["PATCH podmonitors/reports"]);
}
