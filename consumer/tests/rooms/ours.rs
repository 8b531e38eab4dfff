//! Faults of our own: AWS fails us. No attempt is used up, nothing reaches a dead-letter queue.

use std::time::{Duration, Instant};

use exportpool_consumer::{
    fail::{AwsKind, Reason, TaskFault},
    message::QueueName,
};
use exportpool_contract::record::{JobState, TaskState};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::Answer,
    },
    letters,
    pod::{Pod, eventually, eventually_in},
};

fn closed(world: &World, job: &str, state: JobState) -> bool {
    world.job_state(job) == Some(state) && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

fn no_dead_letters(world: &World) -> bool {
    QueueName::ALL.into_iter().all(|queue| world.dead_letters(queue).is_empty())
}

/// Tasks of the job `k`, each by a message of its own.
fn put_tasks(world: &World, tasks: usize) {
    for n in 0..tasks {
        world.put(QueueName::DownloadTasks, letters::task("k", &format!("t{n}")));
    }
}

fn gave_back(did: &Did) -> bool {
    matches!(did, Did::GaveBack { .. })
}

fn claimed(did: &Did) -> bool {
    matches!(did, Did::Claimed { .. })
}

/// How long messages were told to stay away.
fn delays(world: &World) -> Vec<Duration> {
    let delays = world.journal().into_iter().filter_map(|did| match did {
        Did::Returned { delay, .. } | Did::Sent { delay, .. } if !delay.is_zero() => Some(delay),
        _ => None,
    });
    delays.collect()
}

#[test]
fn a_missing_bucket_costs_no_attempt_and_stops_the_intake_until_it_is_back() {
    let world = World::new();
    for op in [Op::Put, Op::Head] {
        world.fail_always(op, Flaw::Before(AwsKind::Missing));
    }
    let pod = Pod::start(&world);
    eventually("ready", || pod.get("/ready").0 == 200);
    world.fail_always(Op::LookBucket, Flaw::Before(AwsKind::Missing));
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    put_tasks(&world, 12);
    eventually_in(&world, "not ready, and names the bucket", || {
        let (status, why) = pod.get("/ready");
        status == 503 && why.contains("bucket exports")
    });
    eventually_in(&world, "no poll is under way", || world.lock().queues.polls == 0);
    let (receives, looks) = (world.calls(Op::Receive), world.calls(Op::LookBucket));
    eventually_in(&world, "it looks again and again", || world.calls(Op::LookBucket) > looks + 2);
    assert_eq!(world.calls(Op::Receive), receives, "the intake stands still");
    assert!(pod.report().breaker.open);
    [Op::Put, Op::Head, Op::LookBucket].into_iter().for_each(|op| world.mend(op));
    eventually_in(&world, "all is done", || {
        closed(&world, "j", JobState::Done) && world.counted("k") == (12, 0)
    });
    eventually("ready", || pod.get("/ready").0 == 200);
    pod.stop();
    assert!(no_dead_letters(&world));
    let attempts: Vec<_> = world.lock().table.tasks.values().map(|item| item.attempts).collect();
    assert!(attempts.iter().all(|attempts| *attempts == 1), "{attempts:?}");
    let delays = delays(&world);
    assert!(!delays.is_empty() && delays.iter().all(|d| (30..=300).contains(&d.as_secs())), "{delays:?}");
    world.assert_sound();
}

#[test]
fn while_writes_are_denied_one_message_at_a_time_tries_ever_more_rarely() {
    let world = World::new();
    // The bucket answers, and takes nothing.
    world.fail_always(Op::Put, Flaw::Before(AwsKind::Denied));
    put_tasks(&world, 20);
    let pod = Pod::start(&world);
    eventually_in(&world, "a first try", || world.did(gave_back) > 0);
    eventually_in(&world, "what was in hand went back", || world.did(gave_back) == world.did(claimed));
    let from = world.journal().len();
    eventually_in(&world, "not ready, and names the bucket", || {
        pod.get("/ready").1.contains("bucket exports")
    });
    let tries = world.did(gave_back);
    let begun = Instant::now();
    eventually_in(&world, "some more tries", || world.did(gave_back) >= tries + 3);
    assert!(begun.elapsed() > Duration::from_millis(800), "the pauses grow");
    let mut trying = 0_i32;
    for did in &world.journal()[from..] {
        trying += i32::from(claimed(did)) - i32::from(gave_back(did));
        assert!(trying <= 1, "{trying} messages try at a time\n{:#?}", world.journal());
    }
    world.mend(Op::Put);
    eventually_in(&world, "all is done", || world.counted("k") == (20, 0));
    pod.stop();
    assert!(no_dead_letters(&world));
    world.assert_sound();
}

#[test]
fn a_message_that_a_poll_brings_after_the_fault_goes_back_too() {
    let world = World::new();
    let url = letters::url("k", "t");
    world.answer(&url, [Answer::file("x").gated()]);
    world.put(QueueName::DownloadTasks, letters::task("k", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "a task is under way", || world.at_gate(&url));
    world.fail_always(Op::Receive, Flaw::Wait);
    let asked = world.calls(Op::Receive);
    eventually_in(&world, "both polls are held up", || world.calls(Op::Receive) >= asked + 2);
    [Op::Put, Op::LookBucket]
        .into_iter()
        .for_each(|op| world.fail_always(op, Flaw::Before(AwsKind::Missing)));
    world.open_gate(&url);
    eventually("the fault is known", || pod.get("/ready").1.contains("bucket exports"));
    let late = world.put(QueueName::ExportJobs, letters::job("late", 1));
    world.let_go();
    let returned = |did: &Did| matches!(did, Did::Returned { message, delay, .. } if *message == late && delay.as_secs() >= 30);
    eventually_in(&world, "it goes back", || world.did(returned) == 1);
    [Op::Put, Op::LookBucket].into_iter().for_each(|op| world.mend(op));
    eventually_in(&world, "all is done", || {
        world.counted("k") == (1, 0) && closed(&world, "late", JobState::Done)
    });
    pod.stop();
    world.assert_sound();
}

#[test]
fn denied_writes_never_use_up_the_attempts() {
    let world = World::new();
    world.fail_next(Op::Put, std::iter::repeat_n(Flaw::Before(AwsKind::Denied), 4));
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert!(no_dead_letters(&world));
    assert_eq!(world.task("j", "t0").unwrap().attempts, 1);
    world.assert_sound();
}

#[test]
fn an_object_that_is_stored_while_the_ledger_is_down_is_recorded_later_and_written_once() {
    let world = World::new();
    world.fail_always(Op::Commit, Flaw::Before(AwsKind::Denied));
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let pod = Pod::start(&world);
    eventually_in(&world, "both are stored", || {
        world.object("j/t0").is_some() && world.object("j/t1").is_some()
    });
    pod.reports("nothing is in hand", |report| report.gauges.leased.export_jobs == 0);
    assert!(!world.is_empty(QueueName::ExportJobs), "the message is not deleted");
    assert_eq!(world.counted("j"), (0, 0));
    world.mend(Op::Commit);
    world.expire(QueueName::ExportJobs, 1);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.fetches(&letters::url("j", "t0")), 1, "the object is adopted, not downloaded again");
    world.assert_sound();
}

#[test]
fn a_commit_of_which_the_answer_is_lost_counts_once() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::failure()]);
    world.fail_next(Op::Commit, std::iter::repeat_n(Flaw::After(AwsKind::Unreachable), 3));
    world.put(QueueName::ExportJobs, letters::job("j", 4));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    pod.stop();
    assert_eq!(world.counted("j"), (3, 1));
    world.assert_sound();
}

