//! The critical path of a message.

use super::message::Message;
use crate::record::{Operation, Step};

/// The chain of operations that determined when a message ended, walked back from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// When it began, since the profile did, in microseconds.
    pub(super) from_micros: u64,
    /// When it ended.
    pub(super) to_micros: u64,
    /// Its operations, from the last one back to the first.
    pub(super) legs: Vec<Leg>,
    /// Time between two steps, on no operation, in microseconds.
    pub(super) gaps: Vec<((Step, Step), u64)>,
    /// The task that it goes through.
    pub(super) task: Option<u32>,
}

/// An operation, as far as it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) step: Step,
    /// Since the profile began, in microseconds.
    pub(super) from_micros: u64,
    /// In microseconds.
    pub(super) micros: u64,
}

impl Path {
    /// How long the message took: all steps and gaps together.
    pub(super) const fn micros(&self) -> u64 {
        self.to_micros.saturating_sub(self.from_micros)
    }

    /// On no operation.
    pub(super) fn gap_micros(&self) -> u64 {
        self.gaps.iter().map(|(_, micros)| micros).sum()
    }

    /// On one step.
    pub(super) fn step_micros(&self, step: Step) -> u64 {
        self.legs.iter().filter(|leg| leg.step == step).map(|leg| leg.micros).sum()
    }

    /// An operation of its message is on it.
    pub(super) fn has(&self, operation: &Operation) -> bool {
        let is_leg = |leg: &Leg| (leg.step, leg.from_micros) == (operation.step, operation.from_micros);
        (operation.task.is_none() || operation.task == self.task) && self.legs.iter().any(is_leg)
    }
}

/// Walks back: acknowledge, the record that ended last before it, that task's steps, admit, receive.
pub(super) fn path(message: Message<'_>) -> Path {
    let end = message.acknowledged().or_else(|| message.last());
    let mut walk = Walk::from(end.map_or(0, |end| end.to_micros));
    let (acknowledged, before): (Vec<_>, Vec<_>) =
        message.own.iter().partition(|of| of.step == Step::Acknowledge);
    walk.back(acknowledged.into_iter());
    // One that was given back because it could not be admitted has no task that delayed it.
    let waits_for_tasks = end.is_some_and(|end| end.task.is_some() || end.step == Step::Acknowledge);
    if let Some(last) = last_task(message, walk.path.from_micros).filter(|_| waits_for_tasks) {
        walk.path.task = last.task;
        walk.back(message.task(last.task).iter());
    }
    walk.back(before.into_iter());
    walk.path
}

/// The last operation of the task that ended last, by then.
fn last_task(message: Message<'_>, by: u64) -> Option<&Operation> {
    let ends = message.tasks().filter_map(|task| task.iter().max_by_key(|of| (of.to_micros, of.from_micros)));
    ends.filter(|of| of.to_micros <= by).max_by_key(|of| (of.to_micros, of.from_micros))
}

/// Back in time along operations: the path so far begins where the next one has to have ended.
struct Walk {
    path: Path,
    after: Option<Step>,
}

impl Walk {
    const fn from(micros: u64) -> Self {
        let path =
            Path { from_micros: micros, to_micros: micros, legs: Vec::new(), gaps: Vec::new(), task: None };
        Self { path, after: None }
    }

    /// Over operations in the order of their begin, from the last one. What began meanwhile did not delay anything.
    fn back<'a>(&mut self, operations: impl DoubleEndedIterator<Item = &'a Operation>) {
        for operation in operations.rev() {
            let at = self.path.from_micros;
            let Operation { from_micros: from, to_micros: to, step, .. } = *operation;
            if from > at || (from == at && to > at) {
                continue;
            }
            let to = to.min(at);
            match self.after {
                Some(after) if to < at => self.path.gaps.push(((step, after), at - to)),
                Some(_) => {}
                None => self.path.to_micros = to,
            }
            self.path.legs.push(Leg { step, from_micros: from, micros: to.saturating_sub(from) });
            self.path.from_micros = from;
            self.after = Some(step);
        }
    }
}
