//! How late main and the workers are: the observe thread probes, and each loop notes how long it took to answer.
//!
//! A timer on the loop itself would do worse: tokio's timers go by whole milliseconds, which is more than what is
//! measured here. What a thread waited for a CPU is read beside it, from the kernel: on few cores the two are told
//! apart.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exportpool_contract::report::LoopDelay;
use hdrhistogram::Histogram;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time,
};

/// How often main is probed.
pub const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Workers are probed every second time: there are many of them.
const WORKERS_AT: u64 = 2;
/// Delays beyond a minute are counted as one.
const MOST_MICROS: u64 = 60_000_000;

/// A kind of loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbedLoop {
    /// Main's.
    Main,
    /// A worker's.
    Worker,
}

/// Delays since the start.
#[derive(Debug)]
pub struct DelayProbe(Option<Histogram<u64>>);

impl Default for DelayProbe {
    fn default() -> Self {
        // The bounds are constants that the library takes; a probe without histogram answers zeros.
        Self(Histogram::new_with_bounds(1, MOST_MICROS, 3).ok())
    }
}

impl DelayProbe {
    /// Notes one delay.
    pub fn note(&mut self, late: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(late.as_micros()).unwrap_or(MOST_MICROS));
        }
    }

    /// What the report says.
    #[must_use]
    pub fn report(&self) -> LoopDelay {
        let Some(histogram) = &self.0 else { return LoopDelay::default() };
        LoopDelay {
            p50_micros: histogram.value_at_quantile(0.5),
            p99_micros: histogram.value_at_quantile(0.99),
            p999_micros: histogram.value_at_quantile(0.999),
            max_micros: histogram.max(),
        }
    }
}

/// What was measured of one kind of loop.
#[derive(Debug, Default)]
pub struct Delays {
    /// From the probe to its answer.
    pub of_loop: DelayProbe,
    /// Ready, and waiting for a CPU. `None` where the kernel does not say.
    pub of_run_queue: Option<DelayProbe>,
}

/// All probed loops, and what was measured of them. Written by the observe thread alone, which also reads it.
#[derive(Debug, Clone, Default)]
pub struct LoopProbes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    loops: Mutex<Vec<Probed>>,
    main: Mutex<Delays>,
    workers: Mutex<Delays>,
}

/// A loop, as observe probes it.
#[derive(Debug)]
struct Probed {
    of: ProbedLoop,
    send: mpsc::Sender<Instant>,
    late: Arc<AtomicU64>,
    run_queue: Option<RunQueue>,
}

/// Probes, as the loop answers them.
#[derive(Debug)]
pub(crate) struct Probes {
    sent: mpsc::Receiver<Instant>,
    late: Arc<AtomicU64>,
}

