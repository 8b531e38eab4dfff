//! What keeps a pool from scaling out although there is work: more pods would not help, or make it worse.
//!
//! - Sources that fail or throttle: most tasks that end are to be tried again.
//! - Resources of the pods' own that do not answer: a queue, the bucket, the table.
//! - No gain: the last step brought hardly more, although the pods are busy. After a pause one pod more is tried.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::census::Census;
use crate::follow::Ended;
use crate::time::Millis;

/// Over this time tasks are counted, and a step is judged.
const SPAN: Duration = Duration::from_secs(60);
/// A rate is known from half of it on.
const LEAST_SPAN: Duration = Duration::from_secs(30);
/// Fewer tasks tell nothing.
const ENOUGH: u64 = 20;
/// From this share of tasks on that are to be tried again, sources fail.
const FAILING: f64 = 0.5;
/// Pods are busy from this share of their slots on.
const BUSY: f64 = 0.8;
/// A step gains if it brings this share of what it added.
const LEAST_GAIN: f64 = 0.25;
/// After a step that brought nothing, this long none is taken.
const PAUSE: Duration = Duration::from_secs(300);

/// What earlier observations left of how the work goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Brake {
    samples: VecDeque<Sample>,
    replicas: Option<u32>,
    step: Option<Step>,
    no_gain: Option<NoGain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sample {
    at: Millis,
    ended: Ended,
    busy: u64,
    slots: u64,
}

/// A step out that is not judged yet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Step {
    /// Tasks a second before it.
    rate: f64,
    /// Pods before it, and from then on.
    from: u32,
    to: u32,
    /// Since when all of them are ready.
    full_since: Option<Millis>,
}

/// The last step brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct NoGain {
    until: Millis,
    replicas: u32,
}

/// What keeps a pool from scaling out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Braked {
    /// Sources fail: this share of the tasks that ended is to be tried again.
    Failing(f64),
    /// So many of so many pods find their own resources unavailable.
    Unavailable(u32, u32),
    /// The last step brought nothing. For this long no other one is taken.
    NoGain(Duration),
}

impl Brake {
    pub(crate) fn observe(&mut self, now: Millis, ended: Ended, census: &Census, replicas: u32) {
        self.samples.push_back(Sample { at: now, ended, busy: census.busy, slots: census.slots });
        while self.samples.get(1).is_some_and(|second| now.since(second.at) >= SPAN) {
            self.samples.pop_front();
        }
        self.note_step(census, replicas);
        self.judge_step(now, census);
    }

    /// The most replicas, and why no more; nothing if nothing is known to be in the way.
    pub(crate) fn limit(&self, now: Millis, census: &Census, replicas: u32) -> Option<(u32, Braked)> {
        if census.unavailable > 0 && census.unavailable * 2 >= census.answered {
            return Some((replicas, Braked::Unavailable(census.unavailable, census.answered)));
        }
        if let Some(share) = self.failing().filter(|_| census.ready > 0) {
            return Some((replicas, Braked::Failing(share)));
        }
        let no_gain = self.no_gain?;
        let left = no_gain.until.since(now);
        let probe = u32::from(left.is_zero());
        Some((no_gain.replicas.saturating_add(probe).max(replicas), Braked::NoGain(left)))
    }

    /// The share of the tasks that ended and are to be tried again, if that is too large.
    fn failing(&self) -> Option<f64> {
        let ended = self.samples.back()?.ended.since(self.samples.front()?.ended);
        let all = ended.settled + ended.retried;
        let share = ended.retried as f64 / all.max(1) as f64;
        (all >= ENOUGH && share >= FAILING).then_some(share)
    }

    fn note_step(&mut self, census: &Census, replicas: u32) {
        let before = self.replicas.replace(replicas).unwrap_or(replicas);
        if replicas < before {
            self.step = None;
            // It was of more pods than there are: another load may gain again.
            self.no_gain = self.no_gain.filter(|no_gain| replicas >= no_gain.replicas);
        } else if replicas > before {
            self.step = match (self.step, self.rate()) {
                (Some(step), _) => Some(Step { to: replicas, full_since: None, ..step }),
                (None, Some(rate)) if self.is_busy() && census.ready >= before => {
                    Some(Step { rate, from: before, to: replicas, full_since: None })
                }
                _ => None,
            };
        }
    }

    fn judge_step(&mut self, now: Millis, census: &Census) {
        let Some(mut step) = self.step else { return };
        if census.ready < step.to {
            return;
        }
        let full_since = *step.full_since.get_or_insert(now);
        self.step = Some(step);
        if now.since(full_since) < SPAN {
            return;
        }
        self.step = None;
        // Pods that wait for work tell nothing of what more of them would do.
        let Some(rate) = self.rate().filter(|_| self.is_busy()) else { return };
        let (gain, added) = (rate / step.rate - 1.0, f64::from(step.to) / f64::from(step.from) - 1.0);
        let until = Millis(now.0.saturating_add(PAUSE.as_secs() * 1_000));
        self.no_gain = (gain < LEAST_GAIN * added).then_some(NoGain { until, replicas: step.to });
    }

