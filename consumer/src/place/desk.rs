//! The main thread's state: which messages and tasks are in hand, and what each event means for them.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    config::Pool,
    event::{Command, Event, Resource, Settlement, ThreadName, WorkerId},
    fail::{
        AwsFault,
        breaker::{Allowance, Breaker},
    },
    message::{LeaseId, QueueName, Received, TaskNo},
    place::{
        fairness::Waiting,
        intake::{self, InHand, Polls},
        leases::Leases,
        tally::Tally,
        workers::{Hiring, Running, Worker},
    },
};

/// Tasks that may wait to be recorded before the intake pauses.
const MAX_SETTLING: usize = 256;

/// What the desk needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Sizes.
    pub pool: Pool,
    /// Visibility timeout of received messages.
    pub visibility: Duration,
}

/// A message in hand.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) queue: QueueName,
    pub(super) enqueued_at: Option<u64>,
    /// Not read yet.
    pub(super) admitting: bool,
    /// More tasks may come of it, or are being handed over.
    pub(super) open: bool,
    /// Tasks here that are not settled.
    pub(super) outstanding: usize,
    /// Of these, not yet off their slot.
    pub(super) unstored: usize,
    /// A task of it was put on a slot, or is handed over.
    pub(super) started: bool,
    /// Somebody else ends a task of it: it may not be deleted here.
    pub(super) keep: bool,
    pub(super) deleting: bool,
}

/// The main thread's state.
#[derive(Debug)]
pub struct Desk {
    pub(super) rules: Rules,
    pub(super) leases: Leases,
    pub(super) messages: BTreeMap<LeaseId, Message>,
    pub(super) waiting: Waiting,
    pub(super) running: BTreeMap<TaskNo, Running>,
    pub(super) settling: BTreeMap<TaskNo, (LeaseId, QueueName)>,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    pub(super) hiring: Hiring,
    /// Worker threads given up as stuck.
    pub(super) abandoned: usize,
    /// A thread that had to last.
    pub(super) gone: Option<ThreadName>,
    /// The record thread is gone, first or not.
    pub(super) unrecorded: bool,
    pub(super) polls: [Polls; 2],
    pub(super) breaker: Breaker,
    pub(super) started: bool,
    pub(super) draining: bool,
    /// Spreads delays.
    pub(super) rng: fastrand::Rng,
    /// Counts, for the report.
    pub tally: Tally,
    pub(super) out: Vec<Command>,
}

impl Desk {
    /// An empty desk. Workers are added with [`Desk::hire`]. What is spread is drawn from `rng`: the same seed and the
    /// same events have the same commands.
    #[must_use]
    pub fn new(rules: Rules, rng: fastrand::Rng) -> Self {
        Self {
            rules,
            leases: Leases::default(),
            messages: BTreeMap::new(),
            waiting: Waiting::default(),
            running: BTreeMap::new(),
            settling: BTreeMap::new(),
            workers: BTreeMap::new(),
            hiring: Hiring::default(),
            abandoned: 0,
            gone: None,
            unrecorded: false,
            polls: [Polls::default(); 2],
            breaker: Breaker::default(),
            started: false,
            draining: false,
            rng,
            tally: Tally::default(),
            out: Vec::new(),
        }
    }

