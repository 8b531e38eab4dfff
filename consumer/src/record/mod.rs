//! The record thread: what happened, once. It settles tasks: commits them to the ledger, sends dead letters and
//! retries, closes jobs.

pub mod commit;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
pub mod settle;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::HashMap, panic::AssertUnwindSafe, rc::Rc, time::Duration};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    event::{Event, Resource, Settlement, WorkResult},
    fail::look::until_reachable,
    message::{Task, TaskNo},
    poll::Link,
    ports::{Ledger, ObjectStore},
    sync::{JoinSet, mpsc},
};
use commit::Committer;
use settle::Settler;

/// Something for the record thread to do.
#[derive(Debug)]
pub(crate) enum RecordCommand {
    Settle(Task, WorkResult),
    HandOver(Task),
    GiveBack(Task),
    Cancel(TaskNo),
    Look(Resource, Duration),
}

/// What the record thread goes by.
#[derive(Debug, Clone)]
pub(crate) struct RecordRules {
    /// Starts of a task before it is given up.
    pub(crate) max_attempts: u32,
    /// The consumer, in the tokens of its claims.
    pub(crate) instance: String,
}

/// Runs the record thread until its line is closed and everything is settled.
pub(crate) async fn run<S: ObjectStore + 'static, L: Ledger + 'static>(
    store: S,
    ledger: L,
    link: Link,
    rules: RecordRules,
    mut commands: mpsc::UnboundedReceiver<RecordCommand>,
    events: mpsc::UnboundedSender<Event>,
) {
    let (store, ledger) = (Rc::new(store), Rc::new(ledger));
    let committer = Committer::new(Rc::clone(&ledger));
    let settler =
        Rc::new(Settler { committer, ledger: Rc::clone(&ledger), link, rules, events: events.clone() });
    let cancels: Rc<RefCell<HashMap<TaskNo, CancellationToken>>> = Rc::default();
    let mut under_way = JoinSet::new();
    while let Some(command) = commands.recv().await {
        match command {
            RecordCommand::Cancel(no) => {
                if let Some(cancel) = cancels.borrow().get(&no) {
                    cancel.cancel();
                }
            }
            RecordCommand::Look(resource, after) => {
                let (store, ledger, events) = (Rc::clone(&store), Rc::clone(&ledger), events.clone());
                under_way.spawn_local(look(resource, after, store, ledger, events));
            }
            RecordCommand::GiveBack(task) => {
                let settler = Rc::clone(&settler);
                under_way.spawn_local(async move { settler.give_back(&task).await });
            }
            RecordCommand::Settle(task, result) => {
                let (settler, events, cancels) = (Rc::clone(&settler), events.clone(), Rc::clone(&cancels));
                under_way.spawn_local(settling(task, cancels, events, async move |task, cancel| {
                    settler.settle(task, result, cancel).await
                }));
            }
            RecordCommand::HandOver(task) => {
                let (settler, events, cancels) = (Rc::clone(&settler), events.clone(), Rc::clone(&cancels));
                under_way.spawn_local(settling(task, cancels, events, async move |task, cancel| {
                    settler.hand_over(task, cancel).await
                }));
            }
        }
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

async fn settling(
    task: Task,
    cancels: Rc<RefCell<HashMap<TaskNo, CancellationToken>>>,
    events: mpsc::UnboundedSender<Event>,
    how: impl AsyncFnOnce(&Task, &CancellationToken) -> settle::Settled,
) {
    let cancel = CancellationToken::new();
    cancels.borrow_mut().insert(task.no, cancel.clone());
    // A panic is this task's alone. What was written before it stands, and the next delivery does the rest.
    let settled = AssertUnwindSafe(how(&task, &cancel)).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(job = %task.job, task = %task.id(), "settling a task panicked: its message comes again");
        Settlement::Fenced.into()
    });
    let settle::Settled { settlement, fault } = settled;
    cancels.borrow_mut().remove(&task.no);
    let _ = events.send(Event::Settled { no: task.no, settlement, fault });
}

async fn look<S: ObjectStore, L: Ledger>(
    resource: Resource,
    after: Duration,
    store: Rc<S>,
    ledger: Rc<L>,
    events: mpsc::UnboundedSender<Event>,
) {
    match resource {
        Resource::Bucket => until_reachable(resource, after, &events, async || store.look().await).await,
        Resource::Table => until_reachable(resource, after, &events, async || ledger.look().await).await,
        // The link looks at its own.
        Resource::Queues => {}
    }
}
