//! What may happen next. Numbers pick among what is possible then; a step for which nothing is possible is passed
//! over.

use proptest::prelude::*;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A poll under way brings so many messages, at most what it asked for.
    Answer { poll: u8, messages: u8, again: bool },
    /// A poll under way fails.
    PollFails { poll: u8 },
    /// A message is read: it stays whole, and has so many tasks that are to be done.
    Whole { message: u8, tasks: u8 },
    /// A job is read, and its rest is being handed over.
    Begun { message: u8, tasks: u8, rest: u8 },
    /// The rest of a job is handed over, goes on as another message, or is given up.
    Split { job: u8, given_up: bool },
    /// The rest of a job cannot be handed over.
    SplitFails { job: u8 },
    /// Another delivery has the job.
    JobLost { job: u8 },
    /// A message is refused; its dead letter is sent.
    Refused { message: u8 },
    /// The first page of a job could not be read: it comes again.
    AdmitLater { message: u8 },
    /// A message cannot be read, by a fault of ours.
    AdmitFails { message: u8, queue: bool },
    /// A task leaves its slot.
    Finish { task: u8, how: Finish },
    /// A task is settled, as its result allows.
    Settle { task: u8, how: u8, fault: bool },
    /// An extension is answered; each lease fares as its two bits say.
    Extended { request: u8, how: u16 },
    /// A delete is answered.
    Deleted { message: u8, how: u8 },
    /// A resource that is looked at answers, or says why not.
    Looked { resource: u8, answers: bool },
    /// A worker thread ends under its tasks.
    WorkerDies { worker: u8 },
    /// A worker's runtime does not move.
    WorkerSticks { worker: u8 },
    /// A worker that was given up moves again, and tells of a task.
    StuckSpeaks { task: u8, how: Finish },
    /// So many of the next threads cannot be started.
    NoThreads { times: u8 },
    /// Reading a message panics, or handing over its rest.
    AdmitPanics { message: u8, splitting: bool },
    /// Work that goes on trying meets a fault of ours.
    Failing { table: bool },
    /// Time passes.
    Pass { seconds: u8 },
    /// Half an hour passes, and each extension is answered.
    PassLong,
    /// The signal to stop.
    Drain,
    /// The grace period is nearly over.
    CancelAll,
}

/// How a task leaves its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Stored,
    AlreadyDone,
    Final,
    Retry,
    Ours {
        table: bool,
        claimed: bool,
    },
    Fenced,
    /// Only when it was told to; else it is stored.
    Cancelled {
        claimed: bool,
    },
    Panicked,
    /// Its worker was given up.
    Stuck,
}

impl Step {
    /// Nothing in it ends a lease before its time.
    pub(super) const fn keeps_leases(&self) -> bool {
        !matches!(self, Self::JobLost { .. } | Self::Extended { .. } | Self::Pass { .. })
    }
}

fn finish() -> impl Strategy<Value = Finish> {
    prop_oneof![
        6 => Just(Finish::Stored),
        1 => Just(Finish::AlreadyDone),
        1 => Just(Finish::Final),
        2 => Just(Finish::Retry),
        1 => any::<[bool; 2]>().prop_map(|[table, claimed]| Finish::Ours { table, claimed }),
        1 => Just(Finish::Fenced),
        2 => any::<bool>().prop_map(|claimed| Finish::Cancelled { claimed }),
        1 => Just(Finish::Panicked),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    prop_oneof![
        8 => (n(), 0_u8..11, any::<bool>()).prop_map(|(poll, messages, again)| Step::Answer { poll, messages, again }),
        1 => n().prop_map(|poll| Step::PollFails { poll }),
        6 => (n(), 0_u8..6).prop_map(|(message, tasks)| Step::Whole { message, tasks }),
        3 => (n(), 0_u8..6, 1_u8..200).prop_map(|(message, tasks, rest)| Step::Begun { message, tasks, rest }),
        3 => (n(), prop::bool::weighted(0.1)).prop_map(|(job, given_up)| Step::Split { job, given_up }),
        1 => n().prop_map(|job| Step::SplitFails { job }),
        1 => n().prop_map(|job| Step::JobLost { job }),
        1 => n().prop_map(|message| Step::Refused { message }),
        1 => n().prop_map(|message| Step::AdmitLater { message }),
        1 => (n(), any::<bool>()).prop_map(|(message, queue)| Step::AdmitFails { message, queue }),
        8 => (n(), finish()).prop_map(|(task, how)| Step::Finish { task, how }),
        8 => (n(), n(), prop::bool::weighted(0.1)).prop_map(|(task, how, fault)| Step::Settle { task, how, fault }),
        3 => (n(), any::<u16>()).prop_map(|(request, how)| Step::Extended { request, how }),
        5 => (n(), n()).prop_map(|(message, how)| Step::Deleted { message, how }),
        4 => (n(), prop::bool::weighted(0.8)).prop_map(|(resource, answers)| Step::Looked { resource, answers }),
        1 => n().prop_map(|worker| Step::WorkerDies { worker }),
        1 => n().prop_map(|worker| Step::WorkerSticks { worker }),
        2 => (n(), finish()).prop_map(|(task, how)| Step::StuckSpeaks { task, how }),
        1 => (1_u8..4).prop_map(|times| Step::NoThreads { times }),
        1 => (n(), any::<bool>()).prop_map(|(message, splitting)| Step::AdmitPanics { message, splitting }),
        1 => any::<bool>().prop_map(|table| Step::Failing { table }),
        4 => (1_u8..30).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::PassLong),
        1 => Just(Step::Drain),
        1 => Just(Step::CancelAll),
    ]
}
