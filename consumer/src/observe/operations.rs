//! What is done for messages, and when: kept for as long as a profile of it is on.
//!
//! Main sees most of it go by, and workers tell what they do for a task. What began before the profile is left out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use exportpool_profile::record::{Operation, Step, micros};

use crate::{
    event::{Command, Event, Settlement},
    message::{LeaseId, QueueName, Received, TaskNo},
    ports::Entry,
};

/// Operations that wait to be told: those beyond are left out, and counted.
const MOST: usize = 100_000;
/// Messages, and tasks, that are followed: of what is given back or lost nobody says so, and the oldest are forgotten.
const MOST_FOLLOWED: usize = 100_000;

/// What is done for messages.
#[derive(Debug, Clone, Default)]
pub struct Operations(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_on: AtomicBool,
    kept: Mutex<Option<Kept>>,
}

/// Of a profile.
#[derive(Debug)]
struct Kept {
    began: Instant,
    /// When each queue was last asked.
    asked: HashMap<QueueName, Instant>,
    messages: BTreeMap<LeaseId, Message>,
    tasks: BTreeMap<TaskNo, Followed>,
    next: u64,
    done: Done,
}

/// What ended since it was taken last.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) operations: Vec<Operation>,
    /// So many more.
    pub(crate) left_out: u64,
}

/// A message in hand.
#[derive(Debug, Clone, Copy)]
struct Message {
    number: u64,
    tasks: u32,
    /// Since its last step.
    since: Instant,
}

/// A task in hand.
#[derive(Debug, Clone, Copy)]
struct Followed {
    message: u64,
    number: u32,
    since: Instant,
}

impl Operations {
    /// Keeps operations until the answer is dropped. One at a time.
    pub(crate) fn follow(&self, began: Instant) -> Following {
        let (asked, messages, tasks) = Default::default();
        *self.kept() = Some(Kept { began, asked, messages, tasks, next: 0, done: Done::default() });
        self.0.is_on.store(true, Ordering::Release);
        Following(self.clone())
    }

    /// What main is told.
    pub(crate) fn event(&self, event: &Event, now: Instant) {
        self.with(|kept| kept.event(event, now));
    }

    /// What main wants done.
    pub(crate) fn command(&self, command: &Command, now: Instant) {
        self.with(|kept| kept.command(command, now));
    }

    /// A worker did this for a task.
    pub(crate) fn worked(&self, no: TaskNo, step: Step, from: Instant, to: Instant, failed: bool) {
        self.with(|kept| {
            if let Some(task) = kept.tasks.get(&no).copied() {
                kept.of_task(task, step, from, to, failed);
            }
        });
    }

    /// What `work` does for a task.
    pub(crate) async fn step<T, E>(
        &self,
        no: TaskNo,
        step: Step,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let from = Instant::now();
        let done = work.await;
        self.worked(no, step, from, Instant::now(), done.is_err());
        done
    }

