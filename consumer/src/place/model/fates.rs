//! What became of each message and task, as they must be seen from outside of the desk.

use std::time::Instant;

use crate::{
    event::WorkerId,
    fail::AwsResource,
    message::{LeaseId, QueueName, Receipt, Task, TaskNo},
};

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Deleted,
    Returned,
    Lost,
}

/// A message, this time.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) lease: LeaseId,
    pub(super) queue: QueueName,
    pub(super) receipt: Receipt,
    pub(super) born: Instant,
    pub(super) deadline: Instant,
    /// It was told to give way, after an hour.
    pub(super) aged: bool,
    pub(super) reading: bool,
    /// Its rest is being handed over: so many tasks.
    pub(super) rest: Option<usize>,
    /// A part of it is another message's now.
    pub(super) handed_over: bool,
    pub(super) deleting: bool,
    /// Somebody else ends a task of it: it may not be deleted.
    pub(super) keep: bool,
    pub(super) end: Option<End>,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Running(WorkerId),
    /// It left its slot.
    Settling(Left),
    /// For good, as far as this delivery goes.
    Ended,
}

/// How a task came to be settled: it says what its settlement may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Stored,
    AlreadyDone,
    Final,
    Retry,
    Stopped,
    Fenced,
    HandedOver,
}

/// A task.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) task: Task,
    pub(super) stage: Stage,
    pub(super) told_to_stop: bool,
}

impl Fate {
    pub(super) const fn no(&self) -> TaskNo {
        self.task.no
    }

    pub(super) const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    pub(super) const fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settling(_))
    }

    /// Not yet off its slot.
    pub(super) const fn is_unstored(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::Running(_))
    }
}

pub(super) fn table() -> AwsResource {
    AwsResource::Table("exports".into())
}
