//! What the API server does not let through.

use std::{iter::repeat, time::Duration};

use kube_runtime::controller::Action;
use serde_json::{Value, json};

use super::{Cluster, DEPLOYMENT, Fate, Operator, POOL, Reply, put_pool};

const CHILDREN: [(&str, &str); 4] = [
    ("serviceaccounts/reports", "ServiceAccount"),
    ("poddisruptionbudgets/reports", "PodDisruptionBudget"),
    ("services/reports", "Service"),
    (DEPLOYMENT, "Deployment"),
];
/// As the API server's authorization says it.
const NO_RIGHT: &str =
    "\"reports\" is forbidden: User \"operator\" cannot patch resource in the namespace \"team\"";
const QUOTA: &str =
    "\"reports\" is forbidden: exceeded quota: few, requested: pods=9, used: pods=1, limited: pods=2";

fn refused(code: u16, message: &'static str) -> impl Iterator<Item = Fate> + Send + 'static {
    repeat(Fate::Refused(code, message))
}

/// All that is there beside the pool.
fn children(cluster: &Cluster) -> Vec<Value> {
    CHILDREN.iter().map(|(place, _)| cluster.get(place)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_right_that_the_operator_does_not_have_is_named_and_takes_nothing_away() {
    for (place, kind) in CHILDREN {
        let operator = Operator::with(|_| {}).await;
        operator.round().await;
        operator.cluster.roll_out(DEPLOYMENT);
        let before = children(&operator.cluster);
        let after = Operator::on(&operator.cluster, &operator.sqs).await;
        after.cluster.fate(&format!("PATCH {place}"), refused(403, NO_RIGHT));
        after.round().await;
        after.next_round().await;
        assert_eq!(children(&after.cluster), before, "{kind}");
        for type_ in ["Stalled", "Ready"] {
            let [_, reason, message] = after.cluster.condition(POOL, type_).unwrap();
            assert_eq!(reason, "Forbidden");
            let told = [kind, "cannot patch", "give its ServiceAccount the rights"];
            assert!(told.iter().all(|words| message.contains(words)), "{message}");
        }
        put_pool(&after.cluster, "others", |_| {});
        after.round_of("others").await;
        assert_eq!(after.cluster.get("deployments/others")["kind"], "Deployment");
        assert_eq!(after.cluster.condition("exportpools/others", "Stalled"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_beside_the_deployment_keeps_no_pod_away_once_it_is_there() {
    for (place, kind) in &CHILDREN[..3] {
        let new = Operator::with(|_| {}).await;
        new.cluster.fate(&format!("PATCH {place}"), refused(403, NO_RIGHT));
        new.round().await;
        assert!(new.cluster.get(DEPLOYMENT).is_null(), "a pool is not begun by halves");
        for (fate, type_, reason) in [
            (Fate::Refused(403, NO_RIGHT), "Stalled", "Forbidden"),
            (Fate::Refused(500, "failed calling webhook"), "Reconciling", "ApiUnreachable"),
            (Fate::Unanswered, "Reconciling", "ApiUnreachable"),
        ] {
            let operator = Operator::with(|_| {}).await;
            operator.come_to_rest().await;
            let before = operator.cluster.replicas();
            let after = Operator::on(&operator.cluster, &operator.sqs).await;
            after.cluster.fate(&format!("PATCH {place}"), repeat(fate));
            after.sqs.replies(Reply::Depth(1_000));
            after.round().await;
            assert!(after.cluster.replicas() > before, "{kind}");
            assert_eq!(after.cluster.holds(POOL, type_).as_deref(), Some(reason));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_told_in_the_api_servers_words_and_stays_as_it_is() {
    for (code, said) in
        [(422, "spec.template: Invalid value"), (400, "admission webhook denied it"), (403, QUOTA)]
    {
        let operator = Operator::with(|_| {}).await;
        operator.round().await;
        let before = children(&operator.cluster);
        operator.cluster.fate("PATCH deployments/reports", refused(code, said));
        operator.cluster.put(POOL, &json!({"spec": {"image": "consumer:2"}}));
        operator.round().await;
        assert_eq!(children(&operator.cluster), before);
        let [status, reason, message] = operator.cluster.condition(POOL, "Stalled").unwrap();
        assert_eq!((status.as_str(), reason.as_str()), ("True", "Refused"));
        assert!(message.contains("Deployment") && message.contains(said), "{message}");
        assert!(!message.contains("rights"), "{message}");
        operator.cluster.fate("PATCH deployments/reports", []);
        operator.round().await;
        assert_eq!(operator.cluster.condition(POOL, "Stalled"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_is_told_of_as_passing_and_asked_ever_less_often() {
    let (ever_less, slowly) = ([500, 1_000, 2_000], [500, 500, 500]);
    let fates = [
        (Fate::Refused(500, "etcdserver: leader changed"), ever_less),
        (Fate::Dropped, ever_less),
        (Fate::Garbled, ever_less),
        // These take longer than until the queues are read again.
        (Fate::Refused(503, "not now"), slowly),
        (Fate::Refused(429, "too many"), slowly),
        (Fate::Unanswered, slowly),
    ];
    for (fate, waits) in fates {
        let operator = Operator::with(|_| {}).await;
        operator.cluster.fate("PATCH deployments/reports", repeat(fate));
        for millis in waits {
            assert_eq!(operator.round().await, Action::requeue(Duration::from_millis(millis)));
        }
        assert_eq!(operator.cluster.get(DEPLOYMENT), Value::Null);
        assert_eq!(operator.cluster.holds(POOL, "Reconciling").as_deref(), Some("ApiUnreachable"));
        assert_eq!(operator.cluster.holds(POOL, "Ready"), None);
        assert_eq!(operator.cluster.condition(POOL, "Stalled"), None);
        operator.cluster.fate("PATCH deployments/reports", []);
        operator.round().await;
        operator.cluster.roll_out(DEPLOYMENT);
        operator.round().await;
        assert_eq!(operator.cluster.condition(POOL, "Reconciling"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_which_nothing_could_be_made_is_not_ready_at_zero() {
    let operator = Operator::with(|_| {}).await;
    operator.sqs.replies(Reply::Depth(0));
    operator.cluster.fate("PATCH serviceaccounts/reports", repeat(Fate::Dropped));
    operator.round().await;
    assert_eq!(operator.cluster.holds(POOL, "Ready"), None);
    operator.cluster.fate("PATCH serviceaccounts/reports", []);
    operator.round().await;
    operator.round().await;
    assert_eq!(operator.cluster.holds(POOL, "Ready").as_deref(), Some("ScaledToZero"));
}

#[tokio::test(start_paused = true)]
async fn numbers_that_are_not_written_are_written_in_the_next_round() {
    let operator = Operator::with(|_| {}).await;
    operator.sqs.replies(Reply::Depth(1_000));
    operator.come_to_rest().await;
    let backlog = || operator.cluster.get(POOL)["status"]["backlog"].clone();
    assert_eq!(backlog(), 2_000);
    // Nothing else changes of a pool that has all the pods that it may have.
    operator.sqs.replies(Reply::Depth(2_000));
    operator.cluster.fate("PATCH exportpools/reports/status", [Fate::Refused(500, "oh")]);
    operator.next_round().await;
    assert_eq!(backlog(), 2_000);
    operator.round().await;
    assert_eq!(backlog(), 4_000);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_not_written_is_written_in_the_next_round() {
    for fate in [Fate::Refused(409, "changed"), Fate::Refused(500, "oh"), Fate::Dropped, Fate::Unanswered] {
        let operator = Operator::with(|_| {}).await;
        operator.cluster.fate("PATCH exportpools/reports/status", [fate]);
        operator.round().await;
        assert!(operator.written().contains(&"PATCH deployments/reports".to_owned()));
        assert_eq!(operator.cluster.get(POOL)["status"], Value::Null);
        operator.round().await;
        assert_eq!(operator.written(), ["PATCH exportpools/reports/status"]);
        assert_eq!(operator.cluster.condition(POOL, "QueuesReadable").unwrap()[0], "True");
    }
}
