//! The pool of worker threads, as the main thread sees it: it assigns, cancels, looks after, and lets go.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    watchdog::{Pulse, Watchdog},
    worker::Assignment,
};
use crate::{
    event::{Cause, Event, WorkerId},
    message::{Task, TaskNo},
    sync::{
        blocking::{Receiver, Sender, channel},
        mpsc, thread,
    },
};

/// What a worker thread runs. Called on the new thread.
pub(crate) type WorkerMain = dyn Fn(mpsc::UnboundedReceiver<Assignment>, Pulse) + Send + Sync;

/// Threads get this long to end once they are let go: one that is stuck must not hold up the end of the process.
const ENDING: Duration = Duration::from_secs(2);

/// The worker threads.
pub(crate) struct WorkerPool {
    main: Arc<WorkerMain>,
    events: mpsc::UnboundedSender<Event>,
    workers: HashMap<WorkerId, WorkerThread>,
    running: HashMap<TaskNo, (WorkerId, CancellationToken)>,
    watchdog: Watchdog,
    next: u64,
    /// Nothing is ever sent: the line closes when the last thread has ended.
    alive: Sender<()>,
    all_ended: Receiver<()>,
}

struct WorkerThread {
    assign: mpsc::UnboundedSender<Assignment>,
    pulse: Pulse,
}

impl WorkerPool {
    pub(crate) fn new(main: Arc<WorkerMain>, events: mpsc::UnboundedSender<Event>) -> Self {
        let (alive, all_ended) = channel();
        Self {
            main,
            events,
            workers: HashMap::new(),
            running: HashMap::new(),
            watchdog: Watchdog::default(),
            next: 0,
            alive,
            all_ended,
        }
    }

    /// Starts a thread.
    pub(crate) fn hire(&mut self) -> std::io::Result<WorkerId> {
        let id = WorkerId(self.next);
        self.next += 1;
        let (assign, assignments) = mpsc::unbounded_channel();
        let (main, pulse) = (Arc::clone(&self.main), Pulse::default());
        let (events, its_pulse, alive) = (self.events.clone(), pulse.clone(), self.alive.clone());
        thread::Builder::new().name(format!("worker-{}", id.0)).spawn(move || {
            // Dropped also when the thread unwinds: main learns of every end.
            let _exit_guard = WorkerExitGuard { id, events, _alive: alive };
            main(assignments, its_pulse);
        })?;
        self.workers.insert(id, WorkerThread { assign, pulse });
        Ok(id)
    }

    /// Puts a task on a worker. A worker that just ended says so itself.
    pub(crate) fn assign(&mut self, worker: WorkerId, task: Task) {
        let cancel = CancellationToken::new();
        self.running.insert(task.no, (worker, cancel.clone()));
        if let Some(thread) = self.workers.get(&worker) {
            let _ = thread.assign.send(Assignment { task, cancel });
        }
    }

    /// Stops a task that runs.
    pub(crate) fn cancel(&self, no: TaskNo) {
        if let Some((_, cancel)) = self.running.get(&no) {
            cancel.cancel();
        }
    }

    /// A task left its worker.
    pub(crate) fn finished(&mut self, no: TaskNo) {
        self.running.remove(&no);
    }

    /// Looks once whether every thread still moves, and answers those that do not.
    pub(crate) fn look(&mut self) -> Vec<WorkerId> {
        self.watchdog.look(self.workers.iter().map(|(id, thread)| (*id, &thread.pulse)))
    }

    /// Lets a thread go: it ends when its line is closed and it has nothing left. One that is stuck is left behind;
    /// should it ever move again, it finds its tasks stopped and itself revoked.
    pub(crate) fn let_go(&mut self, worker: WorkerId, cause: Cause) {
        let Some(thread) = self.workers.remove(&worker) else { return };
        if cause == Cause::Stuck {
            thread.pulse.revoke();
        }
        self.running.retain(|_, (of, cancel)| {
            if *of == worker {
                cancel.cancel();
            }
            *of != worker
        });
    }

    /// Lets all threads go, and waits a while for their ends.
    pub(crate) fn disband(self) {
        let Self { workers, alive, all_ended, .. } = self;
        drop((workers, alive));
        // Either all ended, or some are stuck.
        let _ = all_ended.recv_timeout(ENDING);
    }
}

struct WorkerExitGuard {
    id: WorkerId,
    events: mpsc::UnboundedSender<Event>,
    _alive: Sender<()>,
}

impl Drop for WorkerExitGuard {
    fn drop(&mut self) {
        let _ = self.events.send(Event::WorkerGone { worker: self.id });
    }
}
