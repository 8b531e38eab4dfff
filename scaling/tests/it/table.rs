//! One rule, one case.

use std::time::Duration;

use exportpool_contract::report::{ByQueue, PodReport, Slots};
use exportpool_scaling::{
    Depth, History, InvalidPolicy, Learned, Millis, Observation, PodNumbers, PodPhase, PodSeen, Policy,
    Queue, Reading, Reason, Settings, UnknownDepth, UnreadReport, decide,
};

use crate::scene::*;

#[test]
fn nothing_learned_means_one_task_a_slot() {
    is(&run(&policy(|_| {}), &[seen(0, 41, 0)]), 11, "ScaledOut");
}

#[test]
fn an_expected_task_sizes_the_first_step() {
    // 600 tasks of a second in 60 s: 10 slots.
    is(&run(&policy(second_tasks), &[seen(0, 600, 0)]), 3, "ScaledOut");
}

#[test]
fn zero_to_max_is_one_step() {
    is(&run(&policy(|_| {}), &[seen(0, 100_000, 0)]), 20, "ScaledOut");
}

#[test]
fn one_visible_message_wakes_one_replica() {
    is(&run(&policy(second_tasks), &[seen(0, 1, 0)]), 1, "ScaledOut");
}

#[test]
fn only_visible_messages_wake_a_pool_from_zero() {
    let mut observation = seen(0, 0, 0);
    observation.queues.download_tasks =
        Depth::Known { visible: 0, not_visible: 50, delayed: 50, delay: Duration::ZERO };
    is(&run(&policy(|_| {}), &[observation]), 0, "ScaledToZero");
}

#[test]
fn deferred_messages_hold_no_replica() {
    let course = every_second(0, 200, |second| {
        let mut observation = with_pods(seen(second, 0, 1), busy_pods(1, 0));
        observation.queues.export_jobs =
            Depth::Known { visible: 0, not_visible: 9, delayed: 0, delay: Duration::ZERO };
        observation
    });
    let decision = run(&policy(|_| {}), &course);
    is(&decision, 0, "ScaledToZero");
    assert_eq!(decision.inputs.unwrap().deferred.export_jobs, 9);
}

fn delayed(by: u64) -> Observation {
    let mut observation = seen(0, 4, 1);
    observation.queues.export_jobs =
        Depth::Known { visible: 4, not_visible: 0, delayed: 40, delay: secs(by) };
    observation
}

#[test]
fn delayed_messages_count_within_the_drain_time_and_not_beyond() {
    is(&run(&policy(|_| {}), &[delayed(60)]), 11, "ScaledOut");
    is(&run(&policy(|_| {}), &[delayed(61)]), 1, "HeldAboveZero");
}

#[test]
fn retries_that_a_pod_scheduled_are_no_backlog() {
    let retrying = PodNumbers { scheduled_retries: 40, ..numbers(0) };
    let mut observation = with_pods(seen(0, 4, 1), vec![pod(0, Reading::Read(Box::new(retrying)))]);
    observation.queues.download_tasks =
        Depth::Known { visible: 0, not_visible: 0, delayed: 40, delay: Duration::ZERO };
    assert_eq!(run(&policy(|_| {}), &[observation]).desired, 1);
}

#[test]
fn an_unknown_queue_holds_whatever_the_other_one_says() {
    let mut observation = seen(0, 500, 3);
    observation.queues.download_tasks = Depth::Unknown(UnknownDepth::Throttled);
    let decision = run(&policy(|_| {}), &[observation]);
    is(&decision, 3, "HeldUnknown");
    let why = UnknownDepth::Throttled;
    assert_eq!(decision.reason, Reason::HeldUnknown { queue: Queue::DownloadTasks, why });
    assert_eq!(decision.reason.to_string(), "the depth of download-tasks is unknown: Throttled");
}

#[test]
fn a_pause_wins_over_bounds_backlog_and_unknown() {
    let policy = policy(|s| (s.paused, s.max_replicas) = (true, 5));
    is(&run(&policy, &[seen(0, 500, 9)]), 9, "Paused");
    let mut unknown = seen(0, 0, 2);
    unknown.queues.export_jobs = Depth::Unknown(UnknownDepth::NotFound);
    is(&run(&policy, &[unknown]), 2, "Paused");
}

