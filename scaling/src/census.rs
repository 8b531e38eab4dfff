//! The pods of an observation, added up.

use exportpool_contract::report::ByQueue;

use crate::history::History;
use crate::observation::{Observation, PodNumbers, PodPhase, PodSeen, Reading, UnreadReport};
use crate::policy::Policy;

/// The pods of an observation, added up. "Live" is every pod that runs and is not told to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Census {
    /// Tasks waiting in memory, of terminating pods as well: those hand them on.
    pub waiting: u64,
    /// Tasks at work in live pods.
    pub busy: u64,
    /// Slots of live pods of which nothing is known.
    pub hidden_slots: u64,
    /// Tasks waiting on a queue for another attempt.
    pub scheduled_retries: u64,
    /// Messages in the hands of pods.
    pub leased: ByQueue<u64>,
    /// Ready pods that were asked for their report.
    pub asked: u32,
    /// Those of them that answered.
    pub answered: u32,
    /// Pods told to stop.
    pub terminating: u32,
    /// Live pods with work in hand.
    pub at_work: u32,
    /// Live pods that nothing was read of in this poll.
    pub unread: u32,
    /// Ready pods that were read and whose own resources do not answer.
    pub unavailable: u32,
    /// Pods on a node that do not become ready: no capacity.
    pub stuck: u32,
    /// Slots of live pods that were read.
    pub slots: u64,
    /// Ready pods.
    pub ready: u32,
}

impl Census {
    /// Counts the pods. The history stands in for pods that were not sampled.
    pub(crate) fn take(policy: &Policy, history: &History, seen: &Observation) -> Self {
        let mut census = Self::default();
        for pod in &seen.pods {
            census.count_phase(pod);
            census.stuck += u32::from(history.is_stuck(pod, seen.now));
            census.count_reading(pod);
            census.count_work(pod, history.last_known(pod, seen.now), policy);
        }
        census
    }

    /// Whether at least half of the ready pods that were asked answered.
    pub(crate) fn readable(&self) -> bool {
        self.answered.saturating_mul(2) >= self.asked
    }

    fn count_phase(&mut self, pod: &PodSeen) {
        self.ready += u32::from(pod.phase == PodPhase::Ready);
        self.terminating += u32::from(pod.phase == PodPhase::Terminating);
        let at_work = matches!(&pod.report, Reading::Read(numbers) if !numbers.idle());
        self.at_work += u32::from(live(pod) && at_work);
    }

    fn count_reading(&mut self, pod: &PodSeen) {
        let read = matches!(pod.report, Reading::Read(_));
        let asked = pod.report != Reading::Unread(UnreadReport::NotSampled);
        self.unread += u32::from(live(pod) && !read);
        self.asked += u32::from(pod.phase == PodPhase::Ready && asked);
        self.answered += u32::from(pod.phase == PodPhase::Ready && read);
        let unavailable = matches!(&pod.report, Reading::Read(numbers) if numbers.unavailable);
        self.unavailable += u32::from(pod.phase == PodPhase::Ready && unavailable);
    }

    fn count_work(&mut self, pod: &PodSeen, numbers: Option<&PodNumbers>, policy: &Policy) {
        let Some(numbers) = numbers else {
            let slots = if live(pod) { u64::from(policy.slots_per_pod) } else { 0 };
            add(&mut self.hidden_slots, slots);
            return;
        };
        let busy = if live(pod) { numbers.slots.busy.min(numbers.slots.total) } else { 0 };
        add(&mut self.busy, busy);
        add(&mut self.slots, if live(pod) { numbers.slots.total } else { 0 });
        add(&mut self.waiting, numbers.waiting);
        add(&mut self.scheduled_retries, numbers.scheduled_retries);
        add(&mut self.leased.export_jobs, numbers.leased.export_jobs);
        add(&mut self.leased.download_tasks, numbers.leased.download_tasks);
    }
}

fn live(pod: &PodSeen) -> bool {
    matches!(pod.phase, PodPhase::Ready | PodPhase::Unready)
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}
