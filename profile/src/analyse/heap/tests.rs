mod bounds;

use super::*;
use crate::record::{Allocation, Ending, Live, Stack, Tool, Wave, fixture::began};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
/// A wave is 2 s of work and 4 s of pause.
const TENTHS_OF_WAVE: u64 = 60;
const TENTHS_OF_WORK: u64 = 20;
/// What is allocated where, the innermost first.
const STACKS: [&[&str]; 3] = [
    &["malloc", "alloc::raw_vec::grow", "exportpool_consumer::leaky::keep", "tokio::poll", "clone3"],
    &["malloc", "bytes::BytesMut::reserve", "hyper::read", "exportpool_consumer::work::fetch", "clone3"],
    &["_rjem_mallocx", "aws_smithy_runtime::client::new", "main"],
];

/// Waves of 50 jobs, after each of which so much is left.
fn waves(floors: &[u64]) -> Recorded {
    let mut recorded = Recorded { ending: Some(Ending::Settled), ..Recorded::of(began(Tool::Heap)) };
    for (number, floor) in (0..).zip(floors) {
        let start = 10 + number * TENTHS_OF_WAVE;
        let at = |tenth: u64| (start + tenth) * 100_000;
        recorded.waves.push(Wave { at_micros: at(0) + 1, jobs: 50 });
        recorded.waves.push(Wave { at_micros: at(TENTHS_OF_WORK), jobs: 0 });
        recorded.moments.extend((1..=TENTHS_OF_WAVE).map(|tenth| {
            let is_working = tenth < TENTHS_OF_WORK;
            // What was in use is free within half a second.
            let in_use = if tenth < TENTHS_OF_WORK + 5 { 20 * MIB } else { 0 };
            Moment { busy: u32::from(is_working), settled: number * 50, ..moment(at(tenth), floor + in_use) }
        }));
    }
    recorded.stacks = (0..).zip(STACKS).map(|(id, frames)| Stack { id, frames: owned(frames) }).collect();
    recorded
}

fn owned(frames: &[&str]) -> Vec<String> {
    frames.iter().map(|frame| (*frame).to_owned()).collect()
}

fn moment(at_micros: u64, allocated: u64) -> Moment {
    Moment {
        at_micros,
        allocated_bytes: allocated,
        active_bytes: allocated + MIB,
        rss_bytes: allocated + 15 * MIB,
        retained_bytes: 3 * MIB,
        ..Moment::default()
    }
}

/// With what is allocated where at the end of each wave's work and of its pause: the first stack has what is above the first
/// floor, the second what is in use.
fn with_live(mut recorded: Recorded) -> Recorded {
    let allocation = |(stack, bytes)| Allocation { stack, bytes };
    let live = |moment: &Moment| {
        let kept = moment.allocated_bytes.saturating_sub(10 * MIB) % (20 * MIB);
        let in_use = (moment.allocated_bytes.saturating_sub(10 * MIB) / (20 * MIB)) * 20 * MIB;
        let all = [(0, kept), (1, in_use), (2, 2 * MIB)];
        Live { at_micros: moment.at_micros, allocations: all.map(allocation).to_vec() }
    };
    recorded.live = recorded.moments.iter().step_by(10).map(live).collect();
    recorded
}

fn found(heap: &Heap) -> Vec<(Finding, Zone)> {
    heap.diagnoses.iter().map(|diagnosis| (diagnosis.ailment, diagnosis.zone)).collect()
}

fn mebibytes(floors: &[f64]) -> Vec<u64> {
    floors.iter().map(|floor| whole(floor * float(MIB))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "mebibytes of tests")]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

/// What is found after waves that leave so many mebibytes.
fn of_floors(floors: &[f64]) -> (Finding, Zone) {
    let heap = heap(&waves(&mebibytes(floors)));
    assert_eq!(heap.diagnoses.len(), 1, "{:?}", heap.diagnoses);
    found(&heap)[0]
}

#[test]
fn memory_that_goes_back_after_each_wave_is_a_healthy_sawtooth() {
    let heap = heap(&waves(&mebibytes(&[8.0, 9.5, 10.0, 10.1, 9.9, 10.2, 10.0, 10.1, 9.9, 10.0])));
    assert_eq!(found(&heap), [(Finding::Sawtooth, Zone::Green)]);
    assert_eq!(
        (heap.growth.floors, heap.growth.warm_up, heap.figures.waves, heap.figures.jobs),
        (8, 2, 10, 500)
    );
    assert!(heap.diagnoses[0].evidence.contains("30.2 MiB at most in a wave"), "{:?}", heap.diagnoses);
    assert_eq!(
        (heap.stretches[3].floor_bytes, heap.stretches[3].peak_bytes),
        (10 * MIB + MIB / 10, 30 * MIB + MIB / 10)
    );
}