#[test]
fn bounds_hold_without_work_and_with_too_much() {
    let bounds = |s: &mut Settings| (s.min_replicas, s.max_replicas) = (2, 5);
    is(&run(&policy(bounds), &[seen(0, 0, 0)]), 2, "AtMin");
    is(&run(&policy(bounds), &[seen(0, 0, 2)]), 2, "AtMin");
    is(&run(&policy(bounds), &[seen(0, 500, 5)]), 5, "AtMax");
    is(&run(&policy(bounds), &[seen(0, 500, 9)]), 5, "AtMax");
}

#[test]
fn terminating_pods_count_to_the_maximum() {
    let leaving = |count| {
        let mut pods = busy_pods(count, 1);
        pods.iter_mut().for_each(|pod| pod.phase = PodPhase::Terminating);
        pods
    };
    let policy = policy(|s| s.max_replicas = 10);
    is(&run(&policy, &[with_pods(seen(0, 500, 2), leaving(5))]), 5, "ScaledOut");
    is(&run(&policy, &[with_pods(seen(0, 500, 5), leaving(5))]), 5, "WaitingForDrain");
    is(&run(&policy, &[with_pods(seen(0, 500, 6), leaving(9))]), 6, "WaitingForDrain");
}

#[test]
fn half_of_the_reports_is_enough() {
    let mut pods = busy_pods(2, 4);
    pods.extend(unread_pods(4).split_off(2));
    is(&run(&policy(|_| {}), &[with_pods(seen(0, 400, 4), pods.clone())]), 20, "ScaledOut");
    pods.push(pod(4, Reading::Unread(UnreadReport::Malformed)));
    is(&run(&policy(|_| {}), &[with_pods(seen(0, 400, 4), pods)]), 8, "ScaledOut");
}

#[test]
fn pods_that_were_not_sampled_count_with_their_last_report() {
    let unsampled = || (0..5).map(|uid| pod(uid, Reading::Unread(UnreadReport::NotSampled))).collect();
    let mut course = [with_pods(seen(0, 0, 5), busy_pods(5, 3)), with_pods(seen(5, 8, 5), unsampled())];
    course[1].queues.export_jobs =
        Depth::Known { visible: 8, not_visible: 15, delayed: 0, delay: Duration::ZERO };
    let decision = run(&policy(|_| {}), &course);
    assert_eq!(decision.inputs.as_ref().unwrap().busy, 15);
    is(&decision, 6, "ScaledOut");
}

#[test]
fn an_unread_pod_hides_no_more_tasks_than_messages_are_out() {
    let hidden = |not_visible| {
        let mut observation = with_pods(seen(0, 8, 2), unread_pods(2));
        observation.queues.export_jobs =
            Depth::Known { visible: 8, not_visible, delayed: 0, delay: Duration::ZERO };
        run(&policy(|_| {}), &[observation]).inputs.unwrap().tasks
    };
    assert_eq!((hidden(0), hidden(3), hidden(500)), (8.0, 11.0, 16.0));
}

#[test]
fn a_message_that_is_counted_visible_and_already_in_hand_is_one_task() {
    let decision = run(&policy(|_| {}), &[with_pods(seen(0, 40, 10), busy_pods(10, 4))]);
    assert_eq!(decision.inputs.unwrap().tasks, 40.0);
    assert_eq!(decision.desired, 10);
}

#[test]
fn a_cost_is_learned_where_the_task_was_done() {
    let read =
        |second, numbers| with_pods(seen(second, 0, 1), vec![pod(0, Reading::Read(Box::new(numbers)))]);
    let course = [read(0, done(100, 9_000)), read(60, done(100, 9_000)), read(70, done(108, 9_000))];
    let mut history = History::default();
    run_from(&policy(|_| {}), &mut history, &course);
    assert_eq!(history.learned().job_task_seconds, Some(9.0));
    assert_eq!(history.learned().task_seconds, None);
    assert_eq!(history.learned().tasks_per_job, Some(1.0));
}

#[test]
fn a_learned_cost_wins_over_the_expected_one() {
    let learned = Learned { job_task_seconds: Some(6.0), ..Learned::default() };
    let mut history = History::with_learned(learned);
    // 100 tasks of 6 s in 60 s: 10 slots; of 1 s it would be 2.
    is(&run_from(&policy(second_tasks), &mut history, &[seen(0, 100, 0)]), 3, "ScaledOut");
}

