//! What a profiled process tells: a line of JSON each.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// Of [`Began::schema`]: a stream of another one is not understood.
pub const SCHEMA: u32 = 1;
/// How long a [`Moment`] is, in microseconds.
pub const MOMENT_MICROS: u64 = 100_000;

/// A span as records have it, in microseconds: of one that is too long the most there are.
#[must_use]
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A line of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Record {
    /// The first one.
    Began(Began),
    /// How things were for a tenth of a second.
    Moment(Moment),
    /// A loop that does not answer, and what its thread was doing.
    Blocked(Blocked),
    /// A stack that later records name by its number.
    Stack(Stack),
    /// Loops that do not answer are not asked for their stacks any more.
    NoStacks {
        /// What keeps them from it.
        why: String,
    },
    /// What threads were doing on their CPUs.
    Samples(Samples),
    /// What was allocated and not freed.
    Live(Live),
    /// Something that was done for a message.
    Operation(Operation),
    /// Operations that are not told, since the record before: whoever reads is too slow for them.
    LeftOut {
        /// So many.
        operations: u64,
    },
    /// Jobs are sent, the next so many: whoever records it writes this.
    Wave(Wave),
    /// How many messages are on the queues: whoever records it writes this, once a second.
    Queues(Queues),
    /// The last one, of a profile that was not cut off: whoever records it writes this, or a consumer that cannot go on.
    Ended(Ending),
}

/// How a profile ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "camelCase")]
pub enum Ending {
    /// Its jobs were settled.
    Settled,
    /// Its time was over.
    Over,
    /// Somebody ended it.
    Interrupted,
    /// Its jobs were not settled in time.
    Overdue,
    /// The consumer went away.
    Gone {
        /// How that was seen.
        why: String,
    },
    /// Whoever gave it its jobs, or recorded it, could not go on.
    BrokenOff {
        /// What was missing.
        why: String,
    },
}

/// Whose profile it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Began {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What is profiled.
    pub tool: Tool,
    /// The consumer's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Milliseconds since the Unix epoch.
    pub unix_millis: u64,
    /// Worker threads.
    pub workers: u32,
    /// Tasks at a time on each.
    pub tasks_per_worker: u32,
    /// CPUs that the process may use, at least 1.
    pub cpus: u32,
    /// The operating system in a word, such as `linux`.
    #[serde(default)]
    pub os: String,
    /// Its processor, such as `x86_64, AMD EPYC 7763 64-Core Processor`.
    #[serde(default)]
    pub processor: String,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    /// What ails it.
    Doctor,
    /// Where the time of a message goes.
    Bubble,
    /// Where CPU time goes.
    Flame,
    /// Where memory goes.
    Heap,
}

impl Tool {
    /// As it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Bubble => "bubble",
            Self::Flame => "flame",
            Self::Heap => "heap",
        }
    }

    /// Where a consumer answers with its records, at its port for profiles.
    #[must_use]
    pub fn path(self) -> String {
        format!("/profile/{}", self.name())
    }

    /// What was seen is told after this at the latest.
    #[must_use]
    pub const fn tells_every(self) -> Duration {
        match self {
            Self::Doctor | Self::Bubble => Duration::from_millis(200),
            Self::Flame | Self::Heap => Duration::from_millis(2_200),
        }
    }
}

/// How things were since the moment before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Since the profile began, in microseconds.
    pub at_micros: u64,
    /// Each loop, main first.
    pub loops: Vec<LoopMoment>,
    /// CPU time of the whole process, in microseconds.
    pub cpu_micros: u64,
    /// What a hypervisor gave of this machine's CPUs to others although something here was ready, on all CPUs together, in
    /// microseconds; 0 where nobody says.
    #[serde(default)]
    pub stolen_micros: u64,
    /// CPU time of each thread that had some, by its name, in microseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub threads: BTreeMap<String, u64>,
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// What the allocator has given out, in bytes; 0 where it does not say.
    pub allocated_bytes: u64,
    /// Its pages with something that it has given out, in bytes; 0 where it does not say.
    #[serde(default)]
    pub active_bytes: u64,
    /// What it keeps mapped without using it, in bytes; 0 where it does not say.
    #[serde(default)]
    pub retained_bytes: u64,
    /// Slots with a task.
    pub busy: u32,
    /// Tasks that wait in memory for a slot.
    pub waiting: u32,
    /// Messages in hand.
    pub in_hand: u32,
    /// Tasks that were settled since the start of the process.
    pub settled: u64,
    /// Of them those that failed for good.
    #[serde(default)]
    pub failed: u64,
}

