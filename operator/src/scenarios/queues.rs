//! Queues that cannot be read.

use serde_json::{Value, json};

use super::{Cluster, DEPLOYMENT, Operator, POOL, Reply, Sqs, put_pool};

/// What SQS answers, the reason that is told, and a word of the remedy.
const UNREADABLE: [(Reply, &str, &str); 5] = [
    (Reply::Garbage, "Malformed", "does not answer as SQS does"),
    (Reply::Refusal(403, "AccessDeniedException"), "Denied", "allow sqs:GetQueueAttributes"),
    (Reply::Refusal(400, "QueueDoesNotExist"), "NotFound", "create it"),
    (Reply::Refusal(400, "ThrottlingException"), "Throttled", "asked less often"),
    (Reply::Silence, "Unreachable", "whether the operator may reach it"),
];

fn assert_told(operator: &Operator, reason: &str, remedy: &str) {
    let pool = operator.cluster.get(POOL);
    assert_eq!(pool["status"]["lastDecision"]["reason"], "HeldUnknown", "{reason} is no depth");
    assert_eq!(pool["status"]["backlog"], Value::Null);
    for type_ in ["QueuesReadable", "Ready"] {
        let [status, told, message] = operator.cluster.condition(POOL, type_).unwrap();
        assert_eq!((status.as_str(), told.as_str()), ("False", reason));
        assert!(message.contains("exportJobs") && message.contains(remedy), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn queues_that_become_unreadable_hold_the_replicas() {
    for (reply, reason, remedy) in UNREADABLE {
        let operator = Operator::with(|_| {}).await;
        operator.round().await;
        operator.cluster.roll_out(DEPLOYMENT);
        let before = operator.cluster.get(DEPLOYMENT);
        assert!(operator.cluster.replicas() > Some(1));
        operator.sqs.replies(reply);
        operator.past_the_window().await;
        assert_eq!(operator.cluster.get(DEPLOYMENT), before, "{reason}");
        assert_told(&operator, reason, remedy);
    }
}

#[tokio::test(start_paused = true)]
async fn queues_that_are_empty_take_the_pods_away() {
    let operator = Operator::with(|_| {}).await;
    operator.come_to_rest().await;
    assert!(operator.cluster.replicas() > Some(1));
    operator.sqs.replies(Reply::Depth(0));
    operator.past_the_window().await;
    assert_eq!(operator.cluster.replicas(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_starts_with_unreadable_queues_leaves_the_replicas() {
    for (reply, reason, remedy) in UNREADABLE {
        let before = Operator::with(|_| {}).await;
        before.round().await;
        before.cluster.put(DEPLOYMENT, &json!({"spec": {"replicas": 7}}));
        let operator = Operator::on(&before.cluster, &Sqs::that(reply)).await;
        operator.past_the_window().await;
        assert_eq!(operator.cluster.replicas(), Some(7), "{reason}");
        assert_told(&operator, reason, remedy);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_pool_with_unreadable_queues_has_its_least_number_of_pods() {
    for (reply, reason, remedy) in UNREADABLE {
        for least in [0, 2] {
            let cluster = Cluster::default();
            put_pool(&cluster, "reports", |pool| pool["spec"]["scaling"]["minReplicas"] = json!(least));
            let operator = Operator::on(&cluster, &Sqs::that(reply)).await;
            operator.round().await;
            assert_eq!(cluster.replicas(), Some(least), "{reason}");
            assert_told(&operator, reason, remedy);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_not_there_or_may_not_be_read_holds_the_replicas_and_is_named() {
    for (code, reason) in [(403, "SecretForbidden"), (404, "SecretMissing"), (500, "SecretUnreadable")] {
        let operator = Operator::with(|pool| pool["spec"]["scaling"]["minReplicas"] = json!(2)).await;
        operator.cluster.fate("GET secrets/aws", std::iter::repeat(super::Fate::Refused(code, "oh")));
        operator.round().await;
        assert_eq!(operator.cluster.replicas(), Some(2));
        assert_told(&operator, reason, "Secret aws");
    }
}

#[tokio::test(start_paused = true)]
async fn queues_that_can_be_read_again_are_told_of_and_decided_by() {
    let operator = Operator::with(|_| {}).await;
    operator.sqs.replies(Reply::Silence);
    operator.round().await;
    assert_eq!(operator.cluster.get(POOL)["status"]["backlog"], Value::Null);
    operator.sqs.replies(Reply::Depth(30));
    operator.next_round().await;
    assert!(operator.cluster.replicas() > Some(0));
    assert_eq!(operator.cluster.condition(POOL, "QueuesReadable").unwrap()[0], "True");
}

#[tokio::test(start_paused = true)]
async fn what_a_namespace_has_to_allow_is_told_in_one_command() {
    let operator = Operator::with(|pool| {
        let url =
            |queue: &str| json!({"url": format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{queue}")});
        pool["spec"]["queues"] = json!({"exportJobs": url("jobs"), "downloadTasks": url("tasks")});
        pool["spec"]["aws"] = json!({"region": "eu-west-1"});
    })
    .await;
    let allows = json!({"exportpool.dev/allowed-queues": "arn:aws:sqs:eu-west-1:123456789012:others"});
    let namespace = json!({"kind": "Namespace", "metadata": {"name": "team", "annotations": allows}});
    operator.cluster.put("/api/v1/namespaces/team", &namespace);
    operator.round().await;
    let [status, reason, message] = operator.cluster.condition(POOL, "QueuesReadable").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("False", "NotAllowed"));
    let all = ["others", "jobs", "tasks"]
        .map(|queue| format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"))
        .join(",");
    let command = format!("kubectl annotate namespace team --overwrite exportpool.dev/allowed-queues={all})");
    assert!(message.contains(&command), "{message}");
}
