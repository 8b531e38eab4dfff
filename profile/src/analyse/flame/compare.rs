//! What has changed between two profiles, told from chance.
//!
//! A function's share of two profiles is compared by the test of two proportions with a pooled variance (J. L. Fleiss, B. Levin,
//! M. C. Paik, Statistical Methods for Rates and Proportions, 3rd ed. 2003, chapter 3). There are thousands of functions, so of
//! the changes that are taken for sure at most one of twenty is expected to be chance (Y. Benjamini, Y. Hochberg, Journal of
//! the Royal Statistical Society B 57, 1995). Samples of one burst are alike, which the test takes no account of: a change that
//! is sure is one between these two profiles, and two of the same version may differ by their load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Flame, float, round};
use crate::analyse::share::share;

/// Of all changes that are taken for sure, so many may be chance.
const FALSE_DISCOVERIES: f64 = 0.05;
/// With fewer expected samples on either side the normal approximation is not to be trusted (W. G. Cochran, Biometrics 10, 1954).
const FEWEST_EXPECTED: f64 = 5.0;

/// What has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Samples of the profile before.
    pub before_samples: u64,
    /// Samples of the one after.
    pub after_samples: u64,
    /// CPUs that the process used on average, before.
    pub before_cpus: f64,
    /// And after.
    pub after_cpus: f64,
    /// By function: sure ones first, the largest change of total share first.
    pub changes: Vec<Change>,
}

/// How a function's share has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Of the samples that have it innermost.
    pub own: Shift,
    /// Of those that have it anywhere.
    pub total: Shift,
}

/// Two shares, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shift {
    /// Before.
    pub before: f64,
    /// After. Where the function was too rare to be kept in one of the two: as much as it may have had.
    pub after: f64,
    /// Chance hardly makes it.
    pub is_sure: bool,
}

impl Shift {
    /// By how much it rose, from -1 to 1.
    #[must_use]
    pub fn rise(&self) -> f64 {
        self.after - self.before
    }
}

/// Compares two profiles of the same program.
#[must_use]
pub fn compare(before: &Flame, after: &Flame) -> Difference {
    let pairs = pairs(before, after);
    let all = [before.figures.samples, after.figures.samples];
    let surprises = pairs.iter().flat_map(|pair| [surprise(pair.own, all), surprise(pair.total, all)]);
    let limit = limit(surprises.collect(), FALSE_DISCOVERIES);
    let shift = |counts: [u64; 2]| Shift {
        before: share(counts[0], all[0]),
        after: share(counts[1], all[1]),
        is_sure: surprise(counts, all) <= limit,
    };
    let change =
        |pair: Pair| Change { name: pair.name.to_owned(), own: shift(pair.own), total: shift(pair.total) };
    let mut changes: Vec<_> = pairs.into_iter().map(change).collect();
    changes.sort_by(|a, b| weight(b).partial_cmp(&weight(a)).unwrap_or(std::cmp::Ordering::Equal));
    Difference {
        before_samples: all[0],
        after_samples: all[1],
        before_cpus: round(before.figures.cpus),
        after_cpus: round(after.figures.cpus),
        changes,
    }
}

fn weight(change: &Change) -> (bool, f64) {
    (change.own.is_sure || change.total.is_sure, change.total.rise().abs().max(change.own.rise().abs()))
}

/// A function's samples before and after.
struct Pair<'a> {
    name: &'a str,
    own: [u64; 2],
    total: [u64; 2],
}

fn pairs<'a>(before: &'a Flame, after: &'a Flame) -> Vec<Pair<'a>> {
    let mut found: BTreeMap<&str, [Option<(u64, u64)>; 2]> = BTreeMap::new();
    for (side, flame) in [before, after].into_iter().enumerate() {
        for function in &flame.functions {
            let sides = found.entry(&function.name).or_default();
            if let Some(of) = sides.get_mut(side) {
                // Names that were cut off may be alike.
                let (own, total) = of.unwrap_or_default();
                *of = Some((own + function.own, total.max(function.total)));
            }
        }
    }
    found.into_iter().map(|(name, sides)| pair(name, sides, before, after)).collect()
}

fn pair<'a>(name: &'a str, sides: [Option<(u64, u64)>; 2], before: &Flame, after: &Flame) -> Pair<'a> {
    let [(own_before, total_before), (own_after, total_after)] = match sides {
        [Some(before), Some(after)] => [before, after],
        [Some(of), None] => [of, rare(of, before, after)],
        [None, Some(of)] => [rare(of, after, before), of],
        [None, None] => [(0, 0); 2],
    };
    Pair { name, own: [own_before, own_after], total: [total_before, total_after] }
}

/// The samples that a function may have had in a profile that left it out: as near to those that it has in the other as can be.
fn rare((own, total): (u64, u64), here: &Flame, there: &Flame) -> (u64, u64) {
    if there.figures.left_out_functions == 0 {
        return (0, 0);
    }
    let most = there.figures.least_of_functions.saturating_sub(1);
    let alike = |count| scaled(count, here.figures.samples, there.figures.samples).min(most);
    (alike(own), alike(total))
}

fn scaled(count: u64, from: u64, to: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// How often chance alone makes such a difference or a larger one, from 0 to 1.
fn surprise(counts: [u64; 2], all: [u64; 2]) -> f64 {
    let [before, after] = all.map(float);
    let pooled = float(counts[0] + counts[1]) / (before + after).max(1.0);
    let fewest = before.min(after) * pooled.min(1.0 - pooled);
    if fewest < FEWEST_EXPECTED {
        return 1.0;
    }
    let deviation = (pooled * (1.0 - pooled) * (1.0 / before + 1.0 / after)).sqrt();
    let score = (share(counts[1], all[1]) - share(counts[0], all[0])).abs() / deviation;
    2.0 * beyond(score)
}

/// What of a normal distribution is above a score (M. Abramowitz, I. A. Stegun, Handbook of Mathematical Functions, 1964,
/// 26.2.17: off by less than 7.5e-8, and no threshold here is that low).
pub(in crate::analyse) fn beyond(score: f64) -> f64 {
    let t = 1.0 / 0.231_641_9f64.mul_add(score, 1.0);
    let terms = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let polynomial = terms.into_iter().fold(0.0, |sum: f64, term| sum.mul_add(t, term)) * t;
    (-score * score / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial
}

/// The largest surprise that is taken for sure, where so many of those that are may be chance: below 0 of none.
pub(in crate::analyse) fn limit(mut surprises: Vec<f64>, false_discoveries: f64) -> f64 {
    surprises.sort_by(f64::total_cmp);
    let all = float(surprises.len() as u64);
    let passes = |(rank, surprise): &(u64, f64)| *surprise <= false_discoveries * float(*rank) / all;
    (1..).zip(surprises).filter(passes).last().map_or(-1.0, |(_, surprise)| surprise)
}

#[cfg(test)]
mod tests;
