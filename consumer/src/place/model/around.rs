//! All that is around the desk: it does what it is told, as the steps say, and keeps its own books.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use exportpool_contract::report::{ByQueue, Counters, QueueCounters};

use super::{
    check::Expect,
    fates::{Delivery, End, Fate, Stage},
    steps::Step,
};
use crate::{
    config::Pool,
    event::{Event, Receive, Resource, WorkerId},
    fail::{AwsFault, AwsKind},
    message::{Carrier, LeaseId, QueueName, Receipt, Received, Task, TaskNo},
    place::{Desk, desk::Rules, fixture},
    ports::Entry,
};

pub(super) const VISIBILITY: Duration = Duration::from_secs(60);
/// A received message is taken to have been received at most so long before it is here.
const ALLOWANCE: Duration = Duration::from_secs(10);
pub(super) const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);
/// After so long a message gives way.
pub(super) const LONG_IN_HAND: Duration = Duration::from_secs(3_600);

pub(super) struct Around {
    pub(super) desk: Desk,
    pub(super) pool: Pool,
    pub(super) now: Instant,
    pub(super) draining: bool,
    pub(super) polls: Vec<Receive>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) fates: Vec<Fate>,
    pub(super) deletes: Vec<LeaseId>,
    pub(super) extends: Vec<(Instant, Vec<LeaseId>)>,
    pub(super) looks: Vec<Resource>,
    /// Threads that live, and whether a task panicked on them.
    pub(super) workers: BTreeMap<WorkerId, bool>,
    /// Threads that are let go, and have not ended yet.
    pub(super) leaving: Vec<WorkerId>,
    pub(super) hired: u64,
    /// Threads that were let go and are not replaced yet.
    pub(super) missing: usize,
    /// So many of the next threads cannot be started.
    pub(super) unstartable: u8,
    /// Threads that did not start; the desk is yet to be told.
    pub(super) not_started: usize,
    /// Threads given up as stuck.
    pub(super) stuck: usize,
    pub(super) expected: Vec<Expect>,
    /// The message of this step could not be admitted to its end: it goes back under its running tasks.
    pub(super) sent_back: Option<LeaseId>,
    /// Messages that gave way in this step, by their age.
    pub(super) gives_way: Vec<LeaseId>,
    pub(super) queues: ByQueue<QueueCounters>,
    pub(super) counters: Counters,
    pub(super) log: Vec<String>,
}

impl Around {
    pub(super) fn new(pool: Pool) -> Self {
        let mut around = Self {
            desk: Desk::new(Rules { pool, visibility: VISIBILITY }),
            pool,
            now: Instant::now(),
            draining: false,
            polls: Vec::new(),
            deliveries: Vec::new(),
            fates: Vec::new(),
            deletes: Vec::new(),
            extends: Vec::new(),
            looks: Resource::ALL.to_vec(),
            workers: BTreeMap::new(),
            leaving: Vec::new(),
            hired: 0,
            missing: 0,
            unstartable: 0,
            not_started: 0,
            stuck: 0,
            expected: Vec::new(),
            sent_back: None,
            gives_way: Vec::new(),
            queues: ByQueue::default(),
            counters: Counters::default(),
            log: Vec::new(),
        };
        (0..pool.workers).for_each(|_| around.hire());
        around
    }

    pub(super) fn hire(&mut self) {
        let worker = WorkerId(self.hired);
        self.hired += 1;
        self.workers.insert(worker, false);
        self.desk.hire(worker);
    }

    pub(super) fn queue(&mut self, queue: QueueName) -> &mut QueueCounters {
        match queue {
            QueueName::ExportJobs => &mut self.queues.export_jobs,
            QueueName::DownloadTasks => &mut self.queues.download_tasks,
        }
    }

