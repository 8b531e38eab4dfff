//! A loop as observe probes it, and what a profile is told of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use exportpool_profile::record::{LoopMoment, micros};
use tokio::sync::mpsc::{self, error::TrySendError};

use super::{
    Delays, LoopProbes, PROBE_EVERY, ProbedLoop, lock,
    schedule::{OnCpu, Schedule},
    steal::{Steal, Stolen},
};
use crate::observe::profile::Interruptible;

/// A loop, as observe probes it.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) of: ProbedLoop,
    pub(super) name: String,
    pub(super) send: mpsc::Sender<Instant>,
    pub(super) late: Arc<AtomicU64>,
    /// When the probe was sent that is not answered yet.
    pub(super) unanswered: Option<Instant>,
    /// The sending of it took so long.
    pub(super) sending: Duration,
    /// What had been stolen of the CPUs before the last probe was sent.
    pub(super) stolen_before: Stolen,
    /// What its thread had waited for a CPU when the last probe was sent.
    pub(super) waited_before: Duration,
    pub(super) schedule: Option<Schedule>,
    /// Up to here its histogram knows what it waited.
    pub(super) measured: OnCpu,
    pub(super) recorded: Recorded,
    pub(super) thread: Interruptible,
}

/// What a profile was not told yet.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Since then.
    since: OnCpu,
    late_micros: Vec<u32>,
    /// The most of these that the loop was away.
    away: Duration,
}

/// A loop that does not answer.
#[derive(Debug)]
pub(crate) struct Stuck {
    /// Its thread's name.
    pub(crate) name: String,
    /// Since then.
    pub(crate) since: Instant,
    /// For so long.
    pub(crate) unanswered: Duration,
    /// Its thread.
    pub(crate) thread: Interruptible,
}

/// Measurements of each loop, kept for a profile.
#[derive(Debug)]
pub(crate) struct Recording(pub(super) LoopProbes);

impl Recording {
    /// What has been stolen of the CPUs by now.
    pub(crate) fn stolen(&self) -> Stolen {
        self.0.0.steal.read()
    }

    /// What was measured since this was asked last, main first.
    pub(crate) fn take(&self, now: Instant) -> Vec<LoopMoment> {
        let mut loops = lock(&self.0.0.loops);
        let mut moments: Vec<_> =
            loops.iter_mut().map(|probed| (probed.of, probed.moment(now, &self.0.0.steal))).collect();
        moments.sort_by(|(of, a), (other, b)| {
            let is_worker = |of: ProbedLoop| of == ProbedLoop::Worker;
            (is_worker(*of), &a.name).cmp(&(is_worker(*other), &b.name))
        });
        moments.into_iter().map(|(_, moment)| moment).collect()
    }

    /// Loops that have been away for at least so long: have not answered, and did not wait for a CPU.
    pub(crate) fn stuck(&self, now: Instant, least: Duration) -> Vec<Stuck> {
        let loops = lock(&self.0.0.loops);
        let stuck = loops.iter().filter_map(|probed| {
            let since = probed.unanswered()?;
            let unanswered = now.saturating_duration_since(since);
            let stuck =
                || Stuck { name: probed.name.clone(), since, unanswered, thread: probed.thread.clone() };
            (unanswered >= least && probed.away(unanswered, probed.now(), &self.0.0.steal) >= least)
                .then(stuck)
        });
        stuck.collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.0.0.records.store(false, Ordering::Release);
    }
}

impl Probed {
    /// Sends a probe, unless one is not answered yet. `false`: nobody is there any more.
    pub(super) fn probe(&mut self, stolen: Stolen) -> bool {
        let now = Instant::now();
        match self.send.try_send(now) {
            Ok(()) => {
                (self.unanswered, self.waited_before) = (Some(now), self.measured.waited);
                (self.sending, self.stolen_before) = (now.elapsed(), stolen);
                true
            }
            Err(error) => !matches!(error, TrySendError::Closed(_)),
        }
    }

    /// Notes what was answered since the last probe; for a profile, if one is recorded, with what was stolen.
    pub(super) fn collect(&mut self, delays: &mut Delays, records: Option<&Steal>) {
        if let Some(until_now) = self.schedule.as_ref().and_then(Schedule::read) {
            delays.of_run_queue.get_or_insert_default().note(until_now.since(self.measured).waited);
            self.measured = until_now;
        }
        let late = Duration::from_nanos(self.late.swap(0, Ordering::Relaxed));
        if late.is_zero() {
            return;
        }
        delays.of_loop.note(late);
        self.unanswered = None;
        if let Some(steal) = records {
            self.recorded.late_micros.push(u32::try_from(late.as_micros()).unwrap_or(u32::MAX));
            self.recorded.away = self.recorded.away.max(self.away(late, self.measured, steal));
        }
    }

    /// For so long of a delay the loop did something else, at least: its thread did not wait for a CPU, nor did observe's,
    /// between the two steps of sending a probe, nor was the CPU stolen that it may have been on.
    fn away(&self, late: Duration, until_now: OnCpu, steal: &Steal) -> Duration {
        let waited = until_now.waited.saturating_sub(self.waited_before);
        let away = late.saturating_sub(self.sending).saturating_sub(waited);
        // Reading it costs something, and of a loop that is in time nobody asks.
        if away < PROBE_EVERY {
            away
        } else {
            away.saturating_sub(steal.read().most_since(&self.stolen_before))
        }
    }

    /// A profile begins.
    pub(super) fn begin(&mut self, stolen: Stolen) {
        self.stolen_before = stolen;
        self.recorded = Recorded { since: self.now(), ..Recorded::default() };
    }

    /// When the probe was sent that is not answered yet.
    fn unanswered(&self) -> Option<Instant> {
        // What is answered by now is collected with the next probe.
        self.unanswered.filter(|_| self.late.load(Ordering::Relaxed) == 0)
    }

    /// What the kernel says of its thread by now; what it said last, where it does not.
    fn now(&self) -> OnCpu {
        self.schedule.as_ref().and_then(Schedule::read).unwrap_or(self.measured)
    }

    fn moment(&mut self, now: Instant, steal: &Steal) -> LoopMoment {
        let until_now = self.now();
        let unanswered = self.unanswered().map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        let away = self.away(unanswered, until_now, steal);
        let next = Recorded { since: until_now, ..Recorded::default() };
        let recorded = std::mem::replace(&mut self.recorded, next);
        let since = until_now.since(recorded.since);
        LoopMoment {
            name: self.name.clone(),
            late_micros: recorded.late_micros,
            unanswered_micros: micros(unanswered),
            away_micros: micros(recorded.away.max(away)),
            cpu_micros: micros(since.ran),
            run_queue_micros: micros(since.waited),
        }
    }
}
