//! Where the time of messages goes: what is done for each, what determined when it ended, and what could have been done
//! at the same time.
//!
//! A message's *critical path* is the chain of operations that determined when it ended (J. E. Kelley, M. R. Walker,
//! "Critical-Path Planning and Scheduling", Eastern Joint Computer Conference 1959): its deletion waited for the record that
//! ended last, which waited for the other steps of that task, which waited for the message to be admitted. To make anything
//! else faster gains nothing.

mod diagnose;
mod free;
mod group;
mod keep;
mod line;
mod message;
mod parallel;
mod path;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{
    diagnosis::{Diagnosis, Named, verdict},
    number::{float, round},
    quantile::quantile,
    zone::Zone,
};
use crate::{read::Recorded, record::Step};
use group::Durations;
pub(super) use message::Messages;
use path::Path;

/// All steps, in the order of a message's way.
pub const STEPS: [Step; 10] = [
    Step::Receive,
    Step::Admit,
    Step::Wait,
    Step::Claim,
    Step::Connect,
    Step::FirstByte,
    Step::Body,
    Step::Store,
    Step::Record,
    Step::Acknowledge,
];

/// Where the time of messages went. Small enough to be kept, and compared with later ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bubble {
    /// The worst of its diagnoses.
    pub verdict: Zone,
    /// All messages.
    pub figures: Figures,
    /// The steps that were seen, in the order of [`STEPS`].
    pub groups: Vec<Group>,
    /// What waited for what, in that order as well.
    pub lines: Vec<Line>,
    /// Tasks that could have been done side by side.
    pub chains: Chains,
    /// What was done at the same time.
    pub parallelism: Parallelism,
    /// Some messages, as [`Group::slowest`] names them: the slowest, some near the median, and those of slow operations.
    pub messages: Vec<Waterfall>,
    /// What was found, the worst first; one that says so where nothing was.
    pub diagnoses: Vec<Diagnosis<Holdup>>,
}

/// All messages, over the whole profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How long the profile was, in seconds.
    pub seconds: f64,
    /// Operations.
    pub operations: usize,
    /// Messages that came to an end: they were deleted, or given back because something failed.
    pub messages: usize,
    /// Messages that did not, by the end of the profile: they have no critical path.
    pub unfinished: usize,
    /// Tasks of all messages.
    pub tasks: usize,
    /// Half of the messages came to an end within this, in microseconds, from when SQS was asked for them.
    pub p50_micros: u64,
    /// 95 of 100.
    pub p95_micros: u64,
    /// 99 of 100.
    pub p99_micros: u64,
    /// All.
    pub max_micros: u64,
    /// All critical paths together, in microseconds: the time of all messages.
    pub path_micros: u64,
    /// Of it on no operation, in microseconds.
    pub gap_micros: u64,
}

/// The operations of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Which.
    pub step: Step,
    /// Operations.
    pub count: u64,
    /// Of them failed; of waiting for a slot: without having one. A task's failure is of the step that failed first, and not of
    /// the record that says so.
    pub failures: u64,
    /// Half of them took no longer than this, in microseconds.
    pub p50_micros: u64,
    /// 95 of 100.
    pub p95_micros: u64,
    /// 99 of 100.
    pub p99_micros: u64,
    /// All.
    pub max_micros: u64,
    /// All of them together, in microseconds, also where they were at the same time.
    pub total_micros: u64,
    /// Of it on critical paths, in microseconds.
    pub path_micros: u64,
    /// The slowest of them, the slowest first.
    pub slowest: Vec<Slow>,
}

/// An operation that was slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slow {
    /// Its message's number.
    pub message: u64,
    /// Its task's number in the message; none: it was done for the message as a whole.
    pub task: Option<u32>,
    /// Since the profile began, in microseconds.
    pub from_micros: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// It did not succeed.
    pub failed: bool,
}

/// A step that waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The step that comes first.
    pub before: Step,
    /// The step that waits for it.
    pub after: Step,
    /// How often.
    pub count: u64,
    /// Time between the two on critical paths, on no operation, in microseconds.
    pub gap_micros: u64,
}

/// Tasks of one message, and how far they were done side by side. A task is worked on from its slot until it leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chains {
    /// Messages with several tasks that were worked on.
    pub messages: u64,
    /// Of them, how many tasks were worked on at a time, on average from the first slot to the last task's end.
    pub side_by_side: f64,
    /// From when the first task might have had a slot until the last one left its own: the median, in microseconds.
    pub span_micros: u64,
    /// The longest task of a message, which is how long all take side by side: the median, in microseconds.
    pub longest_micros: u64,
    /// Messages with several tasks that were done one after another although slots were free.
    pub serial: u64,
    /// Each of those could have ended so much earlier at least, as what ends earlier makes room for others: the median, in
    /// microseconds.
    pub saving_micros: u64,
    /// All of them together, in microseconds.
    pub savings_micros: u64,
    /// Other messages with a task that waited although a slot was free, for 100 ms or more.
    pub held: u64,
    /// They waited for so long then: the median, in microseconds.
    pub held_micros: u64,
    /// Messages with one task that was worked on.
    pub single: u64,
}

/// What was done at the same time, in as many stretches as a page can show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parallelism {
    /// The end of each stretch, in seconds since the profile began.
    pub seconds: Vec<f64>,
    /// Each step that was seen, in the order of [`STEPS`].
    pub steps: Vec<Open>,
}

/// How many operations of a step were open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Which step.
    pub step: Step,
    /// On average, for each stretch.
    pub average: Vec<f64>,
    /// At most, for each stretch.
    pub peak: Vec<u32>,
}

