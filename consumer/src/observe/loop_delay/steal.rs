//! What a hypervisor keeps of this machine's CPUs.

use std::{fs::File, os::unix::fs::FileExt as _, sync::Arc, time::Duration};

/// Of a tick of `/proc/stat`: `USER_HZ` is 100 wherever Linux is.
const TICK: Duration = Duration::from_millis(10);
/// A line of a hundred bytes for each CPU: those beyond a hundred are not looked at.
const MOST_BYTES: usize = 10_240;

/// The machine's `/proc/stat` (proc_stat(5), `steal`): for so long, something here was ready and the hypervisor ran somebody
/// else. No thread is told of it: to each it looks like time in which nothing happened.
#[derive(Debug)]
pub(super) struct Steal(Option<File>);

/// Of each CPU in ticks, since the machine was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stolen(Arc<[u32]>);

impl Default for Steal {
    fn default() -> Self {
        Self(File::open("/proc/stat").ok())
    }
}

impl Steal {
    /// By now; nothing where nobody says. It takes tens of microseconds, and more on many CPUs.
    pub(super) fn read(&self) -> Stolen {
        let mut text = [0; MOST_BYTES];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let text = read.and_then(|length| text.get(..length)).unwrap_or_default();
        Stolen::parse(&String::from_utf8_lossy(text))
    }
}

impl Stolen {
    /// Of each CPU the eighth number; the first line is of all of them.
    fn parse(stat: &str) -> Self {
        let ticks = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            words.next()?.strip_prefix("cpu")?;
            words.nth(7)?.parse().ok()
        };
        Self(stat.lines().skip(1).map_while(ticks).collect())
    }

    /// Of the CPU of which most was, since then: a thread may have been on that one.
    pub(super) fn most_since(&self, before: &Self) -> Duration {
        self.since(before).max().unwrap_or_default()
    }

    /// Of all CPUs together, since then.
    pub(crate) fn all_since(&self, before: &Self) -> Duration {
        self.since(before).sum()
    }

    fn since(&self, before: &Self) -> impl Iterator<Item = Duration> {
        self.0.iter().zip(before.0.iter()).map(|(now, before)| TICK * now.saturating_sub(*before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  667380 0 96411 480682 3541 0 2531 10438 0 0\ncpu0 327838 0 47435 247925 971 0 1129 5192 0 0\n\
                        cpu1 339541 0 48976 232756 2569 0 1402 5245 0 0\nintr 1 2 3 4 5 6 7 8 9 10\n";

    #[test]
    fn steal_is_the_eighth_number_of_each_cpu() {
        let before = Stolen::parse(STAT);
        let now = Stolen::parse(&STAT.replace(" 5192 ", " 5195 ").replace(" 5245 ", " 5246 "));
        assert_eq!(before.0[..], [5192, 5245]);
        assert_eq!(now.most_since(&before), Duration::from_millis(30));
        assert_eq!(now.all_since(&before), Duration::from_millis(40));
    }

    #[test]
    fn of_what_nobody_says_nothing_is_stolen() {
        let nothing = Stolen::default();
        assert_eq!(Stolen::parse(STAT).most_since(&nothing), Duration::ZERO);
        assert_eq!((Stolen::parse("cpu 1 2\ncpu0 1 2\n"), Stolen::parse("")), (nothing.clone(), nothing));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_says_it_of_each_cpu() {
        let stolen = Steal::default().read();
        assert!(stolen.0.len() >= std::thread::available_parallelism().map_or(1, usize::from), "{stolen:?}");
    }
}
