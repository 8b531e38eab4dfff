//! How a consumer is, ten times a second, whatever is looked for.

use std::{
    thread,
    time::{Duration, Instant},
};

use exportpool_profile::record::{MOMENT_MICROS, Moment, Record, micros};

use super::{
    Ended, Records,
    process::{Allocator, Threads, cpu_time, resident},
};
use crate::observe::{
    board::Board,
    loop_delay::{Recording, Stolen},
};

/// How often an instrument may look.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a tool tells beside moments.
pub(super) trait Instrument {
    /// Looks, a hundred times a second.
    fn look(&mut self, _recording: &Recording, _now: Instant) {}

    /// Tells what it has, after each moment.
    ///
    /// # Errors
    /// Nobody reads it, or it can look no more.
    fn tell(&mut self, at_micros: u64, records: &Records) -> Result<(), Ended>;
}

/// Tells moments, and what an instrument has, until nobody reads them.
pub(super) fn tell(
    board: &Board,
    records: &Records,
    began: Instant,
    mut with: impl Instrument,
) -> Result<(), Ended> {
    let mut sampling = Sampling::begin(board, began);
    let mut due = began;
    loop {
        due += Duration::from_micros(MOMENT_MICROS);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            thread::sleep(left.min(LOOK_EVERY));
            with.look(&sampling.recording, Instant::now());
        }
        // One that was held up does not hurry to make up for it.
        due = due.max(Instant::now());
        let moment = sampling.moment(due);
        let at_micros = moment.at_micros;
        records.tell(&Record::Moment(moment))?;
        with.tell(at_micros, records)?;
    }
}

/// What is compared with the moment before.
struct Sampling<'a> {
    board: &'a Board,
    recording: Recording,
    began: Instant,
    cpu: Duration,
    stolen: Stolen,
    threads: Threads,
}

impl<'a> Sampling<'a> {
    fn begin(board: &'a Board, began: Instant) -> Self {
        let recording = board.probes().record();
        let stolen = recording.stolen();
        Self { board, recording, began, cpu: cpu_time(), stolen, threads: Threads::now() }
    }

    fn moment(&mut self, now: Instant) -> Moment {
        let (cpu, threads, stolen) = (cpu_time(), Threads::now(), self.recording.stolen());
        let (report, allocator) = (self.board.said().report, Allocator::now().unwrap_or_default());
        let (queues, leased) = (&report.queues, report.gauges.leased);
        let of_queues = [queues.export_jobs.settled, queues.download_tasks.settled];
        let moment = Moment {
            at_micros: micros(now.saturating_duration_since(self.began)),
            loops: self.recording.take(now),
            cpu_micros: micros(cpu.saturating_sub(self.cpu)),
            stolen_micros: micros(stolen.all_since(&self.stolen)),
            threads: threads.since(&self.threads),
            rss_bytes: resident().unwrap_or(0),
            allocated_bytes: allocator.allocated,
            active_bytes: allocator.active,
            retained_bytes: allocator.retained,
            busy: clamped(report.slots.busy),
            waiting: clamped(report.gauges.waiting),
            in_hand: clamped(leased.export_jobs + leased.download_tasks),
            settled: of_queues.iter().map(|settled| settled.done + settled.failed).sum(),
            failed: of_queues.iter().map(|settled| settled.failed).sum(),
        };
        (self.cpu, self.threads, self.stolen) = (cpu, threads, stolen);
        moment
    }
}

fn clamped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
