//! What the desk commands is looked at, and done; then what must hold at all times.

use std::fmt::Write as _;

use super::{
    around::Around,
    fates::{Delivery, End, Fate, Left, Stage},
};
use crate::{
    event::{Command, Event, Receive, WorkerId},
    fail::breaker::Allowance,
    message::{Carrier, LeaseId, QueueName, Receipt, Task, TaskNo},
    place::intake,
};

/// How many lines of what happened a failure shows.
const SHOWN: usize = 60;

/// A command that has to come, in this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Admit(LeaseId),
    Settle(TaskNo),
    GiveBack(TaskNo),
    Cancel(TaskNo),
    Delete(LeaseId),
    Return(LeaseId),
    Yield(LeaseId),
    LetGo(WorkerId),
    /// At once: later, and by itself, a thread is started that ended or could not be started.
    Hire,
}

impl Around {
    /// Does what the desk says, if that is right, and looks at all that must hold.
    pub(super) fn obey(&mut self, commands: Vec<Command>) {
        let asks = commands.iter().any(|command| matches!(command, Command::Receive(_)));
        let starts = commands.iter().any(|command| matches!(command, Command::Start { .. }));
        for command in commands {
            self.log.push(format!("     {}", brief(&command)));
            self.do_one(command);
        }
        if !self.expected.is_empty() {
            self.fail(&format!("these did not come: {:?}", self.expected));
        }
        if asks {
            self.places_hold();
        }
        if starts && self.desk.breaker.allowance() == Allowance::Nothing {
            self.fail("a task starts while something it needs is unavailable");
        }
        self.sent_back = None;
        self.gives_way.clear();
        self.books_agree();
        self.nobody_is_forgotten();
        self.counters_agree();
        while self.not_started > 0 {
            self.not_started -= 1;
            self.tell(Event::NotHired);
        }
    }

    fn do_one(&mut self, command: Command) {
        match command {
            Command::Receive(receive) => self.receive(receive),
            Command::Admit { lease, message, local, .. } => {
                self.ask(local >= 1, "a job keeps no task");
                let known = self.in_hand(&message.receipt).is_some_and(|d| d.lease == lease && d.reading);
                self.ask(known, "an admission of an unknown message");
                self.was_expected(Expect::Admit(lease));
            }
            Command::Yield(lease) => self.was_expected(Expect::Yield(lease)),
            Command::Start { worker, task } => self.start(worker, &task),
            Command::Cancel(no) => {
                self.was_expected(Expect::Cancel(no));
                if let Some(fate) = self.fate(no) {
                    fate.told_to_stop = true;
                }
            }
            Command::Settle { task, .. } => self.was_expected(Expect::Settle(task.no)),
            Command::GiveBack(task) => self.was_expected(Expect::GiveBack(task.no)),
            Command::HandOver(task) => self.hand_over(&task),
            Command::Extend { queue, leases } => self.extend(queue, &leases),
            Command::Delete { queue, lease, receipt } => self.delete(queue, lease, &receipt),
            Command::Return { queue, receipt, .. } => self.give_back(queue, &receipt),
            Command::Look(resource, _) => {
                self.ask(!self.looks.contains(&resource), "two look at one resource");
                self.looks.push(resource);
            }
            Command::LetGo(worker, _) => {
                self.was_expected(Expect::LetGo(worker));
                self.workers.remove(&worker);
                self.leaving.push(worker);
                self.missing += 1;
            }
            Command::Hire => {
                self.ask(self.missing > 0, "a thread is started that nobody misses");
                self.missing -= 1;
                if let Some(at) = self.expected.iter().position(|expected| *expected == Expect::Hire) {
                    self.expected.swap_remove(at);
                }
                self.start_thread();
            }
        }
    }

    fn was_expected(&mut self, what: Expect) {
        match self.expected.iter().position(|expected| *expected == what) {
            Some(at) => drop(self.expected.swap_remove(at)),
            None => self.fail(&format!("{what:?} came, and nothing is the reason")),
        }
    }

    fn receive(&mut self, receive: Receive) {
        self.ask(!self.draining, "a receive in a drain");
        self.ask(self.desk.has_started(), "a receive before everything answered");
        self.ask(
            (1..=intake::MAX_RECEIVE).contains(&receive.max),
            "a receive of none, or of more than SQS answers",
        );
        self.polls.push(receive);
    }

