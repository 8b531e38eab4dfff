//! Extending, returning and deleting messages, each in batches with a result for each entry: one dead entry never
//! fails its siblings.

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::time;

use super::{batch::batching, each, extensions::Extensions, now};
use crate::{
    event::Event,
    fail::{AwsFault, AwsKind, AwsResource},
    kill::{self, Point},
    message::{LeaseId, QueueName, Receipt},
    ports::{Entry, Queue},
    sync::mpsc,
};

/// A message to extend.
pub(super) type Extend = (QueueName, LeaseId, Receipt);
/// A message to make visible after a delay.
pub(super) type Return = (QueueName, Receipt, Duration);
/// A message to delete.
pub(super) type Delete = (QueueName, LeaseId, Receipt);

/// An extension that is not answered within this is asked for again.
const EXTEND_TIMEOUT: Duration = Duration::from_secs(3);
/// Deletes wait this long for company: a place is freed before, so nobody waits for them.
const DELETE_LINGER: Duration = Duration::from_millis(20);
const RETURN_LINGER: Duration = Duration::from_millis(5);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Where messages go that are given back when their extensions are answered.
#[derive(Clone)]
pub(super) struct ReturnsAfter(pub(super) Rc<RefCell<Extensions>>, pub(super) mpsc::UnboundedSender<Return>);

impl ReturnsAfter {
    fn answered(&self, batch: &[Extend]) {
        let mut extensions = self.0.borrow_mut();
        for back in batch.iter().filter_map(|(_, _, receipt)| extensions.answered(receipt)) {
            // The line ends after this one.
            let _ = self.1.send(back);
        }
    }
}

/// Extends leases; the events carry when the request was sent, from which the new deadline counts.
pub(super) async fn extend<Q: Queue + 'static>(
    queue: Rc<Q>,
    visibility: Duration,
    items: mpsc::UnboundedReceiver<Extend>,
    returns_after: ReturnsAfter,
    events: mpsc::UnboundedSender<Event>,
) {
    batching(
        items,
        Duration::ZERO,
        |(name, ..)| *name,
        |name, batch: Vec<Extend>| {
            let (queue, events, returns_after) = (Rc::clone(&queue), events.clone(), returns_after.clone());
            async move {
                let changes: Vec<_> =
                    batch.iter().map(|(_, _, receipt)| (receipt.clone(), visibility)).collect();
                let sent = now();
                let answer = time::timeout(EXTEND_TIMEOUT, queue.change_visibility(name, &changes)).await;
                let answer = answer.unwrap_or_else(|_| Err(timed_out(name)));
                returns_after.answered(&batch);
                let entries = each(answer, batch).map(|((_, lease, _), entry)| (lease, entry)).collect();
                let _ = events.send(Event::Extended { sent, entries });
            }
        },
    )
    .await;
}

/// Makes messages visible again. One that cannot be returned becomes visible by itself.
pub(super) async fn give_back<Q: Queue + 'static>(queue: Rc<Q>, items: mpsc::UnboundedReceiver<Return>) {
    batching(
        items,
        RETURN_LINGER,
        |(name, ..)| *name,
        |name, batch: Vec<Return>| {
            let queue = Rc::clone(&queue);
            async move {
                let changes: Vec<_> = batch.into_iter().map(|(_, receipt, delay)| (receipt, delay)).collect();
                let answer = queue.change_visibility(name, &changes).await;
                for (_, entry) in each(answer, changes).filter(|(_, entry)| *entry != Entry::Accepted) {
                    tracing::debug!(
                        queue = name.as_str(),
                        ?entry,
                        "a message was not returned: it waits out its visibility timeout"
                    );
                }
            }
        },
    )
    .await;
}

/// Deletes messages and tells how each fared; a failed one is tried again after a pause by whoever asked.
pub(super) async fn delete<Q: Queue + 'static>(
    queue: Rc<Q>,
    items: mpsc::UnboundedReceiver<Delete>,
    events: mpsc::UnboundedSender<Event>,
) {
    batching(
        items,
        DELETE_LINGER,
        |(name, ..)| *name,
        |name, batch: Vec<Delete>| {
            let (queue, events) = (Rc::clone(&queue), events.clone());
            async move {
                let receipts: Vec<_> = batch.iter().map(|(_, _, receipt)| receipt.clone()).collect();
                let answer = queue.delete(name, &receipts).await;
                let answers: Vec<_> = each(answer, batch).collect();
                kill::at_each(Point::Deleted, answers.len());
                if answers.iter().any(|(_, entry)| matches!(entry, Entry::Failed(_))) {
                    time::sleep(RETRY_PAUSE).await;
                }
                for ((_, lease, _), entry) in answers {
                    let _ = events.send(Event::Deleted { lease, entry });
                }
            }
        },
    )
    .await;
}

fn timed_out(queue: QueueName) -> AwsFault {
    let detail = format!("no answer within {EXTEND_TIMEOUT:?}");
    AwsFault { kind: AwsKind::Unreachable, resource: AwsResource::queue(queue), detail }
}