    fn with(&self, note: impl FnOnce(&mut Kept)) {
        if self.0.is_on.load(Ordering::Relaxed)
            && let Some(kept) = self.kept().as_mut()
        {
            note(kept);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Operations are kept for as long as this lives.
pub(crate) struct Following(Operations);

impl Following {
    /// Those that ended since the last time.
    pub(crate) fn take(&self) -> Done {
        self.0.kept().as_mut().map(|kept| std::mem::take(&mut kept.done)).unwrap_or_default()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.0.is_on.store(false, Ordering::Release);
        *self.0.kept() = None;
    }
}

impl Kept {
    fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Admitted { lease, tasks, .. } => {
                self.admitted(*lease, tasks.iter().map(|task| task.no), now);
            }
            Event::Refused { lease } => self.of_message(*lease, Step::Admit, now, true),
            Event::AdmitFailed { lease, .. } | Event::AdmitLater { lease, .. } => {
                self.of_message(*lease, Step::Admit, now, true);
                self.messages.remove(lease);
            }
            Event::Finished { no, .. } => {
                if let Some(task) = self.tasks.get_mut(no) {
                    task.since = now;
                }
            }
            Event::Settled { no, settlement, .. } => {
                if let Some(task) = self.tasks.remove(no) {
                    self.of_task(task, Step::Record, task.since, now, failed(settlement));
                }
            }
            Event::Deleted { lease, entry } => {
                self.of_message(*lease, Step::Acknowledge, now, *entry != Entry::Accepted);
                self.messages.remove(lease);
            }
            _ => {}
        }
    }

    fn admitted(&mut self, lease: LeaseId, tasks: impl Iterator<Item = TaskNo>, now: Instant) {
        self.of_message(lease, Step::Admit, now, false);
        let Some(message) = self.messages.get_mut(&lease) else { return };
        for no in tasks {
            let followed = Followed { message: message.number, number: message.tasks, since: now };
            message.tasks += 1;
            insert(&mut self.tasks, no, followed);
        }
    }

    fn command(&mut self, command: &Command, now: Instant) {
        match command {
            Command::Receive(receive) => drop(self.asked.insert(receive.queue, now)),
            Command::Admit { lease, queue, message, .. } => {
                let since = self.asked_for(*queue, message, now);
                insert(&mut self.messages, *lease, Message { number: self.next, tasks: 0, since });
                self.next += 1;
                self.of_message(*lease, Step::Receive, now, false);
            }
            Command::Start { task, .. } => {
                if let Some(followed) = self.tasks.get(&task.no).copied() {
                    self.of_task(followed, Step::Wait, followed.since, now, false);
                }
            }
            Command::Delete { lease, .. } => {
                if let Some(message) = self.messages.get_mut(lease) {
                    message.since = now;
                }
            }
            _ => {}
        }
    }

    /// Since when SQS was asked for a message, and had it.
    fn asked_for(&self, queue: QueueName, message: &Received, now: Instant) -> Instant {
        let asked = self.asked.get(&queue).copied().unwrap_or(now);
        let age =
            message.received_at.zip(message.sent_at).map(|(received, sent)| received.saturating_sub(sent));
        let sent = age.and_then(|age| now.checked_sub(Duration::from_millis(age)));
        sent.map_or(asked, |sent| sent.max(asked)).min(now)
    }

    /// Since its last step.
    fn of_message(&mut self, lease: LeaseId, step: Step, now: Instant, failed: bool) {
        let Some(message) = self.messages.get_mut(&lease) else { return };
        let from = std::mem::replace(&mut message.since, now);
        let message = message.number;
        self.keep(Operation {
            message,
            task: None,
            step,
            from_micros: self.micros(from),
            to_micros: self.micros(now),
            failed,
        });
    }

    fn of_task(&mut self, task: Followed, step: Step, from: Instant, to: Instant, failed: bool) {
        let (from_micros, to_micros) = (self.micros(from), self.micros(to));
        let Followed { message, number, .. } = task;
        self.keep(Operation { message, task: Some(number), step, from_micros, to_micros, failed });
    }

    fn keep(&mut self, operation: Operation) {
        if self.done.operations.len() < MOST {
            self.done.operations.push(operation);
        } else {
            self.done.left_out += 1;
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.began))
    }
}

/// The task's attempt did not succeed: one that was not made did not fail.
const fn failed(settlement: &Settlement) -> bool {
    matches!(settlement, Settlement::Failed | Settlement::Retry(_) | Settlement::Resent(_))
}

