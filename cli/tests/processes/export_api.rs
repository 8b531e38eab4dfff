//! Jobs that an Export API lists, over HTTP: the whole way, and each way in which an API can be wrong.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::{
    consumer::Consumer,
    stand_in::{Queue, StandIn},
    wait::until,
};

fn api(aws: &StandIn, job: &str, query: &str) -> String {
    format!("{}/api/{job}?{query}", aws.source())
}

/// Sends a job, and answers its body.
async fn send(aws: &StandIn, job: &str, query: &str) -> String {
    let body = json!({"jobId": job, "exportApi": {"url": api(aws, job, query)}}).to_string();
    aws.send(Queue::ExportJobs, &body).await;
    body
}

async fn is_done(aws: &StandIn, job: &str, tasks: u64) {
    let seen = aws.table().await.job(job);
    assert_eq!(
        (seen.state.as_str(), seen.total, seen.done, seen.failed),
        ("done", Some(tasks), tasks, 0),
        "{job}"
    );
    let versions = aws.versions().await;
    let of_job: Vec<_> = versions.iter().filter(|(key, _)| key.starts_with(&format!("{job}/"))).collect();
    assert!(
        of_job.len() as u64 == tasks && of_job.iter().all(|(_, times)| **times == 1),
        "{job}: {of_job:?}"
    );
}

#[tokio::test]
async fn jobs_of_pages_are_stored_whole_whatever_their_api_does_for_a_while() {
    let aws = StandIn::start().await;
    let jobs = [
        ("none", "tasks=0", 0),
        ("one-page", "tasks=7&size=50", 7),
        ("pages", "tasks=130&page-size=25&size=50", 130),
        ("flaky", "tasks=30&page-size=12&size=50&api-fail-times=1", 30),
        ("presigned", "tasks=6&page-size=3&size=50&presign", 6),
    ];
    for (job, query, _) in jobs {
        send(&aws, job, query).await;
    }
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.drained().await;
    for (job, _, tasks) in jobs {
        is_done(&aws, job, tasks).await;
    }
    assert_eq!(aws.depth(Queue::ExportJobsDlq).await, [0, 0, 0]);
    let attempts: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    let table = aws.table().await;
    assert!(
        attempts.iter().all(|task| table.task("presigned", task).attempts == 1),
        "an expired URL is no attempt"
    );
}

#[tokio::test]
async fn each_wrong_api_is_given_up_with_its_reason_and_what_it_listed_is_stored() {
    let aws = StandIn::start().await;
    let cases = [
        ("missing", "api-status=404", "sourceRefused", "page 0"),
        ("denied", "secret=x", "sourceRefused", "401"),
        ("broken", "tasks=4&page-size=2&size=9&api-status=500", "sourceFailed", "listing failed 2 times"),
        ("loops", "tasks=4&page-size=2&size=9&api-loop", "exportApiInvalid", "repeats its page"),
        ("lies", "tasks=4&size=9&api-lies", "exportApiInvalid", "listed twice, differently"),
        ("large", "tasks=1001&page-size=1001", "exportApiInvalid", "1001 tasks; at most 1000"),
    ];
    for (job, query, ..) in cases {
        send(&aws, job, query).await;
    }
    let led_away = json!({"jobId": "private", "exportApi": {"url": "http://10.0.0.1/api"}}).to_string();
    aws.send(Queue::ExportJobs, led_away).await;
    let _consumer = Consumer::start(&aws.environment(&[("MAX_ATTEMPTS", "2")])).await;
    aws.drained().await;
    let letters = aws.dead_letters(Queue::ExportJobsDlq).await;
    let of = |job: &str| {
        letters.iter().filter(|letter| letter.body.contains(&format!("{job:?}"))).collect::<Vec<_>>()
    };
    for (job, _, reason, detail) in cases.into_iter().chain([("private", "", "addressForbidden", "10.0.0.1")])
    {
        let [letter] = of(job)[..] else { panic!("{job}: {:?}", of(job)) };
        assert_eq!(letter.attributes["reason"], reason, "{job}: {letter:?}");
        assert!(letter.attributes["detail"].contains(detail), "{job}: {letter:?}");
    }
    assert_eq!(letters.len(), cases.len() + 1);
    let looped = aws.table().await.job("loops");
    assert_eq!((looped.state.as_str(), looped.total, looped.done), ("listing", None, 4));
}

