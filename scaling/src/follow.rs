//! The counters of each pod, followed from report to report.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use serde::{Deserialize, Serialize};

use crate::learn::Samplers;
use crate::observation::{Observation, PodNumbers, PodPhase, PodSeen, Reading};
use crate::time::Millis;

/// How long a pod is remembered after it was last seen, and its last report stands.
pub(crate) const KEPT: Duration = Duration::from_secs(120);
/// Beyond this many, pods that are gone are forgotten at once, those that are gone longest first.
const MOST_PODS: usize = 4_096;

/// What is remembered of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Followed {
    uid: String,
    seen_at: Millis,
    /// Its last report, and when that was read.
    last: Option<(Millis, PodNumbers)>,
    pub samplers: Samplers,
    /// Its start was learned, or is not to be.
    started: bool,
    /// Since when it should be ready and is not.
    #[serde(default)]
    awaited_since: Option<Millis>,
}

/// Every pod seen in the last two minutes, and what all pods ever seen did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Follower {
    pods: Vec<Followed>,
    /// Messages that left each queue for good, less those that the pods themselves put on it. The depth plus this
    /// grows by what arrives from outside, and by nothing else. It counts from an arbitrary start.
    pub left: ByQueue<f64>,
    /// When a pod was last seen to have received something, between two reports.
    pub received_at: Option<Millis>,
    /// Tasks that ended in pods, from an arbitrary start.
    pub ended: Ended,
}

/// Tasks that ended, by how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Stored, or given up: what they asked for was settled.
    pub settled: u64,
    /// Of these, stored.
    pub done: u64,
    /// To be tried again: a source that fails or throttles.
    pub retried: u64,
}

impl Ended {
    fn of(pod: &PodNumbers) -> Self {
        let mut ended = Self::default();
        for queue in [&pod.queues.export_jobs, &pod.queues.download_tasks] {
            ended.settled += queue.settled.done + queue.settled.failed;
            ended.done += queue.settled.done;
            ended.retried += queue.settled.retried;
        }
        ended
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            settled: self.settled.saturating_sub(before.settled),
            done: self.done.saturating_sub(before.done),
            retried: self.retried.saturating_sub(before.retried),
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            settled: self.settled + more.settled,
            done: self.done + more.done,
            retried: self.retried + more.retried,
        }
    }
}

impl Follower {
    /// Takes in the reports of an observation; answers the starts that were completed since the one before.
    pub(crate) fn follow(&mut self, seen: &Observation, since: Millis) -> Vec<Duration> {
        let starts = seen.pods.iter().filter_map(|pod| self.follow_pod(pod, seen.now, since)).collect();
        self.forget(seen.now);
        starts
    }

    /// The pods of the newest observation.
    pub(crate) fn present(&self, now: Millis) -> impl Iterator<Item = &Followed> {
        self.pods.iter().filter(move |pod| pod.seen_at == now)
    }

    /// What a pod last reported, unless that is too old.
    pub(crate) fn last_report(&self, uid: &str, now: Millis) -> Option<&PodNumbers> {
        let (read_at, numbers) = self.pods.iter().find(|pod| pod.uid == uid)?.last.as_ref()?;
        (now.since(*read_at) <= KEPT).then_some(numbers)
    }

    /// How long a pod is on a node without being ready.
    pub(crate) fn awaited_for(&self, uid: &str, now: Millis) -> Option<Duration> {
        let followed = self.pods.iter().find(|pod| pod.uid == uid)?;
        followed.awaited_since.map(|since| now.since(since))
    }

    fn follow_pod(&mut self, pod: &PodSeen, now: Millis, since: Millis) -> Option<Duration> {
        let index = self.find_or_add(pod, now, since);
        let followed = self.pods.get_mut(index)?;
        followed.seen_at = now;
        followed.awaits(pod.phase, now);
        if let Reading::Read(numbers) = &pod.report {
            let before = followed.received();
            let (left, ended) = followed.read(numbers, now, since);
            if before.is_some() && before != followed.received() {
                self.received_at = Some(now);
            }
            self.left = sum(self.left, left);
            self.ended = self.ended.plus(ended);
        }
        followed.start_completed(pod)
    }