#[test]
fn a_failure_whose_commit_is_answered_by_nobody_counts_once() {
    let world = World::new();
    world.answer(&letters::url("j", "t"), [Answer::failure()]);
    world.fail_next(Op::Commit, [Flaw::After(AwsKind::Unreachable)]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!((world.counted("j"), world.calls(Op::Commit)), ((0, 1), 2));
    assert_eq!(world.dead_letters(QueueName::DownloadTasks).len(), 1);
    world.assert_sound();
}

#[test]
fn transactions_in_conflict_are_tried_again() {
    let world = World::new();
    world.fail_next(Op::Commit, std::iter::repeat_n(Flaw::Before(AwsKind::Throttled), 4));
    world.fail_next(Op::Close, [Flaw::Before(AwsKind::Throttled)]);
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    let received = world.did(|did| matches!(did, Did::Received { .. }));
    pod.stop();
    assert_eq!(received, 1, "the message stays in hand");
    world.assert_sound();
}

#[test]
fn a_claim_that_is_throttled_gives_the_message_back_without_an_attempt() {
    let world = World::new();
    world.fail_next(Op::Claim, std::iter::repeat_n(Flaw::Before(AwsKind::Throttled), 4));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.task("j", "t").unwrap().attempts, 1);
    assert!(no_dead_letters(&world));
    world.assert_sound();
}

