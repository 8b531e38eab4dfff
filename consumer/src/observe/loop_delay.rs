//! How late the main loop is: every 10 ms the observe thread rings, and main notes how long it took to hear it.
//!
//! A timer on the main loop itself would do worse: tokio's timers go by whole milliseconds, which is more than what
//! is measured here.

use std::time::{Duration, Instant};

use exportpool_contract::report::LoopDelay;
use hdrhistogram::Histogram;
use tokio::{sync::mpsc, time};

/// How often the delay is measured.
pub const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Delays beyond a minute are counted as one.
const MOST_MICROS: u64 = 60_000_000;

/// Delays since the start.
#[derive(Debug)]
pub struct DelayProbe(Option<Histogram<u64>>);

impl Default for DelayProbe {
    fn default() -> Self {
        // The bounds are constants that the library takes; a probe without histogram answers zeros.
        Self(Histogram::new_with_bounds(1, MOST_MICROS, 3).ok())
    }
}

impl DelayProbe {
    /// Hears a ring.
    pub fn hear(&mut self, rung: Instant, now: Instant) {
        let late = now.saturating_duration_since(rung);
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(late.as_micros()).unwrap_or(MOST_MICROS));
        }
    }

    /// What the report says.
    #[must_use]
    pub fn report(&self) -> LoopDelay {
        let Some(histogram) = &self.0 else { return LoopDelay::default() };
        LoopDelay {
            p50_micros: histogram.value_at_quantile(0.5),
            p99_micros: histogram.value_at_quantile(0.99),
            p999_micros: histogram.value_at_quantile(0.999),
            max_micros: histogram.max(),
        }
    }
}

/// Rings until nobody hears. A ring that is not heard yet is not followed by another: a blocked loop is one long
/// delay, not a queue of them.
pub(crate) async fn ring(bell: mpsc::Sender<Instant>) {
    let mut every = time::interval(PROBE_EVERY);
    every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let Ok(place) = bell.reserve().await else { return };
        place.send(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_loop_shows_as_the_largest_delay() {
        let start = Instant::now();
        let mut probe = DelayProbe::default();
        for _ in 0..99 {
            probe.hear(start, start + Duration::from_micros(100));
        }
        probe.hear(start, start + Duration::from_millis(250));
        let delay = probe.report();
        assert!((249_000..=251_000).contains(&delay.max_micros), "{delay:?}");
        assert!((99..=101).contains(&delay.p50_micros), "{delay:?}");
    }
}
