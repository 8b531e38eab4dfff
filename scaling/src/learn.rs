//! What is learned from the pods: the cost of a task, the size of a job, the time that a start takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::follow::Followed;
use crate::observation::PodNumbers;
use crate::time::Millis;

/// A pod tells a ratio after this many settled tasks or received jobs,
const ENOUGH: f64 = 8.0;
/// or after this time, if there was one at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is learned moves to at most its double or half in this time.
const DOUBLES_IN: f64 = 60.0;
/// What is learned follows the pods with this time constant, in seconds.
const EASE: f64 = 30.0;
/// A task costs at least this slot time, in seconds: what is zero can never double.
const LEAST_COST: f64 = 0.001;
/// The starts that are remembered.
const STARTS: usize = 32;

/// What was learned so far. Kept over restarts by whoever calls, if it wants to; see
/// [`History::with_learned`](crate::History::with_learned).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Learned {
    /// Slot time of a task that came with its job, in seconds.
    pub job_task_seconds: Option<f64>,
    /// Slot time of a task from `download-tasks`, in seconds.
    pub task_seconds: Option<f64>,
    /// Tasks that a job lists; at least 1.
    pub tasks_per_job: Option<f64>,
    /// The share of a job's tasks that is handed over to `download-tasks`, 0 to 1.
    pub handed_share: Option<f64>,
    /// How long the newest starts took, from created to ready, in milliseconds. At most 32, the newest last.
    pub pod_starts: Vec<u64>,
}

impl Learned {
    /// The time that 9 of 10 starts stay within, if any start was seen.
    #[must_use]
    pub fn pod_start_p90(&self) -> Option<Duration> {
        let mut starts = self.pod_starts.clone();
        starts.sort_unstable();
        let rank = (starts.len() * 9).div_ceil(10);
        starts.get(rank.checked_sub(1)?).copied().map(Duration::from_millis)
    }

    pub(crate) fn note_start(&mut self, start: Duration) {
        let excess = (self.pod_starts.len() + 1).saturating_sub(STARTS);
        self.pod_starts.drain(..excess.min(self.pod_starts.len()));
        self.pod_starts.push(u64::try_from(start.as_millis()).unwrap_or(u64::MAX));
    }

    /// Moves towards what the pods tell now: the median over them, so that no single pod decides.
    pub(crate) fn follow<'a>(&mut self, pods: impl Iterator<Item = &'a Followed>, elapsed: Duration) {
        let samplers: Vec<&Samplers> = pods.map(|pod| &pod.samplers).collect();
        let told = |pick: fn(&Samplers) -> &Sampler| median(samplers.iter().filter_map(|s| pick(s).told));
        let cost = told(|s| &s.job_cost).map(|ms| (ms / 1_000.0).max(LEAST_COST));
        bounded(&mut self.job_task_seconds, cost, elapsed);
        let cost = told(|s| &s.task_cost).map(|ms| (ms / 1_000.0).max(LEAST_COST));
        bounded(&mut self.task_seconds, cost, elapsed);
        bounded(&mut self.tasks_per_job, told(|s| &s.job_size).map(|size| size.max(1.0)), elapsed);
        eased(&mut self.handed_share, told(|s| &s.handed).map(|share| share.clamp(0.0, 1.0)), elapsed);
    }
}

fn bounded(learned: &mut Option<f64>, told: Option<f64>, elapsed: Duration) {
    let before = *learned;
    eased(learned, told, elapsed);
    if let (Some(before), Some(after)) = (before, learned.as_mut()) {
        let factor = 2_f64.powf((elapsed.as_secs_f64() / DOUBLES_IN).min(1.0));
        *after = after.clamp(before / factor, before * factor);
    }
}

/// The first value is taken as it is, later ones are approached.
fn eased(learned: &mut Option<f64>, told: Option<f64>, elapsed: Duration) {
    let Some(told) = told else { return };
    let before = learned.unwrap_or(told);
    *learned = Some(before + (told - before) * approach(elapsed, EASE));
}

