//! Pods that go first.

use std::iter::repeat;

use serde_json::{Value, json};

use super::{Cluster, DEPLOYMENT, Fate, Operator, POOL};
use crate::names::{DELETION_COST, POOL_LABEL};

const REPLICA_SET: &str = "replicasets/reports-1";

/// The pods that the Deployment asks for, each ready.
fn start_pods(cluster: &Cluster) -> Vec<String> {
    let labels = json!({"app.kubernetes.io/name": "exportpool-worker", POOL_LABEL: "reports"});
    let owned = |kind: &str, owner: &Value| {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": "reports", "uid": owner["metadata"]["uid"],
            "controller": true}])
    };
    let of = |name: &str, owners: Value| json!({"name": name, "namespace": "team", "labels": labels, "ownerReferences": owners});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": of("reports-1", owned("Deployment", &cluster.get(DEPLOYMENT)))});
    cluster.put(REPLICA_SET, &set);
    let pod = |index: u64| {
        let name = format!("reports-1-{index}");
        let status = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True",
            "lastTransitionTime": "2026-11-25T12:00:00Z"}]});
        let owners = owned("ReplicaSet", &cluster.get(REPLICA_SET));
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": of(&name, owners), "spec": {"nodeName": "node"}, "status": status});
        cluster.put(&format!("pods/{name}"), &pod);
        format!("pods/{name}")
    };
    (0..cluster.replicas().unwrap()).map(pod).collect()
}

fn is_marked(cluster: &Cluster, pod: &str) -> bool {
    !cluster.get(pod)["metadata"]["annotations"][DELETION_COST].is_null()
}

fn mark(pod: &str) -> String {
    format!("PATCH {pod}")
}

/// An operator whose pool has so many pods and is to have one.
async fn with_too_many(pods: u64) -> (Operator, Vec<String>) {
    let operator = Operator::with(|pool| {
        pool["spec"]["scaling"] = Value::Null;
        pool["spec"]["replicas"] = json!(pods);
    })
    .await;
    operator.come_to_rest().await;
    let pods = start_pods(&operator.cluster);
    operator.cluster.put(POOL, &json!({"spec": {"replicas": 1}}));
    (operator, pods)
}

#[tokio::test(start_paused = true)]
async fn pods_that_go_first_are_marked_before_the_replicas_are_written_and_spared_ones_no_longer() {
    let (operator, pods) = with_too_many(4).await;
    operator.round().await;
    let written = operator.written();
    let marked: Vec<_> = pods.iter().filter(|pod| is_marked(&operator.cluster, pod)).collect();
    let scaled = written.iter().position(|name| name == "PATCH deployments/reports").unwrap();
    let last = written.iter().rposition(|name| name.starts_with("PATCH pods/")).unwrap();
    assert_eq!((operator.cluster.replicas(), marked.len()), (Some(1), 3));
    assert!(last < scaled, "{written:?}");
    operator.cluster.put(POOL, &json!({"spec": {"replicas": 4}}));
    for _ in 0..4 {
        operator.next_round().await;
    }
    assert!(!pods.iter().any(|pod| is_marked(&operator.cluster, pod)), "nobody was deleted by them");
}

#[tokio::test(start_paused = true)]
async fn pods_that_cannot_be_marked_keep_no_pool_from_being_scaled_in() {
    for fate in [Fate::Refused(403, "no"), Fate::Refused(500, "oh"), Fate::Dropped, Fate::Unanswered] {
        let (operator, pods) = with_too_many(40).await;
        for pod in &pods {
            operator.cluster.fate(&mark(pod), repeat(fate.clone()));
        }
        operator.round().await;
        assert_eq!(operator.cluster.replicas(), Some(1));
        assert!(!pods.iter().any(|pod| is_marked(&operator.cluster, pod)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_with_a_cost_of_somebody_else_is_left_alone() {
    let (operator, pods) = with_too_many(4).await;
    let theirs = json!({"metadata": {"annotations": {DELETION_COST: "7"}}});
    operator.cluster.put(&pods[2], &theirs);
    operator.round().await;
    let costs: Vec<_> = pods.iter().map(|pod| is_marked(&operator.cluster, pod)).collect();
    assert_eq!(operator.cluster.get(&pods[2])["metadata"]["annotations"][DELETION_COST], "7");
    assert_eq!(costs, [true; 4], "the others go first");
    assert_eq!(operator.cluster.condition(POOL, "CostContested").unwrap()[0], "True");
}