    fn start(&mut self, worker: WorkerId, task: &Task) {
        self.ask(!self.draining, "a task starts in a drain");
        self.ask(
            self.workers.get(&worker) == Some(&false),
            "a task starts on a worker that is dead or retiring",
        );
        let on_it = self.fates.iter().filter(|fate| fate.stage == Stage::Running(worker)).count();
        self.ask(on_it < self.pool.tasks_per_worker, "more tasks on a worker than it has slots");
        let alive = self.is_alive(task.lease);
        self.ask(alive, "a task starts whose lease is gone");
        let was = self.fate(task.no).map(|fate| std::mem::replace(&mut fate.stage, Stage::Running(worker)));
        self.ask(was == Some(Stage::Waiting), "a task starts that does not wait");
    }

    fn hand_over(&mut self, task: &Task) {
        let reason = self.draining || self.gives_way.contains(&task.lease);
        self.ask(reason, "a waiting task is handed over without need");
        self.ask(task.carrier == Carrier::Job, "a task is handed over that has a message of its own");
        let left = Stage::Settling(Left::HandedOver);
        let was = self.fate(task.no).map(|fate| std::mem::replace(&mut fate.stage, left));
        self.ask(was == Some(Stage::Waiting), "a task is handed over that does not wait");
        let of = self.deliveries.iter_mut().find(|d| d.lease == task.lease && d.end.is_none());
        of.into_iter().for_each(|delivery| delivery.handed_over = true);
    }

    fn extend(&mut self, queue: QueueName, leases: &[(LeaseId, Receipt)]) {
        for (lease, receipt) in leases {
            let known = self.in_hand(receipt).is_some_and(|d| d.lease == *lease && d.queue == queue);
            self.ask(known, "a message is extended that is not in hand");
        }
        self.extends.push((self.now, leases.iter().map(|(lease, _)| *lease).collect()));
    }

    fn delete(&mut self, queue: QueueName, lease: LeaseId, receipt: &Receipt) {
        if let Some(at) = self.expected.iter().position(|expected| *expected == Expect::Delete(lease)) {
            self.expected.swap_remove(at);
        }
        let settled = self.unended(lease) == 0;
        let Some(delivery) = self.in_hand(receipt).filter(|d| d.lease == lease && d.queue == queue) else {
            return self.fail("a message is deleted that is not in hand");
        };
        let whole = settled && !delivery.reading && delivery.rest.is_none();
        let (twice, keep) = (std::mem::replace(&mut delivery.deleting, true), delivery.keep);
        self.ask(whole, "a message is deleted before all of it is settled");
        self.ask(!keep, "a message is deleted of which somebody else ends a task");
        self.ask(!twice, "a message is deleted twice");
        self.deletes.push(lease);
    }

    fn give_back(&mut self, queue: QueueName, receipt: &Receipt) {
        let Some(delivery) = self.in_hand(receipt).filter(|d| d.queue == queue) else {
            return self.fail("a message is given back that is not in hand");
        };
        let (lease, keep, handed_over) = (delivery.lease, delivery.keep, delivery.handed_over);
        let (deleting, open) = (delivery.deleting, delivery.rest.is_some());
        delivery.end = Some(End::Returned);
        // What is read when it comes in a drain is nobody's to read any more.
        delivery.reading = false;
        self.ask(!deleting, "a message is given back and deleted");
        let failed = self.sent_back == Some(lease);
        let told = self.expected.iter().position(|expected| *expected == Expect::Return(lease));
        told.map(|at| self.expected.swap_remove(at));
        let (running, waiting) = self.by_stage(lease);
        self.ask(
            failed || running == 0,
            "a message is given back under a task that runs or is being settled",
        );
        self.ask(failed || !open, "a job is given back that is being split");
        self.ask(
            failed || keep || told.is_some() || !handed_over,
            "a message is given back of which a part is another message's",
        );
        let stopped = self.draining || self.desk.unavailable().is_some() || self.gives_way.contains(&lease);
        self.ask(told.is_some() || keep || stopped, "a message is given back without a reason");
        if !failed {
            self.queue(queue).settled.returned += waiting as u64;
        }
        for fate in self.fates.iter_mut().filter(|f| f.task.lease == lease && f.stage == Stage::Waiting) {
            fate.stage = Stage::Ended;
        }
    }

