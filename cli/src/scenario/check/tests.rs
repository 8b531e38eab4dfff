use exportpool_profile::record::LoopMoment;

use super::*;

/// So many tenths of a second, in each of which so many tasks are settled.
fn moments(tenths: u64, settled: impl Fn(u64) -> u64) -> Vec<Moment> {
    let moment = |tenth| Moment { at_micros: tenth * 100_000, settled: settled(tenth), ..Moment::default() };
    (0..=tenths).map(moment).collect()
}

#[test]
fn a_rate_is_measured_between_the_first_and_the_last_task() {
    // Two seconds of nothing, ten of five tasks a second, two of nothing.
    let steady = moments(140, |tenth| tenth.saturating_sub(20).min(100) / 2);
    let rates = rates(&steady, 5);
    assert_eq!(rates.len(), 3);
    assert!(rates.iter().all(|rate| (rate - 5.0).abs() < 0.6), "{rates:?}");
}

#[test]
fn a_rate_of_nothing_is_not_steady() {
    assert!(!steadily(&[0.0, 0.0]).holds && !steadily(&[]).holds && steadily(&[5.0, 6.0]).holds);
}

#[test]
fn a_rate_that_falls_to_nothing_for_a_while_is_not_steady() {
    let halting = moments(100, |tenth| if tenth < 50 { tenth } else { 50 + tenth.saturating_sub(70) });
    let rates = rates(&halting, 8);
    assert!(rates.iter().any(|rate| *rate < 1.0), "{rates:?}");
}

#[test]
fn workers_are_even_unless_one_has_much_more_than_the_others() {
    let holds = |times: &[u64]| evenly(times).holds;
    assert!(holds(&[9_000, 11_000, 10_000]) && holds(&[100, 149, 100]));
    // Eight workers, one of which has had the files of two.
    let one_of_eight = [&[8_000; 7][..], &[16_000]].concat();
    assert!(!holds(&one_of_eight) && !holds(&[0, 0]) && !holds(&[]));
}

#[test]
fn what_a_workers_first_task_costs_is_left_out() {
    let cpu = |settled: u64, micros: [u64; 3]| {
        let loops = ["main", "worker-0", "worker-1"].iter().zip(micros);
        let of = |(name, cpu_micros): (&&str, _)| LoopMoment {
            name: (*name).to_owned(),
            cpu_micros,
            ..LoopMoment::default()
        };
        Moment { settled, loops: loops.map(of).collect(), ..Moment::default() }
    };
    // Both are done with their first one in the third moment: 70 tasks were settled before this profile began.
    let moments =
        [cpu(70, [9, 9, 9]), cpu(71, [9, 9, 9]), cpu(72, [9, 9, 9]), cpu(73, [1, 2, 3]), cpu(74, [4, 5, 6])];
    assert_eq!(cpu_of_workers(&moments, 2), [7, 9]);
    assert_eq!(cpu_of_workers(&moments, 5), [0; 0]);
}

#[test]
fn memory_comes_back_unless_more_than_caches_stays() {
    let of = |bytes: [u64; 3]| {
        let moment = |bytes: u64| Moment { allocated_bytes: bytes << 20, ..Moment::default() };
        comes_back(&bytes.map(moment)).holds
    };
    assert!(of([20, 60, 23]) && !of([20, 60, 30]) && !of([0, 0, 0]));
}