/// What was done for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waterfall {
    /// The message's number.
    pub message: u64,
    /// Why it is kept.
    pub kept: Kept,
    /// Its tasks.
    pub tasks: u32,
    /// When it began, since the profile did, in microseconds.
    pub from_micros: u64,
    /// How long it took, in microseconds; of one that came to no end, until the last that is known of it.
    pub micros: u64,
    /// Its operations, as they began: those of its critical path, and of the tasks that ended last.
    pub rows: Vec<Row>,
    /// So many are left out.
    pub left_out: usize,
}

/// Why a message is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// It took about as long as half of the messages.
    Typical,
    /// It is among those that took longest.
    Slow,
    /// One of its operations is among the slowest of its step.
    SlowOperation,
}

/// An operation of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RowFields", into = "RowFields")]
pub struct Row {
    /// The task's number; none: it was done for the message as a whole.
    pub task: Option<u32>,
    /// What.
    pub step: Step,
    /// Since the message began, in microseconds.
    pub from_micros: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// It did not succeed.
    pub failed: bool,
    /// It is on the critical path.
    pub is_critical: bool,
}

/// As a row is written: there are many.
type RowFields = (Option<u32>, Step, u64, u64, bool, bool);

impl From<RowFields> for Row {
    fn from((task, step, from_micros, micros, failed, is_critical): RowFields) -> Self {
        Self { task, step, from_micros, micros, failed, is_critical }
    }
}

impl From<Row> for RowFields {
    fn from(row: Row) -> Self {
        (row.task, row.step, row.from_micros, row.micros, row.failed, row.is_critical)
    }
}

/// What may hold messages up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Holdup {
    /// The recording is not whole, or its jobs were not settled in time.
    Incomplete,
    /// Operations of a step fail.
    Failing,
    /// S3 takes long to store.
    SlowStore,
    /// `DynamoDB` takes long.
    SlowTable,
    /// Reading a message, and claiming its job, takes long.
    SlowAdmit,
    /// Deleting messages takes long.
    SlowAcknowledge,
    /// The source takes long to answer.
    SlowSource,
    /// Tasks of one message are done one after another, although slots are free.
    Serial,
    /// Tasks wait although slots are free.
    Held,
    /// Much of the time is on no operation.
    Gaps,
    /// Messages wait for slots most of their time.
    Saturated,
    /// One step has most of the time of messages that have a slot.
    Dominant,
    /// Too few operations to say anything.
    TooFew,
    /// There was nothing to do.
    Idle,
    /// No step has most of the time, and nothing is slow.
    Balanced,
}

impl Named for Holdup {
    fn words(self) -> &'static str {
        match self {
            Self::Incomplete => "recording not whole",
            Self::Failing => "failing step",
            Self::SlowStore => "slow store",
            Self::SlowTable => "slow table",
            Self::SlowAdmit => "slow admission",
            Self::SlowAcknowledge => "slow acknowledge",
            Self::SlowSource => "slow source",
            Self::Serial => "serial although slots are free",
            Self::Held => "waiting although slots are free",
            Self::Gaps => "time on no operation",
            Self::Saturated => "starved pool",
            Self::Dominant => "where the time goes",
            Self::TooFew => "too few operations",
            Self::Idle => "idle",
            Self::Balanced => "balanced",
        }
    }
}

/// Says where the time of messages went.
#[must_use]
pub fn bubble(recorded: &Recorded) -> Bubble {
    let messages = Messages::of(&recorded.operations);
    let paths: Vec<(u64, Path)> = messages
        .each()
        .filter(|message| message.has_ended())
        .map(|message| (message.number, path::path(message)))
        .collect();
    let durations = group::durations(&messages);
    let groups = group::groups(&messages, &durations, &paths);
    let lines = line::lines(&messages, &paths);
    let chains = free::chains(&messages, &recorded.began, &recorded.moments);
    let end_micros = end_micros(recorded);
    let figures = figures(&messages, &paths, end_micros);
    let case = diagnose::Case {
        recorded,
        figures,
        groups: &groups,
        lines: &lines,
        durations: &durations,
        chains,
        paths: &paths,
    };
    let diagnoses = case.diagnoses();
    Bubble {
        verdict: verdict(&diagnoses),
        figures,
        lines,
        chains,
        parallelism: parallel::parallelism(messages.all(), end_micros),
        messages: keep::keep(&messages, &paths, &groups),
        groups,
        diagnoses,
    }
}

/// When the last that is known was, since the profile began, in microseconds.
fn end_micros(recorded: &Recorded) -> u64 {
    let last = recorded.moments.last().map_or(0, |moment| moment.at_micros);
    recorded.operations.iter().map(|operation| operation.to_micros).max().unwrap_or(0).max(last)
}

fn figures(messages: &Messages, paths: &[(u64, Path)], end_micros: u64) -> Figures {
    let mut took: Vec<u64> = paths.iter().map(|(_, path)| path.micros()).collect();
    took.sort_unstable();
    Figures {
        seconds: round(float(end_micros) / 1e6),
        operations: messages.all().len(),
        messages: paths.len(),
        unfinished: messages.each().count() - paths.len(),
        tasks: messages.each().map(|message| message.tasks().count()).sum(),
        p50_micros: quantile(&took, 0.5),
        p95_micros: quantile(&took, 0.95),
        p99_micros: quantile(&took, 0.99),
        max_micros: took.last().copied().unwrap_or(0),
        path_micros: took.iter().sum(),
        gap_micros: paths.iter().map(|(_, path)| path.gap_micros()).sum(),
    }
}
