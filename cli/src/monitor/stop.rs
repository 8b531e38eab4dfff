//! Being told to stop from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the monitor.
pub(crate) struct Stop([Signal; 3]);

impl Stop {
    /// Listens from now on: a signal no longer ends the process by itself.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub(crate) fn listen() -> io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// Returns when one of them came.
    pub(crate) async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