    /// Takes in one event and answers what is to be done, in order.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Command> {
        self.take_in(event, now);
        self.go_on(now)
    }

    /// Looks after leases and workers that are due, at [`Desk::wake_at`].
    pub fn tick(&mut self, now: Instant) -> Vec<Command> {
        for lease in self.leases.expired(now) {
            self.lose(lease);
        }
        for lease in self.leases.aged(now) {
            self.give_way(lease);
        }
        self.extend(now);
        self.hire_again(now);
        self.go_on(now)
    }

    fn go_on(&mut self, now: Instant) -> Vec<Command> {
        self.leave_unsettled(now);
        self.refill(now);
        std::mem::take(&mut self.out)
    }

    fn take_in(&mut self, event: Event, now: Instant) {
        match event {
            Event::Reachable(resource) => self.reachable(resource),
            Event::Unreachable { resource, fault } => self.breaker.explain(resource, fault),
            Event::Received { queue, asked, messages } => self.received(queue, asked, messages, now),
            Event::ReceiveFailed { queue, asked, fault } => self.receive_failed(queue, asked, fault),
            Event::Admitted { lease, tasks, listed, complete } => {
                self.admitted(lease, tasks, listed, complete);
            }
            Event::Split { lease, listed, handed_over, continued, given_up } => {
                self.tally.split(listed, handed_over, given_up);
                self.split(lease, handed_over > 0 || continued || given_up);
            }
            Event::AdmitLater { came_through, lease, delay } => {
                self.admit_later(lease, delay, came_through);
            }
            Event::Refused { lease } => self.refused(lease),
            Event::AdmitFailed { lease, fault } => self.admit_failed(lease, fault),
            Event::AdmitPanicked { lease, receive_count } => self.admit_panicked(lease, receive_count),
            Event::JobLost { lease } => self.lose(lease),
            Event::Finished { no, result } => self.finished(no, result, now),
            Event::WorkerGone { worker } => self.worker_gone(worker, now),
            Event::WorkerStuck { worker } => self.worker_stuck(worker, now),
            Event::NotHired => self.hiring.failed(now),
            Event::ThreadGone(thread) => self.thread_gone(thread),
            Event::Failing(fault) => self.ours(fault),
            Event::Settled { no, settlement, fault } => self.settled(no, &settlement, fault, now),
            Event::Extended { sent, entries } => self.extended(sent, entries),
            Event::Deleted { lease, entry } => self.deleted(lease, &entry),
        }
    }

    fn reachable(&mut self, resource: Resource) {
        self.breaker.reachable(resource);
        self.started |= self.breaker.unavailable().is_none();
    }

    fn polls(&mut self, queue: QueueName) -> &mut Polls {
        &mut self.polls[queue as usize]
    }

    fn received(&mut self, queue: QueueName, asked: usize, messages: Vec<Received>, now: Instant) {
        let polls = self.polls(queue);
        polls.open -= 1;
        polls.asked -= asked;
        polls.hot = !messages.is_empty();
        polls.empties = if polls.hot { 0 } else { polls.empties.saturating_add(1) };
        self.breaker.queue_answered(messages.len());
        let counters = self.tally.queue(queue);
        counters.received += messages.len() as u64;
        counters.redelivered += messages.iter().filter(|m| m.receive_count > 1).count() as u64;
        counters.empty += u64::from(messages.is_empty());
        for message in messages {
            self.take(queue, message, now);
        }
    }

    fn take(&mut self, queue: QueueName, message: Received, now: Instant) {
        self.tally.last_message_at = message.received_at;
        self.polls(queue).head_sent_at = message.sent_at;
        let lease = self.leases.take(queue, message.receipt.clone(), self.rules.visibility, now);
        let entry = Message {
            queue,
            enqueued_at: message.enqueued_at(),
            admitting: true,
            open: true,
            outstanding: 0,
            unstored: 0,
            started: false,
            keep: false,
            deleting: false,
        };
        self.messages.insert(lease, entry);
        if self.draining {
            return self.give_back(lease, Duration::ZERO);
        }
        let asked = self.polls.iter().map(|polls| polls.asked).sum();
        let local = intake::local_share(self.rules.pool, &self.in_hand(), asked);
        self.out.push(Command::Admit { lease, queue, message, local });
    }

    fn receive_failed(&mut self, queue: QueueName, asked: usize, fault: AwsFault) {
        let polls = self.polls(queue);
        polls.open -= 1;
        polls.asked -= asked;
        polls.hot = false;
        self.tally.queue(queue).failed_receives += 1;
        self.ours(fault);
    }

    /// A fault of our own: no new work, and what has not started goes back.
    pub(super) fn ours(&mut self, fault: AwsFault) {
        self.tally.aws_error(&fault);
        let resource = fault.resource.needed();
        if let Some(after) = self.breaker.trip(fault) {
            self.out.push(Command::Look(resource, after));
        }
        self.return_unstarted();
    }

    fn refill(&mut self, now: Instant) {
        self.dispatch(now);
        if self.draining || self.settling.len() > MAX_SETTLING {
            return;
        }
        let (pool, hand) = match self.breaker.allowance() {
            Allowance::Full => (self.rules.pool, self.in_hand()),
            Allowance::One => self.one_place(),
            Allowance::Nothing => return,
        };
        while let Some(receive) = intake::next(pool, &hand, &self.polls[0], &self.polls[1]) {
            let polls = self.polls(receive.queue);
            polls.open += 1;
            polls.begun += 1;
            polls.asked += receive.max;
            self.out.push(Command::Receive(receive));
        }
    }

    /// A pool of one place, taken when anything is in hand: the next message tries whether the fault is mended.
    fn one_place(&self) -> (Pool, InHand) {
        let pool = Pool { workers: 1, tasks_per_worker: 1, max_jobs: 1, max_waiting: 0 };
        let busy = usize::from(!self.messages.is_empty());
        (pool, InHand { slots: 1, busy, jobs: busy, ..InHand::default() })
    }

    pub(super) fn settled(
        &mut self,
        no: TaskNo,
        settlement: &Settlement,
        fault: Option<AwsFault>,
        now: Instant,
    ) {
        let Some((lease, queue)) = self.settling.remove(&no) else { return };
        self.tally.settled(queue, settlement);
        if let Settlement::Retry(delay) | Settlement::Resent(delay) = settlement {
            self.tally.put_off(*delay, now);
        }
        match fault {
            Some(fault) => self.ours(fault),
            None if settlement.came_through() => self.breaker.succeeded(),
            None => {}
        }
        let Some(message) = self.messages.get_mut(&lease) else { return };
        message.outstanding -= 1;
        match settlement {
            Settlement::Retry(delay) | Settlement::Returned(delay) => self.give_back(lease, *delay),
            Settlement::Fenced => message.keep = true,
            Settlement::Done { .. } | Settlement::Failed | Settlement::HandedOver | Settlement::Resent(_) => {
            }
        }
        self.end_if_settled(lease);
    }
}

impl Message {
    pub(super) const fn has_work(&self) -> bool {
        self.admitting || self.open || self.unstored > 0
    }
}
