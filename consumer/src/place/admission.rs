//! What comes of a message that was read: tasks that wait here, a rest that is handed over, or nothing.

use std::time::Duration;

use crate::{
    fail::{AwsFault, breaker::Allowance, fault_delay, retry_delay},
    message::{LeaseId, Task},
    place::desk::Desk,
};

impl Desk {
    pub(super) fn admitted(&mut self, lease: LeaseId, tasks: Vec<Task>, listed: usize, complete: bool) {
        self.tally.counters.tasks_listed += listed as u64;
        let Some(message) = self.messages.get_mut(&lease) else { return };
        message.admitting = false;
        message.open = !complete;
        message.outstanding = tasks.len();
        message.unstored = tasks.len();
        for task in tasks {
            self.waiting.push(task);
        }
        if self.draining {
            return self.give_way(lease);
        }
        if self.breaker.allowance() == Allowance::Nothing {
            // It came by a poll that was under way.
            self.return_unstarted();
        }
        self.end_if_settled(lease);
    }

    /// What was `passed_on` is not to be listed again: the message stays until the rest of it is settled.
    pub(super) fn split(&mut self, lease: LeaseId, passed_on: bool) {
        if let Some(message) = self.messages.get_mut(&lease) {
            message.open = false;
            message.started |= passed_on;
        }
        if self.breaker.allowance() == Allowance::Nothing {
            // It was kept while it was open.
            self.return_unstarted();
        }
        self.end_if_settled(lease);
    }

    pub(super) fn admit_later(&mut self, lease: LeaseId, delay: Duration, came_through: bool) {
        if came_through {
            self.breaker.succeeded();
        }
        self.waiting.remove(lease);
        self.give_back(lease, delay);
    }

    pub(super) fn refused(&mut self, lease: LeaseId) {
        self.tally.counters.dead_lettered += 1;
        self.breaker.succeeded();
        if let Some(message) = self.messages.get_mut(&lease) {
            message.admitting = false;
            message.open = false;
        }
        self.end_if_settled(lease);
    }

    /// It may be the message that makes us panic: it comes again ever later, and its queue's `maxReceiveCount` ends
    /// that.
    pub(super) fn admit_panicked(&mut self, lease: LeaseId, receive_count: u32) {
        self.waiting.remove(lease);
        let delay = retry_delay(receive_count, None, self.rng.f64());
        self.give_back(lease, delay);
    }

    pub(super) fn admit_failed(&mut self, lease: LeaseId, fault: AwsFault) {
        self.waiting.remove(lease);
        let delay = fault_delay(self.rng.f64());
        self.give_back(lease, delay);
        self.ours(fault);
    }
}
