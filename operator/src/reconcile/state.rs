//! What is kept of a pool from round to round.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{pace, rivalry::Rivalry};
use crate::{
    api::ExportPool,
    apply::{Applying, fault::ApplyFault},
    decide::{Memory, Undecidable, Verdict},
    observe::Seen,
    report::{
        Obstacle, QueueRead, Reports,
        events::Told,
        status::{Written, relearned},
    },
};

/// Who writes the replicas as well is told of for this long after.
const CONTESTED_FOR: Duration = Duration::from_secs(300);

/// What is kept of a pool from round to round.
pub(crate) struct State {
    pub memory: Memory,
    pub applying: Applying,
    pub verdict: Option<Result<Verdict, Undecidable>>,
    pub queues: ByQueue<QueueRead>,
    pub reports: Reports,
    pub oldest: Option<Timestamp>,
    pub written: Written,
    pub told: Told,
    /// How often the pool was looked at. Of each pool by itself: in step with others, some pods would never be asked.
    pub looks: usize,
    /// Its pods are to be replaced, and those of others are first.
    pub waits_its_turn: bool,
    /// Who else wrote the replicas, and when that was seen last.
    contested: Option<(String, Instant)>,
    /// Whether another operator looks after it as well.
    pub rivalry: Rivalry,
    /// When the queues are read next, and the generation of the spec they were read for last.
    due_at: Option<Instant>,
    generation: Option<i64>,
    failures: u32,
}

impl State {
    /// Begins with what another leader left in the status.
    pub(super) fn begin(pool: &ExportPool) -> Self {
        Self {
            memory: Memory::with_learned(relearned(pool.status.as_ref())),
            applying: Applying::default(),
            verdict: None,
            queues: ByQueue::default(),
            reports: Reports::default(),
            oldest: None,
            written: Written::default(),
            told: Told::default(),
            looks: 0,
            waits_its_turn: false,
            contested: None,
            rivalry: Rivalry::default(),
            due_at: None,
            generation: None,
            failures: 0,
        }
    }

    /// Forgets the pool, but for who else looks after it: what was seen until now is no ground to decide from later.
    pub(super) fn let_go(&mut self, pool: &ExportPool) {
        let rivalry = std::mem::take(&mut self.rivalry);
        *self = Self { rivalry, ..Self::begin(pool) };
    }

    /// Notes who else writes the replicas, and answers who did in the last minutes.
    pub(super) fn contested_by(&mut self, who: Option<String>, now: Instant) -> Option<String> {
        if let Some(who) = who {
            self.contested = Some((who, now));
        }
        let recent = self.contested.as_ref().filter(|(_, at)| now.duration_since(*at) < CONTESTED_FOR);
        recent.map(|(who, _)| who.clone())
    }

    /// Whether it is time to look again: at once when the spec changed.
    pub(super) fn is_due(&self, pool: &ExportPool, now: Instant) -> bool {
        self.generation != pool.metadata.generation || self.due_at.is_none_or(|due_at| due_at <= now)
    }

    pub(super) fn note(
        &mut self,
        pool: &ExportPool,
        seen: Seen,
        verdict: Result<Verdict, Undecidable>,
        now: Instant,
    ) {
        self.looks = self.looks.wrapping_add(1);
        self.generation = pool.metadata.generation;
        self.due_at = Some(now + pace::interval(pool, &seen));
        let Seen { queues, reports, oldest, .. } = seen;
        (self.queues, self.reports, self.oldest) = (queues, reports, oldest);
        self.verdict = Some(verdict);
    }

    /// The time until the next round: until the queues are read again, or sooner for what was in the way and passes.
    pub(super) fn wait(&mut self, obstacle: Option<&Obstacle>, now: Instant) -> Duration {
        self.failures = if obstacle.is_some() { self.failures.saturating_add(1) } else { 0 };
        let due = self.due_at.map_or(Duration::ZERO, |due_at| due_at.saturating_duration_since(now));
        // What is there is not what was decided from.
        if matches!(obstacle, Some(Obstacle::Apply(ApplyFault::Conflict { .. }))) {
            self.due_at = None;
        }
        match obstacle {
            // A round that fails slowly lasts until its queues are due, and is no reason to begin the next one at once.
            Some(obstacle) if obstacle.passes() => pace::again(self.failures).min(due.max(pace::AGAIN)),
            _ => due,
        }
    }
}
