//! A worker: one OS thread with a runtime, clients and connections of its own.

use std::rc::Rc;

use tokio_util::sync::CancellationToken;

use super::{task::TaskRunner, watchdog::Pulse};
use crate::{
    event::{Event, WorkResult},
    message::{Task, TaskNo},
    ports::{Ledger, ObjectStore, Source},
    sync::{JoinHandle, JoinSet, mpsc, spawn_local},
};

/// A task, and the way to stop it.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) task: Task,
    pub(crate) cancel: CancellationToken,
}

/// Works on what comes in until the line is closed and everything is done. A panic ends its task and nothing else.
pub(crate) async fn run<S, L, F>(
    runner: TaskRunner<S, L, F>,
    pulse: Pulse,
    mut assignments: mpsc::UnboundedReceiver<Assignment>,
    events: mpsc::UnboundedSender<Event>,
) where
    S: ObjectStore + 'static,
    L: Ledger + 'static,
    F: Source + 'static,
{
    let runner = Rc::new(runner);
    let mut reports = JoinSet::new();
    while let Some(Assignment { task, cancel }) = assignments.recv().await {
        let runner = Rc::clone(&runner);
        let no = task.no;
        let work = spawn_local(async move { runner.run(&task, &cancel).await });
        reports.spawn_local(report(no, work, pulse.clone(), events.clone()));
        while reports.try_join_next().is_some() {}
    }
    while reports.join_next().await.is_some() {}
}

async fn report(
    no: TaskNo,
    work: JoinHandle<WorkResult>,
    pulse: Pulse,
    events: mpsc::UnboundedSender<Event>,
) {
    let result = work.await.unwrap_or(WorkResult::Panicked);
    if !pulse.is_revoked() {
        // Main ends only after its workers, but for those it gave up.
        let _ = events.send(Event::Finished { no, result });
    }
}