/// A loop, and the thread that it is on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopMoment {
    /// The thread's name: `main`, `worker-3`.
    pub name: String,
    /// How late each probe was answered, in microseconds.
    pub late_micros: Vec<u32>,
    /// For so long the newest probe has not been answered, in microseconds.
    pub unanswered_micros: u64,
    /// The most of any of these that was no waiting for a CPU, in microseconds: neither for other threads nor for a hypervisor.
    pub away_micros: u64,
    /// CPU time of the thread, in microseconds.
    pub cpu_micros: u64,
    /// For so long it was ready and waited for a CPU, in microseconds.
    pub run_queue_micros: u64,
}

/// A loop that does not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blocked {
    /// When that was seen, since the profile began, in microseconds.
    pub at_micros: u64,
    /// The thread's name.
    pub name: String,
    /// For how long it had not answered by then, in microseconds.
    pub for_micros: u64,
    /// What its thread was doing, the innermost function first.
    pub stack: Vec<String>,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its number, from 0.
    pub id: u32,
    /// Its functions, the innermost first.
    pub frames: Vec<String>,
}

/// What threads were doing on their CPUs since the record before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Samples {
    /// Since the profile began, in microseconds.
    pub at_micros: u64,
    /// Samples of a second of CPU time.
    pub hertz: u32,
    /// Each thread's stacks.
    pub samples: Vec<Sample>,
}

/// A stack of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The thread's name.
    pub thread: String,
    /// [`Stack::id`].
    pub stack: u32,
    /// How often it was seen.
    pub count: u32,
}

/// What was allocated and not freed, as the allocator's samples tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Since the profile began, in microseconds.
    pub at_micros: u64,
    /// By where it was allocated.
    pub allocations: Vec<Allocation>,
}

/// What was allocated at one place and not freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// [`Stack::id`].
    pub stack: u32,
    /// Bytes, estimated from samples.
    pub bytes: u64,
}

/// Something that was done for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The message's number in this profile.
    pub message: u64,
    /// The task's number in its message; none: it was done for the message as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u32>,
    /// What.
    pub step: Step,
    /// Since the profile began, in microseconds.
    pub from_micros: u64,
    /// Not before `from_micros`.
    pub to_micros: u64,
    /// It did not succeed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// What is done for a message, in the order of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// SQS gives it.
    Receive,
    /// It is read and checked, and its job is claimed.
    Admit,
    /// A task waits for a slot.
    Wait,
    /// The task is claimed in the table.
    Claim,
    /// The source is connected to.
    Connect,
    /// The source is asked, until the first byte of its answer.
    FirstByte,
    /// The file comes, and parts of it are stored meanwhile.
    Body,
    /// What is left of it is stored.
    Store,
    /// The outcome is recorded, with others.
    Record,
    /// The message is deleted.
    Acknowledge,
}

impl Step {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Admit => "admit",
            Self::Wait => "wait for a slot",
            Self::Claim => "claim",
            Self::Connect => "connect",
            Self::FirstByte => "first byte",
            Self::Body => "body",
            Self::Store => "store",
            Self::Record => "record",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// Jobs that are sent together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// Since the profile began, in microseconds.
    pub at_micros: u64,
    /// So many jobs; 0: those before are settled, and what was allocated for them should be free.
    pub jobs: u64,
}

/// How many messages are on the queues, as SQS approximates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// Since the profile began, in microseconds.
    pub at_micros: u64,
    /// Not received, or visible again, on the queues of work.
    pub waiting: u64,
    /// Received, and neither deleted nor visible again.
    pub in_flight: u64,
    /// On the queues of dead letters.
    pub dead: u64,
}

/// Records that tests are made from.
#[cfg(test)]
pub(crate) mod fixture {
    use super::{Began, SCHEMA, Tool};

    /// Two workers with a task each, on two CPUs.
    pub(crate) fn began(tool: Tool) -> Began {
        Began {
            schema: SCHEMA,
            tool,
            version: "1.2.3".to_owned(),
            pid: 7,
            unix_millis: 0,
            workers: 2,
            tasks_per_worker: 1,
            cpus: 2,
            os: "linux".to_owned(),
            processor: "x86_64, of a test".to_owned(),
        }
    }
}
