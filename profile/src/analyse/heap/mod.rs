//! Where memory goes: how much there is over time, what is allocated and not freed, and whether that grows.
//!
//! Memory in use is no leak. What counts is what is left when a wave of jobs is settled and nothing is done: the floor of
//! each quiet stretch. A trend of these floors is tested, not one slope; what grew, and where it was allocated, is what the
//! allocator's samples say at the first of them and at the last.

mod diagnose;
mod growth;
mod live;
mod stretch;
#[cfg(test)]
mod tests;
mod timeline;

use serde::{Deserialize, Serialize};

use super::{
    diagnosis::{Diagnosis, Named, verdict},
    flame::{Kind, Node},
    number::{float, round},
    zone::Zone,
};
use crate::{read::Recorded, record::Moment};
pub use growth::{FEWEST_FLOORS, Growth, Shape};
pub use stretch::Stretch;
pub use timeline::Timeline;

/// Where memory went. Small enough to be kept, and compared with later ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heap {
    /// The worst of its diagnoses.
    pub verdict: Zone,
    /// The process.
    pub figures: Figures,
    /// Memory and work over time.
    pub timeline: Timeline,
    /// Those with little to do, in the order of time; of very many, the first and the last.
    pub stretches: Vec<Stretch>,
    /// How the floors of all of them go.
    pub growth: Growth,
    /// By their numbers, which trees and places have.
    pub functions: Vec<Function>,
    /// By their numbers, which functions have.
    pub crates: Vec<String>,
    /// What was allocated and not freed, of each [`Snapshot`] that there is.
    pub trees: Vec<Tree>,
    /// Where most of it was allocated: the most bytes at any time first.
    pub places: Vec<Place>,
    /// What was found, the worst first.
    pub diagnoses: Vec<Diagnosis<Finding>>,
}

/// The process, over the whole profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Tasks that were settled meanwhile.
    pub settled: u64,
    /// Waves of jobs that were sent; 0: nobody said when there is nothing to do.
    pub waves: u32,
    /// Jobs of all waves.
    pub jobs: u64,
    /// Resident memory.
    pub resident: Span,
    /// What the allocator has given out; nothing where it does not say.
    pub allocated: Span,
    /// Its pages with something of that.
    pub active: Span,
    /// What it keeps mapped without using it.
    pub retained: Span,
}

/// Something that changes with time, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// At the first moment.
    pub first: u64,
    /// At any moment.
    pub most: u64,
    /// At the last moment.
    pub last: u64,
}

impl Span {
    fn of(moments: &[Moment], of: fn(&Moment) -> u64) -> Self {
        let at = |moment: Option<&Moment>| moment.map_or(0, of);
        Self {
            first: at(moments.first()),
            most: moments.iter().map(of).max().unwrap_or(0),
            last: at(moments.last()),
        }
    }
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// Its name, shortened if it is very long.
    pub name: String,
    /// Its number in [`Heap::crates`].
    #[serde(rename = "crate")]
    pub of_crate: u32,
    /// What it is for; `None`: whatever its caller is for.
    pub kind: Option<Kind>,
}

/// What a tree is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Snapshot {
    /// The most that was allocated.
    Peak,
    /// The last that was told.
    End,
    /// What the last floors have more than the first.
    Growth,
}

/// What was allocated and not freed, by who called whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// When.
    pub of: Snapshot,
    /// In seconds since the profile began; of what grew, of the last floor.
    pub seconds: f64,
    /// All of it, in bytes, estimated from samples.
    pub bytes: u64,
    /// What has fewer bytes is together with others.
    pub least_bytes: u64,
    /// A caller comes before what it calls, and the heavier of two before the lighter; their samples are bytes.
    pub nodes: Vec<Node>,
}

/// Where something was allocated: stacks with the same innermost function that is not the language's or the allocator's, and
/// the same last function of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// That function, by its number.
    pub function: u32,
    /// The last function of ours on the way to it; itself, if it is ours.
    pub ours: Option<u32>,
    /// Allocated there and not freed when that was most of all, in bytes, estimated from samples.
    pub peak_bytes: u64,
    /// The last that was told.
    pub end_bytes: u64,
    /// At the first floors, on average.
    pub before_bytes: u64,
    /// At the last floors, on average.
    pub after_bytes: u64,
}

/// What may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// What is left after each wave grows.
    Leak,
    /// Much memory is taken, and not for what is allocated.
    Overhead,
    /// The recording is not whole, or its jobs were not done.
    Incomplete,
    /// Nothing can be said of growth yet.
    TooFewWaves,
    /// The same, where there are no waves.
    TooShort,
    /// It grew, and does no more.
    Plateau,
    /// It goes back after each wave.
    Sawtooth,
    /// It does not grow, where there are no waves.
    Steady,
    /// There was nothing to do.
    Idle,
}

impl Named for Finding {
    fn words(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Overhead => "memory that is not allocated",
            Self::Incomplete => "recording not whole",
            Self::TooFewWaves => "too few waves to say",
            Self::TooShort => "too short to say",
            Self::Plateau => "plateau",
            Self::Sawtooth => "healthy sawtooth",
            Self::Steady => "no growth",
            Self::Idle => "idle",
        }
    }
}

/// Says where memory went, and whether it leaks.
#[must_use]
pub fn heap(recorded: &Recorded) -> Heap {
    let figures = figures(recorded);
    let stretches = stretch::stretches(recorded);
    let growth = Growth::of(&stretches, figures.waves > 0);
    let live = live::Live::of(recorded, &stretches);
    let grown = live.grown();
    let diagnoses =
        diagnose::Case { recorded, figures, stretches: &stretches, growth, grown: &grown }.diagnoses();
    let kept = live.kept();
    Heap {
        verdict: verdict(&diagnoses),
        figures,
        timeline: Timeline::of(recorded, &stretches),
        stretches: stretch::bounded(stretches),
        growth,
        functions: kept.functions,
        crates: kept.crates,
        trees: kept.trees,
        places: kept.places,
        diagnoses,
    }
}

/// How memory goes in a profile of which nobody said when there is nothing to do.
pub(super) fn growth(moments: &[Moment]) -> Growth {
    Growth::of(&stretch::parts(moments), false)
}

fn figures(recorded: &Recorded) -> Figures {
    let moments = &recorded.moments;
    let of = |of| Span::of(moments, of);
    let settled = of(|moment| moment.settled);
    let sent = stretch::sent(&recorded.waves);
    Figures {
        seconds: seconds(moments.last().map_or(0, |moment| moment.at_micros)),
        settled: settled.last.saturating_sub(settled.first),
        waves: u32::try_from(sent.len()).unwrap_or(u32::MAX),
        jobs: sent.iter().map(|wave| wave.jobs).sum(),
        resident: of(|moment| moment.rss_bytes),
        allocated: of(|moment| moment.allocated_bytes),
        active: of(|moment| moment.active_bytes),
        retained: of(|moment| moment.retained_bytes),
    }
}

fn seconds(micros: u64) -> f64 {
    round(float(micros) / 1e6)
}