#[test]
fn what_is_left_and_grows_with_each_wave_is_a_leak_with_its_stack() {
    let floors: Vec<u64> = (0..10).map(|wave| 10 * MIB + wave * MIB / 2).collect();
    let heap = heap(&with_live(waves(&floors)));
    assert_eq!(found(&heap), [(Finding::Leak, Zone::Red)]);
    let leak = &heap.diagnoses[0];
    for part in [
        "rises by 512.0 KiB a wave, 10.2 KiB a job: 3.5 MiB over 8 of them;",
        "one of 40320 series",
        "exportpool_consumer::leaky::keep (exportpool_consumer) has 3.0 MiB more",
    ] {
        assert!(leak.evidence.contains(part), "{part}: {}", leak.evidence);
    }
    assert_eq!(leak.stack, owned(&STACKS[0][1..]), "without the allocator's own");
}

#[test]
fn a_leak_is_told_without_stacks_as_well() {
    let floors: Vec<u64> = (0..10).map(|wave| 10 * MIB + wave * MIB / 2).collect();
    let heap = heap(&waves(&floors));
    assert_eq!(found(&heap), [(Finding::Leak, Zone::Red)]);
    assert!(heap.diagnoses[0].stack.is_empty() && heap.diagnoses[0].evidence.contains("not known"));
    assert!(heap.trees.is_empty() && heap.places.is_empty());
}

#[test]
fn what_rose_and_stands_is_a_plateau() {
    for floors in [
        &[10.0, 10.0, 12.0, 14.0, 16.0, 18.0, 18.1, 18.0, 18.1, 18.0][..],
        &[10.0, 10.0, 10.0, 30.0, 30.0, 30.1, 30.0, 30.1, 30.2, 30.1],
        &[10.0, 20.0, 20.1, 20.0, 20.1],
    ] {
        assert_eq!(of_floors(floors), (Finding::Plateau, Zone::Green), "{floors:?}");
    }
}

#[test]
fn a_leak_is_not_hidden_by_a_step_before_it_nor_made_by_a_step() {
    let after_step = [10.0, 10.0, 10.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0];
    assert_eq!(of_floors(&after_step), (Finding::Leak, Zone::Red));
    let late_step = [10.0, 10.0, 10.0, 10.1, 10.2, 10.1, 10.3, 10.2, 30.0, 30.1];
    assert_eq!(of_floors(&late_step), (Finding::TooFewWaves, Zone::Yellow));
}

#[test]
fn of_few_waves_nothing_is_said_and_what_may_be_a_leak_is_worth_a_look() {
    assert_eq!(of_floors(&[10.0, 10.1, 10.0, 10.1]), (Finding::TooFewWaves, Zone::Green));
    assert_eq!(of_floors(&[10.0]), (Finding::TooFewWaves, Zone::Green));
    let rising = heap(&waves(&mebibytes(&[10.0, 12.0, 14.0, 16.0])));
    assert_eq!(found(&rising), [(Finding::TooFewWaves, Zone::Yellow)]);
    assert!(rising.diagnoses[0].evidence.contains("chance does that in 4 of 100"), "{:?}", rising.diagnoses);
    assert_eq!(
        of_floors(&[10.0, 12.0, 14.0, 16.0, 18.0]),
        (Finding::Leak, Zone::Red),
        "of five it is one of 120"
    );
}

#[test]
fn what_rises_by_fragments_is_no_leak() {
    let by = |bytes: u64| {
        let floors: Vec<u64> = (0..10).map(|wave| 10 * MIB + wave * bytes).collect();
        found(&heap(&waves(&floors)))[0]
    };
    assert_eq!(by(4 * KIB), (Finding::Sawtooth, Zone::Green));
    assert_eq!(by(140 * KIB), (Finding::Sawtooth, Zone::Green), "980 KiB in all");
    assert_eq!(by(150 * KIB), (Finding::Leak, Zone::Red), "1050 KiB in all");
}

#[test]
fn of_few_jobs_a_leak_is_told_by_what_each_leaves() {
    let of = |jobs: u64, bytes: u64| {
        let floors: Vec<u64> = (0..10).map(|wave| 10 * MIB + wave * bytes).collect();
        let mut recorded = waves(&floors);
        recorded.waves.iter_mut().filter(|wave| wave.jobs > 0).for_each(|wave| wave.jobs = jobs);
        found(&heap(&recorded))[0].0
    };
    assert_eq!(of(2, 50 * KIB), Finding::Leak, "350 KiB in all, 25 KiB a job");
    assert_eq!(of(5, 50 * KIB), Finding::Sawtooth, "10 KiB a job");
    assert_eq!(of(1, 20 * KIB), Finding::Sawtooth, "140 KiB in all");
}

