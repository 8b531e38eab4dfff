//! The pool of worker threads, as the main thread sees it: it assigns, cancels and renews.

use std::{collections::HashMap, thread};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::worker::Assignment;
use crate::{
    event::{Event, WorkerId},
    message::{Task, TaskNo},
};

/// What a worker thread runs. Called on the new thread.
pub(crate) type WorkerMain = dyn Fn(mpsc::UnboundedReceiver<Assignment>) + Send + Sync;

/// The worker threads.
pub(crate) struct Crew {
    main: std::sync::Arc<WorkerMain>,
    events: mpsc::UnboundedSender<Event>,
    workers: HashMap<WorkerId, Hand>,
    running: HashMap<TaskNo, CancellationToken>,
    next: u64,
}

struct Hand {
    assign: mpsc::UnboundedSender<Assignment>,
    thread: thread::JoinHandle<()>,
}

impl Crew {
    pub(crate) fn new(main: std::sync::Arc<WorkerMain>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self { main, events, workers: HashMap::new(), running: HashMap::new(), next: 0 }
    }

    /// Starts a thread.
    pub(crate) fn hire(&mut self) -> std::io::Result<WorkerId> {
        let id = WorkerId(self.next);
        self.next += 1;
        let (assign, assignments) = mpsc::unbounded_channel();
        let (main, events) = (std::sync::Arc::clone(&self.main), self.events.clone());
        let thread = thread::Builder::new().name(format!("worker-{}", id.0)).spawn(move || {
            // Dropped also when the thread unwinds: main learns of every end.
            let _farewell = Farewell { id, events };
            main(assignments);
        })?;
        self.workers.insert(id, Hand { assign, thread });
        Ok(id)
    }

    /// Puts a task on a worker. A worker that just ended says so itself.
    pub(crate) fn assign(&mut self, worker: WorkerId, task: Task) {
        let cancel = CancellationToken::new();
        self.running.insert(task.no, cancel.clone());
        if let Some(hand) = self.workers.get(&worker) {
            let _ = hand.assign.send(Assignment { task, cancel });
        }
    }

    /// Stops a task that runs.
    pub(crate) fn cancel(&self, no: TaskNo) {
        if let Some(cancel) = self.running.get(&no) {
            cancel.cancel();
        }
    }

    /// A task left its worker.
    pub(crate) fn finished(&mut self, no: TaskNo) {
        self.running.remove(&no);
    }

    /// Lets a thread go: it ends when its line is closed and it has nothing left.
    pub(crate) fn dismiss(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// Lets all threads go, and waits for them.
    pub(crate) fn disband(self) {
        let threads: Vec<_> = self.workers.into_values().map(|hand| hand.thread).collect();
        for thread in threads {
            // A thread that panicked was counted when it did.
            let _ = thread.join();
        }
    }
}

struct Farewell {
    id: WorkerId,
    events: mpsc::UnboundedSender<Event>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.events.send(Event::WorkerGone { worker: self.id });
    }
}
