//! What holds for whatever is observed.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{
    Depth, History, Millis, Observation, PodNumbers, PodPhase, PodSeen, Policy, Reading, Reason, Settings,
    UnknownDepth, UnreadReport, decide,
};
use proptest::prelude::*;

use crate::scene::{done, numbers, policy, run, run_from, secs, seen, unread_pods, with_pods};

fn a_policy() -> impl Strategy<Value = Policy> {
    let replicas = (prop_oneof![Just(0_u32), 0..10_u32], 0..60_u32);
    let expected = proptest::option::of(1..100_000_u64);
    let scale_in = (proptest::option::of(0..300_u64), 1..=100_u32, 0..120_u64, 1..5_u32, 0..90_u64);
    (replicas, 1..9_u32, 1..300_u64, 0.2..1.0_f64, expected, scale_in).prop_map(
        |((min, more), slots, drain, utilization, expected, (window, step, alive, reads, span))| {
            policy(|s| {
                (s.min_replicas, s.max_replicas) = (min, (min + more).max(1));
                (s.slots_per_pod, s.drain_time) = (slots, secs(drain));
                s.target_utilization = utilization;
                s.expected_task = expected.map(Duration::from_millis);
                (s.stabilization, s.max_step_percent) = (window.map(secs), step);
                (s.keep_alive, s.zero_reads, s.zero_span) = (secs(alive), reads, secs(span));
            })
        },
    )
}

fn a_count() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0_u64), 3 => 0..50_u64, 2 => 0..100_000_u64, 1 => any::<u64>()]
}

fn a_known_depth() -> impl Strategy<Value = Depth> {
    (a_count(), a_count(), a_count(), 0..900_u64).prop_map(|(visible, not_visible, delayed, delay)| {
        Depth::Known { visible, not_visible, delayed, delay: secs(delay) }
    })
}

fn a_depth() -> impl Strategy<Value = Depth> {
    prop_oneof![9 => a_known_depth(), 1 => Just(Depth::Unknown(UnknownDepth::Throttled))]
}

fn some_numbers() -> impl Strategy<Value = PodNumbers> {
    (0..5_u64, a_count(), a_count(), 0..100_000_u64, a_count()).prop_map(
        |(busy, waiting, jobs, millis, handed)| PodNumbers {
            waiting,
            handed_over: handed,
            leased: numbers(busy).leased,
            slots: numbers(busy).slots,
            ..done(jobs.min(1_000_000), millis)
        },
    )
}

fn a_reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        4 => some_numbers().prop_map(|numbers| Reading::Read(Box::new(numbers))),
        1 => Just(Reading::Unread(UnreadReport::NotSampled)),
        1 => Just(Reading::Unread(UnreadReport::Unreachable)),
    ]
}

fn a_pod() -> impl Strategy<Value = PodSeen> {
    let phase = prop_oneof![
        5 => Just(PodPhase::Ready),
        1 => Just(PodPhase::Unready),
        1 => Just(PodPhase::Pending),
        1 => Just(PodPhase::Unscheduled),
        1 => Just(PodPhase::Terminating),
    ];
    (0..30_u32, phase, a_reading(), 0..100_000_u64, 0..100_000_u64).prop_map(
        |(uid, phase, report, created, start)| PodSeen {
            uid: uid.to_string(),
            phase,
            created_at: Some(Millis(created)),
            ready_at: Some(Millis(created + start)),
            report,
        },
    )
}

/// Observations of unlike pasts, by growing time.
fn a_course() -> impl Strategy<Value = Vec<Observation>> {
    let queues = (a_depth(), a_depth());
    let pods = proptest::collection::vec(a_pod(), 0..8);
    let one = (1..90_000_u64, queues, pods, 0..80_u32);
    proptest::collection::vec(one, 1..25).prop_map(|polls| {
        let mut now = 0;
        let observed = polls.into_iter().map(|(later, (export_jobs, download_tasks), mut pods, replicas)| {
            now += later;
            pods.sort_by(|a, b| a.uid.cmp(&b.uid));
            pods.dedup_by(|a, b| a.uid == b.uid);
            Observation { now: Millis(now), queues: ByQueue { export_jobs, download_tasks }, pods, replicas }
        });
        observed.collect()
    })
}

fn last(course: &[Observation]) -> Observation {
    course.last().cloned().unwrap_or_else(|| unreachable!("a course has an observation"))
}

