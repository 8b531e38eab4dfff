//! How many operations are open at a time.

use super::{Open, Parallelism, STEPS, float, round};
use crate::record::{Operation, Step};

/// A page has so many points of a series at most, however long the profile is.
pub(super) const MOST_POINTS: u64 = 600;
/// A shorter stretch says nothing more.
const SHORTEST_MICROS: u64 = 1_000;

/// Each step that was seen, over stretches of the same length: what is open on average, and the peak.
pub(super) fn parallelism(operations: &[Operation], end_micros: u64) -> Parallelism {
    let length = end_micros.div_ceil(MOST_POINTS).max(SHORTEST_MICROS);
    let stretches = end_micros.div_ceil(length);
    let open = |step| {
        let mut changes: Vec<_> = operations.iter().filter(|of| of.step == step).flat_map(changes).collect();
        // What ends makes room for what begins at that time.
        changes.sort_unstable();
        (!changes.is_empty()).then(|| Stretches::new(length, stretches).open(step, &changes))
    };
    Parallelism {
        seconds: (1..=stretches).map(|at| round(float(at * length) / 1e6)).collect(),
        steps: STEPS.into_iter().filter_map(open).collect(),
    }
}

fn changes(operation: &Operation) -> [(u64, i32); 2] {
    [(operation.from_micros, 1), (operation.to_micros.max(operation.from_micros), -1)]
}

/// What was open in each stretch.
struct Stretches {
    length: u64,
    /// Time of open operations together, in microseconds.
    times: Vec<u64>,
    peaks: Vec<u32>,
}

impl Stretches {
    fn new(length: u64, stretches: u64) -> Self {
        let stretches = usize::try_from(stretches).unwrap_or(0);
        Self { length, times: vec![0; stretches], peaks: vec![0; stretches] }
    }

    fn open(mut self, step: Step, changes: &[(u64, i32)]) -> Open {
        let mut level = 0_i32;
        for (at, (from, change)) in changes.iter().enumerate() {
            level += change;
            let to = changes.get(at + 1).map_or(*from, |next| next.0);
            if let Ok(open) = u32::try_from(level) {
                self.add(open, *from, to);
            }
        }
        let average = |time: u64| round(float(time) / float(self.length));
        Open { step, average: self.times.iter().copied().map(average).collect(), peak: self.peaks }
    }

    /// So many were open from then until then.
    fn add(&mut self, open: u32, from: u64, to: u64) {
        if open == 0 || from >= to {
            return;
        }
        for stretch in from / self.length..=(to - 1) / self.length {
            let (begin, end) = (stretch * self.length, (stretch + 1) * self.length);
            let at = usize::try_from(stretch).unwrap_or(usize::MAX);
            if let (Some(time), Some(peak)) = (self.times.get_mut(at), self.peaks.get_mut(at)) {
                *time += u64::from(open) * (to.min(end) - from.max(begin));
                *peak = open.max(*peak);
            }
        }
    }
}
