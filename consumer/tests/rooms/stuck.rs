//! Threads that stop moving, and panics beyond the workers: nobody else is held up, and nothing is lost or doubled.

use std::{sync::Arc, time::Duration};

use exportpool_consumer::{
    config::PerHost,
    event::ThreadName,
    message::QueueName,
    run::{Broken, Settings},
    work::fetch::hosts::Hosts,
};
use exportpool_contract::record::{JobState, TaskState};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::{Answer, Barrier, Opener},
    },
    letters,
    pod::{Pod, eventually, eventually_in, settings},
};

/// Two seconds: long enough that no thread is silent for as long by chance, whatever else the machine does.
fn impatient() -> Settings {
    Settings { stuck_after: Duration::from_secs(2), ..settings() }
}

fn barrier() -> Opener {
    Opener(Arc::<Barrier>::default())
}

fn all_is_acknowledged(world: &World) -> bool {
    QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

#[test]
fn a_stuck_thread_is_given_up_and_its_task_is_done_by_another() {
    let (world, barrier) = (World::new(), barrier());
    let url = letters::url("j", "t0");
    world.answer(&url, [Answer::file("late").behind(&barrier), Answer::file("in time")]);
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::with(&world, impatient());
    eventually_in(&world, "the job is done", || {
        world.job_state("j") == Some(JobState::Done) && all_is_acknowledged(&world)
    });
    let report = pod.reports("it is counted", |report| report.slots.abandoned == 1);
    assert_eq!((report.slots.total, report.counters.workers_restarted), (2, 1));
    assert_eq!(report.counters.source_errors["stuck"], 1);
    assert_eq!((pod.get("/live").0, pod.get("/ready").0), (200, 200));
    pod.stop();
    assert_eq!(world.task("j", "t0").unwrap().attempts, 2, "it has had its attempt");
    assert_eq!(&world.object("j/t0").unwrap().body[..], b"in time");
    world.assert_sound();
}

/// The host has one place, and the thread that does not move has it.
#[test]
fn what_a_stuck_thread_was_lent_is_taken_back_for_others() {
    let (world, barrier) = (World::new(), barrier());
    world.lock().web.hosts = Some(Hosts::new(PerHost { concurrency: 1, rate: None }));
    let answers = [Answer::file("late").behind(&barrier), Answer::file("in time")];
    world.answer(&letters::url("j", "t0"), answers);
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::with(&world, impatient());
    eventually_in(&world, "the job is done", || {
        world.job_state("j") == Some(JobState::Done) && all_is_acknowledged(&world)
    });
    pod.stop();
    world.assert_sound();
}

/// The task itself may have been what stuck the thread: it is not to stick the next one a second later.
#[test]
fn a_task_whose_thread_was_stuck_waits_a_minute_or_more() {
    let (world, barrier) = (World::new(), barrier());
    for job in ["j", "alone"] {
        let answers = [Answer::file("late").behind(&barrier), Answer::file("in time")];
        world.answer(&letters::url(job, "t0"), answers);
    }
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    world.put(QueueName::DownloadTasks, letters::task("alone", "t0"));
    let pod = Pod::with(&world, impatient());
    eventually_in(&world, "both are done", || {
        all_is_acknowledged(&world) && world.counted("alone") == (1, 0)
    });
    pod.stop();
    let delays = world.journal().into_iter().filter_map(|did| match did {
        Did::Sent { delay, .. } | Did::Returned { delay, .. } => Some(delay),
        _ => None,
    });
    let delays: Vec<_> = delays.collect();
    let minute = Duration::from_secs(60);
    assert!(
        delays.len() == 2 && delays.iter().all(|delay| (minute..=2 * minute).contains(delay)),
        "{delays:?}"
    );
    world.assert_sound();
}

#[test]
fn a_thread_that_moves_again_after_it_was_given_up_writes_nothing() {
    let (world, barrier) = (World::new(), barrier());
    let url = letters::url("j", "t");
    // The second attempt waits until the first has moved again: nothing but the revocation keeps the first from writing.
    world.answer(&url, [Answer::file("late").behind(&barrier), Answer::file("in time").gated()]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, impatient());
    eventually_in(&world, "another has the task", || world.at_gate(&url));
    let (written, recorded) = (world.calls(Op::Put), world.calls(Op::Commit));
    let sources = world.lock().web.sources;
    barrier.0.open();
    eventually("the thread that was given up has ended", || world.lock().web.sources < sources);
    assert_eq!((world.calls(Op::Put), world.calls(Op::Commit)), (written, recorded));
    world.open_gate(&url);
    eventually_in(&world, "the task is done", || all_is_acknowledged(&world));
    pod.stop();
    assert_eq!(&world.object("j/t").unwrap().body[..], b"in time");
    assert_eq!(world.counted("j"), (1, 0));
    world.assert_sound();
}

#[test]
fn the_siblings_of_a_stuck_task_are_given_up_with_it_and_done_elsewhere() {
    let (world, barrier) = (World::new(), barrier());
    let (stuck, sibling) = (letters::url("j", "t1"), letters::url("j", "t0"));
    world.answer(&sibling, [Answer::file("x").gated(), Answer::file("y")]);
    world.answer(&stuck, [Answer::file("x").gated().behind(&barrier), Answer::file("y")]);
    world.put(QueueName::ExportJobs, letters::job("j", 2));
    let mut settings = impatient();
    (settings.pool.workers, settings.pool.tasks_per_worker) = (1, 2);
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "both run", || world.at_gate(&sibling) && world.at_gate(&stuck));
    world.open_gate(&stuck);
    eventually_in(&world, "the job is done", || {
        world.job_state("j") == Some(JobState::Done) && all_is_acknowledged(&world)
    });
    pod.reports("one thread was given up", |report| report.slots.abandoned == 1);
    pod.stop();
    assert_eq!(world.counted("j"), (2, 0));
    world.assert_sound();
}

