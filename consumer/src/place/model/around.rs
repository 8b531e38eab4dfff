//! All that is around the desk: it does what it is told, as the steps say, and keeps its own books.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use exportpool_contract::report::{ByQueue, Counters, QueueCounters};

use super::{
    check::Expect,
    fates::{self, Delivery, End, Fate, Stage},
    steps::Step,
};
use crate::{
    config::Pool,
    event::{Command, Event, Receive, Resource, WorkerId},
    fail::{AwsFault, AwsKind, AwsResource},
    message::{LeaseId, QueueName, Receipt, Received, TaskNo},
    place::{Desk, desk::Rules, fixture},
    ports::{Entry, Outbox},
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
    /// Tasks that were on them.
    pub(super) left_behind: Vec<TaskNo>,
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
            desk: Desk::new(Rules { pool, visibility: VISIBILITY }, fastrand::Rng::with_seed(1)),
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
            left_behind: Vec::new(),
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
            Step::StuckSpeaks { task, how } => self.stuck_speaks(task, how),
            Step::NoThreads { times } => self.unstartable = times,
            Step::AdmitPanics { message, splitting } => self.admit_panics(message, splitting),
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

    /// Nothing comes of it, but what would have come next.
    pub(super) fn tell_in_vain(&mut self, event: Event) {
        self.log.push(format!("told in vain {}", super::check::brief_event(&event)));
        let commands = self.desk.handle(event, self.now);
        if !commands.iter().all(|c| matches!(c, Command::Receive(_) | Command::Start { .. })) {
            self.fail(&format!("something comes of it: {commands:?}"));
        }
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
            handed_over: false,
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
        let fault = self.fault(AwsResource::queue(queue));
        self.tell(Event::ReceiveFailed { queue, asked, fault });
    }

    /// A fault of ours, counted.
    pub(super) fn fault(&mut self, resource: AwsResource) -> AwsFault {
        *self.counters.aws_errors.entry(AwsKind::Denied.reason().into()).or_default() += 1;
        AwsFault { kind: AwsKind::Denied, resource, detail: "AccessDenied".into() }
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

    pub(super) fn failing(&mut self, table: bool) {
        let fault =
            self.fault(if table { fates::table() } else { AwsResource::outbox(Outbox::DownloadTasks) });
        self.tell(Event::Failing(fault));
    }

    pub(super) fn looked(&mut self, resource: u8, answers: bool) {
        let Some(at) = pick(resource, self.looks.len()) else { return };
        if answers {
            let resource = self.looks.remove(at);
            return self.tell(Event::Reachable(resource));
        }
        let fault = AwsFault {
            kind: AwsKind::Missing,
            resource: AwsResource::Bucket("exports".into()),
            detail: "gone".into(),
        };
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
