//! A process under measurement: stopped by its id, and with it everything that was read of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};
use tokio::{
    process::{Child, Command},
    time,
};

use crate::procfs::{self, Scheduled};

/// A process, killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pid: i32,
    log: PathBuf,
}

/// What is known of a thread.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) scheduled: Scheduled,
}

impl Process {
    /// Starts a program with its output in a log, and nothing of our environment but the search path.
    ///
    /// # Errors
    /// The program or the log cannot be had.
    pub(crate) fn start(
        command: &mut Command,
        variables: &[(String, String)],
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let file = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        command.stdin(Stdio::null()).stderr(file.try_clone()?).kill_on_drop(true);
        command.env_clear().envs(variables.iter().cloned());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let name = command.as_std().get_program().to_owned();
        let child = command.spawn().with_context(|| format!("{} cannot be started", name.display()))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).context("it ended at once")?;
        Ok(Self { child, pid, log })
    }

    /// What the program says on standard output, when that was piped.
    pub(crate) const fn stdout(&mut self) -> Option<tokio::process::ChildStdout> {
        self.child.stdout.take()
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(path).with_context(|| format!("the process ended:\n{}", tail(&self.log)))
    }

    /// CPU time so far in seconds, user and system, of all its threads.
    ///
    /// # Errors
    /// It ended; the message has the last lines of its log.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let ticks = sysconf(SysconfVar::CLK_TCK)?.context("no clock ticks")?;
        procfs::cpu_seconds(&self.read("stat")?, ticks as f64).context("stat is not understood")
    }

    /// Resident memory now, in KiB.
    ///
    /// # Errors
    /// It ended.
    pub(crate) fn rss_kib(&self) -> anyhow::Result<u64> {
        procfs::status_kib(&self.read("status")?, "VmRSS").context("status is not understood")
    }

    /// The most resident memory so far, in KiB.
    ///
    /// # Errors
    /// It ended.
    pub(crate) fn peak_rss_kib(&self) -> anyhow::Result<u64> {
        procfs::status_kib(&self.read("status")?, "VmHWM").context("status is not understood")
    }

    /// Its threads; the first has the process's id.
    ///
    /// # Errors
    /// It ended.
    pub(crate) fn threads(&self) -> anyhow::Result<Vec<Thread>> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid)).context("the process ended")? {
            let entry = entry?;
            // A thread may end between the two.
            let read = |file| fs::read_to_string(entry.path().join(file)).ok();
            let (Some(name), Some(text)) = (read("comm"), read("schedstat")) else { continue };
            let Some(scheduled) = Scheduled::read(&text) else { continue };
            let id = entry.file_name().to_string_lossy().parse()?;
            threads.push(Thread { id, name: name.trim().to_owned(), scheduled });
        }
        threads.sort_by_key(|thread| thread.id);
        Ok(threads)
    }

    /// Puts its main thread on one core and all others on another.
    ///
    /// # Errors
    /// It ended, or there are no such cores.
    pub(crate) fn part_main(&self, main: usize, others: usize) -> anyhow::Result<()> {
        for thread in self.threads()? {
            pin(thread.id, if thread.id == self.pid { main } else { others })?;
        }
        Ok(())
    }

    /// Puts all of its threads on one core.
    ///
    /// # Errors
    /// It ended, or there is no such core.
    pub(crate) fn pin(&self, core: usize) -> anyhow::Result<()> {
        self.threads()?.iter().try_for_each(|thread| pin(thread.id, core))
    }

    /// Asks it to stop, and kills it when it has not after a while.
    pub(crate) async fn stop(mut self, patience: Duration) {
        if self.child.id().is_some() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        }
        if time::timeout(patience, self.child.wait()).await.is_err() {
            // `kill` also waits for the end.
            let _ = self.child.kill().await;
        }
    }
}

/// Puts a thread on one core; 0 is the caller's own.
///
/// # Errors
/// There is no such thread or core.
pub(crate) fn pin(thread: i32, core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(thread), &cores).context("a thread cannot be pinned")
}

/// Lets this thread run anywhere again.
pub(crate) fn unpin(cores: usize) {
    let mut all = CpuSet::new();
    let set = (0..cores).try_for_each(|core| all.set(core));
    // Slower, but right, when it fails.
    let _ = set.and_then(|()| sched_setaffinity(Pid::from_raw(0), &all));
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
