//! What people say beside the scaling.

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{Depth, Millis, Observation, UnknownDepth};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::api::{Override, sample::pool};

/// 2026-11-25T12:00:00Z, a Wednesday.
const NOON: u64 = 1_795_608_000_000;

fn spec(scaling: impl Into<Value>) -> ExportPoolSpec {
    pool(|pool| pool["spec"]["scaling"] = scaling.into()).spec
}

fn seen(at: u64, visible: Depth, replicas: u32) -> Observation {
    let queues = ByQueue { export_jobs: visible, download_tasks: Depth::visible(0) };
    Observation { now: Millis(at), queues, pods: vec![], replicas }
}

/// Alone on its queues.
fn decide(spec: &ExportPoolSpec, memory: &mut Memory, seen: &Observation) -> Result<Verdict, Undecidable> {
    super::decide(spec, memory, seen, Sharing::default())
}

fn decided(spec: &ExportPoolSpec, seen: &Observation) -> Verdict {
    decide(spec, &mut Memory::default(), seen).unwrap()
}

#[test]
fn the_work_decides_where_nobody_says_otherwise() {
    // Four slots a pod, one task a slot while nothing is learned.
    let verdict = decided(&spec(json!({"maxReplicas": 20})), &seen(NOON, Depth::visible(40), 0));
    assert_eq!((verdict.replicas, verdict.why.word()), (10, "ScaledOut"));
    assert!(verdict.inputs.is_some());
}

#[test]
fn a_fixed_number_is_what_was_written_whatever_waits() {
    let fixed = ExportPoolSpec { scaling: None, replicas: Some(3), ..spec(Value::Null) };
    let verdict = decided(&fixed, &seen(NOON, Depth::visible(40), 1));
    assert_eq!((verdict.replicas, verdict.why), (3, Why::Fixed));
}

#[test]
fn whoever_is_on_call_decides_until_the_time_is_over() {
    let overridden = spec(json!({
        "maxReplicas": 20, "paused": {"reason": "deploy"},
        "override": {"replicas": 7, "until": "2026-11-25T12:00:01Z"},
    }));
    assert_eq!(decided(&overridden, &seen(NOON, Depth::visible(40), 1)).replicas, 7);
    let later = decided(&overridden, &seen(NOON + 1_000, Depth::visible(40), 1));
    assert_eq!((later.replicas, later.why.word()), (1, "Paused"));
}

#[test]
fn a_paused_pool_is_left_until_the_pause_is_over() {
    let paused =
        spec(json!({"maxReplicas": 20, "paused": {"reason": "migration", "until": "2026-11-25T12:00:00Z"}}));
    let before = decided(&paused, &seen(NOON - 1, Depth::visible(40), 2));
    assert_eq!((before.replicas, before.why.to_string().contains("migration")), (2, true));
    assert_eq!(decided(&paused, &seen(NOON, Depth::visible(40), 2)).why.word(), "ScaledOut");
}

#[test]
fn observing_tells_what_would_be_and_changes_nothing() {
    let observing = spec(json!({"maxReplicas": 20, "mode": "Observe"}));
    let verdict = decided(&observing, &seen(NOON, Depth::visible(40), 2));
    assert!(matches!(verdict.why, Why::Observing { would: 10, .. }), "{:?}", verdict.why);
    assert_eq!(verdict.replicas, 2);
}

#[test]
fn a_schedule_asks_for_at_least_so_many_and_never_for_more_than_the_largest_number() {
    let at_noon = |min: u32| json!({"name": format!("at-least-{min}"), "start": "0 12 * * 3", "durationSeconds": 60, "minReplicas": min});
    let scheduled = spec(json!({"maxReplicas": 20, "schedules": [at_noon(3), at_noon(50), at_noon(4)]}));
    let verdict = decided(&scheduled, &seen(NOON, Depth::visible(0), 0));
    assert_eq!((verdict.replicas, verdict.why.word()), (20, "Scheduled"));
    assert!(verdict.why.to_string().contains("at-least-50"), "{}", verdict.why);
    let one = spec(json!({"maxReplicas": 20, "schedules": [at_noon(3)]}));
    let during = decided(&one, &seen(NOON + 59_000, Depth::visible(0), 0));
    assert_eq!((during.replicas, during.why.word()), (3, "Scheduled"));
    assert_eq!(decided(&one, &seen(NOON + 60_000, Depth::visible(0), 0)).replicas, 0);
    assert_eq!(decided(&one, &seen(NOON - 1, Depth::visible(0), 0)).replicas, 0);
}

#[test]
fn a_schedule_that_cannot_be_kept_is_told_with_its_name_and_what_to_write() {
    let with = |start: &str, zone: &str| {
        let schedule = json!({"name": "night", "start": start, "timeZone": zone, "durationSeconds": 60, "minReplicas": 1});
        let spec = spec(json!({"maxReplicas": 20, "schedules": [schedule]}));
        decide(&spec, &mut Memory::default(), &seen(NOON, Depth::visible(0), 0)).unwrap_err()
    };
    let start = with("0 25 * * *", "Etc/UTC");
    assert_eq!(start.reason(), "InvalidSchedule");
    assert!(start.to_string().contains("night") && start.to_string().contains("0 25 * * *"), "{start}");
    assert!(with("0 8 * * *", "Mars/Olympus").to_string().contains("Mars/Olympus"));
}

