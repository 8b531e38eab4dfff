//! A process that never outlives its test.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use nix::{
    sys::{
        signal::{Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
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

/// The consumer with points to kill it at, an optimised build as it is released (`make kills`).
pub(crate) fn killable_consumer() -> PathBuf {
    optimised("exportpool-consumer")
}

/// `exportctl`, optimised as well: with a stand-in that takes less of the machine.
pub(crate) fn optimised_exportctl() -> PathBuf {
    optimised("exportctl")
}

fn optimised(name: &str) -> PathBuf {
    let target = Path::new(EXPORTCTL).parent().and_then(Path::parent).unwrap();
    let binary = target.join("kills/release").join(name);
    assert!(binary.is_file(), "there is no {}: run `make kills` first", binary.display());
    binary
}

/// Killed, and waited for, when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// The process leads a group: what it started ends with it.
    leads: bool,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, leads: false }
    }

    /// Starts a process that starts others.
    pub(crate) fn start_group(command: &mut Command) -> Self {
        let mut process = Self::start(command.process_group(0));
        process.leads = true;
        process
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id(), signal).unwrap();
    }

    /// Its status, once it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// It is stopped, and can be continued.
    pub(crate) fn is_stopped(&self) -> bool {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        matches!(waitid(Id::Pid(self.id()), flags).unwrap(), WaitStatus::Stopped(..))
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        until("a process to end", async || self.status()).await
    }

    /// Waits for the end of the leader of a group, and ends the rest of it.
    pub(crate) fn exit_of_group(mut self) -> ExitStatus {
        waitid(Id::Pid(self.id()), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        self.end_group();
        self.child.wait().unwrap()
    }

    /// While the leader is not waited for, nobody else can have its id.
    fn end_group(&mut self) {
        if std::mem::take(&mut self.leads) {
            killpg(self.id(), Signal::SIGKILL).unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_group();
        // Fails only for one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
