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
        let inner = Inner { start, said: Mutex::default(), main: AtomicU64::new(0), link: AtomicU64::new(0) };
        Self(Arc::new(inner))
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

    /// Main and link moved lately.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
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
        PodReport { uptime_ms: self.millis(now), ..self.said().report }
    }

    /// Why it should get no work, if it should not: readiness never depends on load, pause or drain.
    #[must_use]
    pub fn unready(&self, now: Instant) -> Option<String> {
        if !self.is_live(now) {
            return Some("the main loop is stalled".into());
        }
        let said = self.said();
        if said.started {
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
            _ if !self.is_live(now) => Status::Stalled,
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
        board.say(Said { started: true, ..Said::default() });
        board.beat(Loop::Main, later);
        board.beat(Loop::Link, start);
        assert!(!board.is_live(later), "link has not moved");
        assert_eq!(board.health(later, 0).status, Status::Stalled);
        board.beat(Loop::Link, later);
        assert_eq!((board.is_live(later), board.unready(later)), (true, None));
    }

    #[test]
    fn draining_does_not_make_a_pod_unready() {
        let start = Instant::now();
        let board = Board::new(start);
        let report = PodReport { draining: true, ..PodReport::default() };
        board.say(Said { report, started: true, ..Said::default() });
        assert_eq!((board.unready(start), board.health(start, 0).status), (None, Status::Draining));
    }
}
