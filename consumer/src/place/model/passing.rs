//! Time passes, the signal to stop comes, and in the end all is well.

use std::time::Duration;

use super::{
    around::{Around, LONG_IN_HAND},
    check::Expect,
    fates::{Delivery, Fate},
    steps::Finish,
};
use crate::{place::workers::MAX_ABANDONED, ports::Entry};

/// No thread is tried again later than this.
const LONGEST_HIRING: Duration = Duration::from_secs(30);

impl Around {
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        let ended = |d: &&Delivery| d.end.is_none() && d.deadline <= self.now;
        let expired: Vec<_> = self.deliveries.iter().filter(ended).map(|d| d.lease).collect();
        expired.into_iter().for_each(|lease| self.lose(lease));
        self.age();
        self.log.push(format!("{time:?} pass"));
        let commands = self.desk.tick(self.now);
        self.obey(commands);
    }

    pub(super) fn age(&mut self) {
        let now = self.now;
        let old = |d: &&mut Delivery| d.end.is_none() && !d.aged && now - d.born >= LONG_IN_HAND;
        for delivery in self.deliveries.iter_mut().filter(old) {
            delivery.aged = true;
            self.gives_way.push(delivery.lease);
            if delivery.rest.is_some() {
                self.expected.push(Expect::Yield(delivery.lease));
            }
        }
    }

    /// Time passes as main lets it pass: it wakes when the desk wants to, and extensions are answered at once.
    pub(super) fn pass_with_extensions(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            let wake = self.desk.wake_at().map_or(until, |at| at.clamp(self.now, until));
            self.pass(wake - self.now);
            for (sent, leases) in std::mem::take(&mut self.extends) {
                self.extension_answered(
                    sent,
                    leases.into_iter().map(|lease| (lease, Entry::Accepted)).collect(),
                );
            }
        }
    }

    pub(super) fn drain(&mut self) {
        if self.draining {
            return;
        }
        self.expect_drain();
        self.log.push("told to drain".into());
        let commands = self.desk.drain();
        self.obey(commands);
    }

    pub(super) fn expect_drain(&mut self) {
        self.draining = true;
        let open = self.deliveries.iter().filter(|d| d.end.is_none() && d.rest.is_some());
        self.expected.extend(open.map(|d| Expect::Yield(d.lease)));
    }

    pub(super) fn cancel_all(&mut self) {
        if !self.draining {
            return;
        }
        let in_hand = self.fates.iter().filter(|fate| fate.is_running() || fate.is_settling());
        self.expected.extend(in_hand.map(|fate| Expect::Cancel(fate.no())));
        self.log.push("told to cancel all".into());
        let commands = self.desk.cancel_all();
        self.obey(commands);
    }

    /// Everything under way goes well, until nothing but polls is under way; in a drain until these are answered too.
    pub(super) fn calm_down(&mut self) {
        let mut woke = false;
        for _ in 0..20_000 {
            if !self.looks.is_empty() {
                self.looked(0, true);
            } else if self.reading(0, |_| true).is_some() {
                self.whole(0, 2);
            } else if self.splitting(0).is_some() {
                self.split(0, false);
            } else if self.fates.iter().any(Fate::is_running) {
                self.finish(0, Finish::Stored);
            } else if self.fates.iter().any(Fate::is_settling) {
                self.settle(0, 7, false);
            } else if !self.deletes.is_empty() {
                self.deleted(0, 0);
            } else if !self.leaving.is_empty() {
                self.worker_dies(u8::try_from(self.workers.len()).unwrap());
            } else if self.missing > 0 && self.stuck <= MAX_ABANDONED {
                self.unstartable = 0;
                self.pass_with_extensions(LONGEST_HIRING);
            } else if !self.draining && self.desk.unavailable().is_some() && !self.polls.is_empty() {
                self.answer(0, 1, false);
            } else if self.draining && !self.polls.is_empty() {
                self.answer(0, 0, false);
            } else if self.draining || !self.polls.is_empty() || woke {
                return;
            } else {
                // Main wakes every second: a thread that was started last is given work then.
                woke = true;
                self.pass_with_extensions(Duration::from_secs(1));
            }
        }
        self.fail("it does not come to rest");
    }
}