    /// Tasks of a message that run or are being settled, and that wait.
    fn by_stage(&self, lease: LeaseId) -> (usize, usize) {
        let of = || self.fates.iter().filter(|fate| fate.task.lease == lease);
        (
            of().filter(|f| f.is_running() || f.is_settling()).count(),
            of().filter(|f| f.stage == Stage::Waiting).count(),
        )
    }

    fn unended(&self, lease: LeaseId) -> usize {
        self.fates.iter().filter(|fate| fate.task.lease == lease && fate.stage != Stage::Ended).count()
    }

    fn is_alive(&self, lease: LeaseId) -> bool {
        self.deliveries.iter().any(|d| d.lease == lease && d.end.is_none())
    }

    /// No more is asked for than there are places.
    fn places_hold(&self) {
        let asked: usize = self.polls.iter().map(|poll| poll.max).sum();
        let alive = || self.deliveries.iter().filter(|d| d.end.is_none());
        if self.desk.breaker.allowance() == Allowance::One {
            return self.ask(asked <= 1 && alive().count() == 0, "more than one message tries");
        }
        let live = self.workers.values().filter(|retiring| !**retiring).count();
        let slots = live * self.pool.tasks_per_worker;
        let busy = self.fates.iter().filter(|fate| fate.is_running()).count();
        let reading = alive().filter(|d| d.reading).count();
        let waiting = self.fates.iter().filter(|fate| fate.stage == Stage::Waiting).count() + reading;
        let hand = intake::InHand { slots, service: self.desk.tally.service(), ..intake::InHand::default() };
        let places = slots.saturating_sub(busy) + intake::waiting_places(self.pool, &hand);
        self.ask(asked <= places.saturating_sub(waiting), "more is asked for than there are places");
        let unstored = |lease| self.fates.iter().any(|fate| fate.task.lease == lease && fate.is_unstored());
        let jobs = alive().filter(|d| d.queue == QueueName::ExportJobs);
        let jobs = jobs.filter(|d| d.reading || d.rest.is_some() || unstored(d.lease)).count();
        let asked = self.polls.iter().filter(|poll| poll.queue == QueueName::ExportJobs);
        let asked: usize = asked.map(|poll| poll.max).sum();
        self.ask(
            jobs + asked <= self.pool.max_jobs,
            "more jobs are asked for than there are places for jobs",
        );
    }

    /// The desk has in hand what it should, and nothing else.
    fn books_agree(&self) {
        let alive = self.deliveries.iter().filter(|d| d.end.is_none()).count();
        self.ask(self.desk.messages.len() == alive, "the desk has other messages in hand");
        self.ask(self.desk.leases.len() == alive, "the desk has other leases");
        for delivery in self.deliveries.iter().filter(|d| d.end.is_none()) {
            self.ask(self.desk.leases.get(delivery.lease).is_some(), "a lease is forgotten");
        }
        let count = |is: fn(&Fate) -> bool| self.fates.iter().filter(|fate| is(fate)).count();
        self.ask(self.desk.running.len() == count(Fate::is_running), "other tasks run");
        self.ask(self.desk.settling.len() == count(Fate::is_settling), "other tasks are being settled");
        let waiting = count(|fate| fate.stage == Stage::Waiting);
        self.ask(self.desk.waiting.len() == waiting, "other tasks wait");
        let slots = self.pool.workers * self.pool.tasks_per_worker;
        self.ask(count(Fate::is_running) <= slots, "more tasks run than there are slots");
        let live = self.workers.values().filter(|retiring| !**retiring).count();
        self.ask(self.desk.workers_alive() == live, "other threads are alive");
        self.ask(self.desk.abandoned() == self.stuck, "other threads are given up");
        self.ask(
            self.desk.is_draining() == self.draining,
            "a drain without a reason, or none in spite of one",
        );
    }