impl Probes {
    /// Waits for a probe: when it was sent. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Instant> {
        self.sent.recv().await
    }

    /// A probe that was sent then is answered now.
    pub(crate) fn answer(&self, sent: Instant, now: Instant) {
        let late = now.saturating_duration_since(sent).as_nanos();
        // Zero says that nothing was answered.
        self.late.store(u64::try_from(late).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// Answers probes until none can come any more.
    pub(crate) async fn answer_all(mut self) {
        while let Some(sent) = self.next().await {
            self.answer(sent, Instant::now());
        }
    }
}

impl LoopProbes {
    /// Probes for the loop of the thread that calls this.
    pub(crate) fn register(&self, of: ProbedLoop) -> Probes {
        let (send, sent) = mpsc::channel(1);
        let late = Arc::<AtomicU64>::default();
        let probed = Probed { of, send, late: Arc::clone(&late), run_queue: RunQueue::of_this_thread() };
        lock(&self.0.loops).push(probed);
        Probes { sent, late }
    }

    /// Probes for good. A probe that is not answered yet is not followed by another: a blocked loop is one long delay,
    /// not a queue of them.
    pub(crate) async fn run(self) {
        let mut every = time::interval(PROBE_EVERY);
        every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        for round in 0_u64.. {
            every.tick().await;
            let now = Instant::now();
            lock(&self.0.loops).retain_mut(|probed| {
                if probed.of == ProbedLoop::Worker && !round.is_multiple_of(WORKERS_AT) {
                    return true;
                }
                probed.collect(&mut lock(self.of(probed.of)));
                !matches!(probed.send.try_send(now), Err(TrySendError::Closed(_)))
            });
        }
    }

    /// The delays of a kind of loop, and its run-queue delays where they are known.
    #[must_use]
    pub fn report(&self, of: ProbedLoop) -> (LoopDelay, Option<LoopDelay>) {
        let delays = lock(self.of(of));
        (delays.of_loop.report(), delays.of_run_queue.as_ref().map(DelayProbe::report))
    }

    fn of(&self, of: ProbedLoop) -> &Mutex<Delays> {
        match of {
            ProbedLoop::Main => &self.0.main,
            ProbedLoop::Worker => &self.0.workers,
        }
    }
}

impl Probed {
    /// Notes what was answered since the last probe.
    fn collect(&mut self, delays: &mut Delays) {
        let late = self.late.swap(0, Ordering::Relaxed);
        if late > 0 {
            delays.of_loop.note(Duration::from_nanos(late));
        }
        if let Some(waited) = self.run_queue.as_mut().and_then(RunQueue::since_last) {
            delays.of_run_queue.get_or_insert_default().note(waited);
        }
    }
}

/// How long a thread has waited for a CPU: the second number of its `schedstat`, in nanoseconds
/// (<https://docs.kernel.org/scheduler/sched-stats.html>).
#[derive(Debug)]
struct RunQueue {
    file: File,
    waited: Duration,
}

impl RunQueue {
    fn of_this_thread() -> Option<Self> {
        let file = File::open("/proc/thread-self/schedstat").ok()?;
        let waited = read(&file)?;
        Some(Self { file, waited })
    }

    fn since_last(&mut self) -> Option<Duration> {
        let waited = read(&self.file)?;
        let since = waited.saturating_sub(self.waited);
        self.waited = waited;
        Some(since)
    }
}

fn read(schedstat: &File) -> Option<Duration> {
    let mut text = [0; 96];
    let length = schedstat.read_at(&mut text, 0).ok()?;
    parse(std::str::from_utf8(text.get(..length)?).ok()?)
}

fn parse(schedstat: &str) -> Option<Duration> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_loop_shows_as_the_largest_delay() {
        let mut probe = DelayProbe::default();
        for _ in 0..99 {
            probe.note(Duration::from_micros(100));
        }
        probe.note(Duration::from_millis(250));
        let delay = probe.report();
        assert!((249_000..=251_000).contains(&delay.max_micros), "{delay:?}");
        assert!((99..=101).contains(&delay.p50_micros), "{delay:?}");
    }

    #[tokio::test]
    async fn a_loop_that_was_blocked_is_late_by_as_long_and_the_others_are_not() {
        let probes = LoopProbes::default();
        let (mut main, worker) = (probes.register(ProbedLoop::Main), probes.register(ProbedLoop::Worker));
        let probing = tokio::spawn(probes.clone().run());
        let answering = tokio::spawn(worker.answer_all());
        let sent = main.next().await.unwrap();
        main.answer(sent, sent + Duration::from_secs(3));
        while probes.report(ProbedLoop::Main).0.max_micros == 0
            || probes.report(ProbedLoop::Worker).0.max_micros == 0
        {
            tokio::task::yield_now().await;
        }
        probing.abort();
        answering.abort();
        assert!((2_990_000..=3_010_000).contains(&probes.report(ProbedLoop::Main).0.max_micros));
        assert!(probes.report(ProbedLoop::Worker).0.max_micros < 2_000_000);
    }

    #[test]
    fn the_second_number_is_what_a_thread_waited() {
        assert_eq!(parse("1031 3842499 17\n"), Some(Duration::from_nanos(3_842_499)));
        assert_eq!(parse(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_that_share_their_cpus_with_more_of_them_are_seen_to_wait() {
        use std::{sync::atomic::AtomicBool, thread};
        let over = AtomicBool::new(false);
        let threads = thread::available_parallelism().map_or(2, usize::from) + 1;
        thread::scope(|scope| {
            let watched: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut queue = RunQueue::of_this_thread().expect("Linux says");
                        while !over.load(Ordering::Relaxed) {
                            if queue.since_last().is_some_and(|waited| !waited.is_zero()) {
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
