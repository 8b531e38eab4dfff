//! Threads of which there is one each. When one is gone the consumer drains and ends, for another process to begin
//! anew; what only that thread could have ended is left to the next delivery, so that the drain comes to its end.

use std::time::{Duration, Instant};

use crate::{
    event::{Command, Settlement, ThreadName},
    message::LeaseId,
    place::desk::Desk,
};

impl Desk {
    pub(super) fn thread_gone(&mut self, thread: ThreadName) {
        self.gone.get_or_insert(thread);
        self.unrecorded |= thread == ThreadName::Record;
        self.begin_drain();
        match thread {
            ThreadName::Admit => self.leave_unread(),
            ThreadName::Record => self.out.extend(self.running.keys().map(|no| Command::Cancel(*no))),
            ThreadName::Link => self.leave_all(),
        }
    }

    /// A thread that had to last and is gone.
    #[must_use]
    pub const fn gone(&self) -> Option<ThreadName> {
        self.gone
    }

    /// Nobody reads these messages any more, or lists the rest of them.
    fn leave_unread(&mut self) {
        let unread = self.messages.iter().filter(|(_, m)| m.admitting || m.open);
        let unread: Vec<(LeaseId, bool)> = unread.map(|(lease, m)| (*lease, m.admitting)).collect();
        for (lease, admitting) in unread {
            if admitting {
                self.give_back(lease, Duration::ZERO);
            } else if let Some(message) = self.messages.get_mut(&lease) {
                (message.open, message.keep) = (false, true);
                self.end_if_settled(lease);
            }
        }
    }

    /// Without the record thread nothing is settled: the next delivery does it.
    pub(super) fn leave_unsettled(&mut self, now: Instant) {
        if !self.unrecorded {
            return;
        }
        let settling: Vec<_> = self.settling.keys().copied().collect();
        for no in settling {
            self.settled(no, &Settlement::Fenced, None, now);
        }
    }

    /// No queue is heard or told anything any more: messages become visible by themselves.
    fn leave_all(&mut self) {
        for polls in &mut self.polls {
            (polls.open, polls.asked) = (0, 0);
        }
        let leases: Vec<_> = self.messages.keys().copied().collect();
        leases.into_iter().for_each(|lease| self.lose(lease));
    }
}
