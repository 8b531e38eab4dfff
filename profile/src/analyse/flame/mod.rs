//! Where CPU time goes: a tree of calls, shares of functions, crates and kinds, and what is worth a look.
//!
//! Each thread notes its stack 99 times a second of its CPU time. A function's share of the samples estimates its share of the
//! CPU time: its *own* samples have it innermost, its *total* ones have it anywhere, and count once however often it recurs
//! (S. L. Graham, P. B. Kessler, M. K. McKusick, "gprof", SIGPLAN 1982; B. Gregg, "The Flame Graph", CACM 59(6), 2016).

pub mod compare;
mod count;
mod diagnose;
pub mod name;
#[cfg(test)]
mod tests;
mod tree;

use serde::{Deserialize, Serialize};

use super::{
    diagnosis::{Diagnosis, Named, verdict},
    number::{float, round},
    zone::Zone,
};
use crate::read::Recorded;
pub use compare::{Change, Difference, Shift, compare};
use count::Counts;
pub(super) use count::{interned, shortened};
pub use name::Kind;
pub(super) use tree::{Tree, in_page, raised};

/// Where CPU time went. Small enough to be kept, and compared with later ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flame {
    /// The worst of its diagnoses.
    pub verdict: Zone,
    /// The process.
    pub figures: Figures,
    /// By their numbers, which trees have: the most total samples first. Rare ones are left out.
    pub functions: Vec<Function>,
    /// All of them, by their numbers, which functions have: the most samples of their own first.
    pub crates: Vec<CrateShare>,
    /// One of each kind, in the order of [`Kind::ALL`].
    pub kinds: Vec<KindShare>,
    /// All threads together, then all workers, if there are several, then each thread: the most samples first.
    pub threads: Vec<Thread>,
    /// What was found, the worst first; one that says so where nothing was.
    pub diagnoses: Vec<Diagnosis<Hotspot>>,
}

/// The process, over the whole profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Samples of all threads.
    pub samples: u64,
    /// CPU time of the process, in seconds, as the kernel counts it; as samples have it, where it is not told.
    pub cpu_seconds: f64,
    /// CPUs that the process used on average: 1 is one CPU all the time.
    pub cpus: f64,
    /// Functions with fewer total samples than this were left out.
    pub least_of_functions: u64,
    /// So many.
    pub left_out_functions: usize,
    /// Frames of the tree of all threads with fewer are one: others.
    pub least_of_all: u64,
    /// The same for the other trees.
    pub least_of_threads: u64,
}

/// A function's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Function {
    /// Its name, shortened if it is very long.
    pub name: String,
    /// Its number in [`Flame::crates`].
    #[serde(rename = "crate")]
    pub of_crate: u32,
    /// What it is for; `None`: whatever its caller is for.
    pub kind: Option<Kind>,
    /// Samples that have it innermost.
    pub own: u64,
    /// Samples that have it anywhere.
    pub total: u64,
}

/// A crate's share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrateShare {
    /// Its name, with underscores.
    pub name: String,
    /// Samples that have one of its functions innermost.
    pub own: u64,
    /// Samples that have one anywhere.
    pub total: u64,
}

/// What a kind has a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindShare {
    /// Which.
    pub kind: Kind,
    /// Samples whose innermost function that is of a kind is of this one: those of all kinds add up to all samples.
    pub own: u64,
    /// Samples with a function of this kind anywhere, but those whose own kind is the runtime: a socket that is read for TLS
    /// decrypts nothing. `None`: of the kinds that call everything it would say nothing.
    pub total: Option<u64>,
}

/// A thread, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its name; of several what they are.
    pub name: String,
    /// How many it is.
    pub threads: usize,
    /// Their samples.
    pub samples: u64,
    /// Their calls: a caller comes before what it calls, and the heavier of two before the lighter.
    pub nodes: Vec<Node>,
}

/// A function where it was called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, Option<u32>, u64, u64)", into = "(u32, Option<u32>, u64, u64)")]
pub struct Node {
    /// So many callers are above it.
    pub depth: u32,
    /// Its number in [`Flame::functions`]; `None`: several that were too rare.
    pub function: Option<u32>,
    /// Samples that end here.
    pub own: u64,
    /// Samples that come by.
    pub total: u64,
}

impl From<(u32, Option<u32>, u64, u64)> for Node {
    fn from((depth, function, own, total): (u32, Option<u32>, u64, u64)) -> Self {
        Self { depth, function, own, total }
    }
}

impl From<Node> for (u32, Option<u32>, u64, u64) {
    fn from(node: Node) -> Self {
        (node.depth, node.function, node.own, node.total)
    }
}

/// What may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hotspot {
    /// A function has much of the CPU time to itself.
    Function,
    /// A function of ours has much of it, with what it calls.
    Caller,
    /// JSON has.
    Json,
    /// The allocator has.
    Allocator,
    /// TLS and signatures have.
    Tls,
    /// Nobody knows what functions are called.
    Unnamed,
    /// The recording is not whole.
    Incomplete,
    /// Too few samples to say anything.
    TooFew,
    /// There was nothing to do.
    Idle,
    /// Nothing has much of it.
    Even,
}

impl Named for Hotspot {
    fn words(self) -> &'static str {
        match self {
            Self::Function => "hot function",
            Self::Caller => "hot path",
            Self::Json => "much JSON",
            Self::Allocator => "much allocation",
            Self::Tls => "much TLS and signing",
            Self::Unnamed => "functions without names",
            Self::Incomplete => "recording not whole",
            Self::TooFew => "too few samples",
            Self::Idle => "idle",
            Self::Even => "no hot spot",
        }
    }
}

/// Says where CPU time went.
#[must_use]
pub fn flame(recorded: &Recorded) -> Flame {
    let counts = Counts::of(recorded);
    let crates = counts.crates();
    let kept = tree::keep(&counts);
    let figures = figures(recorded, &counts, &kept);
    let kinds = counts.kinds();
    let ours = counts.ours();
    let diagnoses =
        diagnose::diagnoses(&diagnose::Case { recorded, counts: &counts, figures, kinds: &kinds, ours });
    Flame {
        verdict: verdict(&diagnoses),
        figures,
        functions: kept.numbers.iter().map(|number| counts.function(*number, &crates)).collect(),
        crates,
        kinds,
        threads: kept.threads,
        diagnoses,
    }
}

fn figures(recorded: &Recorded, counts: &Counts<'_>, kept: &tree::Kept) -> Figures {
    let last = recorded.moments.last().map_or(0, |moment| moment.at_micros);
    let last = recorded.samples.last().map_or(last, |samples| last.max(samples.at_micros));
    let seconds = float(last) / 1e6;
    let told: u64 = recorded.moments.iter().map(|moment| moment.cpu_micros).sum();
    // What the kernel counts is more exact than samples are.
    let used = if told > 0 { float(told) / 1e6 } else { counts.cpu_seconds };
    Figures {
        seconds: round(seconds),
        samples: counts.samples,
        cpu_seconds: round(used),
        cpus: if seconds > 0.0 { round(used / seconds) } else { 0.0 },
        least_of_functions: kept.least_of_functions,
        left_out_functions: counts.names.len() - kept.numbers.len(),
        least_of_all: kept.least_of_all,
        least_of_threads: kept.least_of_threads,
    }
}
