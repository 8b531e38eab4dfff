//! Rates from counts at times. Pure.

use std::time::Duration;

use super::view::{Level, Thresholds, Trend};

/// Below this a rate is shown as zero, in messages per second either way.
const STEADY: f64 = 0.05;

/// A count and when it was read.
pub(crate) type Point = (Duration, u64);

/// The change per second, by least squares over `points`: SQS approximates its counts, and two of them alone jump.
/// `None` when they do not span any time.
pub(crate) fn rate(points: &[Point]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    // Relative to the first point, so that neither a long uptime nor a large count costs digits.
    let relative = |&(at, count): &Point| {
        let change = if count >= first.1 { as_f64(count - first.1) } else { -as_f64(first.1 - count) };
        (at.saturating_sub(first.0).as_secs_f64(), change)
    };
    if last.0 <= first.0 {
        return None;
    }
    let relative: Vec<_> = points.iter().map(relative).collect();
    let mean =
        |of: fn(&(f64, f64)) -> f64| relative.iter().map(of).sum::<f64>() / as_f64(relative.len() as u64);
    let (mean_time, mean_count) = (mean(|point| point.0), mean(|point| point.1));
    let along = |(time, count): &(f64, f64)| (time - mean_time) * (count - mean_count);
    let spread: f64 = relative.iter().map(|(time, _)| (time - mean_time).powi(2)).sum();
    Some(relative.iter().map(along).sum::<f64>() / spread)
}

/// Where a queue with that rate is heading.
pub(crate) fn trend(rate: Option<f64>) -> Trend {
    match rate {
        None => Trend::Unknown,
        Some(rate) if rate <= -STEADY => Trend::Draining,
        Some(rate) if rate >= STEADY => Trend::Filling,
        Some(_) => Trend::Steady,
    }
}

/// How bad it is that `total` messages are on a queue.
pub(crate) fn level(total: u64, dead_letters: bool, thresholds: Thresholds) -> Level {
    match (dead_letters, total) {
        (_, 0) => Level::Ok,
        (true, _) => Level::Critical,
        (false, total) if total >= thresholds.critical => Level::Critical,
        (false, total) if total >= thresholds.warn => Level::Warn,
        (false, _) => Level::Ok,
    }
}

/// Counts above 2^53 lose their last digits, which no rate shows.
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds { warn: 100, critical: 1000 };

    fn points(counts: &[u64]) -> Vec<Point> {
        (0..).zip(counts).map(|(at, count)| (Duration::from_secs(at), *count)).collect()
    }

    #[test]
    fn a_straight_line_has_its_own_rate() {
        assert_eq!(rate(&points(&[100, 90, 80, 70])), Some(-10.0));
        assert_eq!(rate(&points(&[0, 5, 10])), Some(5.0));
        assert_eq!(rate(&points(&[7, 7, 7])), Some(0.0));
    }

    #[test]
    fn a_rate_is_per_second_whatever_the_interval() {
        let every =
            |millis: u64| vec![(Duration::from_millis(5), 100), (Duration::from_millis(5 + millis), 50)];
        assert_eq!(rate(&every(500)), Some(-100.0));
        assert_eq!(rate(&every(10_000)), Some(-5.0));
    }

    #[test]
    fn one_jump_moves_a_rate_less_than_the_two_samples_around_it() {
        let jumped = rate(&points(&[100, 100, 100, 100, 130])).unwrap();
        assert!(jumped > 0.0 && jumped < 30.0, "{jumped}");
    }

    #[test]
    fn a_missing_sample_leaves_the_rate_right() {
        let gap = [(Duration::from_secs(0), 100), (Duration::from_secs(1), 90), (Duration::from_secs(4), 60)];
        assert_eq!(rate(&gap), Some(-10.0));
    }

    #[test]
    fn no_time_no_rate() {
        assert_eq!(rate(&[]), None);
        assert_eq!(rate(&points(&[5])), None);
        assert_eq!(rate(&[(Duration::ZERO, 5), (Duration::ZERO, 9)]), None);
    }

    #[test]
    fn large_counts_keep_their_rate() {
        let far = Duration::from_secs(40_000_000);
        let large = [(far, u64::MAX), (far + Duration::from_secs(1), u64::MAX - 3)];
        assert_eq!(rate(&large), Some(-3.0));
    }

    #[test]
    fn a_trend_is_the_sign_of_a_rate_that_shows() {
        let cases =
            [(-0.05, Trend::Draining), (-0.04, Trend::Steady), (0.0, Trend::Steady), (0.05, Trend::Filling)];
        for (rate, expected) in cases {
            assert_eq!(trend(Some(rate)), expected, "{rate}");
        }
        assert_eq!(trend(None), Trend::Unknown);
    }

    #[test]
    fn thresholds_are_reached_at_their_value() {
        for (total, expected) in
            [(0, Level::Ok), (99, Level::Ok), (100, Level::Warn), (999, Level::Warn), (1000, Level::Critical)]
        {
            assert_eq!(level(total, false, THRESHOLDS), expected, "{total}");
        }
    }

    #[test]
    fn one_dead_letter_is_critical() {
        assert_eq!(level(0, true, THRESHOLDS), Level::Ok);
        assert_eq!(level(1, true, THRESHOLDS), Level::Critical);
    }
}