    fn find_or_add(&mut self, pod: &PodSeen, now: Millis, since: Millis) -> usize {
        if let Some(index) = self.pods.iter().position(|known| known.uid == pod.uid) {
            return index;
        }
        self.pods.push(Followed::new(pod, now, since));
        self.pods.len() - 1
    }

    /// Forgets pods that are gone. What a pod held when it went has left its hands.
    fn forget(&mut self, now: Millis) {
        self.pods.sort_by_key(|pod| std::cmp::Reverse(pod.seen_at));
        let recent = |(index, pod): &(usize, &Followed)| *index < MOST_PODS && now.since(pod.seen_at) <= KEPT;
        let kept = self.pods.iter().enumerate().filter(|each| each.1.seen_at == now || recent(each)).count();
        for gone in self.pods.drain(kept..) {
            self.left.export_jobs += gone.held_jobs();
        }
    }
}

impl Followed {
    fn new(pod: &PodSeen, now: Millis, since: Millis) -> Self {
        let ours = pod.created_at.is_some_and(|created| created >= since);
        Self {
            uid: pod.uid.clone(),
            seen_at: now,
            last: None,
            samplers: Samplers::new(now),
            started: !ours,
            awaited_since: None,
        }
    }

    fn awaits(&mut self, phase: PodPhase, now: Millis) {
        let awaited = matches!(phase, PodPhase::Pending | PodPhase::Unready);
        self.awaited_since = awaited.then(|| self.awaited_since.unwrap_or(now));
    }

    /// Takes in a report; answers what left the queues since the last one, and what ended.
    fn read(&mut self, numbers: &PodNumbers, now: Millis, since: Millis) -> (ByQueue<f64>, Ended) {
        let held = self.held_jobs();
        let last = self.last.replace((now, numbers.clone())).map(|(_, last)| last);
        let progress = match last {
            Some(last) if last.instance_id == numbers.instance_id => {
                (left_since(numbers, &last), Ended::of(numbers).since(Ended::of(&last)))
            }
            last => self.restart(numbers, last.is_none() && numbers.started_at < since, held, now),
        };
        self.samplers.sample(numbers, now);
        progress
    }

    /// An instance not seen before. One that was there before us starts where it is, any other at zero. What the
    /// instance before it held has left its hands.
    fn restart(
        &mut self,
        numbers: &PodNumbers,
        older: bool,
        held: f64,
        now: Millis,
    ) -> (ByQueue<f64>, Ended) {
        let base = if older { numbers.clone() } else { PodNumbers::default() };
        self.samplers.start(&base, now);
        let left = left_since(numbers, &base);
        let left = ByQueue { export_jobs: left.export_jobs + held, ..left };
        (left, Ended::of(numbers).since(Ended::of(&base)))
    }

    /// Messages received by the instance until its last report.
    fn received(&self) -> Option<(u64, u64)> {
        self.last
            .as_ref()
            .map(|(_, last)| (last.queues.export_jobs.received, last.queues.download_tasks.received))
    }

    fn held_jobs(&self) -> f64 {
        self.last.as_ref().map_or(0.0, |(_, last)| last.leased.export_jobs as f64)
    }

    /// The time from creation to ready, once. Only of pods created under our eyes: a pod that was ready, unready
    /// and ready again before we came tells nothing.
    fn start_completed(&mut self, pod: &PodSeen) -> Option<Duration> {
        if self.started || pod.phase != PodPhase::Ready {
            return None;
        }
        self.started = true;
        Some(pod.ready_at?.since(pod.created_at?))
    }
}

fn left_since(now: &PodNumbers, before: &PodNumbers) -> ByQueue<f64> {
    let (now, before) = (left_queues(now), left_queues(before));
    ByQueue {
        export_jobs: now.export_jobs - before.export_jobs,
        download_tasks: now.download_tasks - before.download_tasks,
    }
}

