//! Messages that cannot be worked on.

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
        queue::throttled,
        source::Answer,
    },
    letters,
    pod::{Pod, eventually_in},
};

fn is_over(world: &World) -> bool {
    QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

#[test]
fn a_malformed_body_goes_to_its_own_queues_dead_letters_byte_for_byte() {
    for queue in QueueName::ALL {
        let world = World::new();
        let body = " {\"jobId\": 7,\n\t\"tasks\": \u{fc} ";
        world.put(queue, body);
        let pod = Pod::start(&world);
        eventually_in(&world, "the message is gone", || is_over(&world));
        pod.reports("one dead letter", |report| report.counters.dead_lettered == 1);
        pod.stop();
        let [letter] = &world.dead_letters(queue)[..] else { panic!("one dead letter") };
        assert_eq!((letter.body.as_str(), letter.attributes["reason"].as_str()), (body, "malformed"));
        assert!(letter.attributes["detail"].contains("line 1"), "{}", letter.attributes["detail"]);
        world.assert_sound();
    }
}

#[test]
fn a_malformed_body_is_not_deleted_before_its_dead_letter_is_sent() {
    let world = World::new();
    world.fail_next(Op::SendDeadLetter, [Flaw::Entry(0, throttled())]);
    world.put(QueueName::ExportJobs, "no job");
    let pod = Pod::start(&world);
    eventually_in(&world, "the message is gone", || is_over(&world));
    pod.stop();
    assert_eq!(world.dead_letters(QueueName::ExportJobs).len(), 1);
}

#[test]
fn a_job_id_with_another_definition_is_refused_and_the_first_job_stays_as_it_is() {
    let world = World::new();
    let pod = Pod::start(&world);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    eventually_in(&world, "the first is done", || is_over(&world));
    let other = letters::job("j", 3);
    world.put(QueueName::ExportJobs, &*other);
    eventually_in(&world, "the second is gone", || is_over(&world));
    pod.stop();
    let [letter] = &world.dead_letters(QueueName::ExportJobs)[..] else { panic!("one dead letter") };
    assert_eq!((&letter.body, letter.attributes["reason"].as_str()), (&other, "idReused"));
    assert_eq!((world.job_state("j"), world.counted("j")), (Some(JobState::Done), (2, 0)));
    world.assert_sound();
}

#[test]
fn the_same_job_again_is_done_at_once() {
    let world = World::new();
    let pod = Pod::start(&world);
    for _ in 0..2 {
        world.put(QueueName::ExportJobs, letters::job("j", 2));
        eventually_in(&world, "it is over", || is_over(&world));
    }
    pod.stop();
    assert_eq!(world.fetches(&letters::url("j", "t0")), 1);
    assert_eq!(world.counted("j"), (2, 0));
    world.assert_sound();
}

#[test]
fn the_same_job_again_tries_no_task_that_was_given_up() {
    let world = World::new();
    let gone = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    world.answer(&letters::url("j", "t0"), [Answer::fault(gone)]);
    let pod = Pod::start(&world);
    for _ in 0..2 {
        world.put(QueueName::ExportJobs, letters::job("j", 2));
        eventually_in(&world, "it is over", || is_over(&world));
    }
    pod.stop();
    assert_eq!(world.did(|did| matches!(did, Did::Claimed { .. })), 2);
    assert_eq!((world.counted("j"), world.dead_letters(QueueName::DownloadTasks).len()), ((1, 1), 1));
    world.assert_sound();
}

#[test]
fn a_task_id_with_another_url_is_refused_and_the_first_task_stays_as_it_is() {
    let world = World::new();
    let pod = Pod::start(&world);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    eventually_in(&world, "the first is done", || is_over(&world));
    world.put(QueueName::DownloadTasks, letters::task_from("j", "t", "http://files.test/other"));
    eventually_in(&world, "the second is gone", || is_over(&world));
    pod.stop();
    let [letter] = &world.dead_letters(QueueName::DownloadTasks)[..] else { panic!("one dead letter") };
    assert_eq!(letter.attributes["reason"], "idReused");
    assert!(!letter.attributes.contains_key("epoch"), "its redrive must not reopen the first");
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Done, (1, 0)));
    assert_eq!(world.fetches("http://files.test/other"), 0);
    world.assert_sound();
}

#[test]
fn a_url_that_is_no_url_fails_its_task_and_no_other() {
    let world = World::new();
    let pod = Pod::start(&world);
    world.put(QueueName::DownloadTasks, letters::task_from("j", "bad", "ftp://files.test/x"));
    world.put(QueueName::DownloadTasks, letters::task("j", "good"));
    eventually_in(&world, "both are over", || is_over(&world));
    pod.stop();
    assert_eq!(world.task("j", "bad").unwrap().reason.as_deref(), Some("invalidUrl"));
    assert_eq!(world.counted("j"), (1, 1));
    world.assert_sound();
}
