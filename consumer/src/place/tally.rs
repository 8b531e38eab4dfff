//! Counts, for the pod report.

use std::time::{Duration, Instant};

use exportpool_contract::report::{ByQueue, Counters, QueueCounters};

use crate::{
    event::{Settlement, WorkResult},
    fail::{AwsFault, Reason, TaskFault},
    message::QueueName,
    place::retries::Retries,
};

/// Counters since the start.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By queue.
    pub queues: ByQueue<QueueCounters>,
    /// Of the instance.
    pub counters: Counters,
    /// When the last message came in, in milliseconds since the Unix epoch.
    pub last_message_at: Option<u64>,
    service: Option<Duration>,
    retries: Retries,
}

impl Tally {
    /// A queue's counters.
    pub fn queue(&mut self, queue: QueueName) -> &mut QueueCounters {
        of(&mut self.queues, queue)
    }

    /// Mean time of work on its slot, the recent ones weighing more: how much more is taken in goes by it. It is
    /// learned from objects that were stored now, and from sources that were waited for in vain. What left its slot
    /// without that work, as done before, adopted, cancelled, refused at once, or by a fault of ours, says nothing of
    /// how long the next one takes.
    #[must_use]
    pub const fn service(&self) -> Option<Duration> {
        self.service
    }

    /// A task left its slot after `spent`.
    pub fn finished(&mut self, queue: QueueName, result: &WorkResult, spent: Duration) {
        const WEIGHT: f64 = 0.2;
        self.queue(queue).busy_slot_millis += millis(spent);
        if took_its_time(result) {
            let learned = |mean: Duration| mean.mul_f64(1.0 - WEIGHT) + spent.mul_f64(WEIGHT);
            self.service = Some(self.service.map_or(spent, learned));
        }
        match result {
            // Counted where it trips the breaker.
            WorkResult::Faulted { fault: TaskFault::Ours(_), .. } => {}
            WorkResult::Faulted { fault, .. } => self.source_error(fault.reason()),
            WorkResult::Panicked => self.source_error(Reason::Panicked.as_str()),
            WorkResult::Stuck => self.source_error(Reason::Stuck.as_str()),
            _ => {}
        }
    }

    /// A job's list ended here.
    pub fn split(&mut self, listed: usize, handed_over: usize, given_up: bool) {
        self.counters.tasks_listed += listed as u64;
        self.counters.handed_over += handed_over as u64;
        self.counters.dead_lettered += u64::from(given_up);
    }

    /// Words are those of [`Reason`] and of [`TaskFault`]: the map is bounded by them.
    fn source_error(&mut self, word: &'static str) {
        *self.counters.source_errors.entry(word.into()).or_default() += 1;
    }

    /// AWS failed us.
    pub fn aws_error(&mut self, fault: &AwsFault) {
        *self.counters.aws_errors.entry(fault.kind.reason().into()).or_default() += 1;
    }

    /// A task waits on a queue for its next attempt.
    pub fn put_off(&mut self, delay: Duration, now: Instant) {
        self.retries.put_off(delay, now);
    }

    /// Tasks that wait on a queue for their next attempt, as far as this instance put them there.
    #[must_use]
    pub fn scheduled_retries(&self, now: Instant) -> usize {
        self.retries.waiting(now)
    }

    /// A task is settled.
    pub fn settled(&mut self, queue: QueueName, settlement: &Settlement) {
        let settled = &mut self.queue(queue).settled;
        match settlement {
            Settlement::Done { .. } => settled.done += 1,
            Settlement::Failed => settled.failed += 1,
            Settlement::Resent(_) | Settlement::Retry(_) => settled.retried += 1,
            Settlement::HandedOver => self.counters.handed_over += 1,
            Settlement::Returned(_) => settled.returned += 1,
            Settlement::Fenced => settled.fenced += 1,
        }
        match settlement {
            Settlement::Done { bytes, service } => {
                self.counters.bytes += bytes;
                self.queue(queue).service_millis += millis(*service);
            }
            Settlement::Failed => self.counters.dead_lettered += 1,
            _ => {}
        }
    }
}

/// The slot was held for as long as work takes.
const fn took_its_time(result: &WorkResult) -> bool {
    match result {
        WorkResult::Stored { object, .. } => !object.adopted,
        WorkResult::Faulted { fault: TaskFault::Retry { reason, .. }, .. } => {
            matches!(reason, Reason::TooSlow | Reason::TaskTimeout)
        }
        _ => false,
    }
}

pub(super) fn of(queues: &mut ByQueue<QueueCounters>, queue: QueueName) -> &mut QueueCounters {
    match queue {
        QueueName::ExportJobs => &mut queues.export_jobs,
        QueueName::DownloadTasks => &mut queues.download_tasks,
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
