//! The decision in a loop with a world that follows it.

use std::time::Duration;

use exportpool_scaling::{Policy, Settings};
use proptest::prelude::*;

use crate::scene::{policy, second_tasks, secs};
use crate::world::World;

fn loaded(policy: Policy, jobs: u64) -> World {
    let mut world = World::new(policy);
    world.visible.export_jobs = jobs;
    world
}

/// The local demo: polls every second, everything shortened.
fn demo(s: &mut Settings) {
    s.max_replicas = 8;
    s.drain_time = secs(4);
    s.stabilization = Some(secs(4));
    s.arrival_window = secs(4);
    s.keep_alive = secs(2);
    (s.zero_reads, s.zero_span) = (3, secs(2));
}

#[test]
fn the_demo_goes_from_zero_to_n_to_zero_and_again() {
    let mut world = World::new(policy(demo));
    world.start = Duration::from_millis(300);
    for round in 1..=3 {
        world.visible.export_jobs += 60;
        world.run(secs(20), secs(1));
        assert_eq!(world.done, round * 60);
        assert_eq!(world.replicas, 0, "{:?}", world.shape());
    }
    assert_eq!(world.course[0].1, 8, "all at once");
    assert!(world.changes_since(0) <= 9, "{:?}", world.shape());
}

#[test]
fn the_demo_is_at_zero_seconds_after_the_last_task() {
    let mut world = loaded(policy(demo), 60);
    world.start = Duration::from_millis(300);
    world.run(secs(20), secs(1));
    // 60 tasks of a second on 32 slots: 2.3 s. Then 3 reads over 2 s and the keep-alive.
    let zero_at = world.course.iter().find(|(at, replicas)| *at > 0 && *replicas == 0).unwrap().0;
    assert!(zero_at <= 6_000, "{zero_at} {:?}", world.shape());
}

#[test]
fn a_demo_with_a_stream_settles_and_ends_at_zero() {
    let mut world = World::new(policy(demo));
    world.start = Duration::from_millis(300);
    world.rate = 10.0;
    world.run(secs(60), secs(1));
    assert!(world.changes_since(20_000) <= 3, "{:?}", world.shape());
    assert!((3..=5).contains(&world.replicas), "{:?}", world.shape());
    world.rate = 0.0;
    world.run(secs(30), secs(1));
    assert_eq!(world.replicas, 0);
}

#[test]
fn a_burst_is_drained_in_time_without_overshoot() {
    let mut world = loaded(policy(second_tasks), 0);
    world.run(secs(120), secs(5));
    world.visible.export_jobs = 1_200;
    let mut seconds = 0;
    while world.done < 1_200 {
        world.run(secs(1), secs(5));
        seconds += 1;
    }
    assert!(seconds <= 60 + 5 + 2, "{seconds} s");
    // 1,200 tasks of a second in 60 s: 5 pods of 4 slots.
    assert!((5..=7).contains(&world.peak()), "{:?}", world.shape());
    world.run(secs(300), secs(5));
    assert_eq!(world.replicas, 0);
    assert!(world.changes_since(0) <= 4, "{:?}", world.shape());
}

#[test]
fn a_burst_on_a_stream_goes_back_to_what_the_stream_needs() {
    let mut world = loaded(policy(second_tasks), 0);
    world.rate = 6.0;
    world.run(secs(900), secs(5));
    let before = world.replicas;
    world.visible.export_jobs += 1_200;
    world.run(secs(90), secs(5));
    assert!(world.visible.export_jobs < 20, "{} left", world.visible.export_jobs);
    assert!(world.replicas >= before + 4, "{:?}", world.shape());
    world.run(secs(900), secs(5));
    assert!(world.replicas <= before + 1, "{before}: {:?}", world.shape());
}

#[test]
fn tasks_that_are_handed_over_are_counted_once() {
    let mut world = World::new(policy(|s| s.max_replicas = 100));
    (world.tasks_per_job, world.rate) = (10, 1.0);
    world.run(secs(1_200), secs(5));
    let settled = world.now;
    world.run(secs(1_200), secs(5));
    // 10 tasks of a second a second: 12.5 slots, and at the lower utilization 14.3.
    assert!((3..=5).contains(&world.replicas), "{:?}", world.shape());
    assert!(world.changes_since(settled) <= 3, "{:?}", world.shape());
    let inputs = world.decisions.last().and_then(|decision| decision.inputs.clone()).unwrap();
    assert!((inputs.arrival_rate.export_jobs - 1.0).abs() < 0.1, "{inputs:?}");
    assert!(inputs.arrival_rate.download_tasks < 0.2, "{inputs:?}");
    assert!((inputs.message_seconds.unwrap().export_jobs - 10.0).abs() < 1.0, "{inputs:?}");
}

