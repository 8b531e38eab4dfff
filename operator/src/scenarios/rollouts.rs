//! Pods that another release of the operator rendered.

use serde_json::{Value, json};

use super::{Cluster, DEPLOYMENT, Operator, POOL, Reply, Sqs, put_pool};
use crate::names::{OPERATOR, TEMPLATE};

const OTHER: &str = "deployments/others";

/// An operator that starts where another release ran two pools.
async fn upgraded() -> Operator {
    let cluster = Cluster::default();
    for name in ["reports", "others"] {
        put_pool(&cluster, name, |_| {});
    }
    let older = Operator::on(&cluster, &Sqs::that(Reply::Depth(30))).await;
    for deployment in [("reports", DEPLOYMENT), ("others", OTHER)] {
        older.round_of(deployment.0).await;
        cluster.put(deployment.1, &json!({"metadata": {"annotations": {TEMPLATE: "of an older release"}}}));
        cluster.roll_out(deployment.1);
    }
    cluster.written();
    Operator::on(&cluster, &older.sqs).await
}

fn template(cluster: &Cluster, deployment: &str) -> Value {
    cluster.get(deployment)["metadata"]["annotations"][TEMPLATE].clone()
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_waits_for_its_rollout_is_scaled_by_its_replicas_alone() {
    let operator = upgraded().await;
    operator.round_of("others").await;
    assert_ne!(template(&operator.cluster, OTHER), "of an older release");
    let before = operator.cluster.get(DEPLOYMENT);
    operator.round().await;
    assert_eq!(operator.cluster.get(DEPLOYMENT), before, "it waits, and its replicas are as they have to be");
    assert_eq!(operator.cluster.holds(POOL, "Reconciling").as_deref(), Some("AwaitsRollout"));
    operator.cluster.written();
    operator.sqs.replies(Reply::Depth(100));
    operator.next_round().await;
    let written = operator.cluster.written();
    let (_, sent) = written.iter().find(|(name, _)| name == "PATCH deployments/reports").unwrap();
    let replicas = operator.cluster.replicas();
    assert!(replicas > before["spec"]["replicas"].as_u64());
    let version = &before["metadata"]["resourceVersion"];
    let by = json!({OPERATOR: "system/exportpool"});
    assert_eq!(
        *sent,
        json!({"metadata": {"resourceVersion": version, "annotations": by}, "spec": {"replicas": replicas}})
    );
    assert_eq!(template(&operator.cluster, DEPLOYMENT), "of an older release");
    operator.cluster.roll_out(OTHER);
    operator.round_of("others").await;
    operator.round().await;
    assert_ne!(template(&operator.cluster, DEPLOYMENT), "of an older release");
    assert_eq!(operator.cluster.replicas(), replicas);
}

#[tokio::test(start_paused = true)]
async fn who_leads_later_waits_for_the_rollouts_that_are_on() {
    let before = upgraded().await;
    before.round_of("others").await;
    before.cluster.put(OTHER, &json!({"status": {"updatedReplicas": 1}}));
    let next = Operator::on(&before.cluster, &before.sqs).await;
    next.context.shared.rollouts.resume(&next.context.watched);
    next.round().await;
    assert_eq!(template(&next.cluster, DEPLOYMENT), "of an older release");
    next.cluster.roll_out(OTHER);
    next.round_of("others").await;
    next.round().await;
    assert_ne!(template(&next.cluster, DEPLOYMENT), "of an older release");
}

#[tokio::test(start_paused = true)]
async fn replicas_of_a_pool_that_waits_for_its_rollout_are_not_written_over_those_of_somebody_else() {
    let operator = upgraded().await;
    operator.round_of("others").await;
    let nine = |cluster: &Cluster| cluster.put(DEPLOYMENT, &json!({"spec": {"replicas": 9}}));
    operator.cluster.fate("PATCH deployments/reports", [super::Fate::Preceded(std::sync::Arc::new(nine))]);
    operator.sqs.replies(Reply::Depth(100));
    operator.round().await;
    assert_eq!(operator.cluster.replicas(), Some(9));
    assert_eq!(operator.cluster.holds(POOL, "Reconciling").as_deref(), Some("Conflict"));
}
