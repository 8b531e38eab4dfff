//! A task that panics takes nobody with it.

use exportpool_consumer::message::QueueName;
use exportpool_contract::record::JobState;

use crate::{
    fakes::{
        World,
        flaw::Op,
        source::{Answer, End},
    },
    letters,
    pod::{Pod, eventually_in, settings},
};

fn closed(world: &World, job: &str, state: JobState) -> bool {
    world.job_state(job) == Some(state) && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

#[test]
fn a_task_that_panics_is_tried_again_and_its_worker_is_replaced() {
    let world = World::new();
    world.answer(&letters::url("j", "t1"), [Answer::panic(), Answer::file("ok")]);
    world.put(QueueName::ExportJobs, letters::job("j", 4));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    let report = pod.reports("one worker was replaced", |report| report.counters.workers_restarted == 1);
    assert_eq!(report.slots.total, 2);
    assert_eq!(pod.get("/live").0, 200);
    pod.stop();
    assert_eq!(world.task("j", "t1").unwrap().attempts, 2);
    world.assert_sound();
}

#[test]
fn the_siblings_of_a_task_that_panics_finish_on_their_worker() {
    let world = World::new();
    let (sibling, panics) = (letters::url("j", "t0"), letters::url("j", "t1"));
    world.answer(&sibling, [Answer::file("x").gated()]);
    world.answer(&panics, [Answer::panic(), Answer::file("ok")]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut settings = settings();
    (settings.pool.workers, settings.pool.tasks_per_worker) = (1, 2);
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "one panicked beside the other", || {
        world.at_gate(&sibling) && world.fetches(&panics) == 1
    });
    let report = pod.reports("the worker takes no more", |report| report.slots.total == 0);
    assert_eq!((report.slots.busy, report.counters.workers_restarted), (1, 0));
    world.open_gate(&sibling);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.reports("the worker was replaced", |report| report.counters.workers_restarted == 1);
    pod.stop();
    assert_eq!(world.fetches(&sibling), 1, "the sibling was not disturbed");
    world.assert_sound();
}

#[test]
fn a_task_that_always_panics_is_given_up_and_the_others_are_done() {
    let world = World::new();
    world.answer(&letters::url("j", "t0"), [Answer::panic()]);
    world.put(QueueName::ExportJobs, letters::job("j", 6));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is over", || closed(&world, "j", JobState::DoneWithFailures));
    let report = pod.reports("as many workers as panics", |report| report.counters.workers_restarted == 3);
    assert_eq!(report.slots.total, 2);
    pod.stop();
    assert_eq!(world.counted("j"), (5, 1));
    let [letter] = &world.dead_letters(QueueName::DownloadTasks)[..] else { panic!("one dead letter") };
    assert!(["panicked", "attemptsExhausted"].contains(&letter.attributes["reason"].as_str()));
    assert_eq!(world.fetches(&letters::url("j", "t0")), 3, "as often as MAX_ATTEMPTS");
    world.assert_sound();
}

#[test]
fn the_upload_of_a_task_that_panics_is_aborted_by_the_next_attempt() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::large(12).ending(End::Panic), Answer::file("small now")]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!((world.calls(Op::CreateUpload), world.fetches(&url)), (1, 2));
    world.assert_sound();
}

#[test]
fn the_upload_of_a_task_that_always_panics_is_aborted_when_it_is_given_up() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::large(12).ending(End::Panic)]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.counted("j"), (0, 1));
    world.assert_sound();
}