#[test]
fn a_burst_of_jobs_is_one_step_once_their_size_is_known() {
    let mut world = loaded(policy(|s| s.max_replicas = 100), 12);
    world.tasks_per_job = 10;
    world.run(secs(300), secs(1));
    assert_eq!(world.replicas, 0);
    let (asleep, polls) = (world.now, world.course.len());
    world.visible.export_jobs = 120;
    world.run(secs(60), secs(1));
    let first = world.course[polls].1;
    let most = world.course[polls..].iter().map(|(_, replicas)| *replicas).max().unwrap();
    assert!(first >= 5 && most <= first + 2, "{:?} since {asleep}", &world.course[polls..]);
}

#[test]
fn nothing_is_taken_away_while_reports_are_unreadable() {
    let mut world = World::new(policy(|_| {}));
    world.rate = 10.0;
    world.run(secs(600), secs(5));
    let before = world.replicas;
    (world.readable, world.rate) = (false, 0.0);
    world.run(secs(600), secs(5));
    assert_eq!(world.replicas, before);
    world.readable = true;
    world.run(secs(300), secs(5));
    assert_eq!(world.replicas, 0);
}

#[test]
fn a_load_that_swings_is_followed_in_both_directions() {
    let mut world = World::new(policy(|s| s.max_replicas = 50));
    let mut seen = vec![];
    for minute in 0..120_u32 {
        let phase = f64::from(minute) / 60.0 * std::f64::consts::TAU;
        world.rate = 20.0 - 18.0 * phase.cos();
        world.run(secs(60), secs(5));
        seen.push(world.replicas);
    }
    let late = &seen[60..];
    assert!(late.iter().max().unwrap() >= &10 && late.iter().min().unwrap() <= &3, "{seen:?}");
    assert!(world.changes_since(3_600_000) <= 60, "{:?}", world.shape());
}

#[test]
fn a_noisy_stream_settles_as_well() {
    for seed in 1..=4 {
        let mut world = World::new(policy(|s| s.max_replicas = 100));
        (world.rate, world.task, world.noise) = (8.0, secs(3), Some(seed));
        world.run(secs(900), secs(5));
        world.most_visible = 0;
        world.run(secs(1_800), secs(5));
        assert!(world.changes_since(900_000) <= 8, "{:?}", world.shape());
        // 24 slots at work, 30 at the target utilization.
        assert!((7..=11).contains(&world.replicas), "{:?}", world.shape());
        assert!(world.most_visible <= 8 * 60, "{} visible", world.most_visible);
    }
}

#[derive(Debug, Clone)]
struct Load {
    rate: f64,
    task: f64,
    slots: u32,
    start: u64,
    drain: u64,
    interval: u64,
}

fn load() -> impl Strategy<Value = Load> {
    let task = prop_oneof![0.2..2.0, 2.0..20.0_f64];
    (0.5..60.0_f64, task, 1..8_u32, 0..20_u64, 20..120_u64, 1..6_u64).prop_map(
        |(busy, task, slots, start, drain, interval): (f64, f64, u32, u64, u64, u64)| {
            let task = (task * 10.0).round() / 10.0;
            Load { rate: busy / task, task, slots, start, drain, interval }
        },
    )
}

fn steady(load: &Load) -> World {
    let mut world = World::new(policy(|s| {
        (s.max_replicas, s.slots_per_pod, s.drain_time) = (500, load.slots, secs(load.drain));
    }));
    (world.rate, world.task) = (load.rate, Duration::from_secs_f64(load.task));
    world.start = secs(load.start);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_steady_load_converges_without_flapping(load in load()) {
        let mut world = steady(&load);
        let interval = secs(load.interval);
        world.run(secs(900 + 4 * load.drain), interval);
        let settled = world.now;
        world.most_visible = 0;
        world.run(secs(1_800), interval);
        prop_assert!(world.changes_since(settled) <= 3, "{:?}", world.shape());
        let bound = load.rate * load.drain as f64 + 8.0;
        prop_assert!((world.most_visible as f64) < bound, "{} visible", world.most_visible);
        let needed = load.rate * load.task / 0.7 / f64::from(load.slots);
        prop_assert!(f64::from(world.replicas) <= (needed * 1.1).ceil() + 1.0, "{} of {needed}", world.replicas);
    }
}
