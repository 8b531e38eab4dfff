//! A consumer that is stopped for longer than its leases last, at a point that was chosen, and goes on after others
//! did its work: it must notice, or at least do no harm. And two consumers with the same message.

use exportpool_consumer::kill::Point;
use futures_util::future::join_all;
use nix::sys::signal::Signal;

use super::{
    audit,
    load::{Ending, Jobs, Load},
};
use crate::{
    consumer::Consumer,
    download,
    process::killable_consumer,
    stand_in::{Queue, StandIn},
    wait::until,
};

/// Stops a consumer at the second passing of a point, lets another do all the work, and wakes the first.
async fn sleep_through(load: Load, point: Point) {
    let binary = &killable_consumer();
    let aws = StandIn::start().await;
    load.send(&aws, binary).await;
    let mut environment = load.environment(&aws);
    environment.insert("EXPORTPOOL_HOLD_AT".into(), format!("{}:2", point.as_str()));
    let mut sleeper = Consumer::spawn(binary, &environment);
    until("a consumer to stop", async || sleeper.process.is_stopped().then_some(())).await;
    environment.remove("EXPORTPOOL_HOLD_AT");
    let mut other = Consumer::start_of(binary, &environment).await;
    aws.drained().await;
    sleeper.process.signal(Signal::SIGCONT);
    sleeper.has_started().await;
    until("the first to have nothing in hand", async || {
        let report = sleeper.report();
        let leased = report.gauges.leased.export_jobs + report.gauges.leased.download_tasks;
        (leased == 0 && report.slots.busy == 0).then_some(())
    })
    .await;
    // What it gave back or sent on is done by whoever comes first.
    aws.drained().await;
    assert_eq!(sleeper.stop().await, Some(0), "{point:?}");
    aws.drained().await;
    assert_eq!(other.stop().await, Some(0), "{point:?}");
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(aws.open_uploads().await, 0, "{point:?}");
}

#[tokio::test]
async fn a_consumer_stopped_past_its_leases_and_continued_doubles_nothing() {
    let plain = [Point::Received, Point::Claimed, Point::ObjectPut, Point::Committed, Point::DoneRecorded];
    let plain = plain.map(|point| (Load::Plain, point));
    let failing = [Point::DeadLetterSent, Point::FailedRecorded].map(|point| (Load::Failing, point));
    join_all(plain.into_iter().chain(failing).map(|(load, point)| sleep_through(load, point))).await;
}

#[tokio::test]
async fn a_consumer_stopped_in_an_upload_past_its_leases_and_continued_leaves_no_upload_and_one_object() {
    let points = [Point::UploadRecorded, Point::PartStored, Point::UploadCompleted];
    join_all(points.map(|point| sleep_through(Load::Large, point))).await;
}

#[tokio::test]
async fn a_consumer_stopped_while_it_splits_a_job_and_continued_leaves_the_job_to_the_other() {
    join_all([Point::SendAccepted, Point::CursorMoved].map(|point| sleep_through(Load::Split, point))).await;
}

/// Each job is on the queue twice, and two consumers have a copy each.
#[tokio::test]
async fn two_consumers_with_the_same_message_store_each_file_once() {
    let binary = &killable_consumer();
    let aws = StandIn::start().await;
    let load = Load::Plain;
    let jobs: Jobs = load.jobs();
    // The consumers are ready before the first copy comes, and have one place each: nobody takes both copies.
    let mut environment = load.environment(&aws);
    environment.extend(
        [("MAX_CONCURRENT_JOBS", "1"), ("WORKER_POOL_SIZE", "1"), ("MAX_QUEUE_SIZE", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let consumers =
        [Consumer::start_of(binary, &environment).await, Consumer::start_of(binary, &environment).await];
    for consumer in &consumers {
        consumer.ready().await;
    }
    for (job, endings) in &jobs {
        assert_eq!(endings.len(), 1);
        let Ending::Stored(size) = endings[0] else { panic!("these are stored") };
        let url = aws.file(&format!("{job}/0"), &format!("size={size}&delay=300"));
        let body = serde_json::json!({"jobId": job, "tasks": [{"taskId": "0", "url": url}]}).to_string();
        aws.send(Queue::ExportJobs, body.clone()).await;
        aws.send(Queue::ExportJobs, body).await;
        aws.drained().await;
    }
    let asked = download::asked(&aws.source());
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert!(asked.values().any(|times| *times == 2), "no file was worked on by both: {asked:?}");
    assert!(asked.values().all(|times| *times <= 2), "{asked:?}");
}
