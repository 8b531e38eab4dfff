//! Whether a series of numbers rises, told from chance.
//!
//! The Mann-Kendall test asks how many pairs rise and how many fall, and takes no shape for granted; Theil and Sen's slope is
//! the median of all slopes between two points, which a few outliers do not move (H. B. Mann, Econometrica 13, 1945;
//! P. K. Sen, Journal of the American Statistical Association 63, 1968). Of few points [`chance`] is exact: Mann's test asks for
//! the distribution of Kendall's S, whose orders are counted one value after the other (M. G. Kendall, Biometrika 30, 1938).

use super::quantile::median;

/// More points are thinned out: each is compared with each.
pub const MOST_POINTS: usize = 400;
/// Fewer say nothing: below eight, the normal approximation of the test is not to be trusted.
pub const FEWEST_POINTS: usize = 8;
/// A trend is taken for one if chance makes it in fewer than one of a hundred series.
const UNLIKELY: f64 = 2.326;
/// The same for [`chance`].
pub const UNLIKELY_CHANCE: f64 = 0.01;
/// Fewer values say nothing, exactly or not: of three, one of six series of chance rises all the way.
pub const FEWEST_EXACT: usize = 4;
/// More values are thinned out: their orders are counted.
const MOST_EXACT: usize = 60;

/// How a series goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// By how many standard deviations more pairs rise than fall: below 0 more fall.
    pub score: f64,
    /// What it rises by, for each unit of time.
    pub slope: f64,
}

impl Trend {
    /// Of points by time. `None`: there are too few.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let points = thinned(points, MOST_POINTS);
        if points.len() < FEWEST_POINTS {
            return None;
        }
        let rising: f64 = pairs(&points).map(|(a, b)| sign(b.1 - a.1)).sum();
        // One pair less, towards nothing: the continuity correction of the test.
        let score = (rising.abs() - 1.0).max(0.0) * sign(rising) / deviation(&points);
        Some(Self { score: if score.is_finite() { score } else { 0.0 }, slope: slope(&points) })
    }

    /// Whether it rises, and chance hardly makes it do so.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.score > UNLIKELY && self.slope > 0.0
    }
}

/// What a series rises by, for each unit of time: the median of all slopes between two of its points. 0 of fewer than two.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let points = thinned(points, MOST_POINTS);
    let rising = pairs(&points).filter(|(a, b)| b.0 > a.0);
    let mut slopes: Vec<f64> = rising.map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
    median(&mut slopes)
}

/// How likely a series in which chance alone is at work rises as much, from 0 to 1: of so many values, the share of their
/// orders that have no more falling pairs. `None`: there are too few.
///
/// Two that are equal are taken for falling, which makes it no smaller than it is.
#[must_use]
pub fn chance(values: &[f64]) -> Option<f64> {
    let values = thinned(values, MOST_EXACT);
    if values.len() < FEWEST_EXACT {
        return None;
    }
    let falling = pairs(&values).filter(|(a, b)| b <= a).count();
    Some(orders(values.len()).iter().take(falling + 1).sum::<f64>().min(1.0))
}

/// For each number of falling pairs, the share of the orders of so many different values that have it.
#[expect(clippy::cast_precision_loss, reason = "tens of values")]
fn orders(values: usize) -> Vec<f64> {
    (2..=values).fold(vec![1.0], |before: Vec<f64>, size| {
        // The last value is below none of the others, below one, and so on to all of them, each as likely.
        let ways = |falling: usize| -> f64 {
            let from = falling.saturating_sub(size - 1);
            before.iter().take(falling + 1).skip(from).sum()
        };
        (0..before.len() + size - 1).map(|falling| ways(falling) / size as f64).collect()
    })
}

/// Each two of them, the earlier first.
fn pairs<T>(points: &[T]) -> impl Iterator<Item = (&T, &T)> {
    points.iter().enumerate().flat_map(|(at, a)| points.iter().skip(at + 1).map(move |b| (a, b)))
}

fn sign(difference: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference.signum() }
}

/// The standard deviation of the number of rising pairs less that of falling ones, with ties.
#[expect(clippy::cast_precision_loss, reason = "hundreds of points")]
fn deviation(points: &[(f64, f64)]) -> f64 {
    let of = |n: f64| n * (n - 1.0) * (2.0f64.mul_add(n, 5.0));
    let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|tied| of(tied.len() as f64)).sum();
    ((of(points.len() as f64) - ties) / 18.0).sqrt()
}

