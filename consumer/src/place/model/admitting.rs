//! Messages are read, and the rest of a job is handed over; or that fails.

use std::time::Duration;

use super::{
    around::{Around, pick_of},
    check::Expect,
    fates::{self, Delivery, Fate, Stage},
};
use crate::{
    event::Event,
    fail::AwsResource,
    message::{Carrier, QueueName, Task},
    place::fixture,
    ports::Outbox,
};

impl Around {
    pub(super) fn reading(&self, message: u8, is: impl Fn(&Delivery) -> bool) -> Option<usize> {
        pick_of(message, &self.deliveries, |d| d.reading && is(d))
    }

    pub(super) fn whole(&mut self, message: u8, tasks: usize) {
        let Some(at) = self.reading(message, |_| true) else { return };
        let job = self.deliveries[at].queue == QueueName::ExportJobs;
        let tasks = if job { tasks } else { 1 };
        let listed = if job { tasks + 1 } else { 0 };
        self.admitted(at, tasks, listed, None);
    }

    pub(super) fn begun(&mut self, message: u8, tasks: usize, rest: usize) {
        let Some(at) = self.reading(message, |d| d.queue == QueueName::ExportJobs) else { return };
        self.admitted(at, tasks, tasks + rest, Some(rest));
    }

    pub(super) fn admitted(&mut self, at: usize, tasks: usize, listed: usize, rest: Option<usize>) {
        let delivery = &mut self.deliveries[at];
        (delivery.reading, delivery.rest) = (false, rest);
        let (lease, alive) = (delivery.lease, delivery.end.is_none());
        let carrier = if delivery.queue == QueueName::ExportJobs { Carrier::Job } else { Carrier::Message };
        let job = format!("j{}", lease.0 % 3);
        let task = |n| Task { carrier, ..fixture::task(&job, n, lease.0) };
        let tasks: Vec<_> = (0..tasks as u64).map(task).collect();
        if alive {
            let fate = |task: &Task| Fate { task: task.clone(), stage: Stage::Waiting, told_to_stop: false };
            self.fates.extend(tasks.iter().map(fate));
            if self.draining && rest.is_some() {
                self.expected.push(Expect::Yield(lease));
            }
        }
        self.counters.tasks_listed += listed as u64;
        self.tell(Event::Admitted { lease, tasks, listed, complete: rest.is_none() });
    }

    pub(super) fn splitting(&self, job: u8) -> Option<usize> {
        pick_of(job, &self.deliveries, |d| d.rest.is_some())
    }

    pub(super) fn split(&mut self, job: u8, given_up: bool) {
        let Some(at) = self.splitting(job) else { return };
        let rest = self.deliveries[at].rest.take().unwrap_or_default();
        // A listing that is given up may not have come as far as to hand over anything.
        let handed_over = if given_up { 0 } else { rest };
        self.deliveries[at].handed_over |= handed_over > 0 || given_up;
        self.counters.handed_over += handed_over as u64;
        self.counters.tasks_listed += 3;
        self.counters.dead_lettered += u64::from(given_up);
        self.tell(Event::Split {
            lease: self.deliveries[at].lease,
            listed: 3,
            handed_over,
            continued: false,
            given_up,
        });
    }

    pub(super) fn admit_later(&mut self, message: u8) {
        let Some(at) = self.reading(message, |d| d.queue == QueueName::ExportJobs) else { return };
        let delivery = &mut self.deliveries[at];
        delivery.reading = false;
        let (lease, delay) = (delivery.lease, Duration::from_secs(4));
        if delivery.end.is_none() {
            self.expected.push(Expect::Return(lease));
        }
        self.tell(Event::AdmitLater { came_through: true, lease, delay });
    }

    pub(super) fn split_fails(&mut self, job: u8) {
        let Some(at) = self.splitting(job) else { return };
        self.deliveries[at].rest = None;
        self.admission_failed(at, AwsResource::outbox(Outbox::DownloadTasks));
    }

    pub(super) fn admit_fails(&mut self, message: u8, queue: bool) {
        let Some(at) = self.reading(message, |_| true) else { return };
        self.deliveries[at].reading = false;
        let letters = Outbox::DeadLetters(self.deliveries[at].queue);
        self.admission_failed(at, if queue { AwsResource::outbox(letters) } else { fates::table() });
    }

    pub(super) fn admission_failed(&mut self, at: usize, resource: AwsResource) {
        let lease = self.deliveries[at].lease;
        self.goes_back_unfinished(at);
        let fault = self.fault(resource);
        self.tell(Event::AdmitFailed { lease, fault });
    }

    /// While the message is read, or while the rest of it is handed over.
    pub(super) fn admit_panics(&mut self, message: u8, splitting: bool) {
        let at = if splitting { self.splitting(message) } else { self.reading(message, |_| true) };
        let Some(at) = at else { return };
        let delivery = &mut self.deliveries[at];
        (delivery.reading, delivery.rest) = (false, None);
        let lease = delivery.lease;
        self.goes_back_unfinished(at);
        self.tell(Event::AdmitPanicked { lease, receive_count: 1 });
    }

    /// It goes back as it is: under tasks of it that run.
    fn goes_back_unfinished(&mut self, at: usize) {
        let Delivery { lease, end, .. } = self.deliveries[at];
        self.sent_back = Some(lease);
        if end.is_none() {
            self.expected.push(Expect::Return(lease));
        }
    }

    pub(super) fn job_lost(&mut self, job: u8) {
        let Some(at) = self.splitting(job) else { return };
        self.deliveries[at].rest = None;
        let lease = self.deliveries[at].lease;
        self.lose(lease);
        self.tell(Event::JobLost { lease });
    }

    pub(super) fn refused(&mut self, message: u8) {
        let Some(at) = self.reading(message, |_| true) else { return };
        self.deliveries[at].reading = false;
        self.counters.dead_lettered += 1;
        self.tell(Event::Refused { lease: self.deliveries[at].lease });
    }
}