#[test]
fn unreadable_queues_take_no_pod_away_whatever_the_fallback_says() {
    let unknown = Depth::Unknown(UnknownDepth::Denied);
    let held = decided(&spec(json!({"maxReplicas": 20})), &seen(NOON, unknown, 6));
    assert_eq!((held.replicas, held.why.word()), (6, "HeldUnknown"));
    let few = spec(json!({
        "maxReplicas": 20, "fallback": {"behavior": "Static", "afterFailedReads": 1, "replicas": 2},
    }));
    assert_eq!(decided(&few, &seen(NOON, unknown, 6)).replicas, 6);
}

#[test]
fn a_fallback_waits_for_so_many_failed_reads_in_a_row() {
    let fallback = spec(json!({
        "maxReplicas": 20, "fallback": {"behavior": "Static", "afterFailedReads": 3, "replicas": 50},
    }));
    let mut memory = Memory::default();
    let mut at = |n: u64, depth| decide(&fallback, &mut memory, &seen(NOON + n, depth, 1)).unwrap();
    let unknown = Depth::Unknown(UnknownDepth::Unreachable);
    assert_eq!(at(1, unknown).why.word(), "HeldUnknown");
    assert_eq!(at(2, unknown).why.word(), "HeldUnknown");
    let fallen_back = at(3, unknown);
    assert_eq!((fallen_back.replicas, fallen_back.why.word()), (20, "FallenBack"));
    at(4, Depth::visible(0));
    assert_eq!(at(5, unknown).why.word(), "HeldUnknown");
}

#[test]
fn the_last_good_decision_is_what_was_decided_from_queues_that_could_be_read() {
    let fallback =
        spec(json!({"maxReplicas": 20, "fallback": {"behavior": "LastGood", "afterFailedReads": 1}}));
    let mut memory = Memory::default();
    assert_eq!(decide(&fallback, &mut memory, &seen(NOON, Depth::visible(40), 0)).unwrap().replicas, 10);
    let unknown = seen(NOON + 1, Depth::Unknown(UnknownDepth::Throttled), 4);
    assert_eq!(decide(&fallback, &mut memory, &unknown).unwrap().replicas, 10);
}

#[test]
fn a_pool_that_drains_ignores_what_keeps_pods() {
    let drain = ExportPoolSpec { drain: true, ..spec(json!({"minReplicas": 2, "maxReplicas": 20})) };
    let mut memory = Memory::default();
    let mut at = |seconds: u64, replicas| {
        decide(&drain, &mut memory, &seen(NOON + seconds * 1_000, Depth::visible(0), replicas)).unwrap()
    };
    let first = at(0, 2);
    assert_eq!(first.why.word(), "Draining");
    let all: Vec<_> = (1..30).map(|n| at(n * 5, 1)).collect();
    let last = all.last().unwrap();
    assert_eq!((last.replicas, &last.why), (0, &Why::Drained));
}

#[test]
fn a_fixed_pool_drains_as_well() {
    let fixed = ExportPoolSpec { scaling: None, replicas: Some(3), drain: true, ..spec(Value::Null) };
    let verdict = decided(&fixed, &seen(NOON, Depth::visible(40), 3));
    assert_eq!(verdict.why.word(), "Draining");
    assert!(verdict.replicas > 0, "what waits is worked off first");
}

#[test]
fn times_in_a_spec_are_times() {
    let until = spec(json!({"maxReplicas": 1, "override": {"replicas": 1, "until": "2026-11-25T12:00:00Z"}}));
    let Some(Override { until: Time(until), .. }) = until.scaling.unwrap().r#override else { panic!() };
    assert_eq!(until.as_millisecond(), i64::try_from(NOON).unwrap());
}

#[test]
fn a_pool_works_off_its_part_of_a_queue() {
    let half = Sharing {
        parts: ByQueue { export_jobs: 0.5, download_tasks: 1.0 },
        with: vec!["other".to_owned()],
        yields_to: None,
    };
    let scaled = spec(json!({"maxReplicas": 20}));
    let verdict =
        super::decide(&scaled, &mut Memory::default(), &seen(NOON, Depth::visible(40), 0), half).unwrap();
    assert_eq!((verdict.replicas, verdict.shared_with), (5, vec!["other".to_owned()]));
}

#[test]
fn the_younger_pool_of_two_namespaces_stays_as_it_is_unless_somebody_says_otherwise() {
    let yields = || Sharing { yields_to: Some("other/older".to_owned()), ..Sharing::default() };
    let decided = |spec: &ExportPoolSpec, depth| {
        super::decide(spec, &mut Memory::default(), &seen(NOON, depth, 2), yields()).unwrap()
    };
    let scaled = spec(json!({"maxReplicas": 20}));
    let verdict = decided(&scaled, Depth::visible(40));
    assert_eq!((verdict.replicas, verdict.why.word()), (2, "QueueConflict"));
    assert!(verdict.why.to_string().contains("other/older"), "{}", verdict.why);
    let unreadable = decided(&scaled, Depth::Unknown(UnknownDepth::Denied));
    assert_eq!(unreadable.why.word(), "HeldUnknown", "who may not read it learns nothing");
    let fixed = ExportPoolSpec { scaling: None, replicas: Some(3), ..spec(Value::Null) };
    assert_eq!(decided(&fixed, Depth::visible(40)).replicas, 3);
    let by_hand =
        spec(json!({"maxReplicas": 20, "override": {"replicas": 7, "until": "2026-11-25T12:00:01Z"}}));
    assert_eq!(decided(&by_hand, Depth::visible(40)).replicas, 7);
}
