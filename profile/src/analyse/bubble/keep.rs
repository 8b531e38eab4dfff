//! Some messages, to look at one by one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    Group, Kept, Row, Waterfall,
    group::took,
    message::{Message, Messages},
    path::Path,
};
use crate::record::Operation;

/// So many messages are kept that took longest, and as many near the median.
const MOST_MESSAGES: usize = 5;
/// A message has so many rows at most: one may have thousands of tasks.
pub(super) const MOST_ROWS: usize = 40;

/// The slowest messages, some near the median, and those with the slowest operations.
pub(super) fn keep(messages: &Messages, paths: &[(u64, Path)], groups: &[Group]) -> Vec<Waterfall> {
    let wanted = wanted(paths, groups);
    let paths: BTreeMap<u64, &Path> = paths.iter().map(|(number, path)| (*number, path)).collect();
    let kept = messages.each().filter_map(|message| {
        let kept = wanted.get(&message.number)?;
        Some(waterfall(message, *kept, paths.get(&message.number).copied()))
    });
    let mut kept: Vec<_> = kept.collect();
    kept.sort_by_key(|message| (message.kept, Reverse(message.micros), message.message));
    kept
}

/// Their numbers, and why.
fn wanted(paths: &[(u64, Path)], groups: &[Group]) -> BTreeMap<u64, Kept> {
    let mut by_time: Vec<_> = paths.iter().map(|(number, path)| (path.micros(), *number)).collect();
    by_time.sort_unstable();
    let middle = by_time.len().saturating_sub(MOST_MESSAGES) / 2;
    let typical = by_time.iter().skip(middle).take(MOST_MESSAGES).map(|of| (of.1, Kept::Typical));
    let slow = by_time.iter().rev().take(MOST_MESSAGES).map(|of| (of.1, Kept::Slow));
    let operations = groups.iter().flat_map(|group| &group.slowest);
    let of_slow = operations.map(|slow| (slow.message, Kept::SlowOperation));
    // Of several reasons the last one stays.
    of_slow.chain(slow).chain(typical).collect()
}

fn waterfall(message: Message<'_>, kept: Kept, path: Option<&Path>) -> Waterfall {
    let begin = message.operations().map(|of| of.from_micros).min().unwrap_or(0);
    let end = message.last().map_or(begin, |last| last.to_micros);
    let from = path.map_or(begin, |path| path.from_micros);
    let is_critical = |of: &Operation| path.is_some_and(|path| path.has(of));
    let shown = shown(message, &is_critical);
    let row = |of: &&Operation| Row {
        task: of.task,
        step: of.step,
        from_micros: of.from_micros.saturating_sub(from),
        micros: took(of),
        failed: of.failed,
        is_critical: is_critical(of),
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    Waterfall {
        message: message.number,
        kept,
        tasks: u32::try_from(message.tasks().count()).unwrap_or(u32::MAX),
        from_micros: from,
        micros: path.map_or(end.saturating_sub(from), Path::micros),
        left_out: message.operations().count() - rows.len(),
        rows,
    }
}

/// Its operations as they began: first come those of the critical path, then those of the tasks that ended last.
fn shown<'a>(message: Message<'a>, is_critical: &dyn Fn(&Operation) -> bool) -> Vec<&'a Operation> {
    let mut ends: Vec<_> = message
        .tasks()
        .filter_map(|task| Some((task.iter().map(|of| of.to_micros).max()?, task.first()?.task)))
        .collect();
    ends.sort_unstable_by_key(|end| Reverse(*end));
    let last: BTreeSet<_> = ends.into_iter().take(MOST_ROWS).map(|(_, task)| task).collect();
    let mut shown: Vec<_> =
        message.operations().filter(|of| of.task.is_none() || last.contains(&of.task)).collect();
    shown.sort_by_key(|of| (!is_critical(of), Reverse(of.to_micros)));
    shown.truncate(MOST_ROWS);
    shown.sort_by_key(|of| (of.from_micros, of.task, of.to_micros, of.step));
    shown
}
