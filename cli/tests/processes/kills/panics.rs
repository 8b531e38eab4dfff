//! A task that panics in an optimised build: it fails alone.

use exportpool_consumer::kill::Point;

use super::{audit, load::Load};
use crate::{consumer::Consumer, download, process::killable_consumer, stand_in::StandIn, wait::until};

#[tokio::test]
async fn a_task_that_panics_takes_nobody_with_it_in_a_release_build() {
    let aws = StandIn::start().await;
    let load = Load::Plain;
    let mut environment = load.environment(&aws);
    for (name, value) in [
        // All four on one thread: the third panics beside two that have begun.
        ("WORKER_POOL_SIZE", "1"),
        ("TASKS_PER_WORKER", "4"),
        ("EXPORTPOOL_PANIC_AT", &format!("{}:3", Point::Claimed.as_str())),
    ] {
        environment.insert(name.into(), value.into());
    }
    load.send(&aws, &killable_consumer()).await;
    let mut consumer = Consumer::start_of(&killable_consumer(), &environment).await;
    aws.drained().await;
    let asked = download::asked(&aws.source());
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    until("the thread to be replaced", async || {
        (consumer.report().counters.workers_restarted == 1).then_some(())
    })
    .await;
    let table = aws.table().await;
    let mut attempts: Vec<_> = table.tasks.values().map(|record| record.attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 1, 1, 1, 1, 1, 2], "the task that panicked was tried again, and no other");
    assert!(asked.values().all(|times| *times == 1), "a sibling began again");
    let said = consumer.said();
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("a worker is replaced")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("WARN"), "{warnings:?}");
    assert_eq!(consumer.stop().await, Some(0));
}
