//! When replicas stay, and when they may go.

use std::time::Duration;

use exportpool_scaling::{
    Depth, Millis, Observation, PodNumbers, PodPhase, Reading, Reason, Settings, UnknownDepth, UnreadReport,
    ZeroBlock,
};

use crate::scene::*;

/// From `replicas` pods at work to nothing, second by second.
fn idle_course(replicas: u32, until: u64) -> Vec<Observation> {
    every_second(0, until, |second| with_pods(seen(second, 0, replicas), busy_pods(replicas, 0)))
}

#[test]
fn zero_needs_the_reads_to_span_their_time() {
    let policy = policy(|s| s.keep_alive = Duration::ZERO);
    is(&run(&policy, &idle_course(1, 59)), 1, "HeldAboveZero");
    is(&run(&policy, &idle_course(1, 60)), 0, "ScaledToZero");
    is(&run(&policy, &[seen(0, 0, 1), seen(120, 0, 1)]), 1, "HeldAboveZero");
    is(&run(&policy, &[seen(0, 0, 1), seen(60, 0, 1), seen(120, 0, 1)]), 0, "ScaledToZero");
}

#[test]
fn zero_is_one_step_from_any_count() {
    is(&run(&policy(|_| {}), &idle_course(12, 60)), 0, "ScaledToZero");
}

#[test]
fn an_unknown_read_starts_the_count_to_zero_again() {
    let mut course = idle_course(1, 60);
    course[30].queues.export_jobs = Depth::Unknown(UnknownDepth::Unreachable);
    is(&run(&policy(|_| {}), &course), 1, "HeldAboveZero");
}

fn blocked_by(change: impl Fn(&mut Observation)) -> ZeroBlock {
    let mut course = idle_course(1, 200);
    course.last_mut().into_iter().for_each(change);
    let patient = |s: &mut Settings| (s.keep_alive, s.expected_task) = (secs(300), Some(secs(1)));
    match run(&policy(patient), &course).reason {
        Reason::HeldAboveZero { because } => because,
        other => unreachable!("{other}"),
    }
}

#[test]
fn the_last_replica_says_what_keeps_it() {
    assert_eq!(blocked_by(|_| {}), ZeroBlock::KeepAlive { seconds: 200.0 });
    assert_eq!(blocked_by(|o| o.pods = busy_pods(1, 1)), ZeroBlock::PodsAtWork { pods: 1 });
    let unsampled = || vec![pod(0, Reading::Unread(UnreadReport::NotSampled))];
    assert_eq!(blocked_by(|o| o.pods = unsampled()), ZeroBlock::PodsUnread { pods: 1 });
}

#[test]
fn what_pods_received_between_two_reads_was_visible() {
    let course = every_second(0, 200, |second| {
        let busy =
            PodNumbers { slots: numbers(0).slots, leased: numbers(0).leased, ..done(second / 40, 500) };
        with_pods(seen(second, 0, 1), vec![pod(0, Reading::Read(Box::new(busy)))])
    });
    assert_eq!(run(&policy(|s| s.keep_alive = Duration::ZERO), &course).desired, 1);
}

#[test]
fn keep_alive_counts_from_the_last_real_message() {
    let told = PodNumbers { last_real_message_at: Some(Millis(100_000)), ..numbers(0) };
    let course = |until| {
        every_second(0, until, |second| {
            with_pods(seen(second, 0, 1), vec![pod(0, Reading::Read(Box::new(told.clone())))])
        })
    };
    is(&run(&policy(|_| {}), &course(159)), 1, "HeldAboveZero");
    is(&run(&policy(|_| {}), &course(160)), 0, "ScaledToZero");
}

#[test]
fn pending_pods_do_not_keep_a_pool_above_zero() {
    let pending = || {
        let mut pods = unread_pods(1);
        pods[0].phase = PodPhase::Pending;
        pods
    };
    let course = every_second(0, 60, |second| with_pods(seen(second, 0, 1), pending()));
    is(&run(&policy(|_| {}), &course), 0, "ScaledToZero");
}

/// Ten pods with little to do from the first second on.
fn quiet_course(until: u64) -> Vec<Observation> {
    every_second(0, until, |second| with_pods(seen(second, 1, 10), busy_pods(10, 1)))
}

#[test]
fn scale_in_waits_for_the_whole_window() {
    let policy = policy(second_tasks);
    is(&run(&policy, &quiet_course(60)), 10, "HeldStabilizing");
    // The rate is known from 15 s on.
    is(&run(&policy, &quiet_course(74)), 10, "HeldStabilizing");
    is(&run(&policy, &quiet_course(75)), 1, "ScaledIn");
}

#[test]
fn one_busier_moment_starts_the_window_again() {
    let mut course = quiet_course(100);
    course[80] = with_pods(seen(80, 2_000, 10), busy_pods(10, 4));
    is(&run(&policy(second_tasks), &course), 10, "HeldStabilizing");
}

#[test]
fn replicas_stay_until_what_is_left_fits() {
    let minutes = |s: &mut Settings| s.expected_task = Some(secs(30));
    let course = every_second(0, 100, |second| with_pods(seen(second, 0, 10), busy_pods(10, 3)));
    is(&run(&policy(minutes), &course), 8, "ScaledIn");
    let course = every_second(0, 100, |second| with_pods(seen(second, 4, 10), busy_pods(10, 4)));
    is(&run(&policy(minutes), &course), 10, "HeldDraining");
}

#[test]
fn a_step_takes_no_more_than_its_share() {
    let step = |percent| {
        policy(move |s| {
            second_tasks(s);
            s.max_step_percent = percent;
        })
    };
    is(&run(&step(25), &quiet_course(100)), 7, "ScaledIn");
    is(&run(&step(1), &quiet_course(100)), 9, "ScaledIn");
}

#[test]
fn the_next_step_waits_for_a_window() {
    let policy = policy(|s| {
        second_tasks(s);
        s.max_step_percent = 25;
    });
    let mut course = quiet_course(100);
    let more = |until| every_second(101, until, |second| with_pods(seen(second, 1, 7), busy_pods(7, 1)));
    course.extend(more(160));
    is(&run(&policy, &course), 7, "HeldStabilizing");
    course.extend(more(161).split_off(60));
    is(&run(&policy, &course), 5, "ScaledIn");
}

#[test]
fn unreadable_reports_allow_no_scale_in() {
    let course = every_second(0, 600, |second| with_pods(seen(second, 1, 10), unread_pods(10)));
    is(&run(&policy(second_tasks), &course), 10, "HeldUnreadable");
}

#[test]
fn unreadable_reports_allow_a_doubling_a_minute() {
    let policy = policy(|s| s.max_replicas = 1_000);
    let blind = |second, replicas| with_pods(seen(second, 100_000, replicas), unread_pods(3));
    let mut course = vec![blind(0, 3)];
    is(&run(&policy, &course), 6, "ScaledOut");
    course.extend(every_second(1, 59, |second| blind(second, 6)));
    is(&run(&policy, &course), 6, "HeldUnreadable");
    course.push(blind(60, 6));
    is(&run(&policy, &course), 12, "ScaledOut");
}

#[test]
fn a_clock_that_goes_back_starts_the_windows_again() {
    let mut course = quiet_course(100);
    course.push(with_pods(seen(10, 1, 10), busy_pods(10, 1)));
    is(&run(&policy(second_tasks), &course), 10, "HeldStabilizing");
}