#[test]
fn a_task_that_sticks_every_thread_is_given_up_when_its_attempts_are_used_up() {
    let (world, barrier) = (World::new(), barrier());
    let url = letters::url("j", "t0");
    world.answer(&url, [Answer::file("x").behind(&barrier)]);
    world.put(QueueName::ExportJobs, letters::job("j", 4));
    let mut settings = impatient();
    settings.task.max_attempts = 2;
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "the job is over", || {
        world.job_state("j") == Some(JobState::DoneWithFailures) && all_is_acknowledged(&world)
    });
    pod.reports("two threads were given up", |report| report.slots.abandoned == 2);
    assert_eq!(pod.get("/live").0, 200);
    pod.stop();
    assert_eq!(world.counted("j"), (3, 1));
    assert_eq!(world.dead_letters(QueueName::DownloadTasks)[0].attributes["reason"], "attemptsExhausted");
    world.assert_sound();
}

#[test]
fn with_a_third_stuck_thread_the_consumer_drains_and_ends_with_an_error() {
    let (world, barrier) = (World::new(), barrier());
    for task in ["a", "b", "c"] {
        world.answer(&letters::url("k", task), [Answer::file("x").behind(&barrier), Answer::file("y")]);
        world.put(QueueName::DownloadTasks, letters::task("k", task));
    }
    let gated = letters::url("j", "t");
    world.answer(&gated, [Answer::file("z").gated()]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let mut settings = impatient();
    settings.pool.workers = 4;
    let pod = Pod::with(&world, settings);
    pod.reports("it drains by itself", |report| report.draining && report.slots.abandoned == 3);
    let (status, why) = pod.get("/live");
    assert!(status == 503 && why.contains("given up"), "{why}");
    assert!(world.at_gate(&gated) && !pod.has_ended(), "what moves is finished");
    world.open_gate(&gated);
    let error = pod.end().expect_err("it failed");
    assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken::TooManyStuck(3)));
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Done);
    barrier.0.open();
    let next = Pod::numbered(&world, crate::pod::settings(), 9);
    eventually_in(&world, "another process does the rest", || all_is_acknowledged(&world));
    next.stop();
    assert_eq!(world.counted("k"), (3, 0));
    world.assert_sound();
}

/// The fourth task waits to be recorded, which nobody cuts short.
#[test]
fn a_drain_for_stuck_threads_that_overruns_ends_with_the_same_error() {
    let (world, barrier) = (World::new(), barrier());
    world.fail_always(Op::Commit, Flaw::Wait);
    for task in ["a", "b", "c"] {
        world.answer(&letters::url("k", task), [Answer::file("x").behind(&barrier), Answer::file("y")]);
        world.put(QueueName::DownloadTasks, letters::task("k", task));
    }
    world.answer(&letters::url("j", "t"), [Answer::file("z")]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let mut settings = impatient();
    settings.pool.workers = 4;
    settings.grace = Duration::from_secs(1);
    let pod = Pod::with(&world, settings);
    eventually("it ends by itself", || pod.has_ended());
    let error = pod.end().expect_err("it failed");
    assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken::TooManyStuck(3)));
    assert!(error.to_string().contains("grace period"), "{error}");
    world.let_go();
    barrier.0.open();
}

