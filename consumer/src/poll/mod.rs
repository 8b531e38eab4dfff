//! The link thread: the only one that talks to SQS. It receives, extends, returns, deletes and sends; whoever
//! wants one of these says so through a [`Link`].

mod acknowledge;
mod batch;
mod extensions;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, rc::Rc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    event::{Event, Receive, Resource},
    fail::{AwsFault, look::until_reachable},
    message::{LeaseId, QueueName, Receipt},
    ports::{Entry, Outbox, Outgoing, Queue},
    sync::{JoinSet, mpsc},
};

use extensions::Extensions;

/// Something for the link thread to do.
#[derive(Debug)]
pub(crate) enum LinkCommand {
    Look(Duration),
    Receive(Receive),
    Extend(QueueName, Vec<(LeaseId, Receipt)>),
    Return(QueueName, Receipt, Duration),
    Delete(QueueName, LeaseId, Receipt),
    Send(Outbox, Outgoing, oneshot::Sender<Result<(), SendFault>>),
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// SQS will never take it as it is.
    #[error("SQS refuses the message: {0}")]
    Refused(String),
    /// Not now.
    #[error(transparent)]
    Aws(#[from] AwsFault),
}

/// The way to the link thread, from any other.
#[derive(Debug, Clone)]
pub struct Link(mpsc::UnboundedSender<LinkCommand>);

impl Link {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<LinkCommand>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn tell(&self, command: LinkCommand) {
        // The link ends only after everyone who could tell it something.
        let _ = self.0.send(command);
    }

    /// Sends a message; answers when SQS has it.
    pub(crate) async fn send(&self, to: Outbox, message: Outgoing) -> Result<(), SendFault> {
        let (answer, answered) = oneshot::channel();
        self.tell(LinkCommand::Send(to, message, answer));
        answered.await.unwrap_or_else(|_| Err(SendFault::Refused("the link is closed".into())))
    }
}

/// Runs the link until all its [`Link`]s are gone and what they asked for is done.
pub(crate) async fn run<Q: Queue + 'static>(
    queue: Rc<Q>,
    visibility: Duration,
    mut commands: mpsc::UnboundedReceiver<LinkCommand>,
    events: mpsc::UnboundedSender<Event>,
) {
    let mut tasks = JoinSet::new();
    let outlets = Outlets::open(&queue, visibility, &events, &mut tasks);
    while let Some(command) = commands.recv().await {
        match command {
            LinkCommand::Look(after) => {
                tasks.spawn_local(look(Rc::clone(&queue), after, events.clone()));
            }
            LinkCommand::Receive(receive) => {
                tasks.spawn_local(receive::receive(Rc::clone(&queue), receive, events.clone()));
            }
            other => outlets.pass(other),
        }
        while tasks.try_join_next().is_some() {}
    }
    drop(outlets);
    while tasks.join_next().await.is_some() {}
}

/// A batching line to each call of each queue.
struct Outlets {
    extend: mpsc::UnboundedSender<acknowledge::Extend>,
    returning: mpsc::UnboundedSender<acknowledge::Return>,
    delete: mpsc::UnboundedSender<acknowledge::Delete>,
    extensions: Rc<RefCell<Extensions>>,
    send: mpsc::UnboundedSender<send::Send>,
}

impl Outlets {
    fn open<Q: Queue + 'static>(
        queue: &Rc<Q>,
        visibility: Duration,
        events: &mpsc::UnboundedSender<Event>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (extend, extends) = mpsc::unbounded_channel();
        let (returning, returns) = mpsc::unbounded_channel();
        let (delete, deletes) = mpsc::unbounded_channel();
        let (send, sends) = mpsc::unbounded_channel();
        let extensions: Rc<RefCell<Extensions>> = Rc::default();
        let returns_after = acknowledge::ReturnsAfter(Rc::clone(&extensions), returning.clone());
        tasks.spawn_local(acknowledge::extend(
            Rc::clone(queue),
            visibility,
            extends,
            returns_after,
            events.clone(),
        ));
        tasks.spawn_local(acknowledge::give_back(Rc::clone(queue), returns));
        tasks.spawn_local(acknowledge::delete(Rc::clone(queue), deletes, events.clone()));
        tasks.spawn_local(send::send(Rc::clone(queue), sends));
        Self { extend, returning, delete, extensions, send }
    }

    fn pass(&self, command: LinkCommand) {
        let passed = match command {
            LinkCommand::Extend(queue, leases) => leases.into_iter().all(|(lease, receipt)| {
                self.extensions.borrow_mut().begun(&receipt);
                self.extend.send((queue, lease, receipt)).is_ok()
            }),
            LinkCommand::Return(queue, receipt, delay) => {
                let now = self.extensions.borrow_mut().give_back((queue, receipt, delay));
                now.is_none_or(|back| self.returning.send(back).is_ok())
            }
            LinkCommand::Delete(queue, lease, receipt) => self.delete.send((queue, lease, receipt)).is_ok(),
            LinkCommand::Send(to, message, answer) => self.send.send((to, message, answer)).is_ok(),
            LinkCommand::Look(_) | LinkCommand::Receive(_) => true,
        };
        debug_assert!(passed, "a line of the link ended before the link");
    }
}

/// Looks at both queues and their dead-letter queues until all are there.
async fn look<Q: Queue>(queue: Rc<Q>, after: Duration, events: mpsc::UnboundedSender<Event>) {
    until_reachable(Resource::Queues, after, &events, async || {
        for name in QueueName::ALL {
            let facts = queue.look(name).await?;
            warn_of_redrive(name, facts.max_receive_count);
        }
        Ok(())
    })
    .await;
}

/// `maxReceiveCount` is a net for crashes, not the retry policy: attempts are counted in the ledger.
fn warn_of_redrive(queue: QueueName, max_receive_count: Option<u32>) {
    const LEAST: u32 = 20;
    let queue = queue.as_str();
    match max_receive_count {
        Some(count) if count < LEAST => tracing::warn!(
            queue,
            max_receive_count = count,
            "maxReceiveCount is low: messages may reach the dead-letter queue by restarts alone; 100 is advised"
        ),
        None => tracing::warn!(
            queue,
            "no RedrivePolicy: a message that always ends this process comes again for ever; maxReceiveCount 100 is advised"
        ),
        Some(_) => {}
    }
}

/// Answers in the order of the entries; a request that failed as a whole failed for each.
fn each<T>(answer: Result<Vec<Entry>, AwsFault>, items: Vec<T>) -> impl Iterator<Item = (T, Entry)> {
    let (entries, fault) = match answer {
        Ok(entries) => (entries, String::new()),
        Err(fault) => (Vec::new(), fault.to_string()),
    };
    let rest = std::iter::repeat_with(move || Entry::Failed(fault.clone()));
    items.into_iter().zip(entries.into_iter().chain(rest))
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
