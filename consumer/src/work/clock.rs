//! Time limits that count work, and not what a task waits for others to give back: a place at a host, or memory.
//!
//! A task that waits is not slow. Counted against it, waiting would use up its attempts, and end as a dead letter for
//! which nothing was ever asked.

use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::sync::task_local;

task_local! {
    /// Of the limit that is around; one within another shares it.
    static WAITS: Rc<Waits>;
}

/// What was waited so far, and since when somebody waits.
#[derive(Debug, Default)]
struct Waits {
    over: Cell<Duration>,
    since: Cell<Option<Instant>>,
}

/// The clock stands still until this is dropped.
struct PausedClock(Rc<Waits>);

impl PausedClock {
    /// `None`: it stands already.
    fn new(waits: Rc<Waits>) -> Option<Self> {
        if waits.since.get().is_some() {
            return None;
        }
        waits.since.set(Some(Instant::now()));
        Some(Self(waits))
    }
}

impl Drop for PausedClock {
    fn drop(&mut self) {
        let waited = self.0.since.take().map(|since| since.elapsed());
        self.0.over.set(self.0.over.get() + waited.unwrap_or_default());
    }
}

/// Runs a future until it is done, or has worked for longer than allowed: `None`.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    match WAITS.try_with(Rc::clone) {
        Ok(waits) => measure(&waits, limit, work).await,
        Err(_) => {
            let waits = Rc::<Waits>::default();
            WAITS.scope(Rc::clone(&waits), measure(&waits, limit, work)).await
        }
    }
}

async fn measure<T>(waits: &Waits, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (begun, waited_before) = (Instant::now(), waits.over.get());
    let (mut work, mut alarm) = (pin!(work), pin!(sleep_until(begun + limit)));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        // What ends the wait wakes this task.
        if waits.since.get().is_some() {
            return Poll::Pending;
        }
        let until = begun + limit + (waits.over.get() - waited_before);
        if alarm.deadline() != until {
            alarm.as_mut().reset(until);
        }
        alarm.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Waits for what others have. No limit around it counts that; one task waits for one thing at a time.
pub(crate) async fn waiting<T>(wait: impl Future<Output = T>) -> T {
    let _paused = WAITS.try_with(Rc::clone).ok().and_then(PausedClock::new);
    wait.await
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn work(seconds: u32) {
        sleep(SECOND * seconds).await;
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_ended_at_its_limit() {
        let begun = Instant::now();
        assert_eq!(within(SECOND * 5, work(4)).await, Some(()));
        assert_eq!(within(SECOND * 5, work(6)).await, None);
        assert_eq!(begun.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_does_not_count() {
        let begun = Instant::now();
        let both = async |seconds| {
            work(3).await;
            waiting(work(60)).await;
            work(seconds).await;
        };
        assert_eq!(within(SECOND * 5, both(1)).await, Some(()));
        assert_eq!(begun.elapsed().as_secs(), 64);
        assert_eq!(within(SECOND * 5, both(3)).await, None);
        assert_eq!(begun.elapsed().as_secs(), 64 + 65);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_counts_for_no_limit_around_it() {
        let inner = async || within(SECOND * 2, waiting(work(60))).await;
        assert_eq!(within(SECOND * 5, inner()).await, Some(Some(())));
        let inner = async || within(SECOND * 2, work(3)).await;
        assert_eq!(within(SECOND * 5, inner()).await, Some(None));
        assert_eq!(within(SECOND, inner()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_lets_the_clock_go_on() {
        let work = async {
            let _ = timeout(SECOND * 60, waiting(std::future::pending::<()>())).await;
            work(6).await;
        };
        assert_eq!(within(SECOND * 5, work).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_without_a_limit_is_a_wait() {
        waiting(work(1)).await;
    }
}
