//! How late the main loop is: a timer due every 10 ms, and by how much it was missed.

use std::time::{Duration, Instant};

use exportpool_contract::report::LoopDelay;
use hdrhistogram::Histogram;

/// How often the delay is measured.
pub const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Delays beyond a minute are counted as one.
const MOST_MICROS: u64 = 60_000_000;

/// Delays since the start.
#[derive(Debug)]
pub struct DelayProbe {
    histogram: Option<Histogram<u64>>,
    due: Instant,
}

impl DelayProbe {
    /// The first measurement is due [`PROBE_EVERY`] from now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        // The bounds are constants that the library takes; a probe without histogram answers zeros.
        Self { histogram: Histogram::new_with_bounds(1, MOST_MICROS, 3).ok(), due: now + PROBE_EVERY }
    }

    /// When to call [`DelayProbe::probe`].
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Notes how late it is.
    pub fn probe(&mut self, now: Instant) {
        let late = now.saturating_duration_since(self.due);
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(u64::try_from(late.as_micros()).unwrap_or(MOST_MICROS));
        }
        self.due = now + PROBE_EVERY;
    }

    /// What the report says.
    #[must_use]
    pub fn report(&self) -> LoopDelay {
        let Some(histogram) = &self.histogram else { return LoopDelay::default() };
        LoopDelay {
            p50_micros: histogram.value_at_quantile(0.5),
            p99_micros: histogram.value_at_quantile(0.99),
            p999_micros: histogram.value_at_quantile(0.999),
            max_micros: histogram.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_loop_shows_as_the_largest_delay() {
        let start = Instant::now();
        let mut probe = DelayProbe::new(start);
        for _ in 0..99 {
            probe.probe(probe.due() + Duration::from_micros(100));
        }
        probe.probe(probe.due() + Duration::from_millis(250));
        let delay = probe.report();
        assert!((249_000..=251_000).contains(&delay.max_micros), "{delay:?}");
        assert!((99..=101).contains(&delay.p50_micros), "{delay:?}");
    }
}
