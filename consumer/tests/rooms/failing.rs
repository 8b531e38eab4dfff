//! Sources that fail: tried again, then given up in order.

use std::time::Duration;

use exportpool_consumer::{
    fail::{Reason, TaskFault},
    message::QueueName,
};
use exportpool_contract::record::{JobState, TaskState};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::{Answer, End},
    },
    letters,
    pod::{MIB, Pod, eventually_in, settings},
};

fn closed(world: &World, job: &str, state: JobState) -> bool {
    world.job_state(job) == Some(state) && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

fn attempts(world: &World) -> Vec<u32> {
    let claims = world.journal().into_iter().filter_map(|did| match did {
        Did::Claimed { attempts, .. } => Some(attempts),
        _ => None,
    });
    claims.collect()
}

#[test]
fn a_flaky_source_is_tried_again_and_its_attempts_are_counted() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::failure(), Answer::failure(), Answer::file("at last")]);
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    let report = pod.reports("done", |report| report.queues.download_tasks.settled.done == 1);
    pod.stop();
    assert_eq!(attempts(&world), [1, 2, 3]);
    assert_eq!(world.task("j", "t0").unwrap().attempts, 3);
    let retried = report.queues.export_jobs.settled.retried + report.queues.download_tasks.settled.retried;
    assert_eq!((retried, report.counters.source_errors["sourceFailed"]), (2, 2));
    assert!(world.dead_letters(QueueName::DownloadTasks).is_empty());
    world.assert_sound();
}

#[test]
fn a_source_that_breaks_off_is_asked_again_from_the_start() {
    let world = World::new();
    let cut = TaskFault::retry(Reason::Truncated, "the connection broke");
    world.answer(
        &letters::url("j", "t0"),
        [Answer::file("half of it").ending(End::Fault(cut)), Answer::file("all of it")],
    );
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(&world.object("j/t0").unwrap().body[..], b"all of it");
    world.assert_sound();
}

#[test]
fn a_source_that_never_succeeds_ends_in_the_dead_letter_queue() {
    let world = World::new();
    world.answer(&letters::url("j", "t1"), [Answer::failure()]);
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    let report = pod.reports("failed", |report| report.queues.download_tasks.settled.failed == 1);
    pod.stop();
    let [letter] = &world.dead_letters(QueueName::DownloadTasks)[..] else { panic!("one dead letter") };
    let task = world.task("j", "t1").unwrap();
    assert_eq!(letter.attributes["reason"], "sourceFailed");
    assert_eq!(letter.attributes["attempt"], "3");
    assert_eq!(letter.attributes["epoch"], task.epoch.to_string());
    assert_eq!(letter.group.as_deref(), Some("j"));
    assert!(letter.attributes.contains_key("enqueuedAt"));
    assert_eq!((task.state, task.reason.as_deref()), (TaskState::Failed, Some("sourceFailed")));
    assert_eq!(world.counted("j"), (2, 1));
    assert_eq!(report.counters.dead_lettered, 1);
    world.assert_sound();
}

#[test]
fn the_dead_letter_is_sent_before_the_record_says_failed_and_that_before_the_delete() {
    let world = World::new();
    let gone = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    world.answer(&letters::url("j", "t"), [Answer::fault(gone)]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    let journal = world.journal();
    let place = |is: &dyn Fn(&Did) -> bool| journal.iter().position(is).expect("it happened");
    let letter = place(&Did::is_dead_letter);
    let failed = place(&|did| matches!(did, Did::Settled { state: TaskState::Failed, .. }));
    let deleted = place(&|did| matches!(did, Did::Deleted { message: m, .. } if *m == message));
    assert!(letter < failed && failed < deleted, "{journal:#?}");
    assert_eq!(attempts(&world), [1], "a final fault is not tried again");
    world.assert_sound();
}

#[test]
fn nothing_is_recorded_as_failed_while_its_dead_letter_cannot_be_sent() {
    let world = World::new();
    let gone = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    world.answer(&letters::url("j", "t"), [Answer::fault(gone)]);
    world.fail_always(Op::SendDeadLetter, Flaw::Before(exportpool_consumer::fail::AwsKind::Missing));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "it was tried", || world.calls(Op::SendDeadLetter) >= 2);
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Running);
    assert!(!world.is_empty(QueueName::DownloadTasks));
    world.mend(Op::SendDeadLetter);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Failed);
    world.assert_sound();
}

