//! The workers and the record thread: a task leaves its slot, and is settled as its result allows.

use std::time::Duration;

use super::{
    around::{Around, pick, pick_of},
    check::Expect,
    fates::{self, Fate, Left, Stage},
    steps::Finish,
};
use crate::{
    event::{Event, Settlement, WorkResult, WorkerId},
    fail::{AwsFault, AwsResource, Reason, TaskFault},
    message::{Carrier, QueueName, Stored},
    place::workers::MAX_ABANDONED,
    ports::Claimed,
};

impl Around {
    pub(super) fn finish(&mut self, task: u8, how: Finish) {
        let Some(at) = pick_of(task, &self.fates, Fate::is_running) else { return };
        let how = match how {
            Finish::Cancelled { .. } if !self.fates[at].told_to_stop => Finish::Stored,
            how => how,
        };
        let no = self.fates[at].no();
        let result = self.result(how);
        self.leave(at, how);
        self.tell(Event::Finished { no, result });
    }

    pub(super) fn result(&mut self, how: Finish) -> WorkResult {
        let claimed = || Claimed { epoch: 1, attempts: 1, was_failed: false, open_upload: None };
        let faulted = |fault| WorkResult::Faulted { claimed: Some(claimed()), fault };
        match how {
            Finish::Stored => {
                let key = exportpool_contract::ObjectKey::new("k").unwrap();
                let object = Stored { key, bytes: 1, crc64nvme: None, etag: None, adopted: false };
                WorkResult::Stored { claimed: claimed(), object, service: Duration::from_millis(10) }
            }
            Finish::AlreadyDone => WorkResult::AlreadyDone,
            Finish::Final => faulted(TaskFault::last(Reason::SourceRefused, "404")),
            Finish::Retry => faulted(TaskFault::retry(Reason::SourceFailed, "500")),
            Finish::Ours { table, claimed: known } => {
                let fault =
                    self.fault(if table { fates::table() } else { AwsResource::Bucket("exports".into()) });
                WorkResult::Faulted { claimed: known.then(claimed), fault: fault.into() }
            }
            Finish::Fenced => faulted(TaskFault::Fenced),
            Finish::Cancelled { claimed: known } => WorkResult::Cancelled { claimed: known.then(claimed) },
            Finish::Panicked => WorkResult::Panicked,
            Finish::Stuck => WorkResult::Stuck,
        }
    }

    /// A task leaves its slot, and perhaps its worker is to be renewed.
    pub(super) fn leave(&mut self, at: usize, how: Finish) {
        let Stage::Running(worker) = self.fates[at].stage else { return };
        let (no, lease) = (self.fates[at].no(), self.fates[at].task.lease);
        let delivery = &self.deliveries[usize::try_from(lease.0).unwrap()];
        let (alive, queue) = (delivery.end.is_none(), delivery.queue);
        let left = left(how);
        if let Some(word) = source_error(how) {
            *self.counters.source_errors.entry(word.into()).or_default() += 1;
        }
        if alive || left == Left::Stored {
            self.fates[at].stage = Stage::Settling(left);
            self.expected.push(Expect::Settle(no));
        } else {
            self.fates[at].stage = Stage::Ended;
            self.queue(queue).settled.fenced += 1;
            if matches!(how, Finish::Cancelled { .. } | Finish::Ours { .. }) {
                self.expected.push(Expect::GiveBack(no));
            }
        }
        if let Some(retiring) = self.workers.get_mut(&worker) {
            *retiring |= how == Finish::Panicked;
        }
        self.renew_if_due(worker);
    }

    pub(super) fn renew_if_due(&mut self, worker: WorkerId) {
        let busy = self.fates.iter().any(|fate| fate.stage == Stage::Running(worker));
        if self.workers.get(&worker) == Some(&true) && !busy {
            self.counters.workers_restarted += 1;
            self.expected.extend([Expect::LetGo(worker), Expect::Hire]);
        }
    }

    pub(super) fn settle(&mut self, task: u8, how: u8, faulty: bool) {
        let Some(at) = pick_of(task, &self.fates, Fate::is_settling) else { return };
        let Stage::Settling(left) = self.fates[at].stage else { return };
        let carrier = self.fates[at].task.carrier;
        let faulty = faulty && matches!(left, Left::Stored | Left::AlreadyDone | Left::Final);
        let settlement = if faulty { leaving(carrier) } else { settlement(left, carrier, how) };
        let fault = faulty.then(|| self.fault(fates::table()));
        self.settled_as(at, settlement, fault);
    }

    pub(super) fn settled_as(&mut self, at: usize, settlement: Settlement, fault: Option<AwsFault>) {
        self.fates[at].stage = Stage::Ended;
        let (no, lease) = (self.fates[at].no(), self.fates[at].task.lease);
        let delivery = &mut self.deliveries[usize::try_from(lease.0).unwrap()];
        let (alive, queue) = (delivery.end.is_none(), delivery.queue);
        if alive {
            match settlement {
                Settlement::Retry(_) | Settlement::Returned(_) => self.expected.push(Expect::Return(lease)),
                Settlement::Fenced => delivery.keep = true,
                Settlement::Done { .. }
                | Settlement::Failed
                | Settlement::HandedOver
                | Settlement::Resent(_) => {}
            }
        }
        self.count(queue, &settlement);
        self.tell(Event::Settled { no, settlement, fault });
    }

