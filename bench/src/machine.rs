//! Where and of what a measurement was taken.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine, and what ran on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    /// The CPU's name.
    pub(crate) cpu: String,
    /// Cores that Linux sees.
    pub(crate) cores: usize,
    /// Memory.
    pub(crate) memory_mib: u64,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The load of the last minute before the measurement began: what else was going on.
    pub(crate) load_before: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let name = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpu: name.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_mib: crate::procfs::status_kib(&memory, "MemTotal").unwrap_or_default() / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg").split_whitespace().next().unwrap_or_default().to_owned(),
        }
    }
}

/// The commit of the working tree, with `+` when there are changes in it.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"]).is_empty();
    format!("{}{}", git(&["rev-parse", "--short=12", "HEAD"]), if changed { "+" } else { "" })
}
