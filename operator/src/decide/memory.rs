//! What earlier observations of a pool left.

use exportpool_scaling::{Decision, Depth, History, Learned, Observation, Policy, Reason};

/// What earlier observations of a pool left: what `scaling` keeps, and how the reads went. A few kilobytes, and a report
/// a pod.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    history: History,
    failed_reads: u32,
    last_good: Option<u32>,
}

impl Memory {
    /// Empty, but for what was learned before, by another leader.
    #[must_use]
    pub fn with_learned(learned: Learned) -> Self {
        Self { history: History::with_learned(learned), ..Self::default() }
    }

    /// What was learned of the work so far.
    #[must_use]
    pub fn learned(&self) -> &Learned {
        self.history.learned()
    }

    /// Reads in a row that a queue did not answer.
    #[must_use]
    pub const fn failed_reads(&self) -> u32 {
        self.failed_reads
    }

    /// The replicas last decided from queues that could be read.
    #[must_use]
    pub const fn last_good(&self) -> Option<u32> {
        self.last_good
    }

    pub(super) fn decide(&mut self, policy: &Policy, seen: &Observation) -> Decision {
        self.history.observe(policy, seen);
        let unknown = |depth: &Depth| matches!(depth, Depth::Unknown(_));
        let failed = unknown(&seen.queues.export_jobs) || unknown(&seen.queues.download_tasks);
        self.failed_reads = if failed { self.failed_reads.saturating_add(1) } else { 0 };
        let decision = exportpool_scaling::decide(policy, &self.history, seen);
        if !matches!(decision.reason, Reason::HeldUnknown { .. }) {
            self.last_good = Some(decision.desired);
        }
        decision
    }
}
