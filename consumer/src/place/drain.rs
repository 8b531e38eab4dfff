//! Stopping: nothing new, what has not started goes back, what has started finishes.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    event::Command,
    fail::fault_delay,
    message::{Carrier, LeaseId},
    place::desk::Desk,
};

impl Desk {
    /// Stops the intake and gives back what has not started.
    pub fn drain(&mut self) -> Vec<Command> {
        self.begin_drain();
        std::mem::take(&mut self.out)
    }

    pub(super) fn begin_drain(&mut self) {
        self.draining = true;
        let leases: Vec<_> = self.messages.keys().copied().collect();
        for lease in leases {
            self.give_way(lease);
        }
    }

    /// Stops what runs, and what is sent again and again: the time to finish it is over.
    pub fn cancel_all(&mut self) -> Vec<Command> {
        self.running.keys().chain(self.settling.keys()).map(|no| Command::Cancel(*no)).collect()
    }

    /// Told to stop.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Nothing is in hand any more, and nothing can still come in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open_polls() == 0
            && self.messages.is_empty()
            && self.running.is_empty()
            && self.settling.is_empty()
    }

    /// Gives back what has not started, while something we need is unavailable.
    pub(super) fn return_unstarted(&mut self) {
        let unstarted =
            self.messages.iter().filter(|(_, m)| !m.admitting && !m.open && !m.started && !m.deleting);
        let unstarted: BTreeSet<LeaseId> =
            unstarted.filter(|(_, m)| m.outstanding > 0).map(|(id, _)| *id).collect();
        for lease in unstarted {
            let delay = fault_delay(self.rng.f64());
            self.give_back_unstarted(lease, delay);
        }
    }

    /// In a drain, or after an hour: a message of which nothing has started goes back whole; of one that has started,
    /// what waits is handed over, and what is not listed yet goes on as another message. One that is still being read
    /// gives way when it is.
    pub(super) fn give_way(&mut self, lease: LeaseId) {
        let Some(message) = self.messages.get(&lease) else { return };
        if message.admitting || message.deleting {
            return;
        }
        if !message.started && !message.open {
            return self.give_back_unstarted(lease, Duration::ZERO);
        }
        if message.open {
            self.out.push(Command::Yield(lease));
        }
        self.hand_over_waiting(lease);
    }

    fn hand_over_waiting(&mut self, lease: LeaseId) {
        let queue = self.queue_of(lease);
        for task in self.waiting.remove(lease) {
            debug_assert_eq!(task.carrier, Carrier::Job, "a message with one task is started or not");
            if let Some(message) = self.messages.get_mut(&lease) {
                message.unstored -= 1;
                message.started = true;
            }
            self.settling.insert(task.no, (lease, queue));
            self.out.push(Command::HandOver(task));
        }
    }

    fn give_back_unstarted(&mut self, lease: LeaseId, delay: Duration) {
        let queue = self.queue_of(lease);
        let returned = self.waiting.remove(lease).len() as u64;
        self.tally.queue(queue).settled.returned += returned;
        self.give_back(lease, delay);
    }
}
