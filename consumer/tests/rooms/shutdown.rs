//! Told to stop: nothing is taken any more, what runs finishes, what waits goes back.

use std::time::Duration;

use exportpool_consumer::{fail::AwsKind, message::QueueName, run::Settings};
use exportpool_contract::record::{JobState, TaskState};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::{Answer, End},
    },
    letters,
    pod::{Pod, eventually, eventually_in, settings},
};

/// Running work is cancelled half a second after the signal.
fn hasty() -> Settings {
    Settings { grace: Duration::from_millis(10_500), ..settings() }
}

fn gate(world: &World, tasks: &[&str]) -> Vec<String> {
    let urls: Vec<_> = tasks.iter().map(|task| letters::url("j", task)).collect();
    urls.iter().for_each(|url| world.answer(url, [Answer::file("x").gated()]));
    urls
}

fn finish_elsewhere(world: &World) {
    let pod = Pod::numbered(world, settings(), 9);
    eventually_in(world, "another pod does the rest", || {
        QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
    });
    pod.stop();
    world.assert_sound();
}

#[test]
fn an_idle_consumer_ends_when_its_polls_are_answered() {
    let world = World::new();
    let pod = Pod::start(&world);
    eventually_in(&world, "it polls", || world.lock().queues.polls == 2);
    pod.stop();
    assert_eq!(world.lock().queues.polls, 0);
}

#[test]
fn a_message_that_a_last_poll_brings_goes_back_at_once() {
    let world = World::new();
    let mut pod = Pod::start(&world);
    world.fail_always(Op::Receive, Flaw::Wait);
    let asked = world.calls(Op::Receive);
    eventually_in(&world, "both polls are held up", || world.calls(Op::Receive) >= asked + 2);
    pod.tell_to_stop();
    pod.reports("it drains", |report| report.draining);
    let message = world.put(QueueName::ExportJobs, letters::job("j", 3));
    world.let_go();
    pod.stop();
    let back =
        |did: &Did| *did == Did::Returned { queue: QueueName::ExportJobs, message, delay: Duration::ZERO };
    assert_eq!(world.did(back), 1);
    world.mend(Op::Receive);
    finish_elsewhere(&world);
}

#[test]
fn a_running_task_is_finished_recorded_and_acknowledged() {
    let world = World::new();
    let urls = gate(&world, &["t0", "t1"]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut pod = Pod::start(&world);
    eventually_in(&world, "both run", || urls.iter().all(|url| world.at_gate(url)));
    pod.tell_to_stop();
    pod.reports("it drains", |report| report.draining);
    assert!(!pod.has_ended());
    assert_eq!((pod.get("/live").0, pod.get("/ready").0), (200, 200));
    urls.iter().for_each(|url| world.open_gate(url));
    pod.stop();
    assert_eq!(world.job_state("j"), Some(JobState::Done));
    assert!(world.is_empty(QueueName::ExportJobs));
    world.assert_sound();
}

#[test]
fn waiting_tasks_of_a_job_that_has_begun_are_handed_over() {
    let world = World::new();
    let urls = gate(&world, &["t0", "t1"]);
    world.put(QueueName::ExportJobs, letters::job("j", 4));
    let mut pod = Pod::start(&world);
    eventually_in(&world, "both run", || urls.iter().all(|url| world.at_gate(url)));
    pod.reports("t2 and the message of t3 wait", |report| {
        report.gauges.waiting == 2 && report.gauges.leased.download_tasks == 1
    });
    assert_eq!(world.did(Did::is_hand_over), 1);
    pod.tell_to_stop();
    eventually_in(&world, "what waits is handed over", || world.did(Did::is_hand_over) == 2);
    urls.iter().for_each(|url| world.open_gate(url));
    pod.stop();
    assert!(world.is_empty(QueueName::ExportJobs), "the job's message is deleted");
    assert_eq!(world.counted("j"), (2, 0));
    finish_elsewhere(&world);
    assert_eq!((world.counted("j"), world.job_state("j")), ((4, 0), Some(JobState::Done)));
    assert!(["t2", "t3"].iter().all(|task| world.task("j", task).unwrap().attempts == 1));
}

#[test]
fn a_job_of_which_nothing_has_begun_is_returned_whole() {
    let world = World::new();
    let urls = gate(&world, &["t0", "t1"]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut pod = Pod::start(&world);
    eventually_in(&world, "both run", || urls.iter().all(|url| world.at_gate(url)));
    let message = world.put(QueueName::ExportJobs, letters::job("k", 1));
    eventually_in(&world, "the second job is in hand", || pod.report().gauges.jobs == 2);
    eventually_in(&world, "the second job waits", || pod.report().gauges.waiting > 0);
    pod.tell_to_stop();
    eventually_in(&world, "the second job is returned", || {
        world.did(
            |did| matches!(did, Did::Returned { message: m, delay: Duration::ZERO, .. } if *m == message),
        ) == 1
    });
    urls.iter().for_each(|url| world.open_gate(url));
    pod.stop();
    finish_elsewhere(&world);
    assert_eq!(world.counted("k"), (1, 0));
}

#[test]
fn a_task_that_hangs_is_cancelled_ten_seconds_before_the_end_and_its_attempt_given_back() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::hang(), Answer::file("ok")]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "it hangs", || world.fetches(&url) == 1);
    pod.stop();
    let back =
        |did: &Did| *did == Did::Returned { queue: QueueName::DownloadTasks, message, delay: Duration::ZERO };
    assert_eq!(world.did(back), 1);
    assert_eq!(world.task("j", "t").unwrap().attempts, 0);
    finish_elsewhere(&world);
    assert_eq!(world.task("j", "t").unwrap().attempts, 1);
}

