//! From the last samples to rows: rates, trends, levels. Pure.

use std::{collections::VecDeque, time::Duration};

use exportpool_contract::report::{self, PodReport};

use super::{
    sample::{ConsumerReading, QueueReading, Sample, Unreadable},
    trend::{self, Point},
    view::{Breaker, ConsumerRow, Level, Pool, Presence, QueueRow, Thresholds},
};

/// Samples that a rate is computed over.
const WINDOW: usize = 6;

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    /// Adds a sample, and forgets the ones no rate needs any more.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        let surplus = self.samples.len().saturating_sub(WINDOW);
        self.samples.drain(..surplus);
    }

    /// Forgets all but the last sample: rates start anew, as after a pause.
    pub(crate) fn restart(&mut self) {
        let older = self.samples.len().saturating_sub(1);
        self.samples.drain(..older);
    }

    /// The last sample.
    pub(crate) fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// The rows of the queues in the last sample.
    pub(crate) fn queues(&self, thresholds: Thresholds) -> Vec<QueueRow> {
        let last = self.last().into_iter().flat_map(|sample| &sample.queues);
        last.map(|reading| self.queue(reading, thresholds)).collect()
    }

    /// The rows of the consumers in the last sample.
    pub(crate) fn consumers(&self) -> Vec<ConsumerRow> {
        let last = self.last().into_iter().flat_map(|sample| &sample.consumers);
        last.map(|reading| self.consumer(reading)).collect()
    }

    fn queue(&self, reading: &QueueReading, thresholds: Thresholds) -> QueueRow {
        let total = |sample: &Sample| {
            let same = sample.queues.iter().find(|other| other.queue == reading.queue)?;
            Some(same.depth.as_ref().ok()?.total())
        };
        let rate = reading.depth.as_ref().ok().and_then(|_| trend::rate(&self.points(total)));
        let level = match &reading.depth {
            Ok(depth) => trend::level(depth.total(), reading.dead_letters, thresholds),
            Err(_) => Level::Unknown,
        };
        QueueRow {
            queue: reading.queue.clone(),
            url: reading.url.clone(),
            dead_letters: reading.dead_letters,
            depth: reading.depth.clone(),
            rate,
            trend: trend::trend(rate),
            level,
        }
    }

    fn consumer(&self, reading: &ConsumerReading) -> ConsumerRow {
        let state = match &reading.report {
            Ok(report) => Presence::Here(Box::new(pool(report, self.done_per_second(report)))),
            Err(Unreadable::NoConsumer { .. }) if reading.optional => Presence::None,
            Err(why) => Presence::Unknown(why.clone()),
        };
        ConsumerRow { consumer: reading.consumer.clone(), url: reading.url.clone(), state }
    }

    /// Counters begin at zero with every instance: only samples of this one are compared.
    fn done_per_second(&self, report: &PodReport) -> Option<f64> {
        trend::rate(&self.points(|sample| {
            let reports = sample.consumers.iter().filter_map(|other| other.report.as_ref().ok());
            reports.filter(|other| other.instance_id == report.instance_id).map(done).next()
        }))
    }

    fn points(&self, count: impl Fn(&Sample) -> Option<u64>) -> Vec<Point> {
        self.samples.iter().filter_map(|sample| Some((sample.elapsed, count(sample)?))).collect()
    }
}

fn done(report: &PodReport) -> u64 {
    report.queues.export_jobs.settled.done + report.queues.download_tasks.settled.done
}

fn pool(report: &PodReport, done_per_second: Option<f64>) -> Pool {
    let breaker = &report.breaker;
    Pool {
        version: report.version.clone(),
        instance_id: report.instance_id.clone(),
        draining: report.draining,
        breaker: match &breaker.resource {
            _ if !breaker.open => Breaker::Closed,
            Some(starting) if starting == report::Breaker::STARTING => Breaker::Starting,
            resource => Breaker::Open(resource.clone()),
        },
        busy: report.slots.busy,
        total: report.slots.total,
        abandoned: report.slots.abandoned,
        waiting: report.gauges.waiting,
        jobs: report.gauges.jobs,
        done: done(report),
        failed: report.queues.export_jobs.settled.failed + report.queues.download_tasks.settled.failed,
        done_per_second,
        loop_p99: Duration::from_micros(report.loop_delay.p99_micros),
        loop_max: Duration::from_micros(report.loop_delay.max_micros),
    }
}

#[cfg(test)]
mod tests;