    /// A message of which nothing is left to do is being deleted, and a drain leaves nothing waiting.
    fn nobody_is_forgotten(&self) {
        for delivery in self.deliveries.iter().filter(|d| d.end.is_none()) {
            let open = delivery.reading || delivery.rest.is_some() || self.unended(delivery.lease) > 0;
            self.ask(open || delivery.deleting, "a message is settled, and neither deleted nor given back");
        }
        if self.desk.breaker.allowance() == Allowance::Nothing {
            let kept = self.deliveries.iter().any(|d| d.end.is_none() && self.is_unstarted(d));
            self.ask(!kept, "what has not started is kept while something it needs is unavailable");
        }
        let waits = self.fates.iter().any(|fate| fate.stage == Stage::Waiting);
        self.ask(!(self.draining && waits), "a task waits in a drain");
    }

    /// It is read to its end, has tasks, and all of them wait.
    fn is_unstarted(&self, delivery: &Delivery) -> bool {
        let mut of_it = self.fates.iter().filter(|fate| fate.task.lease == delivery.lease).peekable();
        let whole = !delivery.reading && delivery.rest.is_none() && !delivery.handed_over;
        whole && of_it.peek().is_some() && of_it.all(|fate| fate.stage == Stage::Waiting)
    }

    fn counters_agree(&self) {
        let mut told = self.desk.tally.queues;
        for queue in [&mut told.export_jobs, &mut told.download_tasks] {
            (queue.busy_slot_millis, queue.service_millis) = (0, 0);
        }
        if told != self.queues {
            self.fail(&format!("the queues' counters are\n{told:?}\nand should be\n{:?}", self.queues));
        }
        let nonzero = |mut counters: exportpool_contract::report::Counters| {
            counters.aws_errors.retain(|_, n| *n > 0);
            counters
        };
        let (told, kept) = (nonzero(self.desk.tally.counters.clone()), nonzero(self.counters.clone()));
        if told != kept {
            self.fail(&format!("the counters are\n{told:?}\nand should be\n{kept:?}"));
        }
    }

    pub(super) fn assert_empty(&self) {
        self.ask(self.desk.is_empty() && self.desk.leases.is_empty(), "a drain ended with something in hand");
        self.ask(self.desk.waiting.is_empty(), "a drain ended with tasks waiting");
    }

    pub(super) fn assert_idle_and_asking(&self) {
        self.ask(self.desk.messages.is_empty() && self.desk.waiting.is_empty(), "something stays in hand");
        self.ask(self.desk.unavailable().is_none(), "something stays unavailable");
        self.ask(!self.polls.is_empty(), "nothing is asked for any more");
        self.ask(self.desk.workers_alive() == self.pool.workers, "the pool has shrunk");
    }

    pub(super) fn assert_none_lost(&self) {
        self.ask(self.counters.leases_lost == 0, "a lease was lost although each extension was answered");
    }

    fn ask(&self, holds: bool, otherwise: &str) {
        if !holds {
            self.fail(otherwise);
        }
    }

    pub(super) fn fail(&self, why: &str) {
        let mut shown = String::new();
        for line in self.log.iter().skip(self.log.len().saturating_sub(SHOWN)) {
            let _ = writeln!(shown, "  {line}");
        }
        panic!("{why}\n{:?}\n{shown}", self.pool);
    }
}

/// An event in a line.
pub(super) fn brief_event(event: &Event) -> String {
    match event {
        Event::Received { queue, asked, messages } => {
            format!("{}: {} of {asked} messages", queue.as_str(), messages.len())
        }
        Event::Admitted { lease, tasks, listed, complete } => {
            let tasks: Vec<_> = tasks.iter().map(|task| task.no.0).collect();
            format!("admitted {}: tasks {tasks:?} of {listed}, complete: {complete}", lease.0)
        }
        Event::Extended { entries, .. } => format!("extended {entries:?}"),
        other => format!("{other:?}"),
    }
}

fn brief(command: &Command) -> String {
    match command {
        Command::Receive(Receive { queue, max, .. }) => format!("receive {max} of {}", queue.as_str()),
        Command::Admit { lease, queue, local, .. } => {
            format!("admit {} of {}, {local} may stay", lease.0, queue.as_str())
        }
        Command::Start { worker, task } => format!("start {} on worker {}", task.no.0, worker.0),
        Command::Settle { task, .. } => format!("settle {}", task.no.0),
        Command::GiveBack(task) => format!("give back the attempt of {}", task.no.0),
        Command::HandOver(task) => format!("hand over {}", task.no.0),
        other => format!("{other:?}"),
    }
}
