//! The link over a queue whose extensions are answered when the test says so.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use tokio::{task::LocalSet, time};

use super::{Link, LinkCommand, run};
use crate::{
    fail::AwsFault,
    message::{LeaseId, QueueName, Receipt, Received},
    ports::{Entry, Outbox, Outgoing, Queue, QueueFacts},
    sync::mpsc,
};

const VISIBILITY: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(100);

/// Visibility timeouts as they were asked for.
#[derive(Default)]
struct SlowQueue {
    asked: RefCell<Vec<u64>>,
    answers: Cell<bool>,
}

impl Queue for SlowQueue {
    async fn look(&self, _: QueueName) -> Result<QueueFacts, AwsFault> {
        Ok(QueueFacts { max_receive_count: None })
    }

    async fn receive(&self, _: QueueName, _: u32, _: Duration) -> Result<Vec<Received>, AwsFault> {
        Ok(Vec::new())
    }

    async fn change_visibility(
        &self,
        _: QueueName,
        changes: &[(Receipt, Duration)],
    ) -> Result<Vec<Entry>, AwsFault> {
        self.asked.borrow_mut().extend(changes.iter().map(|(_, visibility)| visibility.as_secs()));
        while changes.iter().any(|(_, visibility)| *visibility == VISIBILITY) && !self.answers.get() {
            time::sleep(SOON).await;
        }
        Ok(changes.iter().map(|_| Entry::Accepted).collect())
    }

    async fn delete(&self, _: QueueName, receipts: &[Receipt]) -> Result<Vec<Entry>, AwsFault> {
        Ok(receipts.iter().map(|_| Entry::Accepted).collect())
    }

    async fn send(&self, _: Outbox, messages: &[Outgoing]) -> Result<Vec<Entry>, AwsFault> {
        Ok(messages.iter().map(|_| Entry::Accepted).collect())
    }
}

fn receipt(name: &str) -> Receipt {
    Receipt(name.into())
}

fn give_back(name: &str, seconds: u64) -> LinkCommand {
    LinkCommand::Return(QueueName::ExportJobs, receipt(name), Duration::from_secs(seconds))
}

/// Two messages are extended, and given back before that is answered; a third was not extended.
#[tokio::test(start_paused = true)]
async fn a_message_is_given_back_only_when_its_extensions_are_answered() {
    let queue = Rc::new(SlowQueue::default());
    let (link, commands) = Link::new();
    let (events, _heard) = mpsc::unbounded_channel();
    let local = LocalSet::new();
    let running = local.spawn_local(run(Rc::clone(&queue), VISIBILITY, commands, events));
    local
        .run_until(async {
            let leases = ["a", "b"].map(|name| (LeaseId(0), receipt(name))).into();
            link.tell(LinkCommand::Extend(QueueName::ExportJobs, leases));
            ["a", "b", "c"].into_iter().zip(1..).for_each(|(name, n)| link.tell(give_back(name, n)));
            time::sleep(SOON * 5).await;
            assert_eq!(*queue.asked.borrow(), [60, 60, 3], "the extended ones wait");
            queue.answers.set(true);
            // The line is closed: what waits is given back before the link ends.
            drop(link);
            running.await.unwrap();
            assert_eq!(*queue.asked.borrow(), [60, 60, 3, 1, 2]);
        })
        .await;
}
