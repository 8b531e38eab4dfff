//! No delay, files of 1 KiB: how many messages a second, and how many a second of the contender's CPU.
//!
//! Every run is a fresh stand-in and a fresh contender, in random order, one at a time. The contender warms up, then
//! all messages are sent at once, faster than anyone takes them. Time counts from the first message's sending to the
//! last task recorded; CPU time, user and system, of the contender's process alone, until the queue is empty.

use serde::{Deserialize, Serialize};

use super::{Show, Terms, warm_up};
use crate::{
    contender::Contender,
    ledger::last,
    load::{Load, Shape},
    say,
    stats::Spread,
};

pub(crate) const NAME: &str = "speed";
pub(crate) const GOAL_OF_BARE: f64 = 0.9;
pub(crate) const GOAL_OF_NODE: f64 = 6.0;
pub(crate) const GOAL_OF_SPRING: f64 = 2.0;

/// What is measured, and with how many slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) who: Contender,
    pub(crate) slots: usize,
    /// Messages are jobs of one file, not tasks.
    pub(crate) jobs: bool,
}

/// All runs of an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) entry: Entry,
    pub(crate) messages: usize,
    pub(crate) warm_up: usize,
    pub(crate) per_second: Spread,
    pub(crate) per_cpu_second: Spread,
    /// CPU seconds of the stand-in in the same time: how busy the machine was besides.
    pub(crate) stand_in_cpu_share: Spread,
    pub(crate) peak_rss_mib: Spread,
}

struct Run {
    entry: Entry,
    per_second: f64,
    per_cpu_second: f64,
    stand_in_cpu_share: f64,
    peak_rss_mib: f64,
}

const fn entry(who: Contender, slots: usize) -> Entry {
    Entry { who, slots, jobs: false }
}

/// Spring's container takes ten at a time, its default and the least for its batches.
const ENTRIES: [Entry; 11] = [
    entry(Contender::Exportpool, 4),
    entry(Contender::Exportpool, 8),
    Entry { who: Contender::Exportpool, slots: 4, jobs: true },
    Entry { who: Contender::Exportpool, slots: 8, jobs: true },
    entry(Contender::Bare, 4),
    entry(Contender::Bare, 8),
    entry(Contender::BareOnThreads, 4),
    entry(Contender::BareOnThreads, 8),
    entry(Contender::Node, 4),
    entry(Contender::Node, 8),
    entry(Contender::Spring, 10),
];

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Vec<Row>> {
    let present = terms.present(&[
        Contender::Exportpool,
        Contender::Bare,
        Contender::BareOnThreads,
        Contender::Node,
        Contender::Spring,
    ]);
    let entries: Vec<_> = ENTRIES.into_iter().filter(|entry| present.contains(&entry.who)).collect();
    let mut order: Vec<_> = (0..terms.of(3, 1)).flat_map(|_| entries.clone()).collect();
    fastrand::shuffle(&mut order);
    let mut taken = Vec::new();
    for (place, entry) in order.iter().enumerate() {
        let run = measure_run(terms, *entry).await?;
        let (who, slots, of) = (entry.who.words(), entry.slots, order.len());
        let (second, cpu) = (run.per_second, run.per_cpu_second);
        let jobs = if entry.jobs { ", jobs" } else { "" };
        say(&format!("  {}/{of} {who}, {slots} slots{jobs}: {second:.0}/s, {cpu:.0}/CPU-s", place + 1));
        taken.push(run);
    }
    Ok(entries.into_iter().filter_map(|entry| row(entry, &taken, terms)).collect())
}

/// As many as a trial or a measurement needs of this contender: some seconds of work.
const fn messages(terms: &Terms) -> usize {
    terms.of(3_000, 500)
}

fn row(entry: Entry, taken: &[Run], terms: &Terms) -> Option<Row> {
    let spread = |read: fn(&Run) -> f64| Spread::of(taken.iter().filter(|run| run.entry == entry).map(read));
    Some(Row {
        entry,
        messages: messages(terms),
        warm_up: terms.of(entry.who.warm_up(), 200),
        per_second: spread(|run| run.per_second)?,
        per_cpu_second: spread(|run| run.per_cpu_second)?,
        stand_in_cpu_share: spread(|run| run.stand_in_cpu_share)?,
        peak_rss_mib: spread(|run| run.peak_rss_mib)?,
    })
}

async fn measure_run(terms: &Terms, entry: Entry) -> anyhow::Result<Run> {
    let shape = if entry.jobs { Shape::Jobs(1) } else { Shape::Tasks };
    let warm = warm_up(terms.of(entry.who.warm_up(), 200), shape);
    let show = Show::open(terms, entry.who, entry.slots, &warm).await?;
    let load = Load { run: "run".into(), messages: messages(terms), ..warm };
    let cpu = || anyhow::Ok((show.started.process.cpu_seconds()?, show.stage.stand_in.cpu_seconds()?));
    let (own_before, stand_in_before) = cpu()?;
    let sent_at = show.run_down(&load).await?;
    let (own, stand_in) = cpu()?;
    let peak_rss_mib = show.started.process.peak_rss_kib()? as f64 / 1_024.0;
    let records = crate::ledger::records(&show.stage, &load.run, load.tasks()).await?;
    show.close().await;
    let seconds = last(&records).saturating_sub(sent_at) as f64 / 1e3;
    let messages = load.messages as f64;
    Ok(Run {
        entry,
        per_second: messages / seconds,
        per_cpu_second: messages / (own - own_before).max(1e-2),
        stand_in_cpu_share: (stand_in - stand_in_before) / seconds,
        peak_rss_mib,
    })
}
