//! Counts, for the pod report.

use std::time::Duration;

use exportpool_contract::report::{ByQueue, Counters, QueueCounters};

use crate::{
    event::{Settlement, WorkResult},
    fail::{AwsFault, TaskFault},
    message::QueueName,
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
}

impl Tally {
    /// A queue's counters.
    pub fn queue(&mut self, queue: QueueName) -> &mut QueueCounters {
        match queue {
            QueueName::ExportJobs => &mut self.queues.export_jobs,
            QueueName::DownloadTasks => &mut self.queues.download_tasks,
        }
    }

    /// Mean time of a task on its slot, the recent ones weighing more.
    #[must_use]
    pub const fn service(&self) -> Option<Duration> {
        self.service
    }

    /// A task left its slot after `spent`.
    pub fn finished(&mut self, queue: QueueName, result: &WorkResult, spent: Duration) {
        const WEIGHT: f64 = 0.2;
        self.queue(queue).busy_slot_millis += millis(spent);
        let mean = self.service.map_or(spent, |mean| mean.mul_f64(1.0 - WEIGHT) + spent.mul_f64(WEIGHT));
        self.service = Some(mean);
        match result {
            // Counted where it trips the breaker.
            WorkResult::Faulted { fault: TaskFault::Ours(_), .. } => {}
            WorkResult::Faulted { fault, .. } => {
                *self.counters.source_errors.entry(fault.reason().into()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// A job's list ended here.
    pub fn split(&mut self, listed: usize, handed_over: usize, given_up: bool) {
        self.counters.tasks_listed += listed as u64;
        self.counters.handed_over += handed_over as u64;
        self.counters.dead_lettered += u64::from(given_up);
    }

    /// AWS failed us.
    pub fn aws_error(&mut self, fault: &AwsFault) {
        *self.counters.aws_errors.entry(fault.kind.reason().into()).or_default() += 1;
    }

    /// A task is settled.
    pub fn settled(&mut self, queue: QueueName, settlement: &Settlement) {
        let settled = &mut self.queue(queue).settled;
        match settlement {
            Settlement::Done { .. } => settled.done += 1,
            Settlement::Failed => settled.failed += 1,
            Settlement::HandedOver { started: true } | Settlement::Retry(_) => settled.retried += 1,
            Settlement::HandedOver { started: false } => self.counters.handed_over += 1,
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
