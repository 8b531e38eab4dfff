//! The operations of each step.

use std::cmp::Reverse;

use super::{Group, STEPS, Slow, message::Messages, path::Path};
use crate::{
    analyse::quantile::quantile,
    record::{Operation, Step},
};

/// So many of the slowest operations of a step are kept.
pub(super) const MOST_SLOW: usize = 5;

/// How long each operation of a step took.
pub(super) struct Durations {
    pub(super) step: Step,
    /// In microseconds, in their order.
    sorted: Vec<u64>,
}

impl Durations {
    /// Operations that took longer than this, in microseconds.
    pub(super) fn above(&self, micros: u64) -> u64 {
        (self.sorted.len() - self.sorted.partition_point(|took| *took <= micros)) as u64
    }
}

/// Of all steps.
pub(super) fn durations(messages: &Messages) -> Vec<Durations> {
    let of_step = |step| {
        let operations = messages.each().flat_map(super::message::Message::operations);
        let mut sorted: Vec<_> = operations.filter(|of| of.step == step).map(took).collect();
        sorted.sort_unstable();
        Durations { step, sorted }
    };
    STEPS.map(of_step).into()
}

/// The steps that were seen, in their order.
pub(super) fn groups(messages: &Messages, durations: &[Durations], paths: &[(u64, Path)]) -> Vec<Group> {
    let failures = failures(messages);
    let seen = durations.iter().filter(|durations| !durations.sorted.is_empty());
    let group = |durations: &Durations| {
        let Durations { step, sorted } = durations;
        Group {
            step: *step,
            count: sorted.len() as u64,
            failures: failures.iter().filter(|failed| *failed == step).count() as u64,
            p50_micros: quantile(sorted, 0.5),
            p95_micros: quantile(sorted, 0.95),
            p99_micros: quantile(sorted, 0.99),
            max_micros: quantile(sorted, 1.0),
            total_micros: sorted.iter().sum(),
            path_micros: paths.iter().map(|(_, path)| path.step_micros(*step)).sum(),
            slowest: slowest(messages, durations),
        }
    };
    seen.map(group).collect()
}

/// The step of each failure. A task fails once: what fails after that does because of it, as there is no first byte without a
/// connection, and as a record says that its task failed.
fn failures(messages: &Messages) -> Vec<Step> {
    let mut failures = Vec::new();
    for message in messages.each() {
        failures.extend(message.own.iter().filter(|of| of.failed).map(|of| of.step));
        failures
            .extend(message.tasks().filter_map(|task| task.iter().find(|of| of.failed)).map(|of| of.step));
    }
    failures
}

fn slowest(messages: &Messages, of: &Durations) -> Vec<Slow> {
    let least = of.sorted.len().checked_sub(MOST_SLOW).and_then(|at| of.sorted.get(at)).copied().unwrap_or(0);
    let operations = messages.each().flat_map(super::message::Message::operations);
    let mut slow: Vec<_> = operations
        .filter(|operation| operation.step == of.step && took(operation) >= least)
        .map(|operation| Slow {
            message: operation.message,
            task: operation.task,
            from_micros: operation.from_micros,
            micros: took(operation),
            failed: operation.failed,
        })
        .collect();
    slow.sort_by_key(|slow| (Reverse(slow.micros), slow.from_micros));
    slow.truncate(MOST_SLOW);
    slow
}

/// How long an operation took, in microseconds.
pub(super) const fn took(operation: &Operation) -> u64 {
    operation.to_micros.saturating_sub(operation.from_micros)
}
