//! What goes between the threads: what main is told, and what it wants done.

use std::time::{Duration, Instant};

use crate::{
    fail::{AwsFault, TaskFault},
    message::{LeaseId, QueueName, Receipt, Received, Stored, Task, TaskNo},
    ports::{Claimed, Entry},
};

/// Names a worker thread; a replacement has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// A thread of which there is one, and that lasts as long as the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThreadName {
    /// Talks to SQS.
    Link,
    /// Reads messages.
    Admit,
    /// Settles tasks.
    Record,
}

impl ThreadName {
    /// As the operating system has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Admit => "admit",
            Self::Record => "record",
        }
    }
}

/// Something a consumer cannot work without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Both queues.
    Queues,
    /// The bucket.
    Bucket,
    /// The table.
    Table,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Queues, Self::Bucket, Self::Table];
}

/// What a worker made of a task. The slot is free again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkResult {
    /// The object stands in the bucket.
    Stored {
        /// The claim it was stored under.
        claimed: Claimed,
        /// The object.
        object: Stored,
        /// From claim to stored.
        service: Duration,
    },
    /// Another delivery had it done before.
    AlreadyDone,
    /// It did not work.
    Faulted {
        /// The claim, when it came to that.
        claimed: Option<Claimed>,
        /// Why.
        fault: TaskFault,
    },
    /// Told to stop, or it waited for what others have for too long.
    Cancelled {
        /// The claim, when it came to that.
        claimed: Option<Claimed>,
    },
    /// The task panicked; its worker is to be renewed.
    Panicked,
    /// Its worker's thread is stuck and was given up.
    Stuck,
}

impl WorkResult {
    /// The task was stopped by us, or by a fault of ours: its attempt does not count.
    #[must_use]
    pub const fn costs_no_attempt(&self) -> bool {
        matches!(self, Self::Cancelled { .. } | Self::Faulted { fault: TaskFault::Ours(_), .. })
    }
}

/// Why a worker thread is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A task on it panicked.
    Panicked,
    /// Its thread ended by itself.
    Ended,
    /// Its runtime has not moved for too long.
    Stuck,
}

impl Cause {
    /// In words, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panicked => "a task on it panicked",
            Self::Ended => "its thread ended",
            Self::Stuck => "its runtime does not move: the thread is given up",
        }
    }
}

/// What became of a task, for good as far as this delivery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Recorded as done, now or before.
    Done {
        /// Bytes stored now.
        bytes: u64,
        /// From claim to recorded.
        service: Duration,
    },
    /// Recorded as failed; the dead letter is sent.
    Failed,
    /// A message of its own carries the task now, unstarted.
    HandedOver,
    /// A message of its own carries the task to its next attempt, to be received after this.
    Resent(Duration),
    /// To be redelivered after this.
    Retry(Duration),
    /// Given back unstarted, or untouched by its own fault.
    Returned(Duration),
    /// Another delivery has it.
    Fenced,
}

impl Settlement {
    /// Nothing of ours failed it: a fault of ours that was tried is mended.
    #[must_use]
    pub const fn came_through(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed | Self::Retry(_))
    }
}

