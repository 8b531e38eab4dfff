//! When each message is due: numbers only, no clock.

use std::{f64::consts::TAU, time::Duration};

/// The shape of a load over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// All at once.
    Burst,
    /// The same distance between any two messages.
    Steady,
    /// The rate swings between nothing and twice the mean, beginning at nothing.
    Sine {
        /// Time from one trough to the next.
        period: Duration,
    },
}

impl Pattern {
    /// When the `n`-th message (from 0) is due after the start, at a mean of `rate` messages a second.
    ///
    /// Steady: `n / rate`. Sine: with ω = 2π / period the rate is `r(t) = rate · (1 − cos ωt)`, so that until `t`
    /// there are `N(t) = rate · (t − sin(ωt) / ω)` messages; the n-th is due when `N(t) = n`. After each whole
    /// period the count is that of a steady load.
    pub(crate) fn due(self, n: u64, rate: f64) -> Duration {
        let even = n as f64 / rate;
        let seconds = match self {
            Self::Burst => 0.0,
            Self::Steady => even,
            Self::Sine { period } => {
                let omega = TAU / period.as_secs_f64();
                eccentric_anomaly(even * omega) / omega
            }
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// The `x` with `x − sin x = mean`: Kepler's equation of a parabola's limit. The left side grows everywhere and is
/// at most 1 from `x`, so halving `mean ± 1` finds it; 60 halvings are finer than an `f64` resolves.
fn eccentric_anomaly(mean: f64) -> f64 {
    let (mut low, mut high) = ((mean - 1.0).max(0.0), mean + 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if middle - middle.sin() < mean {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// A pattern at a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// The shape.
    pub(crate) pattern: Pattern,
    /// Mean messages a second, above 0; nothing to a burst.
    pub(crate) rate: f64,
}

impl Pace {
    /// Everything at once.
    pub(crate) const BURST: Self = Self { pattern: Pattern::Burst, rate: 1.0 };

    /// When the `n`-th message (from 0) is due after the start.
    pub(crate) fn due(&self, n: u64) -> Duration {
        self.pattern.due(n, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sine(seconds: f64) -> Pattern {
        Pattern::Sine { period: Duration::from_secs_f64(seconds) }
    }

    fn pattern() -> impl Strategy<Value = Pattern> {
        prop_oneof![Just(Pattern::Burst), Just(Pattern::Steady), (0.5..3_600.0).prop_map(sine)]
    }

    #[test]
    fn a_burst_is_due_at_once_and_a_steady_load_evenly() {
        assert_eq!(Pattern::Burst.due(9_999_999, 1.0), Duration::ZERO);
        assert_eq!(Pattern::Steady.due(50, 20.0), Duration::from_millis(2_500));
    }

    #[test]
    fn a_sine_is_slow_at_its_troughs_and_twice_as_fast_between() {
        // 600 messages in a minute: rate 10 a second on average.
        let due = |n| sine(60.0).due(n, 10.0).as_secs_f64();
        assert!((due(300) - 30.0).abs() < 1e-6, "half of them in half a period");
        assert!((due(301) - due(300) - 0.05).abs() < 1e-3, "20 a second at the crest");
        assert!(due(1) > 1.0, "almost none at the trough, {}", due(1));
    }

    proptest! {
        #[test]
        fn no_message_is_due_before_the_one_before(
            pattern in pattern(), n in 0_u64..10_000_000, rate in 0.01..100_000.0,
        ) {
            prop_assert!(pattern.due(n, rate) <= pattern.due(n + 1, rate));
        }

        #[test]
        fn the_mean_rate_holds_after_each_period(
            millis in 500_u64..3_600_000, periods in 1_u64..100, each in 1_u64..10_000,
        ) {
            let seconds = millis as f64 / 1_000.0;
            let due = sine(seconds).due(periods * each, each as f64 / seconds).as_secs_f64();
            // The count stands still at a trough, so that the last digit of a float is worth some time there.
            prop_assert!((due / seconds - periods as f64).abs() < 1e-4, "{due}");
        }

        #[test]
        fn the_count_until_a_message_is_due_is_its_number(
            seconds in 0.5_f64..3_600.0, n in 0_u64..1_000_000, rate in 1.0_f64..1_000.0,
        ) {
            let (due, omega) = (sine(seconds).due(n, rate).as_secs_f64(), TAU / seconds);
            let count = rate * (due - (omega * due).sin() / omega);
            prop_assert!((count - n as f64).abs() < 0.01, "{count} {n}");
        }
    }
}
