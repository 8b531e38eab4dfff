//! How late main and the workers are: the observe thread probes, and each loop notes how long it took to answer.
//!
//! A timer on the loop itself would do worse: tokio's timers go by whole milliseconds, which is more than what is
//! measured here. What a thread waited for a CPU is read beside it, from the kernel: on few cores the two are told
//! apart. So is, while somebody records, what a hypervisor gave to others.

mod probed;
mod schedule;
mod steal;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use exportpool_contract::report::LoopDelay;
use hdrhistogram::Histogram;
use tokio::{sync::mpsc, time};

use super::profile::{Interrupted, Interruptible};
use probed::{Probed, Recorded};
pub(crate) use probed::{Recording, Stuck};
pub(super) use schedule::OnCpu;
use schedule::Schedule;
use steal::Steal;
pub(super) use steal::Stolen;

/// How often main is probed.
pub const PROBE_EVERY: Duration = Duration::from_millis(10);
/// While somebody records, what is stolen is read each tenth time.
const STEAL_AT: u64 = 10;
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
    /// For a profile.
    records: AtomicBool,
    steal: Steal,
    loops: Mutex<Vec<Probed>>,
    main: Mutex<Delays>,
    workers: Mutex<Delays>,
}

/// Probes, as the loop answers them.
#[derive(Debug)]
pub(crate) struct Probes {
    sent: mpsc::Receiver<Instant>,
    late: Arc<AtomicU64>,
    /// For as long as the loop lives, on its thread.
    _interrupted: Interrupted,
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
        let schedule = Schedule::of_this_thread();
        let begun = schedule.as_ref().and_then(Schedule::read).unwrap_or_default();
        let (thread, _interrupted) = Interruptible::this_thread();
        lock(&self.0.loops).push(Probed {
            of,
            name: name(of),
            send,
            late: Arc::clone(&late),
            unanswered: None,
            sending: Duration::ZERO,
            stolen_before: Stolen::default(),
            schedule,
            measured: begun,
            waited_before: begun.waited,
            recorded: Recorded::default(),
            thread,
        });
        Probes { sent, late, _interrupted }
    }

    /// Keeps every measurement of each loop for as long as the answer lives. One at a time.
    pub(crate) fn record(&self) -> Recording {
        let stolen = self.0.steal.read();
        lock(&self.0.loops).iter_mut().for_each(|probed| probed.begin(stolen.clone()));
        self.0.records.store(true, Ordering::Release);
        Recording(self.clone())
    }

    /// Probes for good. A probe that is not answered yet is not followed by another: a blocked loop is one long delay,
    /// not a queue of them.
    pub(crate) async fn run(self) {
        let mut every = time::interval(PROBE_EVERY);
        every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut stolen = None;
        for round in 0_u64.. {
            every.tick().await;
            let records = self.0.records.load(Ordering::Acquire).then_some(&self.0.steal);
            stolen = match records {
                Some(_) if stolen.is_some() && !round.is_multiple_of(STEAL_AT) => stolen,
                steal => steal.map(Steal::read),
            };
            lock(&self.0.loops).retain_mut(|probed| {
                if probed.of == ProbedLoop::Worker && !round.is_multiple_of(WORKERS_AT) {
                    return true;
                }
                probed.collect(&mut lock(self.of(probed.of)), records);
                probed.probe(stolen.clone().unwrap_or_default())
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

/// Main's, whatever its thread is called.
fn name(of: ProbedLoop) -> String {
    match (of, thread::current().name()) {
        (ProbedLoop::Worker, Some(name)) => name.to_owned(),
        (ProbedLoop::Worker, None) => "worker".to_owned(),
        (ProbedLoop::Main, _) => "main".to_owned(),
    }
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

    #[tokio::test]
    async fn a_profile_has_each_loop_by_its_name_and_one_that_does_not_answer() {
        let probes = LoopProbes::default();
        let (_worker, main) = (probes.register(ProbedLoop::Worker), probes.register(ProbedLoop::Main));
        let recording = probes.record();
        let probing = tokio::spawn(probes.clone().run());
        let answering = tokio::spawn(main.answer_all());
        let (mut answered, mut unanswered, mut stuck) = (0, 0, Vec::new());
        while answered < 3 || unanswered < 50_000 || stuck.is_empty() {
            tokio::task::yield_now().await;
            let [main, worker] = &recording.take(Instant::now())[..] else { panic!("two loops") };
            assert_eq!((main.name.as_str(), worker.late_micros.len()), ("main", 0));
            answered += main.late_micros.len();
            unanswered = worker.unanswered_micros;
            stuck = recording.stuck(Instant::now(), Duration::from_millis(20));
        }
        probing.abort();
        answering.abort();
        assert_eq!(
            stuck.iter().map(|stuck| stuck.name.as_str()).collect::<Vec<_>>(),
            [name(ProbedLoop::Worker)]
        );
    }
}
