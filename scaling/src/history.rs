//! What earlier observations left.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use serde::{Deserialize, Serialize};

use crate::arrivals::Arrivals;
use crate::brake::Brake;
use crate::census::Census;
use crate::demand::Demand;
use crate::follow::Follower;
use crate::learn::Learned;
use crate::observation::{Depth, Observation, PodNumbers, PodSeen, Reading, UnreadReport};
use crate::policy::Policy;
use crate::time::Millis;
use crate::window::Window;

/// While reports are unreadable, replicas at most double in this time.
const DOUBLING: Duration = Duration::from_secs(60);

/// A pod that is not ready for less than this is not stuck, however fast others start: it may be restarting.
const LEAST_STUCK: Duration = Duration::from_secs(30);

/// What earlier observations of one pool left. Bounded: a few kilobytes and one report a pod.
///
/// [`observe`](Self::observe) comes first, then [`decide`](crate::decide) with the same observation. An empty history
/// knows no rate, no cost and no window: it scales out, and scales in only when it has seen enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The first and the newest observation.
    span: Option<(Millis, Millis)>,
    pods: Follower,
    learned: Learned,
    pub(crate) arrivals: Arrivals,
    /// What keeps from scaling out.
    #[serde(default)]
    pub(crate) brake: Brake,
    /// The replicas that were enough at the utilization for scaling in.
    pub(crate) enough: Window,
    zero: Option<ZeroReads>,
    worked_at: Option<Millis>,
    blind: Option<Blind>,
    replicas: Option<u32>,
    cut_at: Option<Millis>,
}

/// Reads in a row that saw nothing visible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ZeroReads {
    pub first: Millis,
    pub reads: u32,
}

/// A time in which reports are unreadable, in steps of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Blind {
    since: Millis,
    replicas: u32,
}

impl History {
    /// An empty history that keeps what was learned before, for example by the last leader.
    #[must_use]
    pub fn with_learned(learned: Learned) -> Self {
        Self { learned, ..Self::default() }
    }

    /// What was learned so far.
    #[must_use]
    pub fn learned(&self) -> &Learned {
        &self.learned
    }

    /// Takes an observation in. Once for each observation, before [`decide`](crate::decide).
    ///
    /// Time must grow: the same time again changes nothing, an earlier one starts all windows again.
    pub fn observe(&mut self, policy: &Policy, seen: &Observation) {
        let Some((since, elapsed)) = self.advance(seen.now) else { return };
        self.observe_pods(seen, since, elapsed);
        let census = Census::take(policy, self, seen);
        self.observe_replicas(seen, census.readable());
        if census.readable() {
            self.brake.observe(seen.now, self.pods.ended, &census, seen.replicas);
        }
        if census.readable() {
            self.observe_arrivals(policy, seen);
        }
        self.observe_work(seen, &census);
        self.observe_enough(policy, seen, &census);
    }

    /// The report that stands for a pod: this poll's, or the last one if it was not its turn.
    pub(crate) fn last_known<'a>(&'a self, pod: &'a PodSeen, now: Millis) -> Option<&'a PodNumbers> {
        match &pod.report {
            Reading::Read(numbers) => Some(numbers),
            Reading::Unread(UnreadReport::NotSampled) => self.pods.last_report(&pod.uid, now),
            Reading::Unread(_) => None,
        }
    }

    /// Whether a pod is on a node and not ready for so long that others in its place would have started twice.
    ///
    /// Before any start is learned nothing is known to be too long.
    pub(crate) fn is_stuck(&self, pod: &PodSeen, now: Millis) -> bool {
        let long = self.learned.pod_start_p90().map(|start| (start * 2).max(LEAST_STUCK));
        long.zip(self.pods.awaited_for(&pod.uid, now)).is_some_and(|(long, awaited)| awaited >= long)
    }

    /// Reads in a row that saw nothing visible, and the time they span.
    pub(crate) fn zero_reads(&self, now: Millis) -> (u32, Duration) {
        self.zero.map_or((0, Duration::ZERO), |zero| (zero.reads, now.since(zero.first)))
    }

    /// The time since the last work was seen, or since the first observation.
    pub(crate) fn idle_for(&self, now: Millis) -> Duration {
        let first = self.span.map(|(first, _)| first);
        self.worked_at.or(first).map_or(Duration::ZERO, |at| now.since(at))
    }

