//! Worker threads, as the desk sees them: which may take a task, what is on them, when one is replaced.

use std::time::{Duration, Instant};

use crate::{
    event::{Cause, Command, Settlement, WorkResult, WorkerId},
    fail::{TaskFault, breaker::Allowance},
    message::{QueueName, Task, TaskNo},
    place::desk::Desk,
};

/// Threads that may be given up as stuck: each keeps its memory and its connections until the process ends. With one
/// more the consumer drains and ends, for another to begin anew.
pub const MAX_ABANDONED: usize = 2;

/// Between two tries to start a thread: this long, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A task on a worker.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) task: Task,
    worker: WorkerId,
    pub(super) queue: QueueName,
    pub(super) since: Instant,
}

/// A thread that is alive.
#[derive(Debug, Default)]
pub(super) struct Worker {
    busy: usize,
    pub(super) retiring: bool,
}

/// Threads that could not be started, or ended at once.
#[derive(Debug, Default)]
pub(super) struct Hiring {
    missing: usize,
    failed: u32,
    at: Option<Instant>,
}

impl Hiring {
    /// A thread is missing: it is started after a pause, the longer the more often that failed.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failed.min(16)).min(LONGEST_PAUSE);
        self.failed = self.failed.saturating_add(1);
        self.missing += 1;
        self.at = Some(now + pause);
    }

    /// When the next try is due.
    pub(super) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// How many threads to start now.
    fn due(&mut self, now: Instant) -> usize {
        if self.at.is_none_or(|at| now < at) {
            return 0;
        }
        self.at = None;
        std::mem::take(&mut self.missing)
    }

    /// A thread did some work.
    const fn succeeded(&mut self) {
        self.failed = 0;
    }
}

impl Desk {
    /// A worker thread is ready for tasks.
    pub fn hire(&mut self, worker: WorkerId) {
        self.workers.insert(worker, Worker::default());
    }

    pub(super) fn hire_again(&mut self, now: Instant) {
        for _ in 0..self.hiring.due(now) {
            self.out.push(Command::Hire);
        }
    }

    pub(super) fn dispatch(&mut self, now: Instant) {
        let most = match self.breaker.allowance() {
            Allowance::Full => usize::MAX,
            Allowance::One => 1,
            Allowance::Nothing => 0,
        };
        while self.running.len() < most {
            let Some(worker) = self.free_worker() else { return };
            let Some(task) = self.waiting.pop() else { return };
            self.start(worker, task, now);
        }
    }

    fn free_worker(&self) -> Option<WorkerId> {
        let places = self.rules.pool.tasks_per_worker;
        let free = self.workers.iter().filter(|(_, worker)| !worker.retiring && worker.busy < places);
        free.min_by_key(|(_, worker)| worker.busy).map(|(id, _)| *id)
    }

    fn start(&mut self, worker: WorkerId, task: Task, now: Instant) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.busy += 1;
        }
        if let Some(message) = self.messages.get_mut(&task.lease) {
            message.started = true;
        }
        let queue = self.queue_of(task.lease);
        self.running.insert(task.no, Running { task: task.clone(), worker, queue, since: now });
        self.out.push(Command::Start { worker, task });
    }

    /// A task left its slot. What a worker that was given up says later is of no task that runs here.
    pub(super) fn finished(&mut self, no: TaskNo, result: WorkResult, now: Instant) {
        let Some(Running { task, worker, queue, since }) = self.running.remove(&no) else { return };
        self.leave_slot(worker, matches!(result, WorkResult::Panicked));
        self.tally.finished(queue, &result, now.duration_since(since));
        self.fault_of_ours(&result);
        match self.messages.get_mut(&task.lease) {
            Some(message) => message.unstored -= 1,
            // The lease is lost: what is stored is recorded all the same, anything else is the next delivery's.
            None if !matches!(result, WorkResult::Stored { .. }) => {
                if result.costs_no_attempt() {
                    self.out.push(Command::GiveBack(task));
                }
                return self.tally.settled(queue, &Settlement::Fenced);
            }
            None => {}
        }
        self.settling.insert(no, (task.lease, queue));
        self.out.push(Command::Settle { task, result });
    }

    fn fault_of_ours(&mut self, result: &WorkResult) {
        if let WorkResult::Faulted { fault: TaskFault::Ours(fault), .. } = result {
            self.ours(fault.clone());
        }
    }

    /// A worker on which a task panicked takes no more; when its siblings are through, it is replaced.
    fn leave_slot(&mut self, id: WorkerId, panicked: bool) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.busy -= 1;
        worker.retiring |= panicked;
        if worker.retiring && worker.busy == 0 {
            self.let_go(id, Cause::Panicked);
            self.out.push(Command::Hire);
        } else if !worker.retiring {
            self.hiring.succeeded();
        }
    }

    fn let_go(&mut self, id: WorkerId, cause: Cause) {
        self.workers.remove(&id);
        self.tally.counters.workers_restarted += 1;
        self.out.push(Command::LetGo(id, cause));
    }

    /// A thread ended under its tasks: they fail as if they had panicked. The next one is started after a pause: it
    /// may end as soon.
    pub(super) fn worker_gone(&mut self, id: WorkerId, now: Instant) {
        if self.workers.contains_key(&id) {
            self.let_go(id, Cause::Ended);
            self.hiring.failed(now);
            self.end_tasks_of(id, &WorkResult::Panicked, now);
        }
    }

    /// A runtime does not move: its thread is left behind, and what it says later is ignored. Its tasks may be the
    /// cause, so they have had their attempt.
    pub(super) fn worker_stuck(&mut self, id: WorkerId, now: Instant) {
        if !self.workers.contains_key(&id) {
            return;
        }
        self.abandoned += 1;
        self.let_go(id, Cause::Stuck);
        self.end_tasks_of(id, &WorkResult::Stuck, now);
        if self.too_many_abandoned() {
            self.begin_drain();
        } else {
            self.out.push(Command::Hire);
        }
    }

    fn end_tasks_of(&mut self, id: WorkerId, result: &WorkResult, now: Instant) {
        let of_it: Vec<_> =
            self.running.iter().filter(|(_, running)| running.worker == id).map(|(no, _)| *no).collect();
        for no in of_it {
            self.finished(no, result.clone(), now);
        }
    }

    /// Worker threads given up as stuck.
    #[must_use]
    pub const fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// So many threads are stuck that the process has to end.
    #[must_use]
    pub const fn too_many_abandoned(&self) -> bool {
        self.abandoned > MAX_ABANDONED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_to_start_a_thread_are_ever_further_apart() {
        let start = Instant::now();
        let mut hiring = Hiring::default();
        let pauses: Vec<_> = (0..9)
            .map(|_| {
                hiring.failed(start);
                let at = hiring.at().unwrap();
                assert_eq!(
                    (hiring.due(at.checked_sub(Duration::from_millis(1)).unwrap()), hiring.due(at)),
                    (0, 1)
                );
                (at - start).as_millis()
            })
            .collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        hiring.succeeded();
        hiring.failed(start);
        assert_eq!(hiring.at(), Some(start + FIRST_PAUSE));
    }
}