/// Follows one more; numbers rise.
fn insert<K: Ord, V>(followed: &mut BTreeMap<K, V>, key: K, value: V) {
    followed.insert(key, value);
    if followed.len() > MOST_FOLLOWED {
        followed.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::WorkResult,
        place::fixture::{received, task},
    };

    const LEASE: LeaseId = LeaseId(7);
    const QUEUE: QueueName = QueueName::ExportJobs;

    /// What became of a message of two tasks, of which the first is worked on, each step 10 ms after the other.
    fn followed(operations: &Operations, began: Instant) {
        let at = |tens: u64| began + Duration::from_millis(10 * tens);
        let tasks = [task("job", 1, LEASE.0), task("job", 2, LEASE.0)];
        let message = received(1);
        operations.command(&Command::Admit { lease: LEASE, queue: QUEUE, message, local: 2 }, at(1));
        let [first, second] = tasks.each_ref().map(|task| task.no);
        let admitted = Event::Admitted { lease: LEASE, tasks: tasks.to_vec(), listed: 2, complete: true };
        operations.event(&admitted, at(2));
        let start = Command::Start { worker: crate::event::WorkerId(0), task: tasks[0].clone() };
        operations.command(&start, at(3));
        operations.worked(first, Step::Claim, at(3), at(4), false);
        operations.event(&Event::Finished { no: first, result: WorkResult::AlreadyDone }, at(5));
        let settlement = Settlement::Done { bytes: 0, service: Duration::ZERO };
        operations.event(&Event::Settled { no: first, settlement, fault: None }, at(6));
        operations.event(&Event::Settled { no: second, settlement: Settlement::Failed, fault: None }, at(7));
        let receipt = received(1).receipt;
        operations.command(&Command::Delete { lease: LEASE, queue: QUEUE, receipt }, at(8));
        operations.event(&Event::Deleted { lease: LEASE, entry: Entry::Accepted }, at(9));
        operations.worked(first, Step::Store, at(9), at(9), false);
    }

    fn steps(of: &[Operation]) -> Vec<(Option<u32>, Step, u64, u64, bool)> {
        of.iter()
            .map(|of| (of.task, of.step, of.from_micros / 1_000, of.to_micros / 1_000, of.failed))
            .collect()
    }

    #[test]
    fn a_message_is_followed_from_its_receive_to_its_deletion() {
        let (operations, began) = (Operations::default(), Instant::now());
        let following = operations.follow(began);
        followed(&operations, began);
        let done = following.take().operations;
        assert!(done.iter().all(|operation| operation.message == 0));
        assert_eq!(
            steps(&done),
            [
                (None, Step::Receive, 10, 10, false),
                (None, Step::Admit, 10, 20, false),
                (Some(0), Step::Wait, 20, 30, false),
                (Some(0), Step::Claim, 30, 40, false),
                (Some(0), Step::Record, 50, 60, false),
                (Some(1), Step::Record, 20, 70, true),
                (None, Step::Acknowledge, 80, 90, false),
            ]
        );
        assert_eq!(following.take().operations, [], "each is told once");
    }

    #[test]
    fn nothing_is_kept_before_and_after_and_what_began_before_is_left_out() {
        let (operations, began) = (Operations::default(), Instant::now());
        followed(&operations, began);
        drop(operations.follow(began));
        followed(&operations, began);
        let following = operations.follow(began);
        operations.event(&Event::Deleted { lease: LEASE, entry: Entry::Accepted }, began);
        assert_eq!(following.take().operations, []);
    }

    #[test]
    fn what_nobody_reads_in_time_is_left_out_and_counted() {
        let (operations, began) = (Operations::default(), Instant::now());
        let following = operations.follow(began);
        for _ in 0..MOST / 7 + 2 {
            followed(&operations, began);
        }
        let done = following.take();
        assert_eq!((done.operations.len(), done.left_out), (MOST, 7 * (MOST as u64 / 7 + 2) - MOST as u64));
        assert_eq!(following.take().left_out, 0);
    }

    #[test]
    fn what_was_given_back_did_not_fail() {
        let later = Duration::from_secs(1);
        let failures = [Settlement::Failed, Settlement::Retry(later), Settlement::Resent(later)];
        let others = [Settlement::HandedOver, Settlement::Returned(later), Settlement::Fenced];
        assert!(failures.iter().all(failed) && !others.iter().any(failed));
    }

    #[test]
    fn of_messages_that_never_end_the_oldest_are_forgotten() {
        let operations = Operations::default();
        let _following = operations.follow(Instant::now());
        let many = MOST_FOLLOWED as u64 + 10;
        for lease in 0..many {
            let admit =
                Command::Admit { lease: LeaseId(lease), queue: QUEUE, message: received(1), local: 2 };
            operations.command(&admit, Instant::now());
        }
        operations.with(|kept| {
            assert_eq!(kept.messages.len(), MOST_FOLLOWED);
            assert!(kept.messages.contains_key(&LeaseId(many - 1)));
        });
    }
}
