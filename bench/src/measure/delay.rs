//! How late loops are: 500 messages, 8 workers.
//!
//! The consumer's main loop hears a bell that rings every 10 ms, Node's has `monitorEventLoopDelay`. Delay has two
//! causes: the loop's own work, and the wait for a core (the run queue). The second is read from Linux for each
//! thread and told apart: on a machine with two cores, of which the stand-in takes one, it is most of it. In the
//! variant with a core to spare the main thread has a core to itself, and all others share the other one.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Show, Terms};
use crate::{
    contender::Contender,
    load::{Load, Shape},
    process::{Thread, pin, unpin},
    procfs::Scheduled,
    say,
    stats::Spread,
};

pub(crate) const NAME: &str = "delay";
pub(crate) const GATE_MICROS: f64 = 10_000.0;
pub(crate) const GOAL_P999_MICROS: f64 = 1_000.0;
const WORKERS: usize = 8;
const MAIN_CORE: usize = 0;
const OTHER_CORE: usize = 1;

/// Who, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Case {
    pub(crate) who: Contender,
    /// The source's delay in milliseconds.
    pub(crate) delay_millis: u64,
    /// Main has a core to itself.
    pub(crate) core_to_spare: bool,
}

/// All runs of a case, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) messages: usize,
    pub(crate) main: Percentiles,
    /// Of all worker threads together, when the contender measures it.
    pub(crate) workers: Option<Percentiles>,
    /// What main's delay owes to a lack of cores, as the consumer reports it.
    pub(crate) main_run_queue: Option<Percentiles>,
    /// The same of the worker threads.
    pub(crate) workers_run_queue: Option<Percentiles>,
    /// Mean wait of main for a core, each time it had something to do.
    pub(crate) main_run_queue_micros: Spread,
    /// The same of the worker threads.
    pub(crate) workers_run_queue_micros: Spread,
    /// The share of the run that main was on a core.
    pub(crate) main_busy: Spread,
}

/// Of each percentile, the runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Percentiles {
    pub(crate) p50: Spread,
    pub(crate) p99: Spread,
    pub(crate) p999: Spread,
    pub(crate) max: Spread,
}

struct Run {
    main: [f64; 4],
    workers: Option<[f64; 4]>,
    main_run_queue: Option<[f64; 4]>,
    workers_run_queue: Option<[f64; 4]>,
    main_scheduled: Scheduled,
    workers_scheduled: Scheduled,
    seconds: f64,
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for who in terms.present(&[Contender::Exportpool, Contender::Node]) {
        for delay_millis in [0, 400] {
            for core_to_spare in [false, true] {
                if core_to_spare && cores <= OTHER_CORE {
                    say("  one core: none to spare");
                    continue;
                }
                let row = measure_case(terms, Case { who, delay_millis, core_to_spare }, cores).await?;
                rows.extend(row);
            }
        }
    }
    Ok(rows)
}

async fn measure_case(terms: &Terms, case: Case, cores: usize) -> anyhow::Result<Option<Row>> {
    let messages = terms.of(500, 100);
    let mut runs = Vec::new();
    for _ in 0..terms.of(3, 1) {
        let run = measure_run(terms, case, messages).await;
        unpin(cores);
        runs.push(run?);
    }
    let Some(row) = row(case, messages, &runs) else { return Ok(None) };
    let Case { who, delay_millis, core_to_spare } = case;
    let (p999, max, queue) = (row.main.p999.median, row.main.max.most, row.main_run_queue_micros.median);
    let spare = if core_to_spare { ", a core to spare" } else { "" };
    say(&format!(
        "  {}, {delay_millis} ms{spare}: p99.9 {p999:.0} us, max {max:.0} us; run queue {queue:.0} us",
        who.words()
    ));
    Ok(Some(row))
}

async fn measure_run(terms: &Terms, case: Case, messages: usize) -> anyhow::Result<Run> {
    let delay = Duration::from_millis(case.delay_millis);
    let load = Load { run: "run".into(), messages, shape: Shape::Tasks, bytes: 1_024, delay };
    let warm = Load { run: "warm".into(), messages: 50, delay: Duration::ZERO, ..load.clone() };
    let show = Show::open(terms, case.who, WORKERS, &warm).await?;
    if case.core_to_spare {
        show.started.process.part_main(MAIN_CORE, OTHER_CORE)?;
        show.stage.stand_in.pin(OTHER_CORE)?;
        pin(0, OTHER_CORE)?;
    }
    if case.who == Contender::Node {
        // Its start is not held against it.
        show.started.report("/reset").await?;
    }
    let before = show.started.process.threads()?;
    let begun = std::time::Instant::now();
    show.run_down(&load).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = show.started.process.threads()?;
    // The consumer tells the board ten times a second.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let report = show.started.report("/report").await?;
    show.close().await;
    let reported = |name| report.get(name).filter(|delay| delay.is_object()).map(micros);
    Ok(Run {
        main: reported("loopDelay").context("no loop delay is reported")?,
        workers: reported("workerLoopDelay"),
        main_run_queue: reported("runQueueDelay"),
        workers_run_queue: reported("workerRunQueueDelay"),
        main_scheduled: between(&before, after.iter().take(1)),
        workers_scheduled: between(&before, after.iter().filter(|thread| is_worker(&thread.name))),
        seconds,
    })
}

/// What some threads did since an earlier look, together.
fn between<'a>(before: &[Thread], after: impl Iterator<Item = &'a Thread>) -> Scheduled {
    let earlier = |id| before.iter().find(|thread| thread.id == id).map(|thread| thread.scheduled);
    after
        .map(|thread| thread.scheduled.since(earlier(thread.id).unwrap_or_default()))
        .fold(Scheduled::default(), Scheduled::and)
}

/// `worker-1` of the consumer; Node names its threads after the program, and those of its pool are among them.
fn is_worker(name: &str) -> bool {
    name.starts_with("worker") || name == "WorkerThread"
}

/// The percentiles of a report.
fn micros(delay: &serde_json::Value) -> [f64; 4] {
    ["p50Micros", "p99Micros", "p999Micros", "maxMicros"].map(|name| delay[name].as_f64().unwrap_or_default())
}

fn percentiles<'a>(runs: impl Iterator<Item = &'a [f64; 4]>) -> Option<Percentiles> {
    let runs: Vec<_> = runs.collect();
    let at = |place: usize| Spread::of(runs.iter().map(|run| run[place]));
    Some(Percentiles { p50: at(0)?, p99: at(1)?, p999: at(2)?, max: at(3)? })
}

fn row(case: Case, messages: usize, runs: &[Run]) -> Option<Row> {
    let spread = |read: fn(&Run) -> f64| Spread::of(runs.iter().map(read));
    Some(Row {
        case,
        messages,
        main: percentiles(runs.iter().map(|run| &run.main))?,
        workers: percentiles(runs.iter().filter_map(|run| run.workers.as_ref())),
        main_run_queue: percentiles(runs.iter().filter_map(|run| run.main_run_queue.as_ref())),
        workers_run_queue: percentiles(runs.iter().filter_map(|run| run.workers_run_queue.as_ref())),
        main_run_queue_micros: spread(|run| run.main_scheduled.mean_wait_micros())?,
        workers_run_queue_micros: spread(|run| run.workers_scheduled.mean_wait_micros())?,
        main_busy: spread(|run| run.main_scheduled.run as f64 / 1e9 / run.seconds)?,
    })
}