    pub(super) fn count(&mut self, queue: QueueName, settlement: &Settlement) {
        let settled = &mut self.queue(queue).settled;
        match settlement {
            Settlement::Done { .. } => settled.done += 1,
            Settlement::Failed => settled.failed += 1,
            Settlement::Retry(_) | Settlement::Resent(_) => settled.retried += 1,
            Settlement::HandedOver => self.counters.handed_over += 1,
            Settlement::Returned(_) => settled.returned += 1,
            Settlement::Fenced => settled.fenced += 1,
        }
        if let Settlement::Done { bytes, .. } = settlement {
            self.counters.bytes += bytes;
        }
        self.counters.dead_lettered += u64::from(*settlement == Settlement::Failed);
    }

    /// One that lives dies; one that was let go ends as it was meant to.
    pub(super) fn worker_dies(&mut self, worker: u8) {
        let Some(at) = pick(worker, self.workers.len() + self.leaving.len()) else { return };
        let Some(id) = self.workers.keys().nth(at).copied() else {
            let id = self.leaving.remove(at - self.workers.len());
            return self.tell(Event::WorkerGone { worker: id });
        };
        self.end_with_its_tasks(id, Finish::Panicked);
        self.tell(Event::WorkerGone { worker: id });
        // Its end is known: no farewell comes.
        self.leaving.retain(|leaving| *leaving != id);
    }

    /// With one more than may be given up the desk drains by itself, and nobody is hired any more. One that was let
    /// go before is nobody's concern.
    pub(super) fn worker_sticks(&mut self, worker: u8) {
        let Some(at) = pick(worker, self.workers.len() + self.leaving.len()) else { return };
        let Some(id) = self.workers.keys().nth(at).copied() else {
            let id = self.leaving[at - self.workers.len()];
            return self.tell_in_vain(Event::WorkerStuck { worker: id });
        };
        self.stuck += 1;
        if self.stuck > MAX_ABANDONED {
            self.expect_drain();
        } else {
            self.expected.push(Expect::Hire);
        }
        let on_it = self.fates.iter().filter(|fate| fate.stage == Stage::Running(id));
        self.left_behind.extend(on_it.map(Fate::no));
        self.end_with_its_tasks(id, Finish::Stuck);
        self.tell(Event::WorkerStuck { worker: id });
    }

    /// Its task is settled, or was lost: whatever it says now, nothing comes of it, and nothing counts.
    pub(super) fn stuck_speaks(&mut self, task: u8, how: Finish) {
        let Some(at) = pick(task, self.left_behind.len()) else { return };
        let no = self.left_behind.swap_remove(at);
        let counters = self.counters.clone();
        let result = self.result(how);
        self.counters = counters;
        self.tell_in_vain(Event::Finished { no, result });
    }

    fn end_with_its_tasks(&mut self, id: WorkerId, how: Finish) {
        self.workers.remove(&id);
        self.counters.workers_restarted += 1;
        self.expected.push(Expect::LetGo(id));
        let on_it: Vec<_> =
            (0..self.fates.len()).filter(|at| self.fates[*at].stage == Stage::Running(id)).collect();
        on_it.into_iter().for_each(|at| self.leave(at, how));
    }

    /// A thread is asked for: it starts, or it does not and is asked for again later.
    pub(super) fn start_thread(&mut self) {
        if self.unstartable == 0 {
            return self.hire();
        }
        self.unstartable -= 1;
        self.missing += 1;
        self.not_started += 1;
    }
}

const fn left(how: Finish) -> Left {
    match how {
        Finish::Stored => Left::Stored,
        Finish::AlreadyDone => Left::AlreadyDone,
        Finish::Final => Left::Final,
        Finish::Retry | Finish::Panicked | Finish::Stuck => Left::Retry,
        Finish::Ours { .. } | Finish::Cancelled { .. } => Left::Stopped,
        Finish::Fenced => Left::Fenced,
    }
}

const fn source_error(how: Finish) -> Option<&'static str> {
    match how {
        Finish::Final => Some("sourceRefused"),
        Finish::Retry => Some("sourceFailed"),
        Finish::Fenced => Some("fenced"),
        Finish::Panicked => Some("panicked"),
        Finish::Stuck => Some("stuck"),
        _ => None,
    }
}

/// What a task of ours that cannot be recorded is settled as.
const fn leaving(carrier: Carrier) -> Settlement {
    match carrier {
        Carrier::Job => Settlement::Fenced,
        Carrier::Message => Settlement::Returned(Duration::from_secs(31)),
    }
}

/// What the record thread may make of a task.
fn settlement(left: Left, carrier: Carrier, how: u8) -> Settlement {
    let done = Settlement::Done { bytes: 1, service: Duration::from_millis(10) };
    let again = match carrier {
        Carrier::Job => Settlement::Resent(Duration::from_secs(2)),
        Carrier::Message => Settlement::Retry(Duration::from_secs(2)),
    };
    match (left, how % 8) {
        (Left::Fenced, _) | (Left::Stored | Left::Final | Left::Retry | Left::HandedOver, 0) => {
            Settlement::Fenced
        }
        (Left::Stopped, 0) if carrier == Carrier::Job => Settlement::Fenced,
        (Left::Stored | Left::AlreadyDone, _) | (Left::Final, 1) => done,
        (Left::Final, _) | (Left::Retry, 1) => Settlement::Failed,
        (Left::Stopped, _) if carrier == Carrier::Message => Settlement::Returned(Duration::from_secs(32)),
        (Left::Retry | Left::Stopped, _) => again,
        (Left::HandedOver, _) => Settlement::HandedOver,
    }
}
