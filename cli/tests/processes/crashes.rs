//! Processes that are killed, and processes that are asked to stop.

use std::{collections::BTreeMap, time::Instant};

use nix::sys::signal::Signal;

use crate::{
    consumer::Consumer,
    download,
    stand_in::{Queue, StandIn, Table},
    wait::until,
};

/// Every file of these jobs is stored once; records and counters agree; the jobs are closed.
async fn each_file_once(aws: &StandIn, jobs: &[(String, usize)]) -> Table {
    let keys = jobs.iter().flat_map(|(job, files)| (0..*files).map(move |n| format!("{job}/{n}")));
    let once: BTreeMap<String, usize> = keys.map(|key| (key, 1)).collect();
    assert_eq!(aws.versions().await, once, "every file is stored once");
    let table = aws.table().await;
    for (name, files) in jobs {
        let job = table.job(name);
        let files = *files as u64;
        assert_eq!(
            (job.state.as_str(), job.total, job.done, job.failed),
            ("done", Some(files), files, 0),
            "{name}"
        );
        let records = table.tasks.iter().filter(|((job, _), _)| job == name);
        assert_eq!(records.filter(|(_, record)| record.state == "done").count() as u64, files, "{name}");
    }
    for queue in [Queue::ExportJobsDlq, Queue::DownloadTasksDlq] {
        assert_eq!(aws.depth(queue).await, [0, 0, 0], "{queue:?}");
    }
    assert_eq!(aws.open_uploads().await, 0);
    table
}

fn jobs(number: usize) -> Vec<(String, usize)> {
    (0..number).map(|n| (format!("job-{n}"), 1)).collect()
}

async fn done(aws: &StandIn) -> usize {
    aws.table().await.tasks.values().filter(|record| record.state == "done").count()
}

#[tokio::test]
async fn a_consumer_killed_in_the_middle_of_a_job_leaves_a_job_that_another_finishes() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[("VISIBILITY_SECONDS", "15"), ("WORKER_POOL_SIZE", "2")]);
    aws.send_job("job", 8, "size=3000&delay=700").await;
    let mut first = Consumer::start(&environment).await;
    until("some tasks to be done and others to run", async || {
        let done = done(&aws).await;
        assert!(done < 8, "the job was done before the kill");
        (done >= 2 && first.report().slots.busy > 0).then_some(())
    })
    .await;
    first.process.signal(Signal::SIGKILL);
    assert_eq!(first.process.exit().await.code(), None);
    let left = done(&aws).await;
    assert!((2..8).contains(&left), "{left} tasks were done at the kill");
    let _second = Consumer::start(&environment).await;
    aws.drained().await;
    let table = each_file_once(&aws, &[("job".into(), 8)]).await;
    assert!(table.tasks.values().all(|record| record.attempts <= 2), "{table:?}");
}

#[tokio::test]
async fn two_consumers_share_the_jobs_and_store_each_file_once() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[("WORKER_POOL_SIZE", "2")]);
    let (one, two) = (Consumer::start(&environment).await, Consumer::start(&environment).await);
    one.ready().await;
    two.ready().await;
    for (job, files) in jobs(60) {
        aws.send_job(&job, files, "size=2000&delay=100").await;
    }
    aws.drained().await;
    each_file_once(&aws, &jobs(60)).await;
    // What a consumer says of itself is a moment old.
    until("both to have said what they did", async || {
        let done = [&one, &two].map(|consumer| consumer.report().queues.export_jobs.settled.done);
        (done[0] + done[1] == 60 && done.iter().all(|done| *done > 0)).then_some(())
    })
    .await;
    assert!(download::asked(&aws.source()).values().all(|times| *times == 1), "a file was downloaded twice");
}

#[tokio::test]
async fn a_consumer_that_is_stopped_at_work_finishes_it_and_the_next_does_the_rest() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[("WORKER_POOL_SIZE", "2"), ("VISIBILITY_SECONDS", "60")]);
    for (job, files) in jobs(12) {
        aws.send_job(&job, files, "size=2000&delay=600").await;
    }
    aws.send_job("wide", 9, "size=2000&delay=600").await;
    let mut first = Consumer::start(&environment).await;
    until("work to be under way", async || {
        (done(&aws).await >= 2 && first.report().slots.busy > 0).then_some(())
    })
    .await;
    assert_eq!(first.stop().await, Some(0));
    let asked = download::asked(&aws.source()).len();
    assert_eq!(done(&aws).await, asked, "what had started is finished");
    assert!(asked < 21, "there is a rest");
    for queue in [Queue::ExportJobs, Queue::DownloadTasks] {
        assert_eq!(
            aws.depth(queue).await[1],
            0,
            "nothing is in flight: nothing waits for its visibility timeout"
        );
    }
    let _next = Consumer::start(&environment).await;
    aws.drained().await;
    let all: Vec<_> = jobs(12).into_iter().chain([("wide".into(), 9)]).collect();
    let table = each_file_once(&aws, &all).await;
    assert!(table.tasks.values().all(|record| record.attempts == 1), "{table:?}");
    assert!(download::asked(&aws.source()).values().all(|times| *times == 1), "a file was downloaded twice");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let aws = StandIn::start().await;
    aws.send_job("slow", 1, "size=10&delay=50000").await;
    let mut consumer = Consumer::start(&aws.environment(&[])).await;
    until("the task to run", async || (consumer.report().slots.busy == 1).then_some(())).await;
    consumer.process.signal(Signal::SIGTERM);
    until("it to drain", async || consumer.report().draining.then_some(())).await;
    assert_eq!(consumer.get("/ready").0, 200, "draining is not being unready");
    let asked = Instant::now();
    consumer.process.signal(Signal::SIGINT);
    assert_eq!(consumer.process.exit().await.code(), Some(130));
    assert!(asked.elapsed().as_secs() < 5, "after {:?}", asked.elapsed());
}

#[tokio::test]
async fn an_idle_consumer_that_is_asked_to_stop_ends_within_seconds() {
    let aws = StandIn::start().await;
    let mut consumer = Consumer::start(&aws.environment(&[])).await;
    consumer.ready().await;
    let asked = Instant::now();
    assert_eq!(consumer.stop().await, Some(0));
    assert!(asked.elapsed().as_secs() < 5, "after {:?}", asked.elapsed());
}