    /// Does one step, if it is possible now.
    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Answer { poll, messages, again } => self.answer(poll, messages.into(), again),
            Step::PollFails { poll } => self.poll_fails(poll),
            Step::Whole { message, tasks } => self.whole(message, tasks.into()),
            Step::Begun { message, tasks, rest } => self.begun(message, tasks.into(), rest.into()),
            Step::Split { job, given_up } => self.split(job, given_up),
            Step::SplitFails { job } => self.split_fails(job),
            Step::JobLost { job } => self.job_lost(job),
            Step::Refused { message } => self.refused(message),
            Step::AdmitLater { message } => self.admit_later(message),
            Step::AdmitFails { message, queue } => self.admit_fails(message, queue),
            Step::Finish { task, how } => self.finish(task, how),
            Step::Settle { task, how, fault } => self.settle(task, how, fault),
            Step::Extended { request, how } => self.extended(request, how),
            Step::Deleted { message, how } => self.deleted(message, how),
            Step::Looked { resource, answers } => self.looked(resource, answers),
            Step::WorkerDies { worker } => self.worker_dies(worker),
            Step::WorkerSticks { worker } => self.worker_sticks(worker),
            Step::NoThreads { times } => self.unstartable = times,
            Step::AdmitPanics { message } => self.admit_panics(message),
            Step::Failing { table } => self.failing(table),
            Step::Pass { seconds } => self.pass(Duration::from_secs(seconds.into())),
            Step::PassLong => self.pass_with_extensions(HALF_AN_HOUR),
            Step::Drain => self.drain(),
            Step::CancelAll => self.cancel_all(),
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.log.push(format!("told {}", super::check::brief_event(&event)));
        let commands = self.desk.handle(event, self.now);
        self.obey(commands);
    }

    pub(super) fn answer(&mut self, poll: u8, messages: usize, again: bool) {
        let Some(at) = pick(poll, self.polls.len()) else { return };
        let Receive { queue, max: asked, .. } = self.polls.remove(at);
        let messages: Vec<_> = (0..messages.min(asked)).map(|_| self.deliver(queue, again)).collect();
        let counters = self.queue(queue);
        counters.received += messages.len() as u64;
        counters.redelivered += if again { messages.len() as u64 } else { 0 };
        counters.empty += u64::from(messages.is_empty());
        self.tell(Event::Received { queue, asked, messages });
    }

    pub(super) fn deliver(&mut self, queue: QueueName, again: bool) -> Received {
        let n = self.deliveries.len() as u64;
        let message = Received { receive_count: if again { 2 } else { 1 }, ..fixture::received(n) };
        self.deliveries.push(Delivery {
            lease: LeaseId(n),
            queue,
            receipt: message.receipt.clone(),
            born: self.now,
            deadline: self.now + VISIBILITY - ALLOWANCE,
            aged: false,
            reading: true,
            rest: None,
            deleting: false,
            keep: false,
            end: None,
        });
        if !self.draining {
            self.expected.push(Expect::Admit(LeaseId(n)));
        }
        message
    }

    pub(super) fn poll_fails(&mut self, poll: u8) {
        let Some(at) = pick(poll, self.polls.len()) else { return };
        let Receive { queue, max: asked, .. } = self.polls.remove(at);
        self.queue(queue).failed_receives += 1;
        let fault = self.fault("queue export-jobs");
        self.tell(Event::ReceiveFailed { queue, asked, fault });
    }

    /// A fault of ours, counted.
    pub(super) fn fault(&mut self, resource: &str) -> AwsFault {
        *self.counters.aws_errors.entry(AwsKind::Denied.reason().into()).or_default() += 1;
        AwsFault { kind: AwsKind::Denied, resource: resource.into(), detail: "AccessDenied".into() }
    }

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
        let handed_over = self.deliveries[at].rest.take().unwrap_or_default();
        self.counters.handed_over += handed_over as u64;
        self.counters.tasks_listed += 3;
        self.counters.dead_lettered += u64::from(given_up);
        self.tell(Event::Split { lease: self.deliveries[at].lease, listed: 3, handed_over, given_up });
    }

    pub(super) fn admit_later(&mut self, message: u8) {
        let Some(at) = self.reading(message, |d| d.queue == QueueName::ExportJobs) else { return };
        let delivery = &mut self.deliveries[at];
        delivery.reading = false;
        let (lease, delay) = (delivery.lease, Duration::from_secs(4));
        if delivery.end.is_none() {
            self.expected.push(Expect::Return(lease));
        }
        self.tell(Event::AdmitLater { lease, delay });
    }

    pub(super) fn split_fails(&mut self, job: u8) {
        let Some(at) = self.splitting(job) else { return };
        self.deliveries[at].rest = None;
        self.admission_failed(at, "queue download-tasks");
    }

    pub(super) fn admit_fails(&mut self, message: u8, queue: bool) {
        let Some(at) = self.reading(message, |_| true) else { return };
        self.deliveries[at].reading = false;
        self.admission_failed(at, if queue { "queue export-jobs" } else { "table exports" });
    }

    pub(super) fn admission_failed(&mut self, at: usize, resource: &str) {
        let lease = self.deliveries[at].lease;
        self.sent_back = Some(lease);
        if self.deliveries[at].end.is_none() {
            self.expected.push(Expect::Return(lease));
        }
        let fault = self.fault(resource);
        self.tell(Event::AdmitFailed { lease, fault });
    }

    pub(super) fn admit_panics(&mut self, message: u8) {
        let Some(at) = self.reading(message, |_| true) else { return };
        self.deliveries[at].reading = false;
        let lease = self.deliveries[at].lease;
        if self.deliveries[at].end.is_none() {
            self.expected.push(Expect::Return(lease));
        }
        self.tell(Event::AdmitPanicked { lease, receive_count: 1 });
    }

    pub(super) fn failing(&mut self, table: bool) {
        let (resource, name) =
            if table { (Resource::Table, "table exports") } else { (Resource::Queues, "queue to send to") };
        let fault = self.fault(name);
        self.tell(Event::Failing { resource, fault });
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

    /// The lease ends: what waits is gone, what runs or is being settled is told to stop.
    pub(super) fn lose(&mut self, lease: LeaseId) {
        let Some(delivery) = self.deliveries.iter_mut().find(|d| d.lease == lease && d.end.is_none()) else {
            return;
        };
        delivery.end = Some(End::Lost);
        self.counters.leases_lost += 1;
        for fate in self.fates.iter_mut().filter(|f| f.task.lease == lease) {
            match fate.stage {
                Stage::Waiting => fate.stage = Stage::Ended,
                Stage::Running(_) | Stage::Settling(_) => self.expected.push(Expect::Cancel(fate.no())),
                Stage::Ended => {}
            }
        }
    }

    pub(super) fn extended(&mut self, request: u8, how: u16) {
        let Some(at) = pick(request, self.extends.len()) else { return };
        let (sent, leases) = self.extends.remove(at);
        let entry = |(n, lease)| (lease, entry((how >> (2 * (n % 8))) & 3));
        let entries: Vec<(LeaseId, Entry)> = leases.into_iter().enumerate().map(entry).collect();
        self.extension_answered(sent, entries);
    }

    pub(super) fn extension_answered(&mut self, sent: Instant, entries: Vec<(LeaseId, Entry)>) {
        for (lease, entry) in &entries {
            let delivery = &mut self.deliveries[usize::try_from(lease.0).unwrap()];
            match entry {
                Entry::Accepted => delivery.deadline = sent + VISIBILITY,
                Entry::Gone if !delivery.deleting => self.lose(*lease),
                Entry::Gone | Entry::Refused(_) | Entry::Failed(_) => {}
            }
        }
        self.tell(Event::Extended { sent, entries });
    }

    pub(super) fn deleted(&mut self, message: u8, how: u8) {
        let Some(at) = pick(message, self.deletes.len()) else { return };
        let lease = self.deletes.remove(at);
        let entry = entry(how.into());
        let delivery = &mut self.deliveries[usize::try_from(lease.0).unwrap()];
        if delivery.end.is_none() {
            match entry {
                Entry::Failed(_) => {
                    delivery.deleting = false;
                    self.expected.push(Expect::Delete(lease));
                }
                Entry::Accepted | Entry::Gone | Entry::Refused(_) => delivery.end = Some(End::Deleted),
            }
        }
        self.tell(Event::Deleted { lease, entry });
    }

    pub(super) fn looked(&mut self, resource: u8, answers: bool) {
        let Some(at) = pick(resource, self.looks.len()) else { return };
        if answers {
            let resource = self.looks.remove(at);
            return self.tell(Event::Reachable(resource));
        }
        let fault =
            AwsFault { kind: AwsKind::Missing, resource: "bucket exports".into(), detail: "gone".into() };
        self.tell(Event::Unreachable { resource: self.looks[at], fault });
    }
}

pub(super) fn pick(n: u8, of: usize) -> Option<usize> {
    (of > 0).then(|| usize::from(n) % of)
}

pub(super) fn pick_of<T>(n: u8, all: &[T], is: impl Fn(&T) -> bool) -> Option<usize> {
    let some: Vec<_> = (0..all.len()).filter(|at| is(&all[*at])).collect();
    pick(n, some.len()).map(|at| some[at])
}

fn entry(how: u16) -> Entry {
    match how % 4 {
        0 => Entry::Accepted,
        1 => Entry::Gone,
        2 => Entry::Refused("a stale receipt".into()),
        _ => Entry::Failed("timed out".into()),
    }
}

impl Around {
    /// A task by its number.
    pub(super) fn fate(&mut self, no: TaskNo) -> Option<&mut Fate> {
        self.fates.iter_mut().find(|fate| fate.no() == no)
    }

    /// A message in hand by its receipt.
    pub(super) fn in_hand(&mut self, receipt: &Receipt) -> Option<&mut Delivery> {
        self.deliveries.iter_mut().find(|d| d.receipt == *receipt && d.end.is_none())
    }
}
