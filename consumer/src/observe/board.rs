//! What the main thread last said of itself, for whoever asks; and whether main and link still move.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exportpool_contract::{
    Health, PodReport,
    health::{Status, Workers},
};

use super::{
    loop_delay::{LoopProbes, ProbedLoop},
    operations::Operations,
};
use crate::place::workers::MAX_ABANDONED;

/// A loop that has not moved for this long is stalled.
pub const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Shared by main, link and observe.
#[derive(Debug, Clone)]
pub struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    said: Mutex<Said>,
    main: AtomicU64,
    link: AtomicU64,
    probes: LoopProbes,
    operations: Operations,
}

/// What main says.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The report; sequence and uptime are filled in when it is read.
    pub report: PodReport,
    /// Worker threads that take work.
    pub alive: u64,
    /// What is unavailable; also while starting.
    pub unavailable: Option<String>,
    /// Everything answered at least once.
    pub started: bool,
}

/// A loop that must keep moving.
#[derive(Debug, Clone, Copy)]
pub enum Loop {
    /// The main thread.
    Main,
    /// The link thread.
    Link,
}

impl Board {
    /// Nothing is said yet.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        let (main, link) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner {
            start,
            said: Mutex::default(),
            main,
            link,
            probes: LoopProbes::default(),
            operations: Operations::default(),
        }))
    }

    /// Where loops are registered to be probed.
    #[must_use]
    pub fn probes(&self) -> &LoopProbes {
        &self.0.probes
    }

    /// What is done for messages, for a profile.
    #[must_use]
    pub fn operations(&self) -> &Operations {
        &self.0.operations
    }

    /// Main says how it is.
    pub fn say(&self, said: Said) {
        *self.0.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// A loop moves.
    pub fn beat(&self, of: Loop, now: Instant) {
        let counter = match of {
            Loop::Main => &self.0.main,
            Loop::Link => &self.0.link,
        };
        counter.store(self.millis(now), Ordering::Relaxed);
    }

    /// Why the process should be ended from outside, if it should: nothing else fails `/live`, so that an AWS outage
    /// never ends a pod that is busy.
    #[must_use]
    pub fn dead(&self, now: Instant) -> Option<&'static str> {
        if !self.moves(now) {
            return Some("stalled: the main loop or the link has not moved for 30 s");
        }
        let abandoned = usize::try_from(self.said().report.slots.abandoned).unwrap_or(usize::MAX);
        (abandoned > MAX_ABANDONED).then_some("stuck: too many worker threads had to be given up")
    }

    /// Main and link moved lately.
    #[must_use]
    pub fn moves(&self, now: Instant) -> bool {
        let last = self.0.main.load(Ordering::Relaxed).min(self.0.link.load(Ordering::Relaxed));
        self.millis(now).saturating_sub(last) < u64::try_from(STALLED_AFTER.as_millis()).unwrap_or(u64::MAX)
    }

    /// What main said last.
    #[must_use]
    pub fn said(&self) -> Said {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The pod report now.
    #[must_use]
    pub fn report(&self, now: Instant) -> PodReport {
        let (loop_delay, run_queue_delay) = self.0.probes.report(ProbedLoop::Main);
        let (worker_loop_delay, worker_run_queue_delay) = self.0.probes.report(ProbedLoop::Worker);
        PodReport {
            uptime_ms: self.millis(now),
            loop_delay,
            run_queue_delay,
            worker_loop_delay,
            worker_run_queue_delay,
            ..self.said().report
        }
    }

    /// Why it should get no work, if it should not: readiness never depends on load, pause or drain.
    #[must_use]
    pub fn unready(&self, now: Instant) -> Option<String> {
        if let Some(why) = self.dead(now) {
            return Some(why.into());
        }
        let said = self.said();
        if said.started && said.alive == 0 {
            Some("no worker thread takes work".into())
        } else if said.started {
            said.unavailable
        } else {
            Some(said.unavailable.unwrap_or_else(|| "starting".into()))
        }
    }

    /// The document at `/health`; `unix_millis` is the time now.
    #[must_use]
    pub fn health(&self, now: Instant, unix_millis: u64) -> Health {
        let said = self.said();
        let report = &said.report;
        Health {
            status: self.status(&said, now),
            queued_tasks: report.gauges.waiting,
            active_tasks: report.slots.busy,
            workers: Workers { alive: said.alive, restarted: report.counters.workers_restarted },
            oldest_message_age_millis: report.oldest_enqueued_at.map(|at| unix_millis.saturating_sub(at)),
            uptime_millis: self.millis(now),
            version: report.version.clone(),
            unavailable: said.unavailable.clone(),
        }
    }

    fn status(&self, said: &Said, now: Instant) -> Status {
        match said {
            _ if !self.moves(now) => Status::Stalled,
            Said { report, .. } if report.draining => Status::Draining,
            Said { started: false, .. } => Status::Starting,
            Said { unavailable: Some(_), .. } => Status::Degraded,
            _ => Status::Ok,
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.0.start).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_loop_is_seen_from_outside() {
        let start = Instant::now();
        let board = Board::new(start);
        let later = start + Duration::from_secs(31);
        board.say(Said { started: true, alive: 1, ..Said::default() });
        board.beat(Loop::Main, later);
        board.beat(Loop::Link, start);
        assert!(board.dead(later).is_some_and(|why| why.starts_with("stalled")), "link has not moved");
        assert_eq!(board.health(later, 0).status, Status::Stalled);
        board.beat(Loop::Link, later);
        assert_eq!((board.dead(later), board.unready(later)), (None, None));
    }

    #[test]
    fn draining_does_not_make_a_pod_unready() {
        let start = Instant::now();
        let board = Board::new(start);
        let report = PodReport { draining: true, ..PodReport::default() };
        board.say(Said { report, started: true, alive: 1, ..Said::default() });
        assert_eq!((board.unready(start), board.health(start, 0).status), (None, Status::Draining));
    }

    #[test]
    fn a_pod_without_a_worker_is_live_and_not_ready() {
        let start = Instant::now();
        let board = Board::new(start);
        let say = |alive| board.say(Said { started: true, alive, ..Said::default() });
        say(0);
        assert_eq!(board.dead(start), None);
        assert!(board.unready(start).is_some_and(|why| why.contains("no worker")));
        say(1);
        assert_eq!(board.unready(start), None);
    }

    #[test]
    fn a_pod_is_dead_when_more_than_two_threads_were_given_up_and_not_while_aws_is_away() {
        let board = Board::new(Instant::now());
        let say = |abandoned| {
            let mut report = PodReport::default();
            report.slots.abandoned = abandoned;
            board.say(Said {
                report,
                unavailable: Some("bucket exports: NoSuchBucket".into()),
                ..Said::default()
            });
            board.dead(Instant::now()).is_some()
        };
        assert_eq!([0, 2, 3].map(say), [false, false, true]);
    }
}
