//! Whoever comes first, each message ends once, nothing stays in hand, and the consumer comes to its end.

use std::{
    cell::Cell,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use exportpool_consumer::{
    clock::unix_millis,
    fail::AwsKind,
    message::QueueName,
    observe::report::Identity,
    run::{self, Broken, Settings},
};
use exportpool_contract::record::TaskState;
use shuttle::{
    rand::{Rng, thread_rng},
    thread,
};
use tokio::sync::oneshot;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        queue::{gone, throttled},
        source::{Answer, Opener},
    },
    letters,
    pod::settings,
    schedule::{Time, explore_in_time},
};

/// Pods, one after the other, within which all is done: most are told to stop early.
const PODS: u32 = 12;

fn one_in(n: u32) -> bool {
    thread_rng().gen_range(0..n) == 0
}

/// A consumer in threads of the scheduler.
struct Pod {
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<anyhow::Result<()>>,
    /// By itself, or because it was told to.
    ended: Arc<AtomicBool>,
}

impl Pod {
    fn start(world: &World, settings: Settings, number: u32) -> Self {
        let ports = world.ports(number);
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            // Nobody listens: port 3000 is no part of what is scheduled.
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let stop = async {
                let _ = stopped.await;
            };
            let end = run::run(&ports, &settings, Identity::new(None, unix_millis()), listener, stop);
            ends.store(true, Ordering::Relaxed);
            end
        });
        Self { stop, thread, ended }
    }

    /// Tells it to stop as soon as all messages are gone, or at any moment before; waits until it has ended.
    fn end(self, world: &World, time: &Time, early: bool) -> anyhow::Result<()> {
        let Self { stop, thread, ended } = self;
        let over = || ended.load(Ordering::Relaxed) || all_empty(world);
        let turns = Cell::new(if early { thread_rng().gen_range(0..40) } else { u32::MAX });
        time.until(|| turns.replace(turns.get().saturating_sub(1)) == 0 || over());
        let _ = stop.send(());
        thread.join().unwrap()
    }
}

fn all_empty(world: &World) -> bool {
    QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

/// Three jobs and two messages of one task; some of their files fail at first, refuse, or make their task panic.
fn some_work(world: &World) {
    for (job, tasks) in [("a", 3), ("b", 1), ("c", 2)] {
        world.put(QueueName::ExportJobs, letters::job(job, tasks));
    }
    for task in ["x", "y"] {
        world.put(QueueName::DownloadTasks, letters::task("d", task));
    }
    for (job, task) in [("a", "t0"), ("a", "t2"), ("b", "t0"), ("c", "t1"), ("d", "x")] {
        let url = letters::url(job, task);
        match thread_rng().gen_range(0..6) {
            0 => world.answer(&url, [Answer::failure(), Answer::file("later")]),
            1 => world.answer(&url, [Answer::panic(), Answer::file("later")]),
            2 => world.answer(&url, [Answer::failure()]),
            _ => {}
        }
    }
}

/// A call in some operations goes wrong.
fn some_flaws(world: &World) {
    let lost = || Flaw::After(AwsKind::Unreachable);
    for (op, flaw) in [
        (Op::Commit, lost()),
        (Op::Close, Flaw::Before(AwsKind::Throttled)),
        (Op::Claim, lost()),
        (Op::Receive, lost()),
        (Op::Delete, Flaw::Entry(0, throttled())),
        (Op::ChangeVisibility, Flaw::Entry(0, throttled())),
        (Op::SendTask, lost()),
    ] {
        if one_in(8) {
            world.fail_next(op, [flaw]);
        }
    }
}

fn assert_all_ended(world: &World) {
    world.assert_sound();
    let tasks = [
        ("a", "t0"),
        ("a", "t1"),
        ("a", "t2"),
        ("b", "t0"),
        ("c", "t0"),
        ("c", "t1"),
        ("d", "x"),
        ("d", "y"),
    ];
    for (job, task) in tasks {
        let state = world.task(job, task).map(|task| task.state);
        let ended = matches!(state, Some(TaskState::Done | TaskState::Failed));
        assert!(ended, "{job}/{task} is {state:?}\n{:#?}", world.journal());
    }
    assert_eq!(world.lock().queues.polls, 0, "a receive is left behind");
    assert_eq!(world.lock().web.sources, 0, "a worker is left behind");
}

/// Consumers come and go until all is done. How many of them gave up too many threads.
fn play_out(world: &World, time: &Time, settings: &Settings) -> usize {
    let mut broken = 0;
    let shown = world.clone();
    time.show(move || format!("{:#?}", shown.journal()));
    world.lock().queues.visibility = settings.visibility;
    for number in 0..PODS {
        let early = number + 1 < PODS && one_in(2);
        if let Err(error) = Pod::start(world, settings.clone(), number).end(world, time, early) {
            assert!(error.downcast_ref::<Broken>().is_some(), "{error:#}\n{:#?}", world.journal());
            broken += 1;
        }
        if all_empty(world) {
            break;
        }
    }
    broken
}

#[test]
fn whichever_thread_comes_first_each_message_ends_once_and_nothing_stays_in_hand() {
    explore_in_time(60, |time| {
        let world = World::new();
        some_work(&world);
        some_flaws(&world);
        assert_eq!(play_out(&world, time, &settings()), 0);
        assert_all_ended(&world);
    });
}

#[test]
fn whichever_thread_comes_first_a_lost_lease_does_no_harm() {
    explore_in_time(20, |time| {
        let world = World::new();
        some_work(&world);
        // Received at most ten seconds before: it has to be extended within 150 ms, and often is not.
        let settings = Settings { visibility: Duration::from_millis(10_150), ..settings() };
        world.fail_next(Op::ChangeVisibility, [gone(0)]);
        world.fail_next(Op::ChangeJobVisibility, [gone(0)]);
        let (expiring, again) = (world.clone(), time.clone());
        let expiring = thread::spawn(move || {
            for message in 1..=5 {
                again.until(|| one_in(4));
                QueueName::ALL.into_iter().for_each(|queue| expiring.expire(queue, message));
            }
        });
        assert_eq!(play_out(&world, time, &settings), 0);
        expiring.join().unwrap();
        assert_all_ended(&world);
    });
}

#[test]
fn a_worker_that_is_given_up_and_moves_again_in_the_middle_of_anything_does_no_harm() {
    let broken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&broken);
    explore_in_time(40, move |time| {
        let world = World::new();
        some_work(&world);
        let barriers = [("a", "t1"), ("c", "t0"), ("d", "y")].map(|(job, task)| {
            let barrier = Opener(Arc::default());
            let answers = [Answer::file("late").behind(&barrier), Answer::file("elsewhere")];
            world.answer(&letters::url(job, task), answers);
            barrier
        });
        let opening = time.clone();
        let opening = thread::spawn(move || {
            for barrier in barriers {
                opening.until(|| one_in(12));
                drop(barrier);
            }
        });
        // Twenty looks at a thread that does not beat.
        let settings = Settings { stuck_after: Duration::from_millis(60), ..settings() };
        counted.fetch_add(play_out(&world, time, &settings), Ordering::Relaxed);
        opening.join().unwrap();
        assert_all_ended(&world);
    });
    println!("consumers that gave up too many threads: {}", broken.load(Ordering::Relaxed));
}