fn paused(policy: &Policy) -> Policy {
    let paused = Settings { paused: true, ..Settings::clone(policy) };
    Policy::new(paused).unwrap_or_else(|invalid| unreachable!("{invalid}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn desired_is_within_its_bounds(policy in a_policy(), course in a_course()) {
        let decision = run(&policy, &course);
        prop_assert!(decision.desired >= policy.min_replicas, "{decision:?}");
        prop_assert!(decision.desired <= policy.max_replicas, "{decision:?}");
    }

    #[test]
    fn scale_out_never_brings_more_slots_than_tasks(policy in a_policy(), course in a_course()) {
        let decision = run(&policy, &course);
        let out = decision.desired > last(&course).replicas.max(policy.min_replicas);
        if let (true, Some(inputs)) = (out, decision.inputs) {
            let slots = f64::from(policy.slots_per_pod);
            prop_assert!(f64::from(decision.desired) * slots < inputs.tasks + slots);
        }
    }

    #[test]
    fn from_zero_there_are_never_more_slots_than_messages(policy in a_policy(), visible in 0..500_u64) {
        let decision = run(&policy, &[seen(0, visible, 0)]);
        let slots = u64::from(policy.slots_per_pod);
        if policy.min_replicas == 0 {
            prop_assert!(u64::from(decision.desired) * slots < visible + slots, "{decision:?}");
        }
    }

    #[test]
    fn more_backlog_never_means_fewer_replicas(
        policy in a_policy(),
        course in a_course(),
        more in 0..100_000_u64,
        other in any::<bool>(),
    ) {
        let mut longer = course.clone();
        let queues = &mut longer.last_mut().expect("a course has an observation").queues;
        let queue = if other { &mut queues.download_tasks } else { &mut queues.export_jobs };
        if let Depth::Known { visible, .. } = queue {
            *visible = visible.saturating_add(more);
        }
        prop_assert!(run(&policy, &longer).desired >= run(&policy, &course).desired);
    }

    #[test]
    fn unknown_holds(policy in a_policy(), course in a_course(), jobs in any::<bool>()) {
        let mut course = course;
        let end = course.last_mut().expect("a course has an observation");
        let queue = if jobs { &mut end.queues.export_jobs } else { &mut end.queues.download_tasks };
        *queue = Depth::Unknown(UnknownDepth::Unreachable);
        let held = end.replicas.clamp(policy.min_replicas, policy.max_replicas);
        let decision = run(&policy, &course);
        prop_assert_eq!(decision.desired, held);
        let is_held = matches!(decision.reason, Reason::HeldUnknown { .. });
        prop_assert!(is_held);
    }

    #[test]
    fn paused_holds(policy in a_policy(), course in a_course()) {
        let decision = run(&paused(&policy), &course);
        prop_assert_eq!(decision.desired, last(&course).replicas);
    }

    #[test]
    fn zero_to_n_is_one_step(policy in a_policy(), visible in 1..100_000_u64) {
        let mut history = History::default();
        let first = run_from(&policy, &mut history, &[seen(0, visible, 0)]).desired;
        let again = run_from(&policy, &mut history, &[seen(1, visible, first)]).desired;
        prop_assert!(first >= 1);
        prop_assert_eq!(first, again, "the second look asks for nothing more");
    }

    #[test]
    fn unreadable_reports_take_nothing_away_and_at_most_double(
        policy in a_policy(),
        course in a_course(),
        pods in 1..9_u32,
        replicas in 0..80_u32,
    ) {
        let mut history = History::default();
        course.iter().for_each(|seen| history.observe(&policy, seen));
        let mut end = with_pods(last(&course), unread_pods(pods));
        (end.now, end.replicas) = (Millis(end.now.0 + 1_000_000), replicas);
        let desired = run_from(&policy, &mut history, &[end]).desired;
        prop_assert!(desired >= replicas.min(policy.max_replicas));
        prop_assert!(desired <= (replicas.max(1) * 2).max(policy.min_replicas));
    }

    #[test]
    fn the_same_arguments_give_the_same_decision(policy in a_policy(), course in a_course()) {
        let mut history = History::default();
        let decision = run_from(&policy, &mut history, &course);
        prop_assert_eq!(&decision, &decide(&policy, &history, &last(&course)));
        prop_assert_eq!(decision, run(&policy, &course));
    }

    #[test]
    fn zero_is_asked_for_only_when_nothing_is_visible(policy in a_policy(), course in a_course()) {
        if run(&policy, &course).desired == 0 && last(&course).replicas > 0 {
            for depth in [last(&course).queues.export_jobs, last(&course).queues.download_tasks] {
                if let Depth::Known { visible, .. } = depth {
                    prop_assert_eq!(visible, 0);
                }
            }
        }
    }
}
