//! Worker threads that block and awaits that never end, in an optimised build: what was theirs is done by others.

use std::time::Duration;

use exportpool_consumer::kill::Point;
use exportpool_contract::PodReport;
use futures_util::future::{join_all, join3};

use super::{audit, load::Load};
use crate::{
    consumer::{Consumer, Environment},
    process::killable_consumer,
    stand_in::{StandIn, Table},
    wait::until,
};

/// The task of a thread that blocked stays away for one to two minutes.
const COMES_AGAIN: Duration = Duration::from_secs(150);

fn environment(aws: &StandIn, load: Load, more: &[(&str, &str)]) -> Environment {
    let mut environment = load.environment(aws);
    environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    environment
}

/// How often each task was started, in order.
fn attempts(table: &Table) -> Vec<u64> {
    let mut attempts: Vec<_> = table.tasks.values().map(|record| record.attempts).collect();
    attempts.sort_unstable();
    attempts
}

async fn reports(consumer: &Consumer, what: &str, is: impl Fn(&PodReport) -> bool) -> PodReport {
    until(what, async || Some(consumer.report()).filter(|report| is(report))).await
}

#[tokio::test]
async fn a_worker_that_blocks_is_replaced_and_with_a_third_one_the_consumer_drains_and_exits_with_70() {
    join3(Box::pin(one_blocks()), Box::pin(one_blocks_that_holds_all_there_is()), Box::pin(three_block()))
        .await;
}

/// One of two threads blocks: the consumer goes on with another in its place.
async fn one_blocks() {
    let (aws, load, binary) = (StandIn::start().await, Load::Plain, killable_consumer());
    load.send(&aws, &binary).await;
    let blocks = format!("{}:2", Point::Claimed.as_str());
    let environment = environment(&aws, load, &[("EXPORTPOOL_BLOCK_AT", &blocks)]);
    let mut consumer = Consumer::start_of(&binary, &environment).await;
    let report = reports(&consumer, "the thread to be given up", |report| report.slots.abandoned == 1).await;
    assert_eq!((report.slots.total, report.counters.workers_restarted), (2, 1));
    assert_eq!(report.counters.source_errors["stuck"], 1);
    assert_eq!(["/live", "/ready"].map(|page| consumer.get(page).0), [200, 200]);
    aws.drained_within(COMES_AGAIN).await;
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(attempts(&aws.table().await), [1, 1, 1, 1, 1, 1, 2], "the task that blocked was tried again");
    let said = consumer.said();
    assert_eq!(said.lines().filter(|line| line.contains("a worker is replaced")).count(), 1, "{said}");
    assert_eq!(consumer.stop().await, Some(0), "what still blocks does not hold it up");
}

/// The only thread blocks in the midst of an upload, with all of the memory and the only place at the host.
async fn one_blocks_that_holds_all_there_is() {
    let (aws, load, binary) = (StandIn::start().await, Load::Large, killable_consumer());
    load.send(&aws, &binary).await;
    let blocks = format!("{}:1", Point::PartStored.as_str());
    let more = [("EXPORTPOOL_BLOCK_AT", &*blocks), ("MEMORY_BUDGET_MIB", "5"), ("PER_HOST_CONCURRENCY", "1")];
    let mut consumer = Consumer::start_of(&binary, &environment(&aws, load, &more)).await;
    reports(&consumer, "the thread to be given up", |report| report.slots.abandoned == 1).await;
    reports(&consumer, "the others' files to be stored", |report| {
        report.queues.export_jobs.settled.done + report.queues.download_tasks.settled.done == 2
    })
    .await;
    aws.drained_within(COMES_AGAIN).await;
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!((attempts(&aws.table().await), aws.open_uploads().await), (vec![1, 1, 2], 0));
    assert_eq!(consumer.stop().await, Some(0));
}

/// Three of four threads block: what moves is finished, what blocks is left to another consumer.
async fn three_block() {
    let (aws, load, binary) = (StandIn::start().await, Load::Plain, killable_consumer());
    load.send(&aws, &binary).await;
    let blocks = format!("{}:1-3", Point::Claimed.as_str());
    let more = [("EXPORTPOOL_BLOCK_AT", &*blocks), ("WORKER_POOL_SIZE", "4")];
    let mut consumer = Consumer::start_of(&binary, &environment(&aws, load, &more)).await;
    assert_eq!(consumer.process.exit().await.code(), Some(70));
    let said = consumer.said();
    assert!(said.contains("3 worker threads were stuck"), "{said}");
    let _other = Consumer::start_of(&binary, &load.environment(&aws)).await;
    aws.drained_within(COMES_AGAIN).await;
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(attempts(&aws.table().await), [1, 1, 1, 1, 2, 2, 2]);
}

#[tokio::test]
async fn a_task_whose_await_never_ends_is_overdue_and_tried_again_on_the_same_thread() {
    let cases = [(Load::Plain, Point::Claimed), (Load::Large, Point::PartStored)];
    join_all(cases.map(|(load, point)| hangs(load, point))).await;
}

async fn hangs(load: Load, point: Point) {
    let (aws, binary) = (StandIn::start().await, killable_consumer());
    load.send(&aws, &binary).await;
    let hangs = format!("{}:2", point.as_str());
    let more = [("EXPORTPOOL_HANG_AT", &*hangs), ("TASK_TIMEOUT_SECONDS", "10")];
    let mut consumer = Consumer::start_of(&binary, &environment(&aws, load, &more)).await;
    reports(&consumer, "the task to be overdue", |report| {
        report.counters.source_errors.get("taskTimeout") == Some(&1)
    })
    .await;
    aws.drained().await;
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(aws.open_uploads().await, 0, "{point:?}");
    let attempts = attempts(&aws.table().await);
    assert_eq!(
        (attempts.iter().sum::<u64>(), attempts.last()),
        (attempts.len() as u64 + 1, Some(&2)),
        "{point:?}"
    );
    let report = consumer.report();
    assert_eq!((report.slots.abandoned, report.counters.workers_restarted), (0, 0), "{point:?}");
    assert_eq!(consumer.stop().await, Some(0), "{point:?}");
}
