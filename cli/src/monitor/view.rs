//! What is shown: rows in our own words, free of the SDK and of clocks, so that any source of samples can be shown.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use exportpool_contract::report;

use super::sample::{Depth, PoolReading, Unreadable};

/// One picture: everything `draw` and `print` need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// The clock, in the reader's time zone.
    pub(crate) at: DateTime<FixedOffset>,
    /// What is watched, in a few words; cut off when there is no room.
    pub(crate) headline: String,
    /// The pool of a cluster that is watched, if one is and it could be read.
    pub(crate) pool: Option<PoolReading>,
    /// Each queue followed by its dead-letter queue.
    pub(crate) queues: Vec<QueueRow>,
    /// The consumers.
    pub(crate) consumers: Vec<ConsumerRow>,
    /// What the levels mean, for the legend.
    pub(crate) thresholds: Thresholds,
    /// Pieces of the last lines: keys, cost. They flow over as many lines as they need.
    pub(crate) footer: Vec<String>,
    /// Whether colours are used. A word or a mark says the same without.
    pub(crate) colour: bool,
}

/// From how many messages on a queue its row is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// Messages in total from which a queue is marked as a warning.
    pub(crate) warn: u64,
    /// Messages in total from which a queue is marked as critical. Not below `warn`.
    pub(crate) critical: u64,
}

/// A queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueRow {
    /// The queue's name.
    pub(crate) queue: String,
    /// Its URL, when it is known.
    pub(crate) url: Option<String>,
    /// Whether it takes the dead letters of another queue.
    pub(crate) dead_letters: bool,
    /// How many messages are on it, or why that is not known.
    pub(crate) depth: Result<Depth, Unreadable>,
    /// Change of the total in messages per second: below 0 it drains. `None` before the second sample.
    pub(crate) rate: Option<f64>,
    /// The rate in a word.
    pub(crate) trend: Trend,
    /// How bad it is.
    pub(crate) level: Level,
}

/// Where a queue is heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trend {
    /// Fewer messages.
    Draining,
    /// More messages.
    Filling,
    /// As many messages.
    Steady,
    /// Too few samples, or the queue cannot be read.
    Unknown,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Below the thresholds; a dead-letter queue that is empty.
    Ok,
    /// From [`Thresholds::warn`].
    Warn,
    /// From [`Thresholds::critical`]; a dead-letter queue that is not empty.
    Critical,
    /// Not known.
    Unknown,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConsumerRow {
    /// The consumer, as host and port, or any other name.
    pub(crate) consumer: String,
    /// Where its report is.
    pub(crate) url: String,
    /// What it says.
    pub(crate) state: Presence,
}

/// Whether a consumer is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Presence {
    /// None, and none was named.
    None,
    /// It was named and cannot be read.
    Unknown(Unreadable),
    /// It says this.
    Here(Box<Pool>),
}

/// What a consumer says of its pool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pool {
    /// The consumer's version.
    pub(crate) version: String,
    /// New at every start.
    pub(crate) instance_id: String,
    /// Told to stop.
    pub(crate) draining: bool,
    /// Whether faults of our own stop the intake.
    pub(crate) breaker: Breaker,
    /// Places with a task.
    pub(crate) busy: u64,
    /// All places.
    pub(crate) total: u64,
    /// Worker threads given up as stuck.
    pub(crate) abandoned: u64,
    /// Tasks waiting in memory.
    pub(crate) waiting: u64,
    /// Jobs in hand.
    pub(crate) jobs: u64,
    /// Tasks done since its start.
    pub(crate) done: u64,
    /// Tasks given up since its start.
    pub(crate) failed: u64,
    /// Tasks done per second. `None` before the second sample of this instance.
    pub(crate) done_per_second: Option<f64>,
    /// 99 of 100 delays of its main loop were below.
    pub(crate) loop_p99: Duration,
    /// The largest delay of its main loop.
    pub(crate) loop_max: Duration,
}

/// Whether faults of our own stop a consumer's intake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// It receives.
    Closed,
    /// It has just begun, and looks whether everything is there.
    Starting,
    /// It receives nothing new; what is unavailable, when it says so.
    Open(Option<String>),
}

impl Trend {
    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Filling => "filling",
            Self::Steady => "steady",
            Self::Unknown => "unknown",
        }
    }
}

impl Level {
    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// In a character, so that colour is never the only sign.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warn => "!",
            Self::Critical => "✗",
            Self::Unknown => "?",
        }
    }
}

impl Presence {
    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown(_) => "unknown",
            Self::Here(pool) => pool.word(),
        }
    }
}

impl Pool {
    /// What it does, in a word: the worst first.
    pub(crate) fn word(&self) -> &'static str {
        match self.breaker {
            Breaker::Open(_) => "breaker open",
            Breaker::Starting => report::Breaker::STARTING,
            Breaker::Closed if self.draining => "draining",
            Breaker::Closed if self.busy > 0 => "working",
            Breaker::Closed => "idle",
        }
    }
}

impl Breaker {
    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Closed => "closed".to_owned(),
            Self::Starting => report::Breaker::STARTING.to_owned(),
            Self::Open(None) => "open".to_owned(),
            Self::Open(Some(resource)) => format!("open: {resource}"),
        }
    }
}

/// Each reason why a queue cannot be read, with the queues it holds for. Queues that share a reason share a line.
pub(crate) fn reasons(queues: &[QueueRow]) -> Vec<(Vec<&str>, &Unreadable)> {
    let mut reasons: Vec<(Vec<&str>, &Unreadable)> = Vec::new();
    for row in queues {
        let Err(why) = &row.depth else { continue };
        match reasons.iter_mut().find(|(_, known)| *known == why) {
            Some((names, _)) => names.push(&row.queue),
            None => reasons.push((vec![&row.queue], why)),
        }
    }
    reasons
}
