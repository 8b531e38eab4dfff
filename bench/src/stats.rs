//! The arithmetic of measurements.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Several runs of the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The middle one.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
    /// How many.
    pub(crate) runs: usize,
}

impl Spread {
    /// `None` of no runs.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(Self { median: quantile(&values, 0.5), least, most, runs: values.len() })
    }
}

/// A quantile of sorted values, between two of them as far as it is.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * sorted.len().saturating_sub(1) as f64;
    let below = sorted.get(whole(at.floor())).copied().unwrap_or_default();
    let above = sorted.get(whole(at.ceil())).copied().unwrap_or(below);
    below + (above - below) * at.fract()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list, not negative"
)]
const fn whole(number: f64) -> usize {
    number as usize
}

/// The slope of a line through equidistant values, by least squares, a step.
pub(crate) fn slope(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let deviations = values.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let (products, squares) =
        deviations.fold((0.0, 0.0), |(products, squares), (x, y)| (products + x * y, squares + x * x));
    if squares > 0.0 { products / squares } else { 0.0 }
}

/// The least time in which so many slots do so many tasks that take `each`: whole rounds.
pub(crate) fn ideal(tasks: usize, slots: usize, each: Duration) -> Duration {
    each.saturating_mul(u32::try_from(tasks.div_ceil(slots.max(1))).unwrap_or(u32::MAX))
}

/// A task on a slot, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    /// When it was put on the slot.
    pub(crate) from: u64,
    /// When it left it.
    pub(crate) to: u64,
}

/// While all slots were taken: from when the last of them got its first task to when the last task began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Steady {
    /// The share of that time that slots had a task, 0 to 1.
    pub(crate) busy: f64,
    /// Tasks a second: that share of the slots, by the mean time of a task.
    pub(crate) per_second: f64,
}

/// `None` when there was no such time.
pub(crate) fn steady(stays: &[Stay], slots: usize) -> Option<Steady> {
    let mut begun: Vec<_> = stays.iter().map(|stay| stay.from).collect();
    begun.sort_unstable();
    let (start, end) = (*begun.get(slots.checked_sub(1)?)?, *begun.last()?);
    let window = end.checked_sub(start).filter(|window| *window > 0)? as f64;
    let within = |stay: &Stay| stay.to.min(end).saturating_sub(stay.from.max(start));
    let busy = stays.iter().map(within).sum::<u64>() as f64 / (window * slots as f64);
    let mean =
        stays.iter().map(|stay| stay.to - stay.from.min(stay.to)).sum::<u64>() as f64 / stays.len() as f64;
    Some(Steady { busy, per_second: busy * slots as f64 * 1e3 / mean })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most, spread.runs), (2.5, 1.0, 4.0, 4));
        assert!(near(Spread::of([7.0, 1.0, 5.0]).unwrap().median, 5.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_flat_line_has_no_slope() {
        assert!(
            near(slope(&[5.0; 10]), 0.0) && near(slope(&[1.0, 3.0, 5.0]), 2.0) && near(slope(&[1.0]), 0.0)
        );
    }

    #[test]
    fn a_last_round_counts_as_a_whole_one() {
        let delay = Duration::from_millis(400);
        assert_eq!(ideal(50, 16, delay), Duration::from_millis(1_600));
        assert_eq!(ideal(500, 4, delay), Duration::from_secs(50));
    }

    #[test]
    fn two_slots_that_are_never_idle_are_wholly_busy() {
        let stay = |from, to| Stay { from, to };
        let full = [stay(0, 400), stay(0, 400), stay(400, 800), stay(400, 800)];
        let steady_full = steady(&full, 2).unwrap();
        assert!(near(steady_full.busy, 1.0) && near(steady_full.per_second, 5.0));
        let gap = [stay(0, 400), stay(0, 400), stay(500, 900), stay(500, 900)];
        assert!(near(steady(&gap, 2).unwrap().busy, 0.8));
        assert_eq!(steady(&full[..1], 2), None);
    }
}
