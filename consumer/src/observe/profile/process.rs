//! What the kernel and the allocator say of this process.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    time::Duration,
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use tikv_jemalloc_ctl::{epoch, stats};

use exportpool_profile::record::micros;

use crate::observe::loop_delay::OnCpu;

/// CPU time of the process, in its own code and in the kernel's.
pub(super) fn cpu_time() -> Duration {
    let of = |time: TimeVal| {
        let (seconds, micros) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_usec()));
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
    };
    getrusage(UsageWho::RUSAGE_SELF)
        .map_or(Duration::ZERO, |usage| of(usage.user_time()) + of(usage.system_time()))
}

/// The processor, with its model where the kernel says so (proc_cpuinfo(5), of x86).
pub(super) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let arch = std::env::consts::ARCH;
    model.map_or_else(|| arch.to_owned(), |(_, model)| format!("{arch}, {}", model.trim()))
}

/// Resident memory, in bytes (proc_pid_status(5), `VmRSS`).
pub(super) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// What the allocator says of itself, in bytes (jemalloc(3), `stats.allocated` and so on).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allocator {
    pub(super) allocated: u64,
    pub(super) active: u64,
    pub(super) retained: u64,
}

impl Allocator {
    pub(super) fn now() -> Option<Self> {
        // Its numbers are as of the last time that this was asked for.
        epoch::advance().ok()?;
        let of = |number: Result<usize, tikv_jemalloc_ctl::Error>| u64::try_from(number.ok()?).ok();
        Some(Self {
            allocated: of(stats::allocated::read())?,
            active: of(stats::active::read())?,
            retained: of(stats::retained::read())?,
        })
    }
}

/// How long each thread was on a CPU, by its id (proc_pid_task(5)).
#[derive(Debug, Default)]
pub(super) struct Threads(HashMap<String, (String, Duration)>);

impl Threads {
    pub(super) fn now() -> Self {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Self::default() };
        let main = std::process::id().to_string();
        let read = |task: fs::DirEntry| {
            // A thread that ends meanwhile is none.
            let id = task.file_name().into_string().ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let ran = OnCpu::parse(&fs::read_to_string(task.path().join("schedstat")).ok()?)?.ran;
            // The first thread of a process has its id, and the program's name.
            let name = if id == main { "main".to_owned() } else { name.trim_end().to_owned() };
            Some((id, (name, ran)))
        };
        Self(tasks.flatten().filter_map(read).collect())
    }

    /// Microseconds on a CPU since then, by the threads' names, without those that were on none.
    pub(super) fn since(&self, before: &Self) -> BTreeMap<String, u64> {
        let mut by_name = BTreeMap::new();
        for (id, (name, ran)) in &self.0 {
            let ran_before = before.0.get(id).map_or(Duration::ZERO, |(_, ran)| *ran);
            let ran = micros(ran.saturating_sub(ran_before));
            if ran > 0 {
                *by_name.entry(name.clone()).or_default() += ran;
            }
        }
        by_name
    }
}