/// What the desk is told.
#[derive(Debug)]
pub enum Event {
    /// A resource answers, or answers again.
    Reachable(Resource),
    /// A resource does not answer; somebody looks at it until it does.
    Unreachable {
        /// Which.
        resource: Resource,
        /// Why.
        fault: AwsFault,
    },
    /// A receive brought messages, or none.
    Received {
        /// From where.
        queue: QueueName,
        /// How many were asked for.
        asked: usize,
        /// What came.
        messages: Vec<Received>,
    },
    /// A receive failed.
    ReceiveFailed {
        /// From where.
        queue: QueueName,
        /// How many were asked for.
        asked: usize,
        /// Why.
        fault: AwsFault,
    },
    /// A message is read; its first tasks may start.
    Admitted {
        /// The message.
        lease: LeaseId,
        /// Tasks that stay here and are not settled.
        tasks: Vec<Task>,
        /// Tasks the message lists.
        listed: usize,
        /// No more is to come of this message.
        complete: bool,
    },
    /// Nothing more is to come of a job under this message: the rest is handed over, or goes on as another message.
    Split {
        /// The job's message.
        lease: LeaseId,
        /// Tasks found on further pages.
        listed: usize,
        /// Tasks sent to `download-tasks`.
        handed_over: usize,
        /// The rest goes on as another message.
        continued: bool,
        /// The listing failed for good; what is left of it is in the dead-letter queue.
        given_up: bool,
    },
    /// A job's first page could not be read, or SQS takes no dead letter of a message: it comes again.
    AdmitLater {
        /// The ledger answered for it: nothing of ours failed.
        came_through: bool,
        /// The message.
        lease: LeaseId,
        /// From now.
        delay: Duration,
    },
    /// A message that cannot be worked on is in its dead-letter queue.
    Refused {
        /// The message.
        lease: LeaseId,
    },
    /// A message could not be admitted, by a fault of ours.
    AdmitFailed {
        /// The message.
        lease: LeaseId,
        /// Why.
        fault: AwsFault,
    },
    /// Reading a message panicked.
    AdmitPanicked {
        /// The message.
        lease: LeaseId,
        /// How often it was delivered, this time included.
        receive_count: u32,
    },
    /// Another delivery of the job has it now.
    JobLost {
        /// The job's message.
        lease: LeaseId,
    },
    /// A task left its slot.
    Finished {
        /// The task.
        no: TaskNo,
        /// What came of it.
        result: WorkResult,
    },
    /// A worker thread ended.
    WorkerGone {
        /// Which.
        worker: WorkerId,
    },
    /// A worker's runtime has not moved for too long.
    WorkerStuck {
        /// Which.
        worker: WorkerId,
    },
    /// A worker thread could not be started.
    NotHired,
    /// A thread ended that had to last.
    ThreadGone(ThreadName),
    /// A fault of ours, met by work that goes on trying.
    Failing(AwsFault),
    /// A task is settled.
    Settled {
        /// The task.
        no: TaskNo,
        /// How.
        settlement: Settlement,
        /// A fault of ours that was met on the way.
        fault: Option<AwsFault>,
    },
    /// Extensions were answered.
    Extended {
        /// When they were sent.
        sent: Instant,
        /// How each fared; all failed when the whole request did.
        entries: Vec<(LeaseId, Entry)>,
    },
    /// A delete was answered.
    Deleted {
        /// The message.
        lease: LeaseId,
        /// How it fared.
        entry: Entry,
    },
}

/// A receive to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// From where.
    pub queue: QueueName,
    /// At most this many, 1 to 10.
    pub max: usize,
    /// Wait this long for the first.
    pub wait: Duration,
}

/// What the desk wants done.
#[derive(Debug)]
pub enum Command {
    /// Ask a queue for messages.
    Receive(Receive),
    /// Read a message.
    Admit {
        /// The message.
        lease: LeaseId,
        /// Where it came from.
        queue: QueueName,
        /// The message.
        message: Received,
        /// How many of a job's first tasks may stay here.
        local: usize,
    },
    /// Leave off listing a job's pages soon: the rest goes on as another message.
    Yield(LeaseId),
    /// Put a task on a worker.
    Start {
        /// Which.
        worker: WorkerId,
        /// The task.
        task: Task,
    },
    /// Stop a task that runs, or that waits to be settled.
    Cancel(TaskNo),
    /// Write down what became of a task.
    Settle {
        /// The task.
        task: Task,
        /// What the worker made of it.
        result: WorkResult,
    },
    /// Take back the attempt of a task of a lost lease that was cancelled, or met a fault of ours; the next delivery
    /// has the task.
    GiveBack(Task),
    /// Send a waiting task of a job to `download-tasks`.
    HandOver(Task),
    /// Extend leases.
    Extend {
        /// The queue.
        queue: QueueName,
        /// The messages.
        leases: Vec<(LeaseId, Receipt)>,
    },
    /// Delete a message: all of it is settled.
    Delete {
        /// The queue.
        queue: QueueName,
        /// The message.
        lease: LeaseId,
        /// Its handle.
        receipt: Receipt,
    },
    /// Make a message visible again after a delay.
    Return {
        /// The queue.
        queue: QueueName,
        /// Its handle.
        receipt: Receipt,
        /// From now.
        delay: Duration,
    },
    /// Look at a resource until it answers, the first time after a pause.
    Look(Resource, Duration),
    /// Let a worker thread go: it ends when it is through, or is left behind when it is stuck.
    LetGo(WorkerId, Cause),
    /// Start a worker thread.
    Hire,
}
