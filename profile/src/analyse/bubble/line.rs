//! What waits for what.

use std::collections::BTreeMap;

use super::{
    Line,
    message::{Message, Messages},
    path::Path,
};
use crate::record::Step;

/// Steps that follow each other, and the time between them on critical paths.
pub(super) fn lines(messages: &Messages, paths: &[(u64, Path)]) -> Vec<Line> {
    let mut lines: BTreeMap<(Step, Step), (u64, u64)> = BTreeMap::new();
    for pair in messages.each().flat_map(pairs) {
        lines.entry(pair).or_default().0 += 1;
    }
    for (pair, micros) in paths.iter().flat_map(|(_, path)| &path.gaps) {
        lines.entry(*pair).or_default().1 += micros;
    }
    let line = |((before, after), (count, gap_micros)): ((Step, Step), (u64, u64))| Line {
        before,
        after,
        count,
        gap_micros,
    };
    lines.into_iter().map(line).collect()
}

/// Each step and the one that waited for it: a task for its message to be admitted, the deletion for all tasks.
fn pairs(message: Message<'_>) -> Vec<(Step, Step)> {
    let has_tasks = message.tasks().next().is_some();
    let mut pairs = Vec::new();
    for own in message.own.windows(2) {
        if let [before, after] = own
            && !(has_tasks && after.step == Step::Acknowledge)
        {
            pairs.push((before.step, after.step));
        }
    }
    let begun = message.own.iter().find(|of| of.step == Step::Admit).map(|of| of.step);
    let acknowledged = message.acknowledged().map(|of| of.step);
    for task in message.tasks() {
        let steps = begun.into_iter().chain(task.iter().map(|of| of.step)).chain(acknowledged);
        let steps: Vec<_> = steps.collect();
        pairs.extend(steps.windows(2).filter_map(|two| Some((*two.first()?, *two.last()?))));
    }
    pairs
}
