//! Workers against time: with a source that takes 400 ms, so many slots do so many tasks in whole rounds.
//!
//! The consumer is idle and its polls are open when the first message is sent; messages are jobs of one file. Two
//! clocks, both by the times in the table: from the first claim to the last recorded (the pool's own time), and from
//! the first message's sending to the last recorded (the queue's too).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Played, Show, Terms};
use crate::{
    contender::Contender,
    ledger::{first, last},
    load::{Load, Shape},
    say,
    stats::{Spread, ideal, steady},
};

pub(crate) const NAME: &str = "scaling";
pub(crate) const DELAY: Duration = Duration::from_millis(400);
/// Of the ideal.
pub(crate) const GOAL: f64 = 0.97;
const FILE_BYTES: u64 = 10_240;

/// One number of workers with one number of messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) workers: usize,
    pub(crate) messages: usize,
    /// `ceil(messages / workers) x delay`.
    pub(crate) ideal_seconds: f64,
    /// From the first claim to the last task recorded.
    pub(crate) worked_seconds: Spread,
    /// From the first message's sending to the last task recorded.
    pub(crate) sent_to_recorded_seconds: Spread,
    /// Tasks a second while all slots were taken; ideal is `workers / delay`.
    pub(crate) steady_per_second: Spread,
    /// The share of that time that slots had a task.
    pub(crate) steady_busy: Spread,
}

impl Row {
    /// Of the ideal, by the pool's own time.
    pub(crate) fn efficiency(&self) -> f64 {
        self.ideal_seconds / self.worked_seconds.median
    }

    /// Of the ideal, the queue's time included.
    pub(crate) fn efficiency_from_sending(&self) -> f64 {
        self.ideal_seconds / self.sent_to_recorded_seconds.median
    }
}

struct Run {
    worked: f64,
    sent_to_recorded: f64,
    per_second: f64,
    busy: f64,
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Vec<Row>> {
    let workers: &[usize] = if terms.quick { &[4, 16] } else { &[2, 4, 8, 16] };
    let mut rows = Vec::new();
    for workers in workers {
        for (messages, runs) in [(50, terms.of(3, 1)), (terms.of(500, 100), terms.of(3, 1))] {
            rows.push(measure_row(terms, *workers, messages, runs).await?);
        }
    }
    Ok(rows)
}

async fn measure_row(terms: &Terms, workers: usize, messages: usize, runs: usize) -> anyhow::Result<Row> {
    let mut taken = Vec::new();
    for _ in 0..runs {
        taken.push(measure_run(terms, workers, messages).await?);
    }
    let ideal_seconds = ideal(messages, workers, DELAY).as_secs_f64();
    let spread = |read: fn(&Run) -> f64| {
        let none = Spread { median: 0.0, least: 0.0, most: 0.0, runs: 0 };
        Spread::of(taken.iter().map(read)).unwrap_or(none)
    };
    let row = Row {
        workers,
        messages,
        ideal_seconds,
        worked_seconds: spread(|run| run.worked),
        sent_to_recorded_seconds: spread(|run| run.sent_to_recorded),
        steady_per_second: spread(|run| run.per_second),
        steady_busy: spread(|run| run.busy),
    };
    let (worked, efficiency) = (row.worked_seconds.median, row.efficiency() * 100.0);
    say(&format!(
        "  {workers} workers, {messages} messages: {worked:.2} s of {ideal_seconds:.2} s, {efficiency:.1} %"
    ));
    Ok(row)
}

async fn measure_run(terms: &Terms, workers: usize, messages: usize) -> anyhow::Result<Run> {
    // One round that does not count: connections are open, and the pod has seen how long a task takes.
    let load = |run: &str, messages| Load {
        run: run.into(),
        messages,
        shape: Shape::Jobs(1),
        bytes: FILE_BYTES,
        delay: DELAY,
    };
    let show = Show::open(terms, Contender::Exportpool, workers, &load("warm", workers)).await?;
    let Played { sent_at, records } = show.play(&load("run", messages)).await?;
    show.close().await;
    let seconds = |from: u64| last(&records).saturating_sub(from) as f64 / 1e3;
    let stays: Vec<_> = records.iter().map(crate::ledger::Record::stay).collect();
    let steady = steady(&stays, workers);
    Ok(Run {
        worked: seconds(first(&records)),
        sent_to_recorded: seconds(sent_at),
        per_second: steady.map_or(0.0, |steady| steady.per_second),
        busy: steady.map_or(0.0, |steady| steady.busy),
    })
}
