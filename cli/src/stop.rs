//! Being asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at Ctrl-C, or when a pod is asked to end.
pub(crate) async fn asked() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        ctrl_c = tokio::signal::ctrl_c() => if ctrl_c.is_err() { std::future::pending().await },
        _ = terminate.recv() => {}
    }
}
