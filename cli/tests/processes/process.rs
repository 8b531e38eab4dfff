//! A process that never outlives its test.

use std::{
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait::until;

/// The program under test.
pub(crate) const EXPORTCTL: &str = env!("CARGO_BIN_EXE_exportctl");

/// The consumer beside [`EXPORTCTL`]: it is of another package, so that cargo does not build it for these tests.
pub(crate) fn consumer_binary() -> PathBuf {
    let binary = Path::new(EXPORTCTL).with_file_name("exportpool-consumer");
    assert!(
        binary.is_file(),
        "there is no consumer at {}: run `cargo build --workspace --bins` first",
        binary.display()
    );
    binary
}

/// Killed, and waited for, when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        until("a process to end", async || self.0.try_wait().unwrap()).await
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
