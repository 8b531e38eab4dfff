//! As a scheduler draws it. What is tokio's stays tokio's: a task that waits gives up its turn by itself. Here turns
//! can also end before each thing that other threads see ([`turn`]), and before each poll of a task of the thread.
//!
//! Tasks of one thread share cells, so that they never interleave but where they wait: as on tokio's `LocalSet`, which
//! keeps the thread it is on where all scheduled threads would share it.

use std::{
    cell::RefCell,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, LocalBoxFuture, abortable, poll_fn},
    stream::FuturesUnordered,
};
use tokio::sync::{AcquireError, TryAcquireError, oneshot};

pub(crate) use shuttle::{
    sync::{Mutex, MutexGuard, mpsc as blocking},
    thread, thread_local,
};
pub(crate) use tokio::sync::OwnedSemaphorePermit;

/// The scheduler may go on with another thread.
pub(crate) fn turn() {
    // Which is all that it is there.
    thread::sleep(std::time::Duration::ZERO);
}

pub(crate) mod mpsc {
    use super::turn;
    pub(crate) use tokio::sync::mpsc::{UnboundedReceiver, error::SendError};

    #[derive(Debug)]
    pub(crate) struct UnboundedSender<T>(tokio::sync::mpsc::UnboundedSender<T>);

    impl<T> Clone for UnboundedSender<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> UnboundedSender<T> {
        pub(crate) fn send(&self, value: T) -> Result<(), SendError<T>> {
            turn();
            self.0.send(value)
        }

        pub(crate) async fn closed(&self) {
            self.0.closed().await;
        }
    }

    pub(crate) fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        (UnboundedSender(sender), receiver)
    }
}

pub(crate) mod atomic {
    use std::sync::atomic::{self, Ordering};

    use super::turn;

    #[derive(Debug, Default)]
    pub(crate) struct AtomicBool(atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn load(&self, order: Ordering) -> bool {
            turn();
            self.0.load(order)
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            turn();
            self.0.store(value, order);
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicU64(atomic::AtomicU64);

    impl AtomicU64 {
        pub(crate) fn load(&self, order: Ordering) -> u64 {
            turn();
            self.0.load(order)
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            turn();
            self.0.fetch_add(value, order)
        }
    }
}

#[derive(Debug)]
pub(crate) struct Semaphore(Arc<tokio::sync::Semaphore>);

impl Semaphore {
    pub(crate) const MAX_PERMITS: usize = tokio::sync::Semaphore::MAX_PERMITS;

    pub(crate) fn new(permits: usize) -> Self {
        Self(Arc::new(tokio::sync::Semaphore::new(permits)))
    }

    pub(crate) fn try_acquire_many_owned(
        self: Arc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        turn();
        Arc::clone(&self.0).try_acquire_many_owned(permits)
    }

    pub(crate) async fn acquire_many_owned(
        self: Arc<Self>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        turn();
        Arc::clone(&self.0).acquire_many_owned(permits).await
    }

    pub(crate) async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }
}

shuttle::thread_local! {
    /// Tasks that were spawned on this thread and not polled yet.
    static SPAWNED: RefCell<Vec<LocalBoxFuture<'static, ()>>> = RefCell::default();
}

/// A task panicked, or was aborted.
#[derive(Debug)]
pub(crate) struct JoinError;

#[derive(Debug)]
pub(crate) struct JoinHandle<T> {
    answered: oneshot::Receiver<T>,
    abort: AbortHandle,
}

impl<T> JoinHandle<T> {
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.answered.poll_unpin(context).map_err(|_| JoinError)
    }
}

pub(crate) fn spawn_local<T: 'static>(work: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let (answer, answered) = oneshot::channel();
    let (work, abort) = abortable(AssertUnwindSafe(work).catch_unwind());
    let work = async move {
        if let Ok(Ok(value)) = in_turns(work).await {
            let _ = answer.send(value);
        }
    };
    SPAWNED.with(|spawned| spawned.borrow_mut().push(work.boxed_local()));
    JoinHandle { answered, abort }
}

/// Other threads may be first whenever a task goes on.
async fn in_turns<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        turn();
        work.as_mut().poll(context)
    })
    .await
}

/// Tasks of one thread. They end with it.
#[derive(Debug)]
pub(crate) struct JoinSet<T>(Vec<JoinHandle<T>>);

impl<T: 'static> JoinSet<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn spawn_local(&mut self, work: impl Future<Output = T> + 'static) {
        self.0.push(spawn_local(work));
    }

    pub(crate) fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.join_next().now_or_never().flatten()
    }

    pub(crate) async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| {
            for at in 0..self.0.len() {
                if let Poll::Ready(joined) = self.0[at].poll_unpin(context) {
                    self.0.swap_remove(at);
                    return Poll::Ready(Some(joined));
                }
            }
            if self.0.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// What tokio keeps with the thread while a task is polled: there all scheduled threads would see it.
pub(crate) struct TaskLocal<T: 'static>(pub(crate) &'static thread::LocalKey<RefCell<Option<T>>>);

impl<T> TaskLocal<T> {
    pub(crate) async fn scope<R>(&self, value: T, work: impl Future<Output = R>) -> R {
        let (mut value, mut work) = (Some(value), pin!(work));
        poll_fn(|context| {
            self.swap(&mut value);
            let polled = work.as_mut().poll(context);
            self.swap(&mut value);
            polled
        })
        .await
    }

    pub(crate) fn try_with<R>(&self, read: impl FnOnce(&T) -> R) -> Result<R, JoinError> {
        self.0.with(|slot| slot.borrow().as_ref().map(read)).ok_or(JoinError)
    }

    fn swap(&self, value: &mut Option<T>) {
        self.0.with(|slot| std::mem::swap(&mut *slot.borrow_mut(), value));
    }
}

macro_rules! task_local {
    ($(#[$attribute:meta])* static $name:ident: $of:ty;) => {
        $(#[$attribute])*
        static $name: $crate::sync::TaskLocal<$of> = {
            shuttle::thread_local! { static SLOT: std::cell::RefCell<Option<$of>> = std::cell::RefCell::default(); }
            $crate::sync::TaskLocal(&SLOT)
        };
    };
}
pub(crate) use task_local;

/// Runs a future and the tasks that it spawns on this thread, until it is done.
#[expect(clippy::unnecessary_wraps, reason = "a runtime can fail to start")]
pub(crate) fn on_this_thread(main: impl Future<Output = ()>) -> std::io::Result<()> {
    let mut main = pin!(main);
    let mut tasks = FuturesUnordered::new();
    shuttle::future::block_on(poll_fn(|context| {
        loop {
            if main.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            SPAWNED.with(|spawned| tasks.extend(spawned.take()));
            let ended = matches!(tasks.poll_next_unpin(context), Poll::Ready(Some(())));
            if !ended && SPAWNED.with(|spawned| spawned.borrow().is_empty()) {
                return Poll::Pending;
            }
        }
    }));
    Ok(())
}