#[test]
fn a_hanging_task_of_a_job_is_handed_over_with_its_attempt_given_back() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::hang(), Answer::file("ok")]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "one hangs, the other is done", || {
        world.fetches(&letters::url("j", "t0")) == 1 && world.counted("j") == (1, 0)
    });
    pod.stop();
    assert!(world.is_empty(QueueName::ExportJobs));
    assert_eq!(world.task("j", "t0").unwrap().attempts, 0);
    finish_elsewhere(&world);
    assert_eq!(world.job_state("j"), Some(JobState::Done));
}

#[test]
fn an_upload_that_is_cancelled_is_aborted() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::large(11).ending(End::Hang), Answer::file("ok")]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "a part is written", || world.calls(Op::PutPart) >= 1);
    pod.stop();
    assert_eq!(world.open_uploads(), 0);
    finish_elsewhere(&world);
}

#[test]
fn a_dead_letter_that_cannot_be_sent_does_not_hold_up_the_end() {
    let world = World::new();
    let gone = exportpool_consumer::fail::TaskFault::last(
        exportpool_consumer::fail::Reason::SourceRefused,
        "the source answered 404",
    );
    world.answer(&letters::url("j", "t"), [Answer::fault(gone)]);
    world.fail_always(Op::SendDeadLetter, Flaw::Before(AwsKind::Missing));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "it was tried", || world.calls(Op::SendDeadLetter) > 0);
    pod.stop();
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Running);
    world.mend(Op::SendDeadLetter);
    world.expire(QueueName::DownloadTasks, 1);
    finish_elsewhere(&world);
    assert_eq!(world.counted("j"), (0, 1));
}

#[test]
fn a_delete_that_always_fails_ends_with_the_grace_period() {
    let world = World::new();
    world.fail_always(Op::Delete, Flaw::Before(AwsKind::Unreachable));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, Settings { grace: Duration::from_secs(2), ..settings() });
    eventually_in(&world, "it was tried", || world.calls(Op::Delete) > 0);
    assert!(pod.end().is_err_and(|error| error.to_string().contains("grace period")));
    world.mend(Op::Delete);
    world.expire(QueueName::DownloadTasks, 1);
    finish_elsewhere(&world);
    assert_eq!(world.fetches(&letters::url("j", "t")), 1);
}

#[test]
fn a_hand_over_that_always_fails_leaves_the_task_on_its_jobs_message() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::hang(), Answer::file("ok")]);
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    world.fail_always(Op::SendTask, Flaw::Before(AwsKind::Unreachable));
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "it hangs", || world.fetches(&letters::url("j", "t0")) == 1);
    pod.stop();
    assert!(!world.is_empty(QueueName::ExportJobs));
    world.mend(Op::SendTask);
    world.expire(QueueName::ExportJobs, 1);
    finish_elsewhere(&world);
    assert_eq!(world.job_state("j"), Some(JobState::Done));
}

#[test]
fn a_job_that_is_being_split_is_split_to_its_end() {
    let world = World::new();
    world.fail_next(Op::Advance, [Flaw::Wait]);
    world.put(QueueName::ExportJobs, letters::job("j", 250));
    let mut pod = Pod::start(&world);
    eventually_in(&world, "it is half through", || world.calls(Op::Advance) == 1);
    pod.tell_to_stop();
    pod.reports("it drains", |report| report.draining);
    world.let_go();
    pod.stop();
    assert!(world.is_empty(QueueName::ExportJobs), "nobody has to split it again");
    finish_elsewhere(&world);
    assert_eq!((world.counted("j"), world.job_state("j")), ((250, 0), Some(JobState::Done)));
}

#[test]
fn a_consumer_that_never_reached_its_bucket_ends_when_told() {
    let world = World::new();
    world.fail_always(Op::LookBucket, Flaw::Before(AwsKind::Missing));
    let pod = Pod::start(&world);
    eventually("it looks", || world.calls(Op::LookBucket) > 1);
    pod.stop();
    assert_eq!(world.calls(Op::Receive), 0);
}
