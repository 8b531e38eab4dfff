//! What Linux says of a process, read from the text of `/proc`.

/// CPU time of a process in seconds, user and system, its ended threads included: the text of `/proc/<pid>/stat`.
/// `ticks` is how many of its units are a second.
pub(crate) fn cpu_seconds(stat: &str, ticks: f64) -> Option<f64> {
    // The second field is the program's name in parentheses, and may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let read = |at: usize| fields.get(at)?.parse::<u32>().ok().map(f64::from);
    Some((read(11)? + read(12)?) / ticks)
}

/// A line such as `VmHWM:   1234 kB` of `/proc/<pid>/status`, in KiB.
pub(crate) fn status_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a thread did: the text of `/proc/<pid>/task/<tid>/schedstat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Scheduled {
    /// Nanoseconds on a CPU.
    pub(crate) run: u64,
    /// Nanoseconds ready to run, and waiting for a CPU.
    pub(crate) wait: u64,
    /// How often it was put on a CPU.
    pub(crate) slices: u64,
}

impl Scheduled {
    pub(crate) fn read(schedstat: &str) -> Option<Self> {
        let mut fields = schedstat.split_whitespace().map(str::parse);
        let mut next = || fields.next()?.ok();
        Some(Self { run: next()?, wait: next()?, slices: next()? })
    }

    /// What it did since an earlier look.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            run: self.run.saturating_sub(earlier.run),
            wait: self.wait.saturating_sub(earlier.wait),
            slices: self.slices.saturating_sub(earlier.slices),
        }
    }

    /// Both together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self { run: self.run + other.run, wait: self.wait + other.wait, slices: self.slices + other.slices }
    }

    /// Mean wait for a CPU, in microseconds.
    pub(crate) fn mean_wait_micros(self) -> f64 {
        if self.slices == 0 { 0.0 } else { self.wait as f64 / self.slices as f64 / 1e3 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 9 9 20 0 9 0 100 0 0";
        assert_eq!(cpu_seconds(stat, 100.0), Some(2.0));
        assert_eq!(cpu_seconds("7 (a", 100.0), None);
    }

    #[test]
    fn a_line_of_status_is_found_by_its_whole_name() {
        let status = "VmHWMx:\t1 kB\nVmHWM:\t   5120 kB\nVmRSS:\t4096 kB\n";
        assert_eq!(status_kib(status, "VmHWM"), Some(5_120));
        assert_eq!(status_kib(status, "VmSwap"), None);
    }

    #[test]
    fn a_mean_wait_is_of_the_time_between_two_looks() {
        let (before, after) =
            (Scheduled::read("10 1000 1\n").unwrap(), Scheduled::read("20 7000 4\n").unwrap());
        assert_eq!(after.since(before), Scheduled { run: 10, wait: 6_000, slices: 3 });
        assert!((after.since(before).mean_wait_micros() - 2.0).abs() < 1e-9);
        assert!(Scheduled::default().mean_wait_micros().abs() < 1e-9);
    }
}
