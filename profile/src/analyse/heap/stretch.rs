//! Stretches of a profile with little to do, and how little memory is held in them.

use serde::{Deserialize, Serialize};

use super::{growth::warm_up, seconds};
use crate::{
    analyse::memory::{self, held},
    read::Recorded,
    record::{Moment, Wave},
};

/// Of more stretches, the first and the last are kept: so many of each.
const MOST_OF_EACH: usize = 150;
/// A profile without waves that is shorter has stretches of less than a second, in which work does not come and go: it says
/// nothing of growth. In microseconds.
const SHORTEST_MICROS: u64 = 12_000_000;

/// What comes after a wave, until the next one; without waves a tenth of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stretch {
    /// The wave before it, from 1; without waves its own number.
    pub number: u32,
    /// Jobs of that wave; 0 without waves.
    pub jobs: u64,
    /// When they were sent, in seconds since the profile began; without waves when the stretch began.
    pub sent_seconds: f64,
    /// When they were settled: from then on nothing is done. Without waves when the stretch began.
    pub settled_seconds: f64,
    /// When the stretch ended.
    pub until_seconds: f64,
    /// The most that was held from when they were sent on, in bytes.
    pub peak_bytes: u64,
    /// The least that was held since they were settled, in bytes.
    pub floor_bytes: u64,
    /// The least resident memory since then, in bytes.
    pub resident_bytes: u64,
    /// It belongs to the start, when connections are made and buffers grow: its floor does not count.
    pub is_warm_up: bool,
}

/// A wave of jobs, in microseconds since the profile began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) jobs: u64,
    pub(super) sent: u64,
    /// `None`: they were not.
    pub(super) settled: Option<u64>,
    /// When the next one was sent, or the end of time.
    pub(super) until: u64,
}

/// Waves, from what was told of them. Jobs that are sent before those of a wave are settled are of that wave.
pub(super) fn sent(waves: &[Wave]) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    for wave in waves {
        match all.last_mut() {
            Some(last) if last.settled.is_none() && wave.jobs > 0 => last.jobs += wave.jobs,
            Some(last) if wave.jobs == 0 => last.settled = last.settled.or(Some(wave.at_micros)),
            _ if wave.jobs == 0 => {}
            last => {
                if let Some(last) = last {
                    last.until = wave.at_micros;
                }
                all.push(Sent { jobs: wave.jobs, sent: wave.at_micros, settled: None, until: u64::MAX });
            }
        }
    }
    all
}

/// Those after waves, and of a profile without waves all of it but the start. One in which nothing was measured is left out.
pub(super) fn stretches(recorded: &Recorded) -> Vec<Stretch> {
    let waves = sent(&recorded.waves);
    if waves.is_empty() {
        return parts(&recorded.moments);
    }
    let after = |(number, wave)| after(number, wave, &recorded.moments);
    let mut stretches: Vec<_> = (1..).zip(waves).filter_map(after).collect();
    let warm_up = warm_up(stretches.len());
    stretches.iter_mut().take(warm_up).for_each(|stretch| stretch.is_warm_up = true);
    stretches
}

/// Of a profile without waves; none of one that is too short for any to be without work.
pub(super) fn parts(moments: &[Moment]) -> Vec<Stretch> {
    let is_long = moments.last().is_some_and(|last| last.at_micros >= SHORTEST_MICROS);
    let part = |(number, stretch)| part(number, stretch);
    if is_long { (1..).zip(memory::stretches(moments)).filter_map(part).collect() } else { Vec::new() }
}

fn after(number: u32, wave: Sent, moments: &[Moment]) -> Option<Stretch> {
    let settled = wave.settled?;
    let of_wave = within(moments, wave.sent, wave.until);
    let quiet = within(moments, settled, wave.until);
    Some(Stretch {
        number,
        jobs: wave.jobs,
        sent_seconds: seconds(wave.sent),
        settled_seconds: seconds(settled),
        ..measured(of_wave, quiet)?
    })
}

fn part(number: u32, stretch: &[Moment]) -> Option<Stretch> {
    Some(Stretch { number, ..measured(stretch, stretch)? })
}

fn measured(all: &[Moment], quiet: &[Moment]) -> Option<Stretch> {
    let began = seconds(quiet.first()?.at_micros);
    Some(Stretch {
        number: 0,
        jobs: 0,
        sent_seconds: began,
        settled_seconds: began,
        until_seconds: seconds(quiet.last()?.at_micros),
        peak_bytes: all.iter().map(held).max()?,
        floor_bytes: memory::floor(quiet).map(held)?,
        resident_bytes: quiet.iter().map(|moment| moment.rss_bytes).min()?,
        is_warm_up: false,
    })
}

/// What is told from a time on and before another one, in microseconds.
fn within(moments: &[Moment], from: u64, until: u64) -> &[Moment] {
    let before = |end: u64| moments.partition_point(|moment| moment.at_micros < end);
    moments.get(before(from)..before(until)).unwrap_or_default()
}

/// The moments of a stretch since nothing is done.
pub(super) fn quiet<'a>(moments: &'a [Moment], stretch: &Stretch) -> &'a [Moment] {
    let is_before = |moment: &Moment| seconds(moment.at_micros) < stretch.settled_seconds;
    let is_within = |moment: &Moment| seconds(moment.at_micros) <= stretch.until_seconds;
    moments.get(moments.partition_point(is_before)..moments.partition_point(is_within)).unwrap_or_default()
}

/// Few enough to be kept.
pub(super) fn bounded(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    if stretches.len() > 2 * MOST_OF_EACH {
        stretches.drain(MOST_OF_EACH..stretches.len() - MOST_OF_EACH);
    }
    stretches
}