#[test]
fn jobs_are_priced_with_all_their_tasks_wherever_those_are_done() {
    let learned = Learned {
        job_task_seconds: Some(1.0),
        task_seconds: Some(3.0),
        tasks_per_job: Some(10.0),
        handed_share: Some(0.5),
        ..Learned::default()
    };
    let mut history = History::with_learned(learned);
    let decision = run_from(&policy(|_| {}), &mut history, &[seen(0, 60, 0)]);
    let inputs = decision.inputs.unwrap();
    assert_eq!(inputs.message_seconds, Some(ByQueue { export_jobs: 20.0, download_tasks: 3.0 }));
    assert_eq!((inputs.slots, inputs.tasks, decision.desired), (20.0, 600.0, 5));
}

#[test]
fn a_slow_start_leaves_less_time_to_drain_but_a_quarter() {
    let drain = |start| {
        let mut history = History::with_learned(Learned { pod_starts: vec![start], ..Learned::default() });
        run_from(&policy(second_tasks), &mut history, &[seen(0, 60, 0)]).inputs.unwrap().drain_seconds
    };
    assert_eq!((drain(0), drain(20_000), drain(90_000)), (60.0, 40.0, 15.0));
}

#[test]
fn a_start_is_learned_from_created_to_ready() {
    let start = |created_at, ready_at| PodSeen {
        created_at: Some(Millis(created_at)),
        ready_at: Some(Millis(ready_at)),
        ..pod(7, Reading::Read(Box::new(numbers(0))))
    };
    let learned = |pod| {
        let mut history = History::default();
        let course = [seen(1, 1, 1), with_pods(seen(9, 1, 1), vec![pod])];
        run_from(&policy(|_| {}), &mut history, &course);
        history.learned().pod_starts.clone()
    };
    assert_eq!(learned(start(2_000, 8_000)), [6_000]);
    assert_eq!(learned(start(500, 8_000)), [0_u64; 0], "it was there before us");
}

#[test]
fn the_same_observation_twice_counts_once() {
    let course = [seen(0, 0, 1), seen(60, 0, 1), seen(60, 0, 1), seen(60, 0, 1)];
    is(&run(&policy(|_| {}), &course), 1, "HeldAboveZero");
}

#[test]
fn reports_say_no_more_busy_than_there_are_slots() {
    let slots = Slots { total: 4, busy: 900, abandoned: 0 };
    let numbers = PodNumbers::from(&PodReport { slots, started_at: 5, ..PodReport::default() });
    assert_eq!((numbers.slots.busy, numbers.started_at), (4, Millis(5)));
}

#[test]
fn deciding_changes_nothing() {
    let policy = policy(|_| {});
    let mut history = History::default();
    history.observe(&policy, &seen(0, 9, 0));
    let before = history.clone();
    let first = decide(&policy, &history, &seen(0, 9, 0));
    assert_eq!((first, before), (decide(&policy, &history, &seen(0, 9, 0)), history));
}

#[test]
fn an_invalid_policy_names_field_value_and_range() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Policy::new(settings).unwrap_err().to_string()
    };
    assert_eq!(refused(|s| s.target_utilization = 1.5), "targetUtilization is 1.5, allowed is 0.2 to 1");
    assert_eq!(refused(|s| s.target_utilization = f64::NAN), "targetUtilization is NaN, allowed is 0.2 to 1");
    assert_eq!(refused(|s| s.drain_time = secs(0)), "drainTimeSeconds is 0, allowed is 1 to 86400");
    assert_eq!(refused(|s| s.min_replicas = 21), "minReplicas is 21, allowed is 0 to maxReplicas (20)");
    let refused = Policy::new(Settings { slots_per_pod: 0, ..Settings::default() }).unwrap_err();
    assert!(matches!(refused, InvalidPolicy::OutOfRange { .. }));
}

#[test]
fn the_window_is_the_drain_time_and_at_least_a_minute() {
    let window = |drain| policy(|s| s.drain_time = secs(drain)).stabilization_window();
    assert_eq!((window(5), window(300)), (secs(60), secs(300)));
}