/// The share of the way that is gone in a time, with a time constant in seconds.
pub(crate) fn approach(elapsed: Duration, constant: f64) -> f64 {
    1.0 - (-elapsed.as_secs_f64() / constant).exp()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What one pod tells: ratios of its counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Samplers {
    /// Milliseconds of slot time to settled tasks, of tasks that came with their job.
    job_cost: Sampler,
    /// The same of `download-tasks`.
    task_cost: Sampler,
    /// Tasks listed to jobs received.
    job_size: Sampler,
    /// Tasks handed over to tasks listed.
    handed: Sampler,
}

impl Samplers {
    pub(crate) fn new(now: Millis) -> Self {
        let sampler = || Sampler { base: (0.0, 0.0), since: now, told: None };
        Self { job_cost: sampler(), task_cost: sampler(), job_size: sampler(), handed: sampler() }
    }

    /// Counters start here: what came before does not count.
    pub(crate) fn start(&mut self, base: &PodNumbers, now: Millis) {
        self.each(base, |sampler, counts| sampler.start(counts, now));
    }

    pub(crate) fn sample(&mut self, pod: &PodNumbers, now: Millis) {
        self.each(pod, |sampler, counts| sampler.sample(counts, now));
    }

    fn each(&mut self, pod: &PodNumbers, mut apply: impl FnMut(&mut Sampler, (f64, f64))) {
        let (jobs, tasks) = (&pod.queues.export_jobs, &pod.queues.download_tasks);
        // A task of a job that is retried moves to download-tasks: its attempt here is over, and was paid for here.
        let of_jobs = jobs.settled.done as f64 + jobs.settled.failed as f64 + jobs.settled.retried as f64;
        let of_tasks = tasks.settled.done as f64 + tasks.settled.failed as f64;
        apply(&mut self.job_cost, (jobs.busy_slot_millis as f64, of_jobs));
        apply(&mut self.task_cost, (tasks.busy_slot_millis as f64, of_tasks));
        apply(&mut self.job_size, (pod.tasks_listed as f64, jobs.received as f64));
        apply(&mut self.handed, (pod.handed_over as f64, pod.tasks_listed as f64));
    }
}

/// A ratio of two counters over their newest stretch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sampler {
    base: (f64, f64),
    since: Millis,
    told: Option<f64>,
}

impl Sampler {
    fn start(&mut self, counts: (f64, f64), now: Millis) {
        self.base = counts;
        self.since = now;
    }

    fn sample(&mut self, counts: (f64, f64), now: Millis) {
        let (over, under) = (counts.0 - self.base.0, counts.1 - self.base.1);
        if under >= ENOUGH || (under >= 1.0 && now.since(self.since) >= PATIENCE) {
            self.told = Some(over.max(0.0) / under);
            self.start(counts, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_learned_cost_at_most_doubles_in_a_minute() {
        let mut cost = Some(1.0);
        for _ in 0..60 {
            bounded(&mut cost, Some(1_000.0), seconds(1));
        }
        assert!((1.9..=2.001).contains(&cost.unwrap()), "{cost:?}");
    }

    #[test]
    fn a_learned_cost_at_most_halves_after_a_long_silence() {
        let mut cost = Some(8.0);
        bounded(&mut cost, Some(0.001), seconds(3_600));
        assert_eq!(cost, Some(4.0));
    }

    #[test]
    fn one_lying_pod_of_three_does_not_move_the_median() {
        assert_eq!(median([1.0, 1_000_000.0, 1.1].into_iter()), Some(1.1));
    }

    #[test]
    fn nine_of_ten_starts_stay_within_the_p90() {
        let learned = Learned { pod_starts: (1..=10).rev().collect(), ..Learned::default() };
        assert_eq!(learned.pod_start_p90(), Some(Duration::from_millis(9)));
        let learned = Learned { pod_starts: (1..=11).collect(), ..Learned::default() };
        assert_eq!(learned.pod_start_p90(), Some(Duration::from_millis(10)));
    }

    #[test]
    fn only_the_newest_starts_are_remembered() {
        let mut learned = Learned::default();
        (0..100).for_each(|s| learned.note_start(seconds(s)));
        assert_eq!(learned.pod_starts.len(), STARTS);
        assert_eq!(learned.pod_starts.last(), Some(&99_000));
    }
}
