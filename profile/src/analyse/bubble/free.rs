//! Tasks that waited although slots were free, and what that cost.

use std::collections::BTreeSet;

use super::{
    Chains, float,
    message::{Message, Messages},
    round,
};
use crate::{
    analyse::quantile::quantile,
    record::{Began, Moment, Operation, Step},
};

/// What is shorter is noise of a busy machine, in microseconds.
pub(super) const NOTED_MICROS: u64 = 100_000;
/// A message that could have ended earlier by less than this share of its tasks' time is left alone.
const NOTED_SHARE: f64 = 0.2;

/// A task, from when it may have a slot until it leaves it.
#[derive(Debug, Clone, Copy)]
struct Turn {
    waits: u64,
    starts: u64,
    leaves: u64,
}

impl Turn {
    /// `None`: it never had a slot.
    fn of(task: &[Operation]) -> Option<Self> {
        let worked = |of: &&Operation| !matches!(of.step, Step::Wait | Step::Record);
        let wait = task.iter().find(|of| of.step == Step::Wait && !of.failed);
        let first = task.iter().find(worked).map(|of| of.from_micros);
        let starts = wait.map(|wait| wait.to_micros).or(first)?;
        let recorded = task.iter().filter(|of| of.step == Step::Record).map(|of| of.from_micros).max();
        let last = task.iter().filter(worked).map(|of| of.to_micros).max();
        let leaves = recorded.or(last)?.max(starts);
        Some(Self { waits: wait.map_or(starts, |wait| wait.from_micros).min(starts), starts, leaves })
    }
}

/// How far the tasks of each message were done side by side, and what waited without need.
pub(super) fn chains(messages: &Messages, began: &Began, moments: &[Moment]) -> Chains {
    let turns: Vec<Vec<Turn>> = messages.each().map(turns).filter(|turns| !turns.is_empty()).collect();
    let slots = u64::from(began.workers) * u64::from(began.tasks_per_worker);
    let all: Vec<Turn> = turns.iter().flatten().copied().collect();
    let mut needless = needless(&all, slots, moments).into_iter();
    let mut tally = Tally::default();
    for turns in turns {
        let waited: Vec<_> =
            turns.iter().zip(needless.by_ref()).map(|(turn, micros)| (*turn, micros)).collect();
        tally.add(&waited);
    }
    tally.chains()
}

fn turns(message: Message<'_>) -> Vec<Turn> {
    message.tasks().filter_map(Turn::of).collect()
}

/// What is counted.
#[derive(Default)]
struct Tally {
    worked_micros: u64,
    while_micros: u64,
    spans: Vec<u64>,
    longest: Vec<u64>,
    savings: Vec<u64>,
    held: Vec<u64>,
    single: u64,
}

impl Tally {
    /// A message's tasks, and for how long each waited without need, in microseconds.
    fn add(&mut self, tasks: &[(Turn, u64)]) {
        let ends = |of: &dyn Fn(&(Turn, u64)) -> u64| tasks.iter().map(of).max().unwrap_or(0);
        let begin = tasks.iter().map(|(turn, _)| turn.waits).min().unwrap_or(0);
        let span = ends(&|(turn, _)| turn.leaves).saturating_sub(begin);
        let most = ends(&|(_, needless)| *needless);
        if tasks.len() > 1 {
            let first = tasks.iter().map(|(turn, _)| turn.starts).min().unwrap_or(0);
            self.worked_micros += tasks.iter().map(|(turn, _)| turn.leaves - turn.starts).sum::<u64>();
            self.while_micros += ends(&|(turn, _)| turn.leaves).saturating_sub(first);
            self.spans.push(span);
            self.longest.push(ends(&|(turn, _)| turn.leaves - turn.starts));
            let earlier = ends(&|(turn, needless)| turn.leaves.saturating_sub(*needless));
            let saving = ends(&|(turn, _)| turn.leaves).saturating_sub(earlier);
            if saving >= NOTED_MICROS && float(saving) >= NOTED_SHARE * float(span) {
                self.savings.push(saving);
                return;
            }
        } else {
            self.single += 1;
        }
        if most >= NOTED_MICROS {
            self.held.push(most);
        }
    }

    fn chains(mut self) -> Chains {
        for values in [&mut self.spans, &mut self.longest, &mut self.savings, &mut self.held] {
            values.sort_unstable();
        }
        let side_by_side = float(self.worked_micros) / float(self.while_micros.max(1));
        Chains {
            messages: self.spans.len() as u64,
            side_by_side: round(side_by_side),
            span_micros: quantile(&self.spans, 0.5),
            longest_micros: quantile(&self.longest, 0.5),
            serial: self.savings.len() as u64,
            saving_micros: quantile(&self.savings, 0.5),
            savings_micros: self.savings.iter().sum(),
            held: self.held.len() as u64,
            held_micros: quantile(&self.held, 0.5),
            single: self.single,
        }
    }
}

/// What changes how many slots are free, and who waits. At one time, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Leaves,
    Starts(usize),
    Runs,
    Waits(usize),
    /// The consumer says how many slots are busy, until the next time.
    Says(u64),
}

/// For how long each task waited while a slot was free for it, in microseconds. A slot is free if no task that is known has it,
/// and the consumer says so before and after: tasks from before the profile are known to it alone. The one that waits longest
/// has the first free slot, as if it had been given to it.
fn needless(turns: &[Turn], slots: u64, moments: &[Moment]) -> Vec<u64> {
    let mut needless = vec![0; turns.len()];
    let (mut running, mut said, mut waiting) = (0_u64, 0, BTreeSet::new());
    let since = |turn: usize| (turns.get(turn).map_or(0, |turn| turn.waits), turn);
    for two in changes(turns, moments).windows(2) {
        let [(from, change), (to, _)] = *two else { continue };
        match change {
            Change::Leaves => running = running.saturating_sub(1),
            Change::Starts(turn) => drop(waiting.remove(&since(turn))),
            Change::Runs => running += 1,
            Change::Waits(turn) => drop(waiting.insert(since(turn))),
            Change::Says(busy) => said = busy,
        }
        let free = usize::try_from(slots.saturating_sub(running.max(said))).unwrap_or(usize::MAX);
        for (_, turn) in waiting.iter().take(free) {
            if let Some(micros) = needless.get_mut(*turn) {
                *micros += to - from;
            }
        }
    }
    needless
}

/// In the order of time.
fn changes(turns: &[Turn], moments: &[Moment]) -> Vec<(u64, Change)> {
    let mut changes = Vec::with_capacity(4 * turns.len() + moments.len() + 1);
    for (number, turn) in turns.iter().enumerate() {
        if turn.waits < turn.starts {
            changes.extend([(turn.waits, Change::Waits(number)), (turn.starts, Change::Starts(number))]);
        }
        if turn.starts < turn.leaves {
            changes.extend([(turn.starts, Change::Runs), (turn.leaves, Change::Leaves)]);
        }
    }
    let busy = |at: usize| moments.get(at).map_or(0, |moment| u64::from(moment.busy));
    changes.push((0, Change::Says(busy(0))));
    let said = moments.iter().enumerate();
    changes.extend(said.map(|(at, moment)| (moment.at_micros, Change::Says(busy(at).max(busy(at + 1))))));
    changes.sort_unstable();
    changes
}
