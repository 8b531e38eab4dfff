//! How much arrives: the slope of what is on the queues plus what left them.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use serde::{Deserialize, Serialize};

use crate::learn::approach;
use crate::time::Millis;

/// Samples kept in a window.
const SAMPLES: u32 = 60;
/// A slope is told from this share of the window on.
const EARLIEST: u32 = 4;

/// Everything that ever came to the queues, sampled over a window; counted from an arbitrary start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    samples: Vec<Sample>,
    latest: Option<Sample>,
    smoothed: ByQueue<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sample {
    at: Millis,
    came: ByQueue<f64>,
}

impl Arrivals {
    /// Takes in how much ever came until now.
    pub(crate) fn note(&mut self, now: Millis, came: ByQueue<f64>, span: Duration) {
        let sample = Sample { at: now, came };
        let elapsed = self.latest.map_or(Duration::ZERO, |latest| now.since(latest.at));
        self.latest = Some(sample);
        self.keep(sample, span);
        self.smooth(elapsed, span);
    }

    /// Messages a second, smoothed over the span twice. A burst that is in the backlog already takes as long to get
    /// in here as it should take to be worked off, so it never counts twice.
    pub(crate) fn smoothed(&self) -> ByQueue<f64> {
        self.smoothed
    }

    /// Messages a second over the span as it is, or over what there is of it; nothing before a quarter of it.
    pub(crate) fn recent(&self, span: Duration) -> Option<ByQueue<f64>> {
        let (first, latest) = (self.samples.first()?, self.latest?);
        let elapsed = latest.at.since(first.at);
        (elapsed >= span / EARLIEST).then(|| rate(first, &latest, elapsed))
    }

    fn keep(&mut self, sample: Sample, span: Duration) {
        if self.samples.last().is_none_or(|last| sample.at.since(last.at) >= span / SAMPLES) {
            self.samples.push(sample);
        }
        let outside = self.samples.iter().take_while(|kept| sample.at.since(kept.at) >= span).count();
        self.samples.drain(..outside.saturating_sub(1));
    }

    fn smooth(&mut self, elapsed: Duration, span: Duration) {
        let (Some(first), Some(latest)) = (self.samples.first(), self.latest) else { return };
        let slope = rate(first, &latest, latest.at.since(first.at).max(span));
        let share = approach(elapsed, span.as_secs_f64());
        self.smoothed.export_jobs += (slope.export_jobs - self.smoothed.export_jobs) * share;
        self.smoothed.download_tasks += (slope.download_tasks - self.smoothed.download_tasks) * share;
    }
}

/// Never negative: counts are approximate, and messages expire or move to a dead-letter queue.
fn rate(first: &Sample, last: &Sample, elapsed: Duration) -> ByQueue<f64> {
    let seconds = elapsed.as_secs_f64().max(0.001);
    ByQueue {
        export_jobs: (last.came.export_jobs - first.came.export_jobs).max(0.0) / seconds,
        download_tasks: (last.came.download_tasks - first.came.download_tasks).max(0.0) / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    fn after(seconds: u64, came: impl Fn(u64) -> f64) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for second in 0..=seconds {
            let came = ByQueue { export_jobs: came(second), download_tasks: 0.0 };
            arrivals.note(Millis(second * 1_000), came, SPAN);
        }
        arrivals
    }

    #[test]
    fn a_steady_stream_has_its_rate() {
        let arrivals = after(600, |second| second as f64 * 3.0);
        assert!((arrivals.recent(SPAN).unwrap().export_jobs - 3.0).abs() < 0.01);
        assert!((arrivals.smoothed().export_jobs - 3.0).abs() < 0.01);
    }

    #[test]
    fn a_burst_enters_the_smoothed_rate_slowly() {
        let burst = |second| if second < 100 { 0.0 } else { 600.0 };
        assert!(after(100, burst).smoothed().export_jobs < 0.2);
        assert!(after(159, burst).smoothed().export_jobs < 6.6);
        assert!(after(100, burst).recent(SPAN).unwrap().export_jobs > 9.9);
    }

    #[test]
    fn a_rate_is_never_negative() {
        let arrivals = after(100, |second| 1_000.0 - second as f64);
        assert_eq!(arrivals.recent(SPAN).unwrap().export_jobs, 0.0);
        assert_eq!(arrivals.smoothed().export_jobs, 0.0);
    }

    #[test]
    fn samples_are_bounded_however_often_it_is_called() {
        let mut arrivals = Arrivals::default();
        for tick in 0..20_000 {
            arrivals.note(Millis(tick * 20), ByQueue::default(), SPAN);
        }
        assert!(arrivals.samples.len() <= 62, "{}", arrivals.samples.len());
    }
}