/// Messages that left the queues through an instance, less those it put there, since its start.
///
/// Jobs are not counted when they are settled, so: received for the first time and no longer leased. A job that was
/// given back counts until it is received again. Tasks are: settled for good, less hand-overs and the retries of
/// jobs' tasks, which are new messages but no arrivals.
fn left_queues(pod: &PodNumbers) -> ByQueue<f64> {
    let (jobs, tasks) = (&pod.queues.export_jobs, &pod.queues.download_tasks);
    let sent = pod.handed_over as f64 + jobs.settled.retried as f64;
    ByQueue {
        export_jobs: jobs.received as f64 - jobs.redelivered as f64 - pod.leased.export_jobs as f64,
        download_tasks: tasks.settled.done as f64 + tasks.settled.failed as f64 - sent,
    }
}

fn sum(a: ByQueue<f64>, b: ByQueue<f64>) -> ByQueue<f64> {
    ByQueue {
        export_jobs: a.export_jobs + b.export_jobs,
        download_tasks: a.download_tasks + b.download_tasks,
    }
}

#[cfg(test)]
mod tests {
    use exportpool_contract::report::QueueCounters;

    use super::*;
    use crate::observation::Depth;

    fn report(instance: &str, started: u64, received: u64, leased: u64) -> PodNumbers {
        let export_jobs = QueueCounters { received, ..QueueCounters::default() };
        PodNumbers {
            instance_id: instance.into(),
            started_at: Millis(started),
            leased: ByQueue { export_jobs: leased, download_tasks: 0 },
            queues: ByQueue { export_jobs, download_tasks: QueueCounters::default() },
            ..PodNumbers::default()
        }
    }

    fn seen(now: u64, report: Option<PodNumbers>) -> Observation {
        let pod = |numbers| PodSeen {
            uid: "pod".into(),
            phase: PodPhase::Ready,
            created_at: None,
            ready_at: None,
            report: Reading::Read(Box::new(numbers)),
        };
        let queues = ByQueue { export_jobs: Depth::visible(0), download_tasks: Depth::visible(0) };
        Observation { now: Millis(now), queues, pods: report.map(pod).into_iter().collect(), replicas: 1 }
    }

    /// Jobs that left after all of these; we came at 1,000.
    fn jobs_left(course: impl IntoIterator<Item = Observation>) -> f64 {
        let mut follower = Follower::default();
        for observation in course {
            follower.follow(&observation, Millis(1_000));
        }
        follower.left.export_jobs
    }

    #[test]
    fn an_instance_that_starts_under_our_eyes_counts_from_zero() {
        assert_eq!(jobs_left([seen(3_000, Some(report("a", 2_000, 9, 2)))]), 7.0);
    }

    #[test]
    fn an_instance_that_was_there_before_us_counts_from_where_it_is() {
        let old = |now, received, leased| seen(now, Some(report("a", 500, received, leased)));
        assert_eq!(jobs_left([old(3_000, 900, 2)]), 0.0);
        assert_eq!(jobs_left([old(3_000, 900, 2), old(4_000, 903, 1)]), 4.0);
    }

    #[test]
    fn what_an_instance_held_when_it_restarted_has_left_its_hands() {
        let course =
            [seen(3_000, Some(report("a", 2_000, 9, 2))), seen(4_000, Some(report("b", 3_500, 1, 1)))];
        assert_eq!(jobs_left(course), 9.0);
    }

    #[test]
    fn a_pod_that_is_gone_is_kept_for_two_minutes() {
        let gone = |now| [seen(3_000, Some(report("a", 2_000, 9, 2))), seen(now, None)];
        assert_eq!(jobs_left(gone(123_000)), 7.0);
        assert_eq!(jobs_left(gone(123_001)), 9.0, "what it held has left its hands");
    }
}