/// Every so many points alone, so that they are no more than `most`.
fn thinned<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    points.iter().step_by(points.len().div_ceil(most).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn series(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..100).map(|at| (f64::from(at), value(f64::from(at)))).collect()
    }

    /// A sawtooth on top of it.
    fn with_waves(slope: f64) -> Vec<(f64, f64)> {
        series(|at| slope.mul_add(at, 10.0 * (at % 10.0)))
    }

    #[test]
    fn what_rises_between_waves_rises_and_waves_alone_do_not() {
        let leak = Trend::of(&with_waves(2.0)).unwrap();
        assert!(leak.rises() && (1.5..=2.5).contains(&leak.slope), "{leak:?}");
        assert!(!Trend::of(&with_waves(0.0)).unwrap().rises());
        assert!(!Trend::of(&with_waves(-2.0)).unwrap().rises());
    }

    #[test]
    fn a_jump_that_stays_is_no_slope() {
        let jump = Trend::of(&series(|at| if at < 5.0 { 0.0 } else { 100.0 })).unwrap();
        assert_eq!(jump.slope, 0.0);
        assert!(!jump.rises());
    }

    #[test]
    fn of_few_points_or_of_equal_ones_nothing_is_said() {
        assert_eq!(Trend::of(&[(0.0, 1.0); 7]), None);
        assert_eq!(Trend::of(&series(|_| 3.0)), Some(Trend { score: 0.0, slope: 0.0 }));
    }

    #[test]
    fn many_points_are_compared_in_part() {
        let long: Vec<_> = (0..100_000).map(|at| (f64::from(at), f64::from(at) * 0.5)).collect();
        let trend = Trend::of(&long).unwrap();
        assert!(trend.rises() && (trend.slope - 0.5).abs() < 1e-9, "{trend:?}");
    }

    /// All orders of these values.
    fn permutations(values: &[f64]) -> Vec<Vec<f64>> {
        if values.is_empty() {
            return vec![vec![]];
        }
        let rest = |at: usize| [&values[..at], &values[at + 1..]].concat();
        let with = |at: usize| {
            permutations(&rest(at)).into_iter().map(move |rest| [&[values[at]], rest.as_slice()].concat())
        };
        (0..values.len()).flat_map(with).collect()
    }

    /// Rising pairs less falling ones.
    fn kendall(values: &[f64]) -> f64 {
        pairs(values).map(|(a, b)| sign(b - a)).sum()
    }

    /// The share of the orders of these values that rise as much as they do.
    fn counted(values: &[f64], orders: &[Vec<f64>]) -> f64 {
        let as_much = orders.iter().filter(|order| kendall(order) >= kendall(values)).count();
        as_much as f64 / orders.len() as f64
    }

    #[test]
    fn chance_is_what_counting_all_orders_says() {
        for values in 4..=7_usize {
            let orders = permutations(&(0..values).map(|value| value as f64).collect::<Vec<_>>());
            let mut seen = HashMap::new();
            for order in &orders {
                let counted =
                    *seen.entry(kendall(order).to_bits()).or_insert_with(|| counted(order, &orders));
                assert!((chance(order).unwrap() - counted).abs() < 1e-12, "{order:?}");
            }
            assert_eq!(seen.len(), values * (values - 1) / 2 + 1, "each S there is");
        }
    }

    #[test]
    fn equal_values_never_make_a_trend_surer_than_it_is() {
        for values in [&[1.0, 1.0, 1.0, 2.0][..], &[1.0, 1.0, 2.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 2.0, 2.0, 3.0]]
        {
            let orders = permutations(values);
            for order in &orders {
                assert!(chance(order).unwrap() > counted(order, &orders) - 1e-12, "{order:?}");
            }
        }
        assert!(chance(&[5.0; 6]).unwrap() > 1.0 - 1e-12);
    }

    #[test]
    fn of_four_values_none_is_surely_rising_and_of_five_those_that_always_do() {
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(chance(&rising[..3]), None);
        assert_eq!(chance(&rising[..4]).map(|chance| chance * 24.0), Some(1.0));
        assert!(
            chance(&rising[..4]).unwrap() > UNLIKELY_CHANCE
                && chance(&rising[..5]).unwrap() < UNLIKELY_CHANCE
        );
        assert!(chance(&rising).unwrap() < 1e-9, "also of more than are counted");
    }

    #[test]
    fn chance_is_as_tables_of_kendall_s_have_it() {
        let with_falling = |values: usize, falling: usize| {
            let mut order: Vec<f64> = (0..values).map(|value| value as f64).collect();
            // The largest value is moved forward by as many places.
            order[values - 1 - falling..].rotate_right(1);
            chance(&order).unwrap()
        };
        for (values, falling, table) in
            [(6, 1, 0.0083), (7, 3, 0.015), (8, 4, 0.0071), (8, 5, 0.016), (10, 9, 0.0083)]
        {
            let chance = with_falling(values, falling);
            assert!((chance - table).abs() < 6e-4, "{values} with {falling}: {chance}");
        }
    }

    #[test]
    fn a_slope_is_not_moved_by_one_that_is_far_off() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (4.0, 100.0)]), 2.0);
        assert_eq!((slope(&[(0.0, 1.0)]), slope(&[])), (0.0, 0.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Of a hundred series of chance, hardly more than one is taken for a trend.
        #[test]
        fn chance_is_rarely_taken_for_a_trend(seed in 0_u64..1_000_000) {
            let mut random = seed;
            let mut next = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                f64::from(u32::try_from(random >> 40).unwrap())
            };
            let taken = (0..100).filter(|_| {
                let points: Vec<_> = (0..50).map(|at| (f64::from(at), next())).collect();
                Trend::of(&points).unwrap().rises()
            });
            prop_assert!(taken.count() <= 8);
        }
    }
}
