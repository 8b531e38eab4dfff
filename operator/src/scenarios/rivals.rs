//! Two operators that look after one pool, by mistake.

use std::time::Duration;

use tokio::time::advance;

use super::{Cluster, DEPLOYMENT, Operator, POOL, Reply, Sqs, put_pool};
use crate::names::OPERATOR;

const FIRST: &str = "a/exportpool";
const SECOND: &str = "b/exportpool";

async fn two() -> (Operator, Operator) {
    let (cluster, sqs) = (Cluster::default(), Sqs::that(Reply::Depth(30)));
    put_pool(&cluster, "reports", |_| {});
    let second = Operator::named(SECOND, &cluster, &sqs).await;
    second.come_to_rest().await;
    (Operator::named(FIRST, &cluster, &sqs).await, second)
}

fn writer(cluster: &Cluster) -> String {
    cluster.get(DEPLOYMENT)["metadata"]["annotations"][OPERATOR].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn of_two_operators_on_a_pool_one_lets_go_of_it_and_the_other_says_so() {
    let (first, second) = two().await;
    assert_eq!(writer(&second.cluster), SECOND);
    first.round().await;
    assert_eq!(writer(&first.cluster), FIRST);
    first.come_to_rest().await;
    first.sqs.replies(Reply::Depth(100));
    second.next_round().await;
    assert_eq!(second.written(), Vec::<String>::new(), "the second one lets go");
    second.round().await;
    assert_eq!(second.written(), Vec::<String>::new());
    let before = first.cluster.replicas();
    first.next_round().await;
    assert!(first.cluster.replicas() > before, "the first one goes on");
    assert_eq!(first.cluster.condition(POOL, "PoolContested"), None, "it never saw the second one write");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_another_one_writes_over_takes_its_pool_back_and_names_it() {
    let (first, second) = two().await;
    first.come_to_rest().await;
    let newer = Operator::named(SECOND, &first.cluster, &first.sqs).await;
    newer.round().await;
    assert_eq!(writer(&newer.cluster), SECOND);
    first.round().await;
    assert_eq!(writer(&first.cluster), FIRST);
    let [status, reason, message] = first.cluster.condition(POOL, "PoolContested").unwrap();
    assert_eq!((status.as_str(), reason.as_str()), ("True", "AnotherOperator"));
    assert!(message.contains(SECOND) && message.contains("class"), "{message}");
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_operator_is_gone_is_taken_by_one_of_another_name() {
    let (first, second) = two().await;
    first.come_to_rest().await;
    second.next_round().await;
    drop(first);
    advance(Duration::from_secs(301)).await;
    second.round().await;
    assert_eq!(writer(&second.cluster), SECOND);
    second.come_to_rest().await;
    assert_eq!(second.cluster.condition(POOL, "PoolContested"), None);
}
