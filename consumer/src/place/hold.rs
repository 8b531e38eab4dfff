//! Leases: how a message in hand ends. Deleted when everything of it is settled, given back, or lost.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    event::Command,
    message::{LeaseId, QueueName},
    place::desk::Desk,
    ports::Entry,
};

impl Desk {
    pub(super) fn queue_of(&self, lease: LeaseId) -> QueueName {
        self.messages.get(&lease).map_or(QueueName::DownloadTasks, |message| message.queue)
    }

    /// Deletes a message when everything of it is settled here; keeps it when somebody else ends a part.
    pub(super) fn end_if_settled(&mut self, lease: LeaseId) {
        let Some(message) = self.messages.get_mut(&lease) else { return };
        if message.admitting || message.open || message.outstanding > 0 || message.deleting {
            return;
        }
        if message.keep {
            return self.give_back(lease, self.rules.visibility);
        }
        message.deleting = true;
        self.delete(lease);
    }

    fn delete(&mut self, lease: LeaseId) {
        if let Some(held) = self.leases.get(lease) {
            let (queue, receipt) = (held.queue, held.receipt.clone());
            self.out.push(Command::Delete { queue, lease, receipt });
        }
    }

    pub(super) fn deleted(&mut self, lease: LeaseId, entry: &Entry) {
        match entry {
            Entry::Failed(_) => self.delete(lease),
            Entry::Accepted | Entry::Gone | Entry::Refused(_) => self.forget(lease),
        }
    }

    fn forget(&mut self, lease: LeaseId) {
        self.leases.drop_lease(lease);
        self.messages.remove(&lease);
    }

    /// Makes a message visible again, and lets go of it.
    pub(super) fn give_back(&mut self, lease: LeaseId, delay: Duration) {
        if let Some(held) = self.leases.drop_lease(lease) {
            self.out.push(Command::Return { queue: held.queue, receipt: held.receipt, delay });
        }
        self.messages.remove(&lease);
    }

    /// A lease ended before its message was settled: its tasks stop, and nothing of it is deleted.
    pub(super) fn lose(&mut self, lease: LeaseId) {
        if !self.messages.contains_key(&lease) {
            return;
        }
        self.tally.counters.leases_lost += 1;
        self.waiting.remove(lease);
        let running = self.running.values().filter(|r| r.task.lease == lease).map(|r| r.task.no);
        let settling = self.settling.iter().filter(|(_, (of, _))| *of == lease).map(|(no, _)| *no);
        self.out.extend(running.chain(settling).map(Command::Cancel));
        self.forget(lease);
    }

    pub(super) fn extend(&mut self, now: Instant) {
        let mut by_queue: BTreeMap<QueueName, Vec<_>> = BTreeMap::new();
        for (lease, queue, receipt) in self.leases.due(self.rules.visibility, now) {
            by_queue.entry(queue).or_default().push((lease, receipt));
        }
        self.out.extend(by_queue.into_iter().map(|(queue, leases)| Command::Extend { queue, leases }));
    }

    pub(super) fn extended(&mut self, sent: Instant, entries: Vec<(LeaseId, Entry)>) {
        for (lease, entry) in entries {
            match entry {
                Entry::Accepted => self.leases.extended(lease, sent, self.rules.visibility),
                Entry::Gone => self.lose_unless_deleting(lease),
                // Asked again while the lease lives.
                Entry::Refused(_) | Entry::Failed(_) => {}
            }
        }
    }

    fn lose_unless_deleting(&mut self, lease: LeaseId) {
        if self.messages.get(&lease).is_some_and(|message| !message.deleting) {
            self.lose(lease);
        }
    }
}