    /// Tasks stored a second, over the samples; none before they tell.
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let span = last.at.since(first.at);
        let done = last.ended.since(first.ended).done;
        (span >= LEAST_SPAN && done >= ENOUGH).then(|| done as f64 / span.as_secs_f64())
    }

    fn is_busy(&self) -> bool {
        let sum = |of: fn(&Sample) -> u64| self.samples.iter().map(of).sum::<u64>() as f64;
        let slots = sum(|sample| sample.slots);
        slots > 0.0 && sum(|sample| sample.busy) >= BUSY * slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pods of four slots, all busy unless said otherwise, each second.
    struct Course {
        brake: Brake,
        now: u64,
        ended: Ended,
        busy: f64,
    }

    impl Course {
        fn new() -> Self {
            Self { brake: Brake::default(), now: 1_000_000, ended: Ended::default(), busy: 1.0 }
        }

        fn census(&self, replicas: u32) -> Census {
            let slots = u64::from(replicas) * 4;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of few")]
            let busy = (slots as f64 * self.busy) as u64;
            Census { ready: replicas, answered: replicas, asked: replicas, slots, busy, ..Census::default() }
        }

        /// So many seconds with so many pods, in each of which so many tasks are stored and tried again.
        fn run(&mut self, seconds: u64, replicas: u32, done: u64, retried: u64) -> Option<(u32, Braked)> {
            for _ in 0..seconds {
                self.now += 1_000;
                self.ended.done += done;
                self.ended.settled += done;
                self.ended.retried += retried;
                let census = self.census(replicas);
                self.brake.observe(Millis(self.now), self.ended, &census, replicas);
            }
            self.brake.limit(Millis(self.now), &self.census(replicas), replicas)
        }
    }

    #[test]
    fn a_step_that_brings_what_it_adds_is_no_brake() {
        let mut course = Course::new();
        assert_eq!(course.run(60, 2, 10, 0), None);
        assert_eq!(course.run(120, 4, 20, 0), None);
    }

    #[test]
    fn after_a_step_without_gain_none_is_taken_for_five_minutes_and_then_one_pod_more_is_tried() {
        let mut course = Course::new();
        course.run(60, 2, 10, 0);
        // Twice the pods bring a tenth more.
        let frozen = course.run(61, 4, 11, 0);
        assert!(matches!(frozen, Some((4, Braked::NoGain(left))) if left == PAUSE), "{frozen:?}");
        assert!(matches!(course.run(299, 4, 11, 0), Some((4, Braked::NoGain(_)))));
        assert!(matches!(course.run(1, 4, 11, 0), Some((5, Braked::NoGain(left))) if left.is_zero()));
        // The pod more brings nothing.
        assert!(matches!(course.run(61, 5, 11, 0), Some((5, Braked::NoGain(left))) if left == PAUSE));
        // The next one does: the brake is off.
        course.run(300, 5, 11, 0);
        assert_eq!(course.run(61, 6, 14, 0), None);
    }

    #[test]
    fn what_brought_nothing_is_forgotten_once_there_are_fewer_pods() {
        let mut course = Course::new();
        course.run(60, 2, 10, 0);
        assert!(course.run(61, 4, 11, 0).is_some());
        assert!(course.run(300, 4, 11, 0).is_some(), "still there is a backlog, and one pod more is tried");
        assert_eq!(course.run(1, 3, 0, 0), None);
        assert_eq!(course.run(1, 4, 0, 0), None, "hours later another load comes");
    }

    #[test]
    fn pods_that_wait_for_work_say_nothing_of_a_step() {
        let mut course = Course::new();
        course.run(60, 2, 10, 0);
        course.busy = 0.5;
        assert_eq!(course.run(120, 4, 10, 0), None);
    }

    #[test]
    fn sources_of_which_most_fail_are_not_scaled_into() {
        let mut course = Course::new();
        assert_eq!(course.run(60, 2, 10, 9), None);
        assert!(matches!(course.run(60, 2, 9, 10), Some((2, Braked::Failing(share))) if share > 0.5));
        assert_eq!(course.run(61, 2, 10, 0), None);
    }

    #[test]
    fn a_few_failures_are_no_brake() {
        let mut course = Course::new();
        assert_eq!(course.run(20, 1, 0, 1), None);
        assert!(course.run(1, 1, 0, 1).is_some());
    }

    #[test]
    fn pods_without_their_own_resources_are_not_added_to() {
        let course = Course::new();
        let census = Census { unavailable: 1, ..course.census(2) };
        let limit = course.brake.limit(Millis(course.now), &census, 2);
        assert_eq!(limit, Some((2, Braked::Unavailable(1, 2))));
        let census = Census { unavailable: 1, ..course.census(3) };
        assert_eq!(course.brake.limit(Millis(course.now), &census, 3), None);
    }
}