#[test]
fn a_redriven_dead_letter_reopens_its_task_and_can_succeed() {
    let world = World::new();
    world.answer(
        &letters::url("j", "t0"),
        std::iter::repeat_n(Answer::failure(), 4).chain([Answer::file("ok")]),
    );
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    assert_eq!(world.counted("j"), (1, 1));
    world.redrive(QueueName::DownloadTasks);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.counted("j"), (2, 0));
    let of_t0: Vec<_> = world
        .journal()
        .into_iter()
        .filter_map(|did| match did {
            Did::Claimed { task, attempts } if task == "t0" => Some(attempts),
            _ => None,
        })
        .collect();
    assert_eq!(of_t0, [1, 2, 3, 1, 2], "a redrive counts anew, once");
    world.assert_sound();
}

#[test]
fn a_redriven_dead_letter_that_fails_again_is_counted_once() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::failure()]);
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    world.redrive(QueueName::DownloadTasks);
    eventually_in(&world, "it failed again", || {
        world.dead_letters(QueueName::DownloadTasks).len() == 1 && world.is_empty(QueueName::DownloadTasks)
    });
    pod.stop();
    assert_eq!(world.counted("j"), (0, 1));
    world.assert_sound();
}

#[test]
fn retry_after_is_honoured_for_a_message_of_its_own_and_for_a_job() {
    let world = World::new();
    let asked = Duration::from_secs(40);
    for job in ["own", "job"] {
        world.answer(&letters::url(job, "t0"), [Answer::later(asked), Answer::file("now")]);
    }
    let own = world.put(QueueName::DownloadTasks, letters::task("own", "t0"));
    world.put(QueueName::ExportJobs, letters::job("job", 1));
    let pod = Pod::start(&world);
    eventually_in(&world, "both are done", || world.counted("own").0 + world.counted("job").0 == 2);
    pod.stop();
    let returned = world
        .did(|did| matches!(did, Did::Returned { message, delay, .. } if *message == own && *delay >= asked));
    let sent = world.did(|did| matches!(did, Did::Sent { delay, .. } if *delay >= asked));
    assert_eq!((returned, sent), (1, 1));
    world.assert_sound();
}

#[test]
fn an_endless_body_ends_too_large() {
    let world = World::new();
    world.answer(&letters::url("j", "t"), [Answer::large(1).ending(End::Endless)]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let mut settings = settings();
    settings.task.max_file_bytes = 12 * MIB;
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.task("j", "t").unwrap().reason.as_deref(), Some("tooLarge"));
    assert!(world.calls(Op::PutPart) >= 1, "it had begun an upload");
    world.assert_sound();
}

#[test]
fn a_source_that_hangs_ends_with_task_timeout_and_is_tried_again() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::hang(), Answer::file("ok")]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut settings = settings();
    settings.task.timeout = Duration::from_millis(300);
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    let report = pod.reports("retried", |report| report.counters.source_errors.contains_key("taskTimeout"));
    pod.stop();
    assert_eq!(report.counters.source_errors["taskTimeout"], 1);
    assert_eq!(world.task("j", "t0").unwrap().attempts, 2);
    world.assert_sound();
}

#[test]
fn a_source_that_hangs_for_ever_is_given_up_as_task_timeout() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::hang()]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut settings = settings();
    settings.task.timeout = Duration::from_millis(200);
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    pod.stop();
    assert_eq!(world.dead_letters(QueueName::DownloadTasks)[0].attributes["reason"], "taskTimeout");
    world.assert_sound();
}