    /// The most replicas while reports are unreadable.
    pub(crate) fn blind_limit(&self) -> Option<u32> {
        self.blind.map(|blind| blind.replicas.max(1).saturating_mul(2))
    }

    /// The time since replicas were last taken away.
    pub(crate) fn since_cut(&self, now: Millis) -> Option<Duration> {
        self.cut_at.map(|at| now.since(at))
    }

    /// Answers the first observation's time and the time since the last one; nothing if no time went by.
    fn advance(&mut self, now: Millis) -> Option<(Millis, Duration)> {
        let (first, last) = self.span.unwrap_or((now, now));
        if self.span.is_some() && now == last {
            return None;
        }
        if now < last {
            *self = Self::with_learned(std::mem::take(&mut self.learned));
            return self.advance(now);
        }
        self.span = Some((first, now));
        Some((first, now.since(last)))
    }

    fn observe_pods(&mut self, seen: &Observation, since: Millis, elapsed: Duration) {
        for start in self.pods.follow(seen, since) {
            self.learned.note_start(start);
        }
        self.learned.follow(self.pods.present(seen.now), elapsed);
    }

    fn observe_replicas(&mut self, seen: &Observation, readable: bool) {
        if self.replicas.is_some_and(|before| seen.replicas < before) {
            self.cut_at = Some(seen.now);
        }
        self.replicas = Some(seen.replicas);
        let step = Blind { since: seen.now, replicas: seen.replicas };
        self.blind = match self.blind {
            _ if readable => None,
            Some(blind) if seen.now.since(blind.since) < DOUBLING => Some(blind),
            _ => Some(step),
        };
    }

    /// Depth and what left are of the same poll: arrivals are noted only when both are known.
    fn observe_arrivals(&mut self, policy: &Policy, seen: &Observation) {
        let jobs = total(&seen.queues.export_jobs);
        let tasks = total(&seen.queues.download_tasks);
        let (Some(jobs), Some(tasks)) = (jobs, tasks) else { return };
        let left = self.pods.left;
        let came =
            ByQueue { export_jobs: jobs + left.export_jobs, download_tasks: tasks + left.download_tasks };
        self.arrivals.note(seen.now, came, policy.arrival_span());
    }

    /// What pods received between two polls was visible, even if no poll saw it.
    fn observe_work(&mut self, seen: &Observation, census: &Census) {
        let visible = visible(seen);
        let received = self.pods.received_at == Some(seen.now);
        self.zero = match (visible, self.zero) {
            (Some(0), Some(zero)) if !received => {
                Some(ZeroReads { reads: zero.reads.saturating_add(1), ..zero })
            }
            (Some(0), _) => Some(ZeroReads { first: seen.now, reads: 1 }),
            _ => None,
        };
        let working = visible.is_some_and(|visible| visible > 0) || census.at_work > 0 || received;
        let told = seen.pods.iter().filter_map(|pod| last_message(pod, seen.now)).max();
        self.worked_at = self.worked_at.max(told).max(working.then_some(seen.now));
    }

    /// Notes how many replicas would have been enough. Not while reports are unreadable: then nothing is known
    /// to be enough.
    fn observe_enough(&mut self, policy: &Policy, seen: &Observation, census: &Census) {
        if !census.readable() {
            return;
        }
        let enough = Demand::measure(policy, self, seen).ok().and_then(|demand| demand.enough);
        if let Some(enough) = enough {
            self.enough.note(seen.now, enough, policy.stabilization_window());
        }
    }
}

fn last_message(pod: &PodSeen, now: Millis) -> Option<Millis> {
    match &pod.report {
        Reading::Read(numbers) => numbers.last_real_message_at.map(|at| at.min(now)),
        Reading::Unread(_) => None,
    }
}

fn total(depth: &Depth) -> Option<f64> {
    match *depth {
        Depth::Known { visible, not_visible, delayed, .. } => {
            Some(visible as f64 + not_visible as f64 + delayed as f64)
        }
        Depth::Unknown(_) => None,
    }
}

/// Visible messages of both queues, if both are known.
fn visible(seen: &Observation) -> Option<u64> {
    match (seen.queues.export_jobs, seen.queues.download_tasks) {
        (Depth::Known { visible: jobs, .. }, Depth::Known { visible: tasks, .. }) => {
            Some(jobs.saturating_add(tasks))
        }
        _ => None,
    }
}
