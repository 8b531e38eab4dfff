//! What the kernel says of a thread's time.

use std::{fs::File, os::unix::fs::FileExt as _, time::Duration};

/// How long a thread was on a CPU, and how long it was ready and waited for one, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::observe) struct OnCpu {
    pub(in crate::observe) ran: Duration,
    pub(super) waited: Duration,
}

impl OnCpu {
    pub(super) fn since(self, before: Self) -> Self {
        Self { ran: self.ran.saturating_sub(before.ran), waited: self.waited.saturating_sub(before.waited) }
    }

    pub(in crate::observe) fn parse(schedstat: &str) -> Option<Self> {
        let mut nanos = schedstat.split_ascii_whitespace().map_while(|number| number.parse().ok());
        Some(Self { ran: Duration::from_nanos(nanos.next()?), waited: Duration::from_nanos(nanos.next()?) })
    }
}

/// A thread's `schedstat`, in nanoseconds (<https://docs.kernel.org/scheduler/sched-stats.html>).
#[derive(Debug)]
pub(super) struct Schedule(File);

impl Schedule {
    pub(super) fn of_this_thread() -> Option<Self> {
        File::open("/proc/thread-self/schedstat").ok().map(Self)
    }

    pub(super) fn read(&self) -> Option<OnCpu> {
        let mut text = [0; 96];
        let length = self.0.read_at(&mut text, 0).ok()?;
        OnCpu::parse(std::str::from_utf8(text.get(..length)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_what_a_thread_ran_and_the_second_what_it_waited() {
        let [ran, waited] = [1_031, 3_842_499].map(Duration::from_nanos);
        assert_eq!(OnCpu::parse("1031 3842499 17\n"), Some(OnCpu { ran, waited }));
        assert_eq!((OnCpu::parse(""), OnCpu::parse("7")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_that_share_their_cpus_with_more_of_them_are_seen_to_wait() {
        use std::{
            sync::atomic::{AtomicBool, Ordering},
            thread,
        };
        let over = AtomicBool::new(false);
        let threads = thread::available_parallelism().map_or(2, usize::from) + 1;
        thread::scope(|scope| {
            let watched: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let schedule = Schedule::of_this_thread().expect("Linux says");
                        let before = schedule.read().unwrap();
                        while !over.load(Ordering::Relaxed) {
                            if !schedule.read().unwrap().since(before).waited.is_zero() {
                                over.store(true, Ordering::Relaxed);
                                return true;
                            }
                        }
                        false
                    })
                })
                .collect();
            assert!(watched.into_iter().any(|thread| thread.join().unwrap()));
        });
    }
}
