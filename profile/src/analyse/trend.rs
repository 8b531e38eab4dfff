//! Whether a series of numbers rises, told from chance.
//!
//! The Mann-Kendall test asks how many pairs rise and how many fall, and takes no shape for granted; Theil and Sen's slope is
//! the median of all slopes between two points, which a few outliers do not move (H. B. Mann, Econometrica 13, 1945;
//! P. K. Sen, Journal of the American Statistical Association 63, 1968).

use super::quantile::median;

/// More points are thinned out: each is compared with each.
pub const MOST_POINTS: usize = 400;
/// Fewer say nothing: below eight, the normal approximation of the test is not to be trusted.
pub const FEWEST_POINTS: usize = 8;
/// A trend is taken for one if chance makes it in fewer than one of a hundred series.
const UNLIKELY: f64 = 2.326;

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
        let points = thinned(points);
        if points.len() < FEWEST_POINTS {
            return None;
        }
        let pairs =
            || points.iter().enumerate().flat_map(|(at, a)| points.iter().skip(at + 1).map(move |b| (a, b)));
        let rising: f64 = pairs().map(|(a, b)| sign(b.1 - a.1)).sum();
        let mut slopes: Vec<f64> =
            pairs().filter(|(a, b)| b.0 > a.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
        // One pair less, towards nothing: the continuity correction of the test.
        let score = (rising.abs() - 1.0).max(0.0) * sign(rising) / deviation(&points);
        Some(Self { score: if score.is_finite() { score } else { 0.0 }, slope: median(&mut slopes) })
    }

    /// Whether it rises, and chance hardly makes it do so.
    #[must_use]
    pub fn rises(&self) -> bool {
        self.score > UNLIKELY && self.slope > 0.0
    }
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

/// Every so many points alone.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().step_by(points.len().div_ceil(MOST_POINTS).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
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
