//! What worker threads share, as a scheduler draws whose turn it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use shuttle::{
    rand::{Rng, thread_rng},
    thread,
};

use super::{
    budget::Budget,
    fetch::hosts::Hosts,
    pool::WorkerPool,
    store::MIN_PART_BYTES,
    watchdog::{
        Pulse, Watched,
        tests::{Counting, place},
    },
};
use crate::{
    config::PerHost,
    event::{Cause, Event, WorkerId},
    ports::ObjectStore,
    schedule::explore,
    sync::{mpsc, on_this_thread},
};

const MIB: u64 = 1024 * 1024;

/// Three threads on as many slots; each waits for memory, grows as far as it can, and gives all of it back.
#[test]
fn whoever_waits_for_memory_gets_it_and_all_of_it_comes_back() {
    explore(3_000, || {
        let budget = Budget::new(24 * MIB, 3);
        let used = Arc::new(AtomicUsize::new(0));
        let threads = [6, 14, 5].map(|first: u64| {
            let (budget, used) = (budget.clone(), Arc::clone(&used));
            thread::spawn(move || {
                for _ in 0..2 {
                    let mut memory = shuttle::future::block_on(budget.reserve(first * MIB)).unwrap();
                    memory.grow((first + 4) * MIB);
                    let mine = usize::try_from(memory.bytes() / MIB).unwrap();
                    let all = used.fetch_add(mine, Ordering::Relaxed) + mine;
                    assert!(all <= 24, "{all} MiB of 24 are used");
                    thread::yield_now();
                    used.fetch_sub(mine, Ordering::Relaxed);
                }
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let all = budget.reserve(9 * MIB + MIN_PART_BYTES).now_or_never();
        assert!(all.is_some_and(|all| all.is_ok()), "some of the memory is not given back");
    });
}

/// One slot more than there is memory for, and each reserves above its own part.
#[test]
fn memory_above_a_part_is_waited_for_in_the_order_of_asking() {
    explore(1_000, || {
        let budget = Budget::new(24 * MIB, 3);
        let first = budget.reserve(14 * MIB).now_or_never().unwrap().unwrap();
        // A large one asks first; small ones that would fit wait behind it.
        let mut large = Box::pin(budget.reserve(14 * MIB));
        assert!(large.as_mut().now_or_never().is_none());
        let (asks, served) = (budget.clone(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&served);
        let small = thread::spawn(move || {
            let _memory = shuttle::future::block_on(asks.reserve(6 * MIB)).unwrap();
            assert!(seen.load(Ordering::Relaxed), "a later one was served first");
        });
        let serving = thread::spawn(move || {
            thread::yield_now();
            drop(first);
        });
        shuttle::future::block_on(async {
            let memory = large.await.unwrap();
            served.store(true, Ordering::Relaxed);
            drop(memory);
        });
        serving.join().unwrap();
        small.join().unwrap();
    });
}

/// What main says of a worker, and what the worker sees of it.
#[test]
fn a_worker_that_was_given_up_begins_no_write() {
    explore(2_000, || {
        let (events, mut heard) = mpsc::unbounded_channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (Arc::clone(&given_up), Arc::clone(&late));
        let main = move |_assignments, pulse: Pulse| {
            let _ = on_this_thread(async {
                let store = Watched::new(Counting::default(), pulse.clone());
                for _ in 0..3 {
                    let before = seen.load(Ordering::Relaxed);
                    let wrote = store.put(&place(), Bytes::new(), "").await.is_ok();
                    counted.fetch_add(usize::from(wrote && before), Ordering::Relaxed);
                }
            });
        };
        let mut pool = WorkerPool::new(Arc::new(main), events);
        let worker = pool.hire().unwrap();
        for _ in 0..thread_rng().gen_range(0..6) {
            thread::yield_now();
        }
        pool.let_go(worker, Cause::Stuck);
        given_up.store(true, Ordering::Relaxed);
        pool.disband();
        assert_eq!(late.load(Ordering::Relaxed), 0, "it wrote after it was given up");
        let gone = |event| matches!(event, Event::WorkerGone { worker: WorkerId(0) });
        assert!(heard.try_recv().is_ok_and(gone), "its end was not told");
    });
}

/// So many are let in at a time, by threads that know of each other only through the map of hosts. There is room for
/// one host in it: the other one has a gate of its own when it is free, and shares one with all others else.
#[test]
fn a_host_lets_in_no_more_than_it_may_and_nobody_waits_for_ever() {
    for (most, bound) in [(2, 1), (1, 2)] {
        explore(1_500, move || {
            let hosts = Hosts::of_at_most(most, PerHost { concurrency: 1, rate: None });
            let inside: Arc<[AtomicUsize; 2]> = Arc::default();
            let threads = [[0, 1], [1, 0], [1, 0]].map(|asks: [usize; 2]| {
                let (hosts, inside) = (hosts.clone(), Arc::clone(&inside));
                thread::spawn(move || {
                    for host in asks {
                        let place = shuttle::future::block_on(hosts.admit(["a", "b"][host]));
                        let now = inside[host].fetch_add(1, Ordering::Relaxed) + 1;
                        assert!(now <= bound, "{now} are let in");
                        thread::sleep(Duration::ZERO);
                        inside[host].fetch_sub(1, Ordering::Relaxed);
                        drop(place);
                    }
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            for host in ["a", "b"] {
                assert!(hosts.admit(host).now_or_never().is_some(), "a place is not given back");
            }
        });
    }
}
