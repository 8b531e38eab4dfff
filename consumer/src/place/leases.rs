//! Who holds what, and until when. A lease lives from the receipt of a message until its delete is confirmed;
//! its deadline is the least SQS can mean: the time the last request was *sent*, plus the visibility timeout.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::message::{LeaseId, QueueName, Receipt};

/// A receive that was answered is taken to have been handled at most so long before. Should one have taken longer, the
/// ledger's epochs keep the task from ending twice.
const RECEIVE_ALLOWANCE: Duration = Duration::from_secs(10);
/// After so long a message gives way: what of it has not started goes to other pods.
const LONG_IN_HAND: Duration = Duration::from_secs(3_600);
/// SQS keeps a message in flight for at most 12 hours
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html>).
const LONGEST_LIFE: Duration = Duration::from_secs(11 * 3_600 + 1_800);

/// One message in hand.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Where it came from.
    pub queue: QueueName,
    /// Handle for this delivery.
    pub receipt: Receipt,
    /// When it was received.
    pub born: Instant,
    deadline: Instant,
    extend_at: Instant,
    /// It was told to give way.
    aged: bool,
}

/// All messages in hand.
#[derive(Debug, Default)]
pub struct Leases {
    held: BTreeMap<LeaseId, Lease>,
    next: u64,
}

impl Leases {
    /// Takes a message that was received just now.
    pub fn take(
        &mut self,
        queue: QueueName,
        receipt: Receipt,
        visibility: Duration,
        now: Instant,
    ) -> LeaseId {
        let id = LeaseId(self.next);
        self.next += 1;
        let sure = visibility.saturating_sub(RECEIVE_ALLOWANCE);
        // At a short visibility a third of it is later than the allowance leaves.
        let extend_at = now + (visibility / 3).min(sure / 2);
        self.held
            .insert(id, Lease { queue, receipt, born: now, deadline: now + sure, extend_at, aged: false });
        id
    }

    /// A message in hand.
    #[must_use]
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.held.get(&id)
    }

    /// Lets go of a message.
    pub fn drop_lease(&mut self, id: LeaseId) -> Option<Lease> {
        self.held.remove(&id)
    }

    /// Messages that should be extended now. Each is asked for again after a few seconds, should the extension
    /// not be answered.
    pub fn due(&mut self, visibility: Duration, now: Instant) -> Vec<(LeaseId, QueueName, Receipt)> {
        let due = self.held.iter_mut().filter(|(_, lease)| lease.extend_at <= now);
        let asked = due.filter_map(|(id, lease)| {
            let young = lease.young(now);
            // At its longest life a lease is left to end.
            lease.extend_at = if young { now + visibility / 12 } else { lease.deadline };
            young.then(|| (*id, lease.queue, lease.receipt.clone()))
        });
        asked.collect()
    }

    /// An extension that was sent at `sent` succeeded.
    pub fn extended(&mut self, id: LeaseId, sent: Instant, visibility: Duration) {
        if let Some(lease) = self.held.get_mut(&id) {
            lease.deadline = sent + visibility;
            lease.extend_at = sent + visibility / 3;
        }
    }

    /// Messages that are no longer ours: their deadline passed.
    #[must_use]
    pub fn expired(&self, now: Instant) -> Vec<LeaseId> {
        self.held.iter().filter(|(_, lease)| lease.deadline <= now).map(|(id, _)| *id).collect()
    }

    /// Messages that have been in hand for an hour now; each is named once. A lease is looked at more often than that,
    /// to be extended.
    pub fn aged(&mut self, now: Instant) -> Vec<LeaseId> {
        let old = |lease: &Lease| !lease.aged && now.duration_since(lease.born) >= LONG_IN_HAND;
        let aged = self.held.iter_mut().filter(|(_, lease)| old(lease));
        let named = aged.map(|(id, lease)| {
            lease.aged = true;
            *id
        });
        named.collect()
    }

    /// When something of the above is next to be done.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        self.held.values().map(|lease| lease.extend_at.min(lease.deadline)).min()
    }

    /// Messages in hand of one queue.
    #[must_use]
    pub fn count(&self, queue: QueueName) -> usize {
        self.held.values().filter(|lease| lease.queue == queue).count()
    }

    /// Messages in hand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Nothing in hand.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl Lease {
    fn young(&self, now: Instant) -> bool {
        now.duration_since(self.born) < LONGEST_LIFE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(60);

    fn one(now: Instant) -> (Leases, LeaseId) {
        let mut leases = Leases::default();
        let id = leases.take(QueueName::ExportJobs, Receipt("r".into()), VISIBILITY, now);
        (leases, id)
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_is_extended_at_a_third_of_its_visibility() {
        let start = Instant::now();
        let (mut leases, id) = one(start);
        assert!(leases.due(VISIBILITY, at(start, 19)).is_empty());
        assert_eq!(leases.due(VISIBILITY, at(start, 20))[0].0, id);
        leases.extended(id, at(start, 20), VISIBILITY);
        assert!(leases.due(VISIBILITY, at(start, 39)).is_empty());
        assert_eq!(leases.due(VISIBILITY, at(start, 40)).len(), 1);
    }

    #[test]
    fn a_lease_is_extended_before_it_ends_also_at_the_shortest_visibility() {
        let (start, shortest) = (Instant::now(), Duration::from_secs(15));
        let mut leases = Leases::default();
        leases.take(QueueName::ExportJobs, Receipt("r".into()), shortest, start);
        let due_at = (0..).find(|s| !leases.due(shortest, at(start, *s)).is_empty()).unwrap();
        assert!(leases.expired(at(start, due_at + 1)).is_empty(), "due only at {due_at} s");
    }

    #[test]
    fn an_unanswered_extension_is_asked_for_again_before_the_lease_ends() {
        let start = Instant::now();
        let (mut leases, _) = one(start);
        let asked = (0..50).filter(|s| !leases.due(VISIBILITY, at(start, *s)).is_empty()).count();
        assert!(asked >= 5, "{asked}");
    }

    #[test]
    fn a_lease_counts_from_when_the_extension_was_sent() {
        let start = Instant::now();
        let (mut leases, id) = one(start);
        assert!(leases.expired(at(start, 49)).is_empty());
        assert_eq!(leases.expired(at(start, 50)), [id], "received at most 10 s before the answer");
        leases.extended(id, at(start, 20), VISIBILITY);
        assert!(leases.expired(at(start, 79)).is_empty());
        assert_eq!(leases.expired(at(start, 80)), [id]);
    }

    #[test]
    fn a_message_gives_way_after_an_hour_once() {
        let start = Instant::now();
        let (mut leases, id) = one(start);
        assert!(leases.aged(at(start, 3_599)).is_empty());
        assert_eq!(leases.aged(at(start, 3_600)), [id]);
        assert!(leases.aged(at(start, 3_700)).is_empty());
    }

    #[test]
    fn a_lease_has_a_longest_life() {
        let start = Instant::now();
        let (mut leases, id) = one(start);
        leases.extended(id, at(start, 12 * 3_600), VISIBILITY);
        assert!(leases.due(VISIBILITY, at(start, 12 * 3_600 + 30)).is_empty());
        assert_eq!(leases.wake_at(), Some(at(start, 12 * 3_600 + 60)), "nothing to do before it ends");
        assert_eq!(leases.expired(at(start, 12 * 3_600 + 60)), [id]);
    }
}
