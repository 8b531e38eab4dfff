//! The samples that each tool gives.

use std::collections::BTreeMap;

use super::{
    Measured, Quantity,
    windows::{Window, Windows, windows},
};
use crate::{
    analyse::{
        bubble::Messages,
        flame::{Flame, flame},
        memory::held,
        number::{float, mebibytes, round},
        quantile::quantile,
    },
    read::Recorded,
    record::{LoopMoment, Operation, Step, Tool, Wave},
};

/// A window with fewer operations of a step says nothing of how long it takes.
const FEWEST_OPERATIONS: usize = 5;
const MAIN: &str = "main";

/// What was measured of a profile: nothing that would be empty.
pub(super) fn measured(tool: Tool, recorded: &Recorded) -> Vec<Measured> {
    let windows = windows(&recorded.began, &recorded.moments);
    let mut measured = work(&windows.all);
    match tool {
        Tool::Doctor => {
            measured.extend(loops(&windows.all).into_iter().chain(memory(&windows.all, recorded)));
        }
        Tool::Bubble => measured.extend(steps(&windows, Messages::of(&recorded.operations).all())),
        Tool::Flame => {}
        Tool::Heap => measured.extend(memory(&windows.all, recorded).into_iter().chain(waves(recorded))),
    }
    measured.retain(|each| !each.values.is_empty());
    measured
}

/// Of a flame graph what is compared.
pub(super) fn shares(recorded: &Recorded) -> Flame {
    Flame { threads: Vec::new(), diagnoses: Vec::new(), ..flame(recorded) }
}

/// Every tool tells these.
fn work(windows: &[Window<'_>]) -> Vec<Measured> {
    let cpu = |window: &Window<'_>| window.moments.iter().map(|moment| moment.cpu_micros).sum::<u64>();
    vec![
        sample(Quantity::Throughput, windows, |window| {
            Some(1e6 * float(window.settled) / float(window.micros))
        }),
        sample(Quantity::CpuPerTask, windows, |window| Some(millis(cpu(window)) / float(window.settled))),
    ]
}

fn loops(windows: &[Window<'_>]) -> Vec<Measured> {
    let is_main = |each: &LoopMoment| each.name == MAIN;
    let is_worker = |each: &LoopMoment| each.name != MAIN;
    vec![
        sample(Quantity::MainDelay, windows, |window| late(window, is_main)),
        sample(Quantity::MainAway, windows, |window| away(window, is_main)),
        sample(Quantity::WorkerDelay, windows, |window| late(window, is_worker)),
        sample(Quantity::WorkerAway, windows, |window| away(window, is_worker)),
    ]
}

fn late(window: &Window<'_>, of: impl Fn(&LoopMoment) -> bool) -> Option<f64> {
    let own = window.moments.iter().flat_map(|moment| &moment.loops).filter(|each| of(each));
    let mut late: Vec<u64> = own.flat_map(|each| each.late_micros.iter().copied().map(u64::from)).collect();
    late.sort_unstable();
    (!late.is_empty()).then(|| millis(quantile(&late, 0.99)))
}

fn away(window: &Window<'_>, of: impl Fn(&LoopMoment) -> bool) -> Option<f64> {
    let own = window.moments.iter().flat_map(|moment| &moment.loops).filter(|each| of(each));
    own.map(|each| each.away_micros).max().map(millis)
}

fn memory(windows: &[Window<'_>], recorded: &Recorded) -> Vec<Measured> {
    let says = recorded.moments.iter().any(|moment| moment.allocated_bytes > 0);
    let quantity = if says { Quantity::AllocatedFloor } else { Quantity::ResidentFloor };
    let peak = recorded.moments.iter().map(|moment| moment.rss_bytes).max().filter(|most| *most > 0);
    vec![
        sample(quantity, windows, |window| {
            window.moments.iter().map(|moment| held(moment)).min().map(mebibytes)
        }),
        Measured {
            quantity: Quantity::ResidentPeak,
            values: peak.into_iter().map(mebibytes).map(round).collect(),
        },
    ]
}

/// The floors after waves, and by what they rise: of the first one caches and pools stay.
fn waves(recorded: &Recorded) -> [Measured; 2] {
    let waves = &recorded.waves;
    let rests = waves.iter().enumerate().filter(|(_, wave)| wave.jobs == 0);
    let until =
        |at: usize| waves.iter().skip(at).find(|wave| wave.jobs > 0).map_or(u64::MAX, |next| next.at_micros);
    let floors = rests.filter_map(|(at, Wave { at_micros: from, .. })| {
        let until = until(at);
        let rest = recorded.moments.iter().filter(|moment| (*from..until).contains(&moment.at_micros));
        rest.map(held).min().map(mebibytes)
    });
    let floors: Vec<f64> = floors.skip(1).collect();
    let growth =
        floors.iter().zip(floors.iter().skip(1)).map(|(before, after)| round(after - before)).collect();
    [
        Measured { quantity: Quantity::WaveFloor, values: floors.into_iter().map(round).collect() },
        Measured { quantity: Quantity::WaveGrowth, values: growth },
    ]
}

/// How long steps took that ended in each window, and did not fail: what fails may do so at once.
fn steps(windows: &Windows<'_>, operations: &[Operation]) -> Vec<Measured> {
    let mut took: BTreeMap<Step, Vec<Vec<u64>>> = BTreeMap::new();
    let succeeded =
        operations.iter().filter(|operation| !operation.failed && operation.to_micros > windows.from_micros);
    for Operation { step, from_micros, to_micros, .. } in succeeded {
        let at = windows.all.partition_point(|window| window.until_micros < *to_micros);
        let of_step = took.entry(*step).or_insert_with(|| vec![Vec::new(); windows.all.len()]);
        if let Some(of_window) = of_step.get_mut(at) {
            of_window.push(to_micros.saturating_sub(*from_micros));
        }
    }
    took.into_iter().flat_map(|(step, windows)| of_step(step, windows)).collect()
}

fn of_step(step: Step, mut windows: Vec<Vec<u64>>) -> [Measured; 2] {
    windows.retain(|took| took.len() >= FEWEST_OPERATIONS);
    windows.iter_mut().for_each(|took| took.sort_unstable());
    let of = |share| windows.iter().map(|took| millis(quantile(took, share))).collect();
    [
        Measured { quantity: Quantity::StepMedian(step), values: of(0.5) },
        Measured { quantity: Quantity::StepTail(step), values: of(0.95) },
    ]
}

fn sample(
    quantity: Quantity,
    windows: &[Window<'_>],
    value: impl Fn(&Window<'_>) -> Option<f64>,
) -> Measured {
    Measured { quantity, values: windows.iter().filter_map(value).map(round).collect() }
}

fn millis(micros: u64) -> f64 {
    float(micros) / 1e3
}
