//! Whether a series of numbers rises, told from chance.
//!
//! The Mann-Kendall test asks how many pairs rise and how many fall, and takes no shape for granted; Theil and Sen's slope is
//! the median of all slopes between two points, which a few outliers do not move (H. B. Mann, Econometrica 13, 1945;
//! P. K. Sen, Journal of the American Statistical Association 63, 1968). [`chance`] is exact: the test asks for the distribution
//! of Kendall's S, whose orders are counted one value after the other (M. G. Kendall, Biometrika 30, 1938).

use super::quantile::median;

/// More points are thinned out: each is compared with each.
const MOST_POINTS: usize = 400;
/// A trend is taken for one if [`chance`] makes it in fewer than one of a hundred series.
pub const UNLIKELY_CHANCE: f64 = 0.01;
/// Fewer values say nothing, exactly or not: of three, one of six series of chance rises all the way.
const FEWEST_EXACT: usize = 4;
/// More values are thinned out: their orders are counted.
const MOST_EXACT: usize = 60;

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

/// Every so many points alone, so that they are no more than `most`.
fn thinned<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    points.iter().step_by(points.len().div_ceil(most).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

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
        let sign = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
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
                let values: Vec<_> = (0..50).map(|_| next()).collect();
                chance(&values).unwrap() < UNLIKELY_CHANCE
            });
            prop_assert!(taken.count() <= 8);
        }
    }
}
