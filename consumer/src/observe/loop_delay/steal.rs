//! What a hypervisor keeps of this machine's CPUs.

use std::{fs::File, os::unix::fs::FileExt as _, time::Duration};

/// Of a tick of `/proc/stat`: `USER_HZ` is 100 wherever Linux is.
const TICK: Duration = Duration::from_millis(10);

/// The machine's `/proc/stat` (proc_stat(5), `steal`): for so long, on all CPUs together, something here was ready and the
/// hypervisor ran somebody else. No thread is told of it: to each it looks like time in which nothing happened.
#[derive(Debug)]
pub(super) struct Steal(Option<File>);

impl Default for Steal {
    fn default() -> Self {
        Self(File::open("/proc/stat").ok())
    }
}

impl Steal {
    /// Since the machine was started; nothing where nobody says. It takes tens of microseconds, and more on many CPUs.
    pub(super) fn read(&self) -> Duration {
        let mut text = [0; 128];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let line = read.and_then(|length| std::str::from_utf8(text.get(..length)?).ok());
        line.and_then(parse).unwrap_or_default()
    }
}

/// The first line: of all CPUs, the eighth number.
fn parse(stat: &str) -> Option<Duration> {
    let ticks = stat.strip_prefix("cpu ")?.lines().next()?.split_ascii_whitespace().nth(7)?;
    Some(TICK * ticks.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_the_eighth_number_of_all_cpus() {
        let stat = "cpu  667380 0 96411 480682 3541 0 2531 10438 0 0\ncpu0 327838 0 47435 247925 971 0 1129 5192 0 0\n";
        assert_eq!(parse(stat), Some(Duration::from_millis(104_380)));
        assert_eq!((parse("cpu0 1 2"), parse("cpu  1 2 3\n"), parse("")), (None, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_says_it_and_it_does_not_go_back() {
        let steal = Steal::default();
        let before = steal.read();
        assert!(steal.0.is_some() && steal.read() >= before);
    }
}