#[test]
fn claims_of_which_the_answer_is_lost_cost_no_attempt() {
    let world = World::new();
    world.fail_next(Op::Claim, std::iter::repeat_n(Flaw::After(AwsKind::Unreachable), 4));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Done);
    assert!(no_dead_letters(&world));
}

#[test]
fn a_missing_dead_letter_queue_makes_the_pod_unready_and_holds_the_intake() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::failure()]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let missing = [Op::LookDeadLetters, Op::SendDeadLetter];
    missing.iter().for_each(|op| world.fail_always(*op, Flaw::Before(AwsKind::Missing)));
    let pod = Pod::start(&world);
    eventually("not ready, and names the queue", || {
        let (status, why) = pod.get("/ready");
        status == 503 && why.contains("queue of dead letters")
    });
    assert_eq!(world.calls(Op::Receive), 0, "nothing is taken");
    world.mend(Op::LookDeadLetters);
    eventually_in(&world, "a dead letter cannot be sent", || world.calls(Op::SendDeadLetter) > 0);
    eventually("not ready, though a look finds nothing wrong", || pod.get("/ready").0 == 503);
    assert!(pod.report().breaker.open);
    assert_eq!(
        world.task("j", "t").unwrap().state,
        TaskState::Running,
        "not failed before its dead letter is sent"
    );
    world.mend(Op::SendDeadLetter);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    eventually("ready", || pod.get("/ready").0 == 200);
    pod.stop();
    assert_eq!(world.dead_letters(QueueName::DownloadTasks).len(), 1);
    world.assert_sound();
}

#[test]
fn dead_letters_that_cannot_be_sent_stop_the_intake() {
    let world = World::new();
    let url = letters::url("j", "t");
    let gone = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    world.answer(&url, [Answer::fault(gone).gated()]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "it runs", || world.at_gate(&url));
    let missing = [Op::LookDeadLetters, Op::SendDeadLetter];
    missing.iter().for_each(|op| world.fail_always(*op, Flaw::Before(AwsKind::Missing)));
    world.open_gate(&url);
    eventually("not ready, and names the queue", || pod.get("/ready").1.contains("queue of dead letters"));
    eventually_in(&world, "no poll is under way", || world.lock().queues.polls == 0);
    let (receives, sends) = (world.calls(Op::Receive), world.calls(Op::SendDeadLetter));
    eventually_in(&world, "it is sent again", || world.calls(Op::SendDeadLetter) > sends);
    assert_eq!(world.calls(Op::Receive), receives, "the intake stands still");
    missing.iter().for_each(|op| world.mend(*op));
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!((world.dead_letters(QueueName::DownloadTasks).len(), world.counted("j")), (1, (0, 1)));
    world.assert_sound();
}

#[test]
fn a_job_that_cannot_be_opened_comes_back() {
    let world = World::new();
    world.fail_next(Op::OpenJob, [Flaw::Before(AwsKind::Denied), Flaw::After(AwsKind::Unreachable)]);
    world.put(QueueName::ExportJobs, letters::job("j", 30));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.counted("j"), (30, 0));
    assert!(no_dead_letters(&world));
    world.assert_sound();
}

#[test]
fn receives_that_fail_are_begun_again_when_the_queues_answer() {
    let world = World::new();
    world.fail_always(Op::Receive, Flaw::Before(AwsKind::Unreachable));
    let pod = Pod::start(&world);
    eventually_in(&world, "receives have failed", || {
        let queues = pod.report().queues;
        queues.export_jobs.failed_receives > 0 && queues.download_tasks.failed_receives > 0
    });
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    world.mend(Op::Receive);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    assert!(pod.report().counters.aws_errors["unreachable"] > 0);
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_queue_that_is_over_its_limit_is_backpressure_and_no_error() {
    let world = World::new();
    world.fail_next(Op::Receive, [Flaw::OverLimit]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "the task is done", || world.is_empty(QueueName::DownloadTasks));
    let report = pod.report();
    pod.stop();
    assert_eq!(report.queues.export_jobs.failed_receives + report.queues.download_tasks.failed_receives, 0);
    assert!(report.counters.aws_errors.is_empty(), "{:?}", report.counters.aws_errors);
    world.assert_sound();
}

#[test]
fn a_retry_that_cannot_be_sent_is_sent_later_and_its_task_is_not_forgotten() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::failure(), Answer::file("ok")]);
    world.fail_next(Op::SendTask, [Flaw::Before(AwsKind::Throttled)]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.did(Did::is_hand_over), 1);
    world.assert_sound();
}
