//! Operations by message and by task.

use std::cmp::Reverse;

use crate::record::{Operation, Step};

/// All operations: those of a message together, first its own, then those of each task, as they began.
pub(in crate::analyse) struct Messages(Vec<Operation>);

/// The operations of a message.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) number: u64,
    /// Done for the message as a whole.
    pub(super) own: &'a [Operation],
    /// Done for its tasks.
    of_tasks: &'a [Operation],
}

impl Messages {
    pub(in crate::analyse) fn of(operations: &[Operation]) -> Self {
        let mut sorted = operations.to_vec();
        sorted.sort_by_key(|of| (of.message, of.task, of.from_micros, of.to_micros, of.step));
        for of_task in sorted.chunk_by_mut(|a, b| (a.message, a.task) == (b.message, b.task)) {
            unstarted(of_task);
        }
        Self(sorted)
    }

    /// All of them.
    pub(in crate::analyse) fn all(&self) -> &[Operation] {
        &self.0
    }

    pub(super) fn each(&self) -> impl Iterator<Item = Message<'_>> {
        self.0.chunk_by(|a, b| a.message == b.message).filter_map(|operations| {
            let (own, of_tasks) = operations.split_at(operations.partition_point(|of| of.task.is_none()));
            Some(Message { number: operations.first()?.message, own, of_tasks })
        })
    }
}

/// A task that never had a slot was handed over or given back: its one operation lasts since it was admitted, and is no record.
fn unstarted(of_task: &mut [Operation]) {
    if let [only] = of_task
        && only.task.is_some()
        && only.step == Step::Record
    {
        (only.step, only.failed) = (Step::Wait, true);
    }
}

impl<'a> Message<'a> {
    /// The operations of each task.
    pub(super) fn tasks(self) -> impl Iterator<Item = &'a [Operation]> {
        self.of_tasks.chunk_by(|a, b| a.task == b.task)
    }

    /// The operations of one task.
    pub(super) fn task(self, number: Option<u32>) -> &'a [Operation] {
        self.tasks().find(|of| of.first().is_some_and(|first| first.task == number)).unwrap_or_default()
    }

    /// All operations.
    pub(super) fn operations(self) -> impl Iterator<Item = &'a Operation> {
        self.own.iter().chain(self.of_tasks)
    }

    /// Its deletion, if it came to that.
    pub(super) fn acknowledged(self) -> Option<&'a Operation> {
        self.own.iter().rev().find(|of| of.step == Step::Acknowledge)
    }

    /// The operation that ended last; of several the one that began last.
    pub(super) fn last(self) -> Option<&'a Operation> {
        self.operations().max_by_key(|of| (of.to_micros, of.from_micros, Reverse(of.task)))
    }

    /// It was deleted; or given back: what was done last for it did not succeed.
    pub(super) fn has_ended(self) -> bool {
        self.acknowledged().is_some() || self.last().is_some_and(|last| last.failed)
    }
}
