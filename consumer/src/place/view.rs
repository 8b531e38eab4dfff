//! What can be asked of the desk.

use std::time::Instant;

use exportpool_contract::report::{ByQueue, QueueCounters};

use crate::{
    message::QueueName,
    place::{
        desk::{Desk, Message},
        intake::InHand,
        tally,
    },
};

impl Desk {
    /// When [`Desk::tick`] is next needed.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.leases.wake_at().into_iter().chain(self.hiring.at()).min()
    }

    /// What is unavailable, in words.
    #[must_use]
    pub fn unavailable(&self) -> Option<String> {
        self.breaker.unavailable()
    }

    /// Receives under way.
    #[must_use]
    pub fn open_polls(&self) -> usize {
        self.polls.iter().map(|polls| polls.open).sum()
    }

    /// Messages in hand of one queue.
    #[must_use]
    pub fn leased(&self, queue: QueueName) -> usize {
        self.leases.count(queue)
    }

    /// Jobs in hand whose tasks are not all known, or not all where they belong.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.messages.values().filter(|m| m.queue == QueueName::ExportJobs && m.open).count()
    }

    /// Counters by queue; the time of tasks that run counts as far as it is spent.
    #[must_use]
    pub fn counters(&self, now: Instant) -> ByQueue<QueueCounters> {
        let mut queues = self.tally.queues;
        for running in self.running.values() {
            let spent = now.saturating_duration_since(running.since);
            tally::of(&mut queues, running.queue).busy_slot_millis += tally::millis(spent);
        }
        queues
    }

    /// Tasks that wait on a queue for another attempt, sent by this instance and not yet due.
    #[must_use]
    pub fn scheduled_retries(&self, now: Instant) -> usize {
        self.tally.scheduled_retries(now)
    }

    /// When the oldest work in hand was first put on a queue, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn oldest_enqueued_at(&self) -> Option<u64> {
        self.messages.values().filter_map(|message| message.enqueued_at).min()
    }

    /// Worker threads that take work.
    #[must_use]
    pub fn workers_alive(&self) -> usize {
        self.workers.values().filter(|worker| !worker.retiring).count()
    }

    /// Queues, bucket and table have answered at least once.
    #[must_use]
    pub const fn has_started(&self) -> bool {
        self.started
    }

    /// What is in hand, for the intake.
    #[must_use]
    pub fn in_hand(&self) -> InHand {
        let admitting = self.messages.values().filter(|m| m.admitting).count();
        let unstarted = |m: &&Message| m.queue == QueueName::DownloadTasks && !m.started && !m.deleting;
        let jobs = self.messages.values().filter(|m| m.queue == QueueName::ExportJobs && m.has_work());
        InHand {
            slots: self.workers.values().filter(|w| !w.retiring).count() * self.rules.pool.tasks_per_worker,
            busy: self.running.len(),
            waiting: self.waiting.len() + admitting,
            waiting_messages: self.messages.values().filter(unstarted).count(),
            jobs: jobs.count(),
            service: self.tally.service(),
        }
    }
}
