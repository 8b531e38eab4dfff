//! Pods that do not start.

use std::time::Duration;

use exportpool_scaling::{
    Depth, History, Learned, Observation, PodPhase, PodSeen, Policy, Reading, Reason, UnreadReport,
};

use crate::scene::*;

/// Pods start within 20 s: one that is not ready for 40 s is stuck.
fn history() -> History {
    History::with_learned(Learned { pod_starts: vec![20_000], ..Learned::default() })
}

/// `ready` pods at work and others that are not ready, with so many jobs visible that the work asks for `wanted` pods.
fn with_waiting(
    second: u64,
    wanted: u64,
    ready: u32,
    waiting: impl IntoIterator<Item = PodPhase>,
) -> Observation {
    let mut pods = busy_pods(ready, SLOTS);
    pods.extend(
        waiting
            .into_iter()
            .zip(ready..)
            .map(|(phase, uid)| PodSeen { phase, ..pod(uid, Reading::Unread(UnreadReport::NotRunning)) }),
    );
    let replicas = u32::try_from(pods.len()).unwrap_or(u32::MAX);
    let mut observation = seen(second, 0, replicas);
    let in_hand = u64::from(ready) * SLOTS;
    let (visible, delay) = (wanted * SLOTS - in_hand, Duration::ZERO);
    observation.queues.export_jobs = Depth::Known { visible, not_visible: in_hand, delayed: 0, delay };
    with_pods(observation, pods)
}

fn many(phase: PodPhase, count: usize) -> Vec<PodPhase> {
    vec![phase; count]
}

fn patient() -> Policy {
    policy(|s| s.max_replicas = 100)
}

#[test]
fn a_pod_is_stuck_after_twice_the_time_that_pods_start_in() {
    let at =
        |second| every_second(0, second, |second| with_waiting(second, 20, 17, many(PodPhase::Pending, 3)));
    is(&run_from(&patient(), &mut history(), &at(39)), 20, "Steady");
    let decision = run_from(&patient(), &mut history(), &at(40));
    is(&decision, 23, "Compensated");
    assert_eq!(decision.reason, Reason::Compensated { from: 20, to: 23, wanted: 20, stuck: 3 });
}

#[test]
fn before_a_start_is_learned_none_is_too_long() {
    let course = every_second(0, 600, |second| with_waiting(second, 20, 17, many(PodPhase::Pending, 3)));
    is(&run(&patient(), &course), 20, "Steady");
}

#[test]
fn pods_that_start_fast_may_restart_in_half_a_minute() {
    let mut history = History::with_learned(Learned { pod_starts: vec![500], ..Learned::default() });
    let at = |second| with_waiting(second, 20, 17, many(PodPhase::Unready, 3));
    is(&run_from(&patient(), &mut history, &every_second(0, 29, at)), 20, "Steady");
    is(&run_from(&patient(), &mut history, &[at(30)]), 23, "Compensated");
}

#[test]
fn a_pod_that_was_ready_in_between_is_waited_for_anew() {
    let course = every_second(0, 60, |second| {
        let phase = if second == 30 { PodPhase::Ready } else { PodPhase::Unready };
        with_waiting(second, 20, 17, many(phase, 3))
    });
    is(&run_from(&patient(), &mut history(), &course), 20, "Steady");
}

#[test]
fn pods_that_no_node_has_room_for_are_not_made_up_for() {
    let course = every_second(0, 600, |second| with_waiting(second, 20, 10, many(PodPhase::Unscheduled, 10)));
    is(&run_from(&patient(), &mut history(), &course), 20, "Steady");
}

#[test]
fn when_those_in_their_place_do_not_start_either_no_more_are_asked_for() {
    let mut history = history();
    let course = every_second(0, 600, |second| with_waiting(second, 20, 8, many(PodPhase::Pending, 12)));
    is(&run_from(&patient(), &mut history, &course), 25, "Compensated");
    let course = every_second(601, 1_200, |second| with_waiting(second, 20, 8, many(PodPhase::Pending, 17)));
    is(&run_from(&patient(), &mut history, &course), 25, "Steady");
}

#[test]
fn what_was_asked_for_in_their_place_goes_when_the_work_does() {
    let mut history = history();
    let stuck = |second| with_waiting(second, 20, 17, many(PodPhase::Pending, 3));
    is(&run_from(&patient(), &mut history, &every_second(0, 60, stuck)), 23, "Compensated");
    let quiet = |second| with_pods(seen(second, 0, 23), busy_pods(23, 0));
    is(&run_from(&patient(), &mut history, &every_second(61, 200, quiet)), 0, "ScaledToZero");
}

#[test]
fn nothing_is_made_up_for_where_there_is_nothing_to_do_or_no_room() {
    let idle = |second| {
        let pods = vec![PodSeen { phase: PodPhase::Pending, ..unread_pods(1).remove(0) }];
        with_pods(seen(second, 0, 1), pods)
    };
    let decision = run_from(&patient(), &mut history(), &every_second(0, 50, idle));
    assert_eq!(decision.desired, 1, "{decision:#?}");
    let full = policy(|s| s.max_replicas = 20);
    let course = every_second(0, 60, |second| with_waiting(second, 20, 17, many(PodPhase::Pending, 3)));
    is(&run_from(&full, &mut history(), &course), 20, "AtMax");
}
