//! Leases: kept while work goes on, and what happens when one is lost.

use std::time::Duration;

use exportpool_consumer::{fail::AwsKind, message::QueueName, run::Settings};
use exportpool_contract::record::TaskState;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        queue::gone,
        source::Answer,
    },
    letters,
    pod::{Pod, eventually_in, settings},
};

/// A lease is surely held for two seconds, and first extended after one.
fn short() -> Settings {
    Settings { visibility: Duration::from_secs(12), ..settings() }
}

/// A world with messages of gated tasks `t0`, `t1` and so on, and their URLs.
fn gated(tasks: usize) -> (World, Vec<String>) {
    let world = World::new();
    let names = (0..tasks).map(|n| format!("t{n}"));
    let urls = names.map(|task| {
        let url = letters::url("j", &task);
        world.answer(&url, [Answer::file("x").gated()]);
        world.put(QueueName::DownloadTasks, letters::task("j", &task));
        url
    });
    let urls = urls.collect();
    (world, urls)
}

fn extensions(world: &World) -> usize {
    world.did(|did| matches!(did, Did::Extended { .. }))
}

#[test]
fn a_task_that_takes_long_keeps_its_lease_at_the_shortest_visibility_that_is_allowed() {
    let (world, urls) = gated(1);
    let pod = Pod::with(&world, Settings { visibility: Duration::from_secs(15), ..settings() });
    eventually_in(&world, "the lease is extended", || extensions(&world) > 0);
    world.open_gate(&urls[0]);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    let report = pod.reports("done", |report| report.queues.download_tasks.settled.done == 1);
    assert_eq!((report.counters.leases_lost, report.queues.download_tasks.redelivered), (0, 0));
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_lost_lease_cancels_its_task_and_deletes_nothing() {
    let (world, urls) = gated(1);
    world.fail_next(Op::ChangeVisibility, [gone(0)]);
    let pod = Pod::with(&world, short());
    let report = pod.reports("the lease is lost", |report| report.counters.leases_lost == 1);
    assert_eq!(report.gauges.leased.download_tasks, 0);
    pod.reports("its task is cancelled", |report| report.slots.busy == 0);
    assert!(!world.is_empty(QueueName::DownloadTasks));
    assert_eq!(world.task("j", "t0").unwrap().state, TaskState::Running);
    world.open_gate(&urls[0]);
    world.expire(QueueName::DownloadTasks, 1);
    eventually_in(&world, "the next delivery is done", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.fetches(&urls[0]), 2);
    world.assert_sound();
}

#[test]
fn a_dead_entry_of_an_extension_never_fails_its_siblings() {
    let (world, urls) = gated(2);
    world.fail_next(Op::ChangeVisibility, [gone(0)]);
    let pod = Pod::with(&world, short());
    eventually_in(&world, "both are under way", || urls.iter().all(|url| world.at_gate(url)));
    pod.reports("one is lost", |report| report.counters.leases_lost == 1);
    eventually_in(&world, "its sibling is extended", || extensions(&world) > 0);
    urls.iter().for_each(|url| world.open_gate(url));
    eventually_in(&world, "its sibling is done", || world.counted("j").0 == 1);
    let report = pod.reports("done", |report| report.queues.download_tasks.settled.done == 1);
    assert_eq!(report.counters.leases_lost, 1);
    pod.stop();
    world.assert_sound();
}

#[test]
fn an_extension_that_fails_is_asked_for_again_before_the_lease_ends() {
    let (world, urls) = gated(1);
    world.fail_next(Op::ChangeVisibility, [Flaw::Before(AwsKind::Throttled)]);
    let pod = Pod::with(&world, Settings { visibility: Duration::from_secs(15), ..settings() });
    eventually_in(&world, "the lease is extended", || extensions(&world) > 0);
    world.open_gate(&urls[0]);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    assert_eq!(pod.report().counters.leases_lost, 0);
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_lost_lease_costs_its_task_no_attempt() {
    let (world, urls) = gated(1);
    world.fail_next(Op::ChangeVisibility, [gone(0)]);
    let pod = Pod::with(&world, short());
    pod.reports("the lease is lost", |report| report.counters.leases_lost == 1);
    eventually_in(&world, "the attempt is given back", || world.task("j", "t0").unwrap().attempts == 0);
    world.open_gate(&urls[0]);
    pod.stop();
}

#[test]
fn a_job_whose_lease_is_lost_starts_none_of_its_waiting_tasks() {
    let world = World::new();
    for n in 0..2 {
        world.answer(&letters::url("j", &format!("t{n}")), [Answer::file("x").gated()]);
    }
    world.put(QueueName::ExportJobs, letters::job("j", 4));
    world.fail_next(Op::ChangeJobVisibility, [gone(0)]);
    let pod = Pod::with(&world, short());
    pod.reports("the lease is lost", |report| report.counters.leases_lost == 1);
    let report = pod.reports("its tasks are cancelled", |report| report.slots.busy == 0);
    assert_eq!(report.gauges.waiting, 0);
    assert_eq!(world.fetches(&letters::url("j", "t2")), 0);
    assert!(!world.is_empty(QueueName::ExportJobs));
    (0..2).for_each(|n| world.open_gate(&letters::url("j", &format!("t{n}"))));
    world.expire(QueueName::ExportJobs, 1);
    eventually_in(&world, "the next delivery is done", || world.is_empty(QueueName::ExportJobs));
    pod.stop();
    assert_eq!(world.counted("j"), (4, 0));
    world.assert_sound();
}
