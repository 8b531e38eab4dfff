//! Tasks that wait for what others have: they are not slow, and nothing counts against them.

use std::time::Duration;

use exportpool_consumer::{
    config::PerHost,
    message::QueueName,
    run::Settings,
    work::fetch::hosts::{Admission, Hosts},
};
use exportpool_contract::record::TaskState;

use crate::{
    fakes::{World, flaw::Op, journal::Did, source::Answer},
    letters,
    pod::{Pod, eventually_in, settings},
};

/// Two slots, and tasks that are ended after a second of work.
fn hasty() -> Settings {
    let mut settings = settings();
    (settings.task.timeout, settings.task.max_attempts) = (Duration::from_secs(1), 1);
    settings
}

/// The host's only place is somebody else's, until it is dropped.
fn a_task_whose_host_has_no_place() -> (World, Admission) {
    let world = World::new();
    let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
    world.lock().web.hosts = Some(hosts.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let others = runtime.block_on(hosts.admit("files.test"));
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    (world, others)
}

/// Another task works and works, until its time is over: so much passed for everybody.
fn let_time_pass(world: &World) {
    world.answer("http://elsewhere.test/hangs", [Answer::hang()]);
    world.put(QueueName::DownloadTasks, letters::task_from("slow", "hangs", "http://elsewhere.test/hangs"));
    eventually_in(world, "a task's time is over", || {
        world.task("slow", "hangs").is_some_and(|task| task.state == TaskState::Failed)
    });
}

#[test]
fn a_task_that_waits_for_its_hosts_place_uses_up_no_attempt() {
    let (world, others) = a_task_whose_host_has_no_place();
    let pod = Pod::with(&world, hasty());
    eventually_in(&world, "the task is claimed", || world.task("j", "t").is_some());
    let_time_pass(&world);
    assert_eq!(world.fetches(&letters::url("j", "t")), 0, "it has no place yet");
    drop(others);
    eventually_in(&world, "both messages are deleted", || world.is_empty(QueueName::DownloadTasks));
    assert_eq!((world.counted("j"), world.task("j", "t").unwrap().attempts), ((1, 0), 1));
    assert_eq!(world.dead_letters(QueueName::DownloadTasks).len(), 1, "of the other one alone");
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_task_that_waits_for_too_long_gives_way_and_its_attempt_back() {
    let (world, others) = a_task_whose_host_has_no_place();
    let mut settings = hasty();
    settings.task.longest_wait = Duration::ZERO;
    let pod = Pod::with(&world, settings);
    let claims = || world.did(|did| matches!(did, Did::Claimed { .. }));
    eventually_in(&world, "it is claimed again", || claims() > 1);
    drop(others);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    assert_eq!((world.counted("j"), world.task("j", "t").unwrap().attempts), ((1, 0), 1));
    assert_eq!(world.calls(Op::LookBucket), 1, "the breaker has not opened");
    pod.stop();
    world.assert_sound();
}