#[test]
fn of_a_large_process_little_is_no_leak() {
    let floors: Vec<u64> = (0..10).map(|wave| 1_000 * MIB + wave * MIB).collect();
    assert_eq!(found(&heap(&waves(&floors)))[0].0, Finding::Leak, "also 20 KiB a job");
    let mut recorded = waves(&floors);
    recorded.waves.iter_mut().filter(|wave| wave.jobs > 0).for_each(|wave| wave.jobs = 1_000);
    assert_eq!(found(&heap(&recorded))[0].0, Finding::Sawtooth, "0.7 % in all");
}

/// A minute without waves, each moment with so many mebibytes.
fn attached(mebibytes: impl Fn(f64) -> f64) -> Recorded {
    let moment = |tenth: u32| Moment {
        busy: 1,
        settled: u64::from(tenth),
        ..moment(u64::from(tenth) * 100_000, whole(mebibytes(f64::from(tenth) / 10.0) * float(MIB)))
    };
    Recorded {
        moments: (1..=600).map(moment).collect(),
        ending: Some(Ending::Over),
        ..Recorded::of(began(Tool::Heap))
    }
}

#[test]
fn without_waves_what_is_left_in_each_tenth_of_the_time_is_looked_at() {
    let steady = heap(&attached(|second| 10.0 + second % 5.0));
    assert_eq!(found(&steady), [(Finding::Steady, Zone::Green)]);
    assert!(steady.diagnoses[0].remedy.contains("waves tell more surely"));
    let leak = heap(&attached(|second| 10.0 + second % 5.0 + second / 4.0));
    assert_eq!(found(&leak), [(Finding::Leak, Zone::Red)]);
    let Diagnosis { evidence, remedy, .. } = &leak.diagnoses[0];
    assert!(
        evidence.contains("KiB a second: 12.9 MiB over 10") && remedy.contains("waves tell"),
        "{evidence}"
    );
    let slight = heap(&attached(|second| 10.0 + second / 60.0));
    assert_eq!(found(&slight), [(Finding::Steady, Zone::Green)], "1 MiB in a minute");
}

#[test]
fn a_few_seconds_without_waves_say_nothing() {
    let mut short = attached(|second| 10.0 + 10.0 * second);
    short.moments.truncate(100);
    assert_eq!(found(&heap(&short)), [(Finding::TooShort, Zone::Green)]);
}

#[test]
fn a_consumer_that_was_given_nothing_is_idle() {
    let mut idle = attached(|_| 10.0);
    idle.moments.iter_mut().for_each(|moment| (moment.busy, moment.settled) = (0, 3));
    assert_eq!(found(&heap(&idle)), [(Finding::Idle, Zone::Green)]);
    let nothing = Recorded { ending: Some(Ending::Over), ..Recorded::of(began(Tool::Heap)) };
    assert_eq!(found(&heap(&nothing)), [(Finding::Idle, Zone::Green)]);
}

#[test]
fn a_consumer_that_leaks_without_work_is_not_idle() {
    let mut leaking = attached(|second| 10.0 + second);
    leaking.moments.iter_mut().for_each(|moment| (moment.busy, moment.settled) = (0, 0));
    assert_eq!(found(&heap(&leaking)), [(Finding::Leak, Zone::Red)]);
}

#[test]
fn a_profile_that_did_not_end_as_it_should_says_so() {
    let of = |ending: Option<Ending>| found(&heap(&Recorded { ending, ..waves(&mebibytes(&[10.0; 10])) }));
    let sawtooth = (Finding::Sawtooth, Zone::Green);
    assert_eq!(of(Some(Ending::Gone { why: "killed".into() })), [(Finding::Incomplete, Zone::Red), sawtooth]);
    assert_eq!(of(Some(Ending::Overdue)), [(Finding::Incomplete, Zone::Red), sawtooth]);
    assert_eq!(of(None), [(Finding::Incomplete, Zone::Yellow), sawtooth]);
    assert_eq!(of(Some(Ending::Interrupted)), [(Finding::Incomplete, Zone::Yellow), sawtooth]);
    assert_eq!(of(Some(Ending::Settled)), [sawtooth]);
}

#[test]
fn memory_that_is_taken_and_not_allocated_is_told() {
    let of = |change: fn(&mut Moment)| {
        let mut recorded = waves(&mebibytes(&[40.0; 10]));
        recorded.moments.iter_mut().for_each(change);
        let heap = heap(&recorded);
        let found = heap.diagnoses.into_iter().find(|found| found.ailment == Finding::Overhead);
        found.map(|found| (found.zone, found.remedy.starts_with("pages are kept")))
    };
    assert_eq!(of(|_| {}), None);
    assert_eq!(of(|moment| moment.active_bytes = 110 * MIB), Some((Zone::Yellow, true)));
    assert_eq!(of(|moment| moment.rss_bytes = 110 * MIB), Some((Zone::Yellow, false)));
    assert_eq!(of(|moment| moment.rss_bytes = 103 * MIB), None, "63 MiB more");
    assert_eq!(of(|moment| moment.allocated_bytes = 0), None, "the allocator does not say");
}

