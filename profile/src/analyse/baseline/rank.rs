//! Whether one sample is above another, told from chance.
//!
//! The rank-sum test asks of how many pairs the one is above the other, and takes no shape for granted (H. B. Mann, D. R.
//! Whitney, Annals of Mathematical Statistics 18, 1947; F. Wilcoxon, Biometrics Bulletin 1, 1945); by its normal approximation,
//! with ties and the correction for continuity. It takes independent values for granted, and windows of one profile are alike
//! when they are neighbours: its variance is therefore multiplied by (1 + r) / (1 - r), where r is the correlation of
//! neighbouring ranks within a profile, as in a series in which each value depends on the one before alone (S. Yue, C. Y. Wang,
//! Advances in Water Resources 25, 2002). Of few values r is estimated too low, which is made up for (F. H. C. Marriott, J. A.
//! Pope, Biometrika 41, 1954). Values that alternate are taken for independent.

use std::cmp::Ordering;

use super::quantity::float;
use crate::analyse::flame::compare::beyond;

/// Fewer on either side say nothing: the approximation is not to be trusted, nor the correlation.
pub(super) const FEWEST: usize = 8;
/// Neighbours that are more alike are hardly told from a trend.
const MOST_ALIKE: f64 = 0.9;

/// How a sample compares with one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranking {
    /// How often chance alone makes such a difference or a larger one, from 0 to 1.
    pub(super) surprise: f64,
    /// Whether it is above, below, or neither.
    pub(super) now: Ordering,
}

/// Compares two samples, in the order of time each. `None`: there are too few of them.
pub(super) fn rank(before: &[f64], now: &[f64]) -> Option<Ranking> {
    if before.len() < FEWEST || now.len() < FEWEST {
        return None;
    }
    let Ranks { ranks, tied } = ranks(before, now);
    let (before, now) = ranks.split_at(before.len());
    let [m, n] = [before.len(), now.len()].map(float);
    let above = now.iter().sum::<f64>() - n * (n + 1.0) / 2.0 - m * n / 2.0;
    let variance = m * n / 12.0 * (m + n + 1.0 - tied / ((m + n) * (m + n - 1.0)));
    let alike = alike(before, now);
    let deviation = (variance * (1.0 + alike) / (1.0 - alike)).sqrt();
    let score = (above.abs() - 0.5).max(0.0) / deviation;
    let surprise = if score.is_finite() { (2.0 * beyond(score)).min(1.0) } else { 1.0 };
    Some(Ranking { surprise, now: above.total_cmp(&0.0) })
}

/// The ranks of both together, those of the first before those of the second.
struct Ranks {
    ranks: Vec<f64>,
    /// Of each number of equal values its cube less itself, together.
    tied: f64,
}

fn ranks(before: &[f64], now: &[f64]) -> Ranks {
    let mut sorted: Vec<(usize, f64)> = before.iter().chain(now).copied().enumerate().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (mut by_place, mut tied, mut below) = (Vec::with_capacity(sorted.len()), 0.0, 0.0);
    for equal in sorted.chunk_by(|a, b| a.1 == b.1) {
        let many = float(equal.len());
        tied += many.powi(3) - many;
        // Of equal ones the mean of theirs.
        let rank = below + (many + 1.0) / 2.0;
        by_place.extend(equal.iter().map(|(place, _)| (*place, rank)));
        below += many;
    }
    by_place.sort_unstable_by_key(|(place, _)| *place);
    Ranks { ranks: by_place.into_iter().map(|(_, rank)| rank).collect(), tied }
}

/// How alike neighbours are, from 0 to [`MOST_ALIKE`]: of both samples together, each by its own mean.
fn alike(before: &[f64], now: &[f64]) -> f64 {
    let (mut together, mut all) = (0.0, 0.0);
    for sample in [before, now] {
        let mean = sample.iter().sum::<f64>() / float(sample.len());
        let off: Vec<f64> = sample.iter().map(|rank| rank - mean).collect();
        together += off.iter().zip(off.iter().skip(1)).map(|(a, b)| a * b).sum::<f64>();
        all += off.iter().map(|off| off * off).sum::<f64>();
    }
    if all == 0.0 {
        return 0.0;
    }
    let many = float(before.len() + now.len()) / 2.0;
    ((together / all).mul_add(many, 1.0) / (many - 3.0)).clamp(0.0, MOST_ALIKE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without an order in time.
    fn shuffled(from: u32, many: u32) -> Vec<f64> {
        (0..many).map(|at| f64::from(from + at * 7 % many)).collect()
    }

    #[test]
    fn a_sample_above_another_is_and_is_below_the_other_way_round() {
        let (low, high) = (shuffled(0, 20), shuffled(20, 20));
        let up = rank(&low, &high).unwrap();
        assert!(up.surprise < 1e-4 && up.now == Ordering::Greater, "{up:?}");
        assert_eq!(rank(&high, &low), Some(Ranking { now: Ordering::Less, ..up }));
    }

    #[test]
    fn a_known_case_has_the_known_score() {
        // 13 of the 100 pairs fall, and neighbours alternate: (50 - 13 - 0.5) / sqrt(10 * 10 * 21 / 12) is 2.759.
        let before = [1.0, 19.0, 2.0, 10.0, 3.0, 9.0, 4.0, 8.0, 5.0, 7.0];
        let now = [6.0, 20.0, 11.0, 18.0, 12.0, 17.0, 13.0, 16.0, 14.0, 15.0];
        let found = rank(&before, &now).unwrap();
        assert!((found.surprise - 0.005_795_4).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn neighbours_that_are_alike_say_less() {
        let step = |at: u32| f64::from(at / 4 % 2 * 10 + at * 7 % 10);
        let (before, now): (Vec<_>, Vec<_>) =
            ((0..32).map(step).collect(), (0..32).map(|at| step(at) + 6.0).collect());
        let mut mixed = now.clone();
        mixed.sort_by(f64::total_cmp);
        let (even, odd): (Vec<_>, Vec<_>) = mixed.iter().enumerate().partition(|(at, _)| at % 2 == 0);
        let alternate: Vec<f64> = even.iter().zip(odd.iter().rev()).flat_map(|(a, b)| [*a.1, *b.1]).collect();
        let (alike, independent) = (rank(&before, &now).unwrap(), rank(&before, &alternate).unwrap());
        assert!(alike.surprise > 2.0 * independent.surprise, "{alike:?} {independent:?}");
    }

    #[test]
    fn of_few_or_of_equal_values_nothing_is_told() {
        assert_eq!(rank(&shuffled(0, 7), &shuffled(50, 20)), None);
        assert_eq!(rank(&[], &[]), None);
        let equal = rank(&[3.0; 20], &[3.0; 20]).unwrap();
        assert_eq!(equal, Ranking { surprise: 1.0, now: Ordering::Equal });
        assert!(rank(&[3.0; 20], &[4.0; 20]).unwrap().surprise < 1e-6);
    }
}
