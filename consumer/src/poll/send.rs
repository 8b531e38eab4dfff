//! Sending messages, in batches by count and bytes.

use std::{rc::Rc, time::Duration};

use tokio::sync::oneshot;

use super::{SendFault, batch::batching, each};
use crate::{
    fail::{AwsFault, AwsKind, AwsResource},
    ports::{Entry, MAX_MESSAGE_BYTES, Outbox, Outgoing, Queue},
    sync::mpsc,
};

/// A message to send, and who waits for the answer.
pub(super) type Send = (Outbox, Outgoing, oneshot::Sender<Result<(), SendFault>>);

const LINGER: Duration = Duration::from_millis(2);

/// Sends messages and answers each.
pub(super) async fn send<Q: Queue + 'static>(queue: Rc<Q>, items: mpsc::UnboundedReceiver<Send>) {
    batching(
        items,
        LINGER,
        |(to, ..)| *to,
        |to, batch: Vec<Send>| {
            let queue = Rc::clone(&queue);
            async move {
                for part in split_by_bytes(refuse_too_large(batch)) {
                    send_part(&*queue, to, part).await;
                }
            }
        },
    )
    .await;
}

/// SQS refuses a request of too many bytes as a whole, also when it is a single message's fault.
fn refuse_too_large(batch: Vec<Send>) -> Vec<Send> {
    let (fit, too_large): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|(_, message, _)| message.bytes() <= MAX_MESSAGE_BYTES);
    for (_, message, answer) in too_large {
        let why = format!("it has {} bytes; at most {MAX_MESSAGE_BYTES} are taken", message.bytes());
        let _ = answer.send(Err(SendFault::Refused(why)));
    }
    fit
}

async fn send_part<Q: Queue>(queue: &Q, to: Outbox, part: Vec<Send>) {
    let (messages, answers): (Vec<_>, Vec<_>) =
        part.into_iter().map(|(_, message, answer)| (message, answer)).unzip();
    let entries = match queue.send(to, &messages).await {
        Ok(entries) => entries,
        Err(fault) => {
            for answer in answers {
                let _ = answer.send(Err(fault.clone().into()));
            }
            return;
        }
    };
    for (answer, entry) in each(Ok(entries), answers) {
        let _ = answer.send(match entry {
            Entry::Accepted => Ok(()),
            Entry::Refused(why) => Err(SendFault::Refused(why)),
            Entry::Gone => Err(SendFault::Refused("the queue does not exist".into())),
            Entry::Failed(detail) => Err(SendFault::Aws(AwsFault {
                kind: AwsKind::Failed,
                resource: AwsResource::outbox(to),
                detail,
            })),
        });
    }
}

fn split_by_bytes(batch: Vec<Send>) -> Vec<Vec<Send>> {
    let mut parts: Vec<Vec<Send>> = Vec::new();
    let mut bytes = 0;
    for item in batch {
        let size = item.1.bytes();
        match parts.last_mut() {
            Some(part) if bytes + size <= MAX_MESSAGE_BYTES => part.push(item),
            _ => {
                parts.push(vec![item]);
                bytes = 0;
            }
        }
        bytes += size;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(bytes: usize) -> (Send, oneshot::Receiver<Result<(), SendFault>>) {
        let message =
            Outgoing { body: "x".repeat(bytes), attributes: [].into(), group: None, delay: Duration::ZERO };
        let (answer, answered) = oneshot::channel();
        ((Outbox::DownloadTasks, message, answer), answered)
    }

    fn message(bytes: usize) -> Send {
        asked(bytes).0
    }

    #[test]
    fn a_message_too_large_for_a_request_is_refused_and_fails_no_other() {
        let (too_large, mut answered) = asked(MAX_MESSAGE_BYTES + 1);
        let fit = refuse_too_large(vec![message(1), too_large, message(MAX_MESSAGE_BYTES)]);
        assert_eq!(
            fit.iter().map(|(_, message, _)| message.bytes()).collect::<Vec<_>>(),
            [1, MAX_MESSAGE_BYTES]
        );
        assert!(matches!(answered.try_recv(), Ok(Err(SendFault::Refused(_)))));
    }

    #[test]
    fn a_request_never_holds_more_than_a_mebibyte() {
        let sizes = [700_000, 300_000, 100_000, MAX_MESSAGE_BYTES, 1, 1];
        let parts = split_by_bytes(sizes.into_iter().map(message).collect());
        let parts: Vec<Vec<_>> =
            parts.iter().map(|part| part.iter().map(|item| item.1.bytes()).collect()).collect();
        assert_eq!(parts, [vec![700_000, 300_000], vec![100_000], vec![MAX_MESSAGE_BYTES], vec![1, 1]]);
    }
}
