//! Each point x its first, middle and last passing: a consumer dies there, others finish, nothing is lost or doubled.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
};

use exportpool_consumer::kill::Point;
use futures_util::{StreamExt as _, stream};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{audit, load::Load};
use crate::{
    consumer::Consumer,
    process::killable_consumer,
    stand_in::{Queue, StandIn},
    wait::until,
};

/// Stand-ins with their consumers at a time, in each of the two tests that run at a time: they mostly wait for a
/// visibility timeout.
const AT_A_TIME: usize = 9;
/// A point may be passed less often than in the rehearsal, when its last passing is looked for.
const TRIES: usize = 4;

/// How often each point was passed.
type Passed = BTreeMap<String, u64>;

/// A consumer that says which points it passes.
struct Traced {
    consumer: Consumer,
    trace: PathBuf,
    _folder: TempDir,
}

impl Traced {
    async fn start(binary: &Path, aws: &StandIn, load: Load, kill_at: Option<(Point, u64)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("points");
        let mut environment = load.environment(aws);
        environment.insert("EXPORTPOOL_TRACE_POINTS".into(), trace.to_str().unwrap().into());
        if let Some((point, nth)) = kill_at {
            environment.insert("EXPORTPOOL_KILL_AT".into(), format!("{}:{nth}", point.as_str()));
        }
        // One that is killed as it receives may be gone before it is seen to have a port.
        let consumer = if load.stops() {
            Consumer::start_of(binary, &environment).await
        } else {
            Consumer::spawn(binary, &environment)
        };
        Self { consumer, trace, _folder: folder }
    }

    fn passed(&self) -> Passed {
        let mut passed = Passed::new();
        for name in fs::read_to_string(&self.trace).unwrap_or_default().lines() {
            *passed.entry(name.to_owned()).or_default() += 1;
        }
        passed
    }
}

/// The load done by a consumer that nobody kills: how often it passes each point.
async fn rehearse(binary: &Path, load: Load) -> Passed {
    let aws = StandIn::start().await;
    load.send(&aws, binary).await;
    let mut traced = Traced::start(binary, &aws, load, None).await;
    load.accompany(&mut traced.consumer).await;
    if load.stops() {
        assert_eq!(traced.consumer.process.exit().await.code(), Some(0));
        let _next = Consumer::spawn(binary, &load.environment(&aws));
        aws.drained().await;
    } else {
        aws.drained().await;
    }
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(aws.open_uploads().await, 0);
    traced.passed()
}

/// A consumer is killed at the n-th passing of a point, two others finish. Answers how often the point was passed
/// when that was not so often.
async fn kill(binary: &Path, load: Load, point: Point, nth: u64) -> Result<(), u64> {
    let aws = StandIn::start().await;
    load.send(&aws, binary).await;
    let mut traced = Traced::start(binary, &aws, load, Some((point, nth))).await;
    load.accompany(&mut traced.consumer).await;
    let empty = async |queue| aws.depth(queue).await == [0, 0, 0];
    let ended = until("a consumer to die, or to have nothing left", async || {
        match traced.consumer.process.status() {
            Some(status) => Some(Some(status)),
            None => (empty(Queue::ExportJobs).await && empty(Queue::DownloadTasks).await).then_some(None),
        }
    })
    .await;
    // The queues are empty just before what confirms it is heard: it may be about to die of that.
    let ended = match ended {
        Some(status) => status,
        None => {
            traced.consumer.process.signal(Signal::SIGTERM);
            traced.consumer.process.exit().await
        }
    };
    let died = ended.signal() == Some(Signal::SIGKILL as i32);
    let passed = traced.passed().get(point.as_str()).copied().unwrap_or_default();
    if !died {
        return Err(passed);
    }
    assert_eq!(passed, nth, "{point:?}");
    let environment = load.environment(&aws);
    let _others = [(); 2].map(|()| Consumer::spawn(binary, &environment));
    aws.drained().await;
    audit::nothing_is_lost_or_doubled(&aws, load).await;
    assert_eq!(aws.open_uploads().await, 0, "{point:?}:{nth}");
    Ok(())
}

async fn kill_at_last(binary: &Path, load: Load, point: Point, rehearsed: u64) {
    let mut last = rehearsed;
    for _ in 0..TRIES {
        match kill(binary, load, point, last).await {
            Ok(()) => return,
            Err(passed) => last = passed,
        }
    }
    panic!("the last passing of {point:?} was not met in {TRIES} runs");
}

/// All kills of a load, side by side.
async fn kill_everywhere(load: Load) {
    let binary = &killable_consumer();
    let passed = rehearse(binary, load).await;
    let mut cases = Vec::new();
    for point in load.points() {
        let times = passed.get(point.as_str()).copied().unwrap_or_default();
        assert!(times >= 2, "{load:?} passes {point:?} {times} times: {passed:?}");
        cases.extend([(*point, 1, false), (*point, times.div_ceil(2), false), (*point, times, true)]);
    }
    cases.sort_unstable();
    cases.dedup_by_key(|(point, nth, _)| (*point, *nth));
    let kills = stream::iter(cases).map(|(point, nth, last)| async move {
        if last {
            kill_at_last(binary, load, point, nth).await;
        } else {
            kill(binary, load, point, nth).await.unwrap_or_else(|passed| {
                panic!("{load:?} passed {point:?} {passed} times, and not {nth}");
            });
        }
    });
    kills.buffer_unordered(AT_A_TIME).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn a_consumer_killed_anywhere_with_jobs_of_one_file_loses_and_doubles_nothing() {
    kill_everywhere(Load::Plain).await;
}

#[tokio::test]
async fn a_consumer_killed_while_it_splits_a_job_loses_and_doubles_nothing() {
    kill_everywhere(Load::Split).await;
}

#[tokio::test]
async fn a_consumer_killed_between_two_pages_of_an_export_api_loses_and_doubles_nothing() {
    kill_everywhere(Load::Paged).await;
}

#[tokio::test]
async fn a_consumer_killed_after_it_passed_a_listing_on_loses_and_doubles_nothing() {
    kill_everywhere(Load::Continued).await;
}

#[tokio::test]
async fn a_consumer_killed_at_a_multipart_upload_leaves_no_upload() {
    kill_everywhere(Load::Large).await;
}

#[tokio::test]
async fn a_consumer_killed_while_a_task_fails_leaves_record_and_dead_letter() {
    kill_everywhere(Load::Failing).await;
}

#[tokio::test]
async fn a_consumer_killed_after_a_retry_was_sent_loses_and_doubles_nothing() {
    kill_everywhere(Load::Retried).await;
}

#[tokio::test]
async fn a_consumer_killed_with_messages_that_cannot_be_read_leaves_them_as_dead_letters() {
    kill_everywhere(Load::Unreadable).await;
}

#[tokio::test]
async fn a_consumer_killed_while_it_is_stopping_loses_and_doubles_nothing() {
    kill_everywhere(Load::Stopped).await;
}

#[tokio::test]
async fn a_consumer_killed_with_redriven_dead_letters_loses_and_doubles_nothing() {
    kill_everywhere(Load::Redriven).await;
}

#[test]
fn every_point_is_in_a_load() {
    let reached: std::collections::BTreeSet<_> = Load::ALL.iter().flat_map(|load| load.points()).collect();
    assert_eq!(reached, Point::ALL.iter().collect());
}