#[test]
fn a_wave_has_the_jobs_that_are_sent_before_it_is_settled() {
    let wave = |at_micros, jobs| Wave { at_micros, jobs };
    let sent = stretch::sent(&[wave(1, 0), wave(2, 5), wave(3, 6), wave(7, 0), wave(8, 0), wave(9, 4)]);
    let of: Vec<_> = sent.iter().map(|wave| (wave.jobs, wave.sent, wave.settled, wave.until)).collect();
    assert_eq!(of, [(11, 2, Some(7), 9), (4, 9, None, u64::MAX)]);
}

#[test]
fn a_wave_that_is_not_settled_has_no_floor() {
    let mut recorded = waves(&mebibytes(&[10.0; 6]));
    recorded.waves.pop();
    let heap = heap(&recorded);
    assert_eq!((heap.figures.waves, heap.stretches.len()), (6, 5));
    assert_eq!(heap.timeline.wave.last(), Some(&50), "but it is seen");
}

#[test]
fn what_is_live_is_told_at_its_peak_at_the_end_and_by_its_growth() {
    let floors: Vec<u64> = (0..10).map(|wave| 10 * MIB + wave * MIB).collect();
    let heap = heap(&with_live(waves(&floors)));
    let sizes: Vec<_> = heap.trees.iter().map(|tree| (tree.of, tree.bytes / MIB)).collect();
    assert_eq!(sizes, [(Snapshot::Peak, 31), (Snapshot::End, 11), (Snapshot::Growth, 6)]);
    assert!(heap.trees[0].seconds < heap.trees[1].seconds);
    for tree in &heap.trees {
        assert_eq!(tree.nodes.iter().map(|node| node.own).sum::<u64>(), tree.bytes);
    }
    let name = |number: u32| heap.functions[number as usize].name.as_str();
    let places: Vec<_> = heap
        .places
        .iter()
        .map(|place| {
            (name(place.function), place.ours.map(name), place.peak_bytes / MIB, place.end_bytes / MIB)
        })
        .collect();
    let (keep, fetch) = ("exportpool_consumer::leaky::keep", "exportpool_consumer::work::fetch");
    assert_eq!(
        places,
        [
            ("bytes::BytesMut::reserve", Some(fetch), 20, 0),
            (keep, Some(keep), 9, 9),
            ("aws_smithy_runtime::client::new", None, 2, 2),
        ]
    );
    assert_eq!((heap.places[1].before_bytes, heap.places[1].after_bytes), (5 * MIB / 2, 17 * MIB / 2));
    let of_crate =
        |place: &Place| heap.crates[heap.functions[place.function as usize].of_crate as usize].clone();
    assert_eq!(
        heap.places.iter().map(of_crate).collect::<Vec<_>>(),
        ["bytes", "exportpool_consumer", "aws_smithy_runtime"]
    );
}

#[test]
fn a_course_has_memory_with_its_floor_and_waves_with_their_work() {
    let course = heap(&waves(&mebibytes(&[10.0, 10.0, 11.0, 12.0, 11.0]))).course();
    let labels: Vec<Vec<_>> = course
        .charts
        .iter()
        .map(|chart| chart.series.iter().map(|series| series.label.as_str()).collect())
        .collect();
    assert_eq!(labels[0], ["resident", "allocated", "active", "retained", "last floor"]);
    assert_eq!(labels[1], ["jobs of the wave", "messages in hand", "busy slots", "tasks waiting"]);
    let series = course.charts.iter().flat_map(|chart| &chart.series);
    assert!(series.clone().all(|series| series.values.len() == course.seconds.len()));
    // The moments of the third wave's work and of its pause.
    let (floor, wave) = (&course.charts[0].series[4].values, &course.charts[1].series[0].values);
    assert_eq!((floor[0], floor[130], wave[130]), (None, Some(10.0), Some(50.0)));
    assert_eq!((floor[150], wave[150]), (Some(11.0), Some(0.0)));
}

#[test]
fn what_the_allocator_does_not_say_is_no_line() {
    let mut recorded = waves(&mebibytes(&[10.0; 5]));
    for moment in &mut recorded.moments {
        (moment.allocated_bytes, moment.active_bytes, moment.retained_bytes) = (0, 0, 0);
    }
    let heap = heap(&recorded);
    assert_eq!(heap.course().charts[0].series.len(), 2);
    assert_eq!(heap.stretches[0].floor_bytes, 25 * MIB, "resident memory is looked at");
}