#[test]
fn a_thread_that_has_to_last_and_ends_drains_the_consumer_and_ends_it_with_an_error() {
    for thread in [ThreadName::Link, ThreadName::Admit, ThreadName::Record] {
        let world = World::new();
        world.answer(&letters::url("j", "t"), [Answer::file("x")]);
        world.put(QueueName::DownloadTasks, letters::task("j", "t"));
        world.lock().dies = Some(thread.as_str());
        let pod = Pod::start(&world);
        eventually("it ends by itself", || pod.has_ended());
        let error = pod.end().expect_err("it failed");
        assert_eq!(error.downcast_ref::<Broken>(), Some(&Broken::ThreadGone(thread)));
        world.lock().dies = None;
        let next = Pod::numbered(&world, settings(), 9);
        eventually_in(&world, "another process does the work", || all_is_acknowledged(&world));
        next.stop();
        world.assert_sound();
    }
}

#[test]
fn a_thread_that_is_stuck_at_shutdown_does_not_hold_up_the_end() {
    let (world, barrier) = (World::new(), barrier());
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::file("x").behind(&barrier), Answer::file("y")]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::with(&world, impatient());
    eventually_in(&world, "it is stuck", || world.fetches(&url) == 1);
    pod.stop();
    let back = |did: &Did| matches!(did, Did::Returned { .. });
    assert_eq!(world.did(back), 1, "its message went back");
    barrier.0.open();
    let next = Pod::numbered(&world, settings(), 9);
    eventually_in(&world, "another process does it", || all_is_acknowledged(&world));
    next.stop();
    assert_eq!(world.counted("j"), (1, 0));
    world.assert_sound();
}

#[test]
fn a_panic_while_a_message_is_read_gives_it_back_and_reads_the_others() {
    let world = World::new();
    world.fail_next(Op::OpenJob, [Flaw::Panic, Flaw::Panic]);
    for job in ["a", "b", "c"] {
        world.put(QueueName::ExportJobs, letters::job(job, 2));
    }
    let pod = Pod::start(&world);
    eventually_in(&world, "all jobs are done", || {
        all_is_acknowledged(&world)
            && ["a", "b", "c"].iter().all(|job| world.job_state(job) == Some(JobState::Done))
    });
    pod.reports("nothing is in hand", |report| {
        report.gauges.leased.export_jobs == 0 && report.gauges.waiting == 0 && report.gauges.jobs == 0
    });
    eventually("ready: it is no fault of AWS", || pod.get("/ready").0 == 200);
    assert!(pod.report().counters.aws_errors.is_empty());
    pod.stop();
    assert_eq!(world.did(|did| matches!(did, Did::Returned { queue: QueueName::ExportJobs, .. })), 2);
    world.assert_sound();
}

#[test]
fn a_panic_in_the_midst_of_a_split_is_made_good_by_the_next_delivery() {
    let world = World::new();
    world.fail_next(Op::Advance, [Flaw::Panic]);
    world.put(QueueName::ExportJobs, letters::job("j", 150));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || {
        all_is_acknowledged(&world) && world.job_state("j") == Some(JobState::Done)
    });
    pod.stop();
    assert_eq!(world.counted("j"), (150, 0));
    world.assert_sound();
}

#[test]
fn a_panic_while_a_task_is_settled_leaves_it_to_the_next_delivery() {
    for op in [Op::Commit, Op::Shard, Op::Close] {
        let world = World::new();
        world.fail_next(op, [Flaw::Panic]);
        let message = world.put(QueueName::DownloadTasks, letters::task("k", "t"));
        let pod = Pod::start(&world);
        eventually_in(&world, "it is left to the next delivery", || {
            world.did(|did| matches!(did, Did::Returned { message: m, .. } if *m == message)) == 1
                || world.did(|did| matches!(did, Did::Extended { message: m, .. } if *m == message)) > 0
        });
        world.put(QueueName::ExportJobs, letters::job("j", 5));
        world.expire(QueueName::DownloadTasks, message);
        eventually_in(&world, "all is done", || {
            all_is_acknowledged(&world) && world.counted("k") == (1, 0) && world.counted("j") == (5, 0)
        });
        pod.stop();
        assert_eq!(world.fetches(&letters::url("k", "t")), 1, "{op:?}: the object is adopted");
        world.assert_sound();
    }
}

#[test]
fn a_panic_in_a_dead_letters_settlement_sends_it_again_and_counts_it_once() {
    let world = World::new();
    world.answer(&letters::url("k", "t"), [Answer::failure()]);
    world.fail_next(Op::Commit, [Flaw::Panic]);
    let message = world.put(QueueName::DownloadTasks, letters::task("k", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "it is left to the next delivery", || {
        world.did(|did| matches!(did, Did::Returned { message: m, .. } if *m == message)) == 1
    });
    world.expire(QueueName::DownloadTasks, message);
    eventually_in(&world, "its message is deleted", || all_is_acknowledged(&world));
    pod.stop();
    assert_eq!((world.counted("k"), world.task("k", "t").unwrap().state), ((0, 1), TaskState::Failed));
    world.assert_sound();
}