#[tokio::test]
async fn a_secret_is_named_by_the_job_and_known_to_the_consumer_alone() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let origin = aws.source().replace("/_source", "");
    fs::write(folder.path().join("reports"), format!("{origin}\nAuthorization: Bearer hush\n")).unwrap();
    let page = api(&aws, "job", "tasks=5&page-size=2&size=9&secret=hush");
    let body = json!({"jobId": "job", "exportApi": {"url": page, "credentials": "reports"}}).to_string();
    aws.send(Queue::ExportJobs, body).await;
    let settings = [("EXPORT_API_CREDENTIALS_DIR", folder.path().to_str().unwrap())];
    let consumer = Consumer::start(&aws.environment(&settings)).await;
    aws.drained().await;
    is_done(&aws, "job", 5).await;
    assert!(!consumer.said().contains("Bearer"), "never in a log line");
}

#[tokio::test]
async fn a_consumer_killed_in_the_middle_of_its_pages_leaves_a_job_that_another_finishes() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[("VISIBILITY_SECONDS", "15"), ("WORKER_POOL_SIZE", "2")]);
    send(&aws, "job", "tasks=90&page-size=15&size=20&api-delay=300").await;
    let mut first = Consumer::start(&environment).await;
    until("some pages to be listed", async || {
        let tasks = aws.table().await.tasks.len();
        (tasks > 20).then_some(())
    })
    .await;
    first.process.signal(Signal::SIGKILL);
    first.process.exit().await;
    assert_eq!(aws.table().await.job("job").state, "listing");
    let _second = Consumer::start(&environment).await;
    aws.drained().await;
    is_done(&aws, "job", 90).await;
}

#[tokio::test]
async fn a_consumer_that_is_stopped_in_the_middle_of_its_pages_lets_the_next_go_on() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[]);
    send(&aws, "job", "tasks=90&page-size=15&size=20&api-delay=300").await;
    let mut first = Consumer::start(&environment).await;
    until("some pages to be listed", async || (aws.table().await.tasks.len() > 20).then_some(())).await;
    assert_eq!(first.stop().await, Some(0));
    assert_eq!(aws.table().await.job("job").state, "listing");
    assert_eq!(aws.depth(Queue::ExportJobs).await, [1, 0, 0], "the rest is a message");
    let _second = Consumer::start(&environment).await;
    aws.drained().await;
    is_done(&aws, "job", 90).await;
}

#[tokio::test]
async fn a_message_lists_as_many_tasks_as_fit() {
    const TASKS: usize = 10_001;
    let aws = StandIn::start().await;
    let tasks: Vec<_> =
        (0..TASKS).map(|n| json!({"taskId": n.to_string(), "url": "http://10.0.0.1/"})).collect();
    aws.send(Queue::ExportJobs, json!({"jobId": "wide", "tasks": tasks}).to_string()).await;
    let _consumer = Consumer::start(&aws.environment(&[("EXPORT_ALLOWED_NETWORKS", "")])).await;
    until("all of them to be split", async || {
        let [visible, hidden, _] = aws.depth(Queue::DownloadTasks).await;
        let settled = aws.table().await.job("wide").failed;
        (aws.depth(Queue::ExportJobs).await == [0, 0, 0] && visible + hidden + settled >= TASKS as u64 - 50)
            .then_some(())
    })
    .await;
    assert_eq!(aws.table().await.job("wide").total, Some(TASKS as u64));
}
