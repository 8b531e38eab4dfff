//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Longer than anything here takes, on a machine that is busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
const POLL_EVERY: Duration = Duration::from_millis(30);

/// Asks until there is an answer.
///
/// # Panics
/// Names what never came.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(DEADLINE, what, ask).await
}

/// Asks for so long until there is an answer.
///
/// # Panics
/// Names what never came.
pub(crate) async fn within<T>(patience: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        tokio::time::sleep(POLL_EVERY).await;
    }
}
