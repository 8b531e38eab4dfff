//! As it is released.

use std::time::Duration;

use tokio::task::LocalSet;

pub(crate) use std::{
    sync::{Mutex, MutexGuard, mpsc as blocking},
    thread, thread_local,
};

pub(crate) use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, JoinSet, spawn_local},
    task_local,
};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
}

/// Connections that are idle when the thread ends get this long to close.
const CLOSING: Duration = Duration::from_millis(100);

/// Runs a future on a single-threaded runtime of this thread, until it is done.
///
/// # Errors
/// When the runtime cannot be made.
pub(crate) fn on_this_thread(main: impl Future<Output = ()>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, main);
    runtime.shutdown_timeout(CLOSING);
    Ok(())
}
