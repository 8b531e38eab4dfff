//! How messages travel together: as many to a request as SQS takes.

use std::iter::Peekable;

use super::plan::Planned;

/// The largest message, attributes counted, and the largest request of several, in bytes
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>).
pub(crate) const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// Entries of a request (the same page).
pub(crate) const MAX_ENTRIES: usize = 10;
/// `enqueuedAt`, its type and its value: counted by SQS as part of the message.
const ATTRIBUTE_BYTES: usize = "enqueuedAtNumber".len() + 13;

/// Bytes of a message as SQS counts them.
pub(super) fn bytes(message: &Planned) -> usize {
    message.body.len() + ATTRIBUTE_BYTES
}

/// Messages taken from a plan, a request's worth at a time.
pub(super) struct Batches<I: Iterator<Item = Planned>> {
    messages: Peekable<I>,
    taken: u64,
}

impl<I: Iterator<Item = Planned>> Batches<I> {
    pub(super) fn new(messages: I) -> Self {
        Self { messages: messages.peekable(), taken: 0 }
    }

    /// The number of the next message, from 0; `None` at the end.
    pub(super) fn upcoming(&mut self) -> Option<u64> {
        self.messages.peek().map(|_| self.taken)
    }

    /// The next request: as many messages as are due and fit together, at least one unless there is none left. A
    /// message that is too large for any request travels alone: SQS says so better than we could.
    pub(super) fn take(&mut self, due: impl Fn(u64) -> bool) -> Vec<Planned> {
        let (mut batch, mut room) = (Vec::new(), MAX_MESSAGE_BYTES);
        while batch.len() < MAX_ENTRIES {
            let first = batch.is_empty();
            let number = self.taken;
            let fits = |next: &Planned| first || (bytes(next) <= room && due(number));
            let Some(message) = self.messages.next_if(fits) else { break };
            room = room.saturating_sub(bytes(&message));
            self.taken += 1;
            batch.push(message);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::plan::Expected;

    fn message(n: usize, length: usize) -> Planned {
        Planned { job_id: n.to_string(), body: "x".repeat(length), expected: Expected::Tasks(Vec::new()) }
    }

    fn all(lengths: &[usize]) -> Vec<Vec<Planned>> {
        let messages = lengths.iter().enumerate().map(|(n, length)| message(n, *length));
        let mut batches = Batches::new(messages);
        std::iter::from_fn(|| Some(batches.take(|_| true)).filter(|batch| !batch.is_empty())).collect()
    }

    fn sizes(lengths: &[usize]) -> Vec<usize> {
        all(lengths).iter().map(Vec::len).collect()
    }

    #[test]
    fn ten_small_messages_share_a_request() {
        assert_eq!(sizes(&[100; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn large_messages_share_a_request_while_they_fit() {
        let half = MAX_MESSAGE_BYTES / 2 - ATTRIBUTE_BYTES;
        assert_eq!(sizes(&[half; 3]), [2, 1]);
        assert_eq!(sizes(&[half + 1; 3]), [1, 1, 1]);
        assert_eq!(sizes(&[MAX_MESSAGE_BYTES + 1, 5]), [1, 1], "too large for any: alone, and told");
    }

    #[test]
    fn only_what_is_due_is_taken_with_the_first() {
        let mut batches = Batches::new((0..5).map(|n| message(n, 1)));
        assert_eq!(batches.take(|n| n < 3).len(), 3);
        assert_eq!(batches.upcoming(), Some(3));
        assert_eq!(batches.take(|_| false).len(), 1, "who asks has waited for the first");
        assert_eq!(batches.take(|_| true).len(), 1);
        assert_eq!((batches.upcoming(), batches.take(|_| true).len()), (None, 0));
    }

    proptest! {
        #[test]
        fn each_message_travels_once_in_order_within_the_limits(
            lengths in prop::collection::vec(prop_oneof![0..2_000_usize, 0..MAX_MESSAGE_BYTES], 0..30),
        ) {
            let batches = all(&lengths);
            for batch in &batches {
                let total: usize = batch.iter().map(bytes).sum();
                prop_assert!(batch.len() == 1 || (batch.len() <= MAX_ENTRIES && total <= MAX_MESSAGE_BYTES));
            }
            let travelled: Vec<_> = batches.iter().flatten().map(|message| message.body.len()).collect();
            prop_assert_eq!(travelled, lengths);
        }
    }
}
