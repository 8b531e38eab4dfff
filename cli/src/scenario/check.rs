//! What must hold, and whether it does. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use exportpool_profile::{
    analyse::{
        diagnosis::Named as _,
        doctor::{Ailment, LoopFigures},
        heap::heap,
        quantile::quantile,
        zone::{YELLOW_FROM_MICROS, Zone},
    },
    read::Recorded,
    record::{Ending, Moment, Step},
};
use serde::Serialize;

use super::{catalog::Run, play::Played};

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// Everything is settled in time: nothing lost, nothing twice, each job closed.
    Drained,
    /// Main's loop is never away for 10 ms: what it waits for a CPU is not its fault.
    MainAnswers,
    /// No loop is away for more than 100 ms.
    NotRed,
    /// In each stretch of the run as many tasks are settled as in the others, within a half.
    SteadyRate,
    /// Workers use more CPU time than main.
    CpuOnWorkers,
    /// As long as the sources take, each worker with a file at a time, and 5 % more.
    Takes,
    /// No worker has more than half as much CPU time again as they have on average.
    EvenWorkers,
    /// No worker was replaced.
    NoRestart,
    /// What is allocated at the end is what was at the beginning, within 4 MiB and a fifth.
    MemoryComesBack,
    /// Memory does not rise from wave to wave.
    NoLeak,
    /// No job takes more than twice as long as they do on average.
    Fair,
    /// What failed has its dead letter; what was to be tried again, was.
    FailuresAreTold,
    /// /health answers each time, 99 of 100 times within 10 ms. What this machine makes of any answer is told beside.
    HealthAnswers,
    /// Tasks went to download-tasks.
    HandedOver,
    /// Workers were replaced.
    Respawned,
    /// The doctor finds nothing but what this machine is too small for.
    Well,
}

/// What was looked at, and what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    /// What must hold.
    pub(super) must: String,
    /// What was seen.
    pub(super) was: String,
    pub(super) holds: bool,
}

/// The rate is looked at in so many stretches, of at least [`TASKS_OF_STRETCH`] each.
const STRETCHES: u64 = 8;
const TASKS_OF_STRETCH: u64 = 20;
/// A quantity may differ by so much between stretches, or workers, and is the same.
const HALF: f64 = 0.5;
/// What a pool may take beyond what its sources take.
const OVERHEAD: f64 = 0.05;
/// What caches, connections and a histogram keep after their first use.
const KEPT_BYTES: f64 = 4.0 * 1024.0 * 1024.0;
const KEPT_SHARE: f64 = 0.2;
/// No job may take so many times what they take on average.
const UNFAIR: f64 = 2.0;

impl Must {
    /// Whether it does.
    pub(super) fn check(self, run: &Run, of: &Played) -> Check {
        let check = |must: &str, was: String, holds| Check { must: must.to_owned(), was, holds };
        match self {
            Self::Drained => drained(of),
            Self::MainAnswers => main_answers(of),
            Self::NotRed => {
                let worst = longest(&of.examination.loops);
                let holds = Zone::of_delay(worst) < Zone::Red;
                check("no loop is away for more than 100 ms", format!("{} at most", millis(worst)), holds)
            }
            Self::SteadyRate => steady(run, of),
            Self::CpuOnWorkers => cpu_on_workers(of),
            Self::Takes => takes(run, &of.recorded),
            Self::EvenWorkers => even(run, of),
            Self::NoRestart => {
                let restarted = of.report.counters.workers_restarted;
                check("no worker is replaced", format!("{restarted} were"), restarted == 0)
            }
            Self::Respawned => {
                let restarted = of.report.counters.workers_restarted;
                let was = if restarted == 0 { "none was".to_owned() } else { format!("{restarted} were") };
                check("workers that panic are replaced", was, restarted > 0)
            }
            Self::HandedOver => {
                let handed = of.report.counters.handed_over;
                check("tasks go to download-tasks", format!("{handed} did"), handed > 0)
            }
            Self::MemoryComesBack => comes_back(&of.recorded.moments),
            Self::NoLeak => no_leak(&of.recorded),
            Self::Fair => fair(of),
            Self::FailuresAreTold => told(of),
            Self::HealthAnswers => health(of),
            Self::Well => well(of),
        }
    }
}

fn drained(of: &Played) -> Check {
    let sum = |count: fn(&crate::verify::Findings) -> u64| of.findings.iter().map(count).sum::<u64>();
    let holds =
        of.recorded.ending == Some(Ending::Settled) && of.findings.iter().all(crate::verify::Findings::hold);
    Check {
        must: "everything is settled: nothing lost, nothing twice".to_owned(),
        was: format!(
            "{} stored, {} failed, {} lost, {} doubled, {} jobs not closed{}",
            sum(|found| found.stored),
            sum(|found| found.failed),
            sum(|found| found.lost),
            sum(|found| found.doubled),
            sum(|found| found.unclosed),
            of.recorded.ending.as_ref().map_or_else(String::new, broken),
        ),
        holds,
    }
}

/// Why it is not all there is, in the end of a sentence.
fn broken(ending: &Ending) -> String {
    match ending {
        Ending::Settled | Ending::Over | Ending::Interrupted => String::new(),
        Ending::Overdue => "; not in time".to_owned(),
        Ending::Gone { why } => format!("; the consumer went away: {why}"),
        Ending::BrokenOff { why } => format!("; broken off: {why}"),
    }
}

fn main_answers(of: &Played) -> Check {
    let main: Vec<_> = of.examination.loops.iter().filter(|each| each.name == "main").cloned().collect();
    let (away, late) = (longest(&main), main.iter().map(|each| each.max_micros).max().unwrap_or(0));
    Check {
        must: "main's loop is never away for 10 ms".to_owned(),
        was: format!("{} at most; {} with waiting for a CPU", millis(away), millis(late)),
        holds: !main.is_empty() && away < YELLOW_FROM_MICROS,
    }
}

fn longest(loops: &[LoopFigures]) -> u64 {
    loops.iter().map(|each| each.max_away_micros).max().unwrap_or(0)
}

/// Between the first task and the last one: what begins and what runs out is left out.
fn steady(run: &Run, of: &Played) -> Check {
    let stretches = (run.load.tasks() / TASKS_OF_STRETCH).clamp(3, STRETCHES);
    steadily(&rates(&of.recorded.moments, stretches))
}

/// Of tasks settled a second, in stretches of the same length.
fn steadily(rates: &[f64]) -> Check {
    let mean = rates.iter().sum::<f64>() / float(rates.len().max(1) as u64);
    let furthest =
        rates.iter().map(|rate| (rate - mean).abs() / mean.max(f64::MIN_POSITIVE)).fold(0.0, f64::max);
    Check {
        must: format!(
            "the rate is steady: {} stretches within {:.0} % of the mean",
            rates.len(),
            100.0 * HALF
        ),
        was: format!("{mean:.1} tasks a second, {:.0} % off at most", 100.0 * furthest),
        holds: mean > 0.0 && furthest <= HALF,
    }
}

/// Tasks settled a second, of stretches of the same length, without the first and the last.
fn rates(moments: &[Moment], stretches: u64) -> Vec<f64> {
    let settled = |at: &Moment| at.settled;
    let Some((first, last)) = moments.first().zip(moments.last()) else { return vec![] };
    let begin = moments.iter().rfind(|moment| settled(moment) == settled(first)).unwrap_or(first).at_micros;
    let end = moments.iter().find(|moment| settled(moment) == settled(last)).unwrap_or(last).at_micros;
    let length = end.saturating_sub(begin) / stretches;
    let by = |at: u64| moments.iter().rfind(|moment| moment.at_micros <= at).map_or(0, settled);
    let of = |stretch: u64| {
        let from = begin + stretch * length;
        float(by(from + length).saturating_sub(by(from))) / (float(length.max(1)) / 1e6)
    };
    (1..stretches.saturating_sub(1)).map(of).collect()
}

fn cpu_on_workers(of: &Played) -> Check {
    let (main, workers): (Vec<_>, Vec<_>) = of.examination.loops.iter().partition(|each| each.name == "main");
    let sum = |loops: &[&LoopFigures]| 100.0 * loops.iter().map(|each| each.cpu_share).sum::<f64>();
    let (main, workers) = (sum(&main), sum(&workers));
    Check {
        must: "the CPU time is the workers', not main's".to_owned(),
        was: format!("workers {workers:.1} %, main {main:.1} % of a CPU"),
        holds: workers > main,
    }
}

/// From the first claim of a task to the last record.
fn takes(run: &Run, recorded: &Recorded) -> Check {
    let of_tasks = || recorded.operations.iter().filter(|operation| operation.task.is_some());
    let begin = of_tasks().filter(|of| of.step == Step::Claim).map(|of| of.from_micros).min();
    let end = of_tasks().filter(|of| of.step == Step::Record).map(|of| of.to_micros).max();
    let took = begin.zip(end).map(|(begin, end)| float(end.saturating_sub(begin)) / 1e6);
    let rounds = run.load.tasks().div_ceil(u64::from(run.workers));
    let ideal = float(rounds) * run.load.delay.as_secs_f64();
    let rate = |seconds: f64| float(run.load.tasks()) / seconds;
    Check {
        must: format!("it takes {ideal:.1} s, and {:.0} % more at most", 100.0 * OVERHEAD),
        was: took.map_or("nothing was done".to_owned(), |took| {
            format!(
                "{took:.2} s, {:.1} messages a second, {:+.1} %",
                rate(took),
                100.0 * (took / ideal - 1.0)
            )
        }),
        holds: took.is_some_and(|took| took <= ideal * (1.0 + OVERHEAD)),
    }
}

fn even(run: &Run, of: &Played) -> Check {
    evenly(&cpu_of_workers(&of.recorded.moments, run.workers.into()))
}

/// For how long each worker is on a CPU, in microseconds, once so many tasks were settled, so that each may have had one: the
/// first that comes to a thing sets up what all have.
fn cpu_of_workers(moments: &[Moment], tasks: u64) -> Vec<u64> {
    let first = moments.first().map_or(0, |moment| moment.settled);
    let is_cold = |moment: &&Moment| moment.settled < first + tasks;
    // A moment tells what was before it: that in which the last of them was settled is left out as well.
    let after = moments.iter().skip_while(is_cold).skip(1);
    let mut times = BTreeMap::<&str, u64>::new();
    for each in after.flat_map(|moment| &moment.loops).filter(|each| each.name != "main") {
        *times.entry(&each.name).or_default() += each.cpu_micros;
    }
    times.into_values().collect()
}

/// Of CPU times, in microseconds.
fn evenly(times: &[u64]) -> Check {
    let mean = float(times.iter().sum()) / float(times.len().max(1) as u64);
    let most = float(times.iter().copied().max().unwrap_or(0));
    Check {
        must: "no worker has more than half as much CPU time again as they have on average".to_owned(),
        was: format!("{:.1} ms on average, {:.1} ms at most", mean / 1e3, most / 1e3),
        holds: mean > 0.0 && most <= mean * (1.0 + HALF),
    }
}

fn comes_back(moments: &[Moment]) -> Check {
    let first = moments.first().map_or(0, |moment| moment.allocated_bytes);
    let last = moments.last().map_or(0, |moment| moment.allocated_bytes);
    let peak = moments.iter().map(|moment| moment.allocated_bytes).max().unwrap_or(0);
    let most = float(first) + KEPT_BYTES.max(KEPT_SHARE * float(first));
    Check {
        must: "what was allocated for the jobs is free again, within 4 MiB and a fifth".to_owned(),
        was: format!("{} before, {} at most, {} after", mebibytes(first), mebibytes(peak), mebibytes(last)),
        holds: first > 0 && float(last) <= most,
    }
}

fn no_leak(recorded: &Recorded) -> Check {
    let heap = heap(recorded);
    let worst = heap.diagnoses.first();
    Check {
        must: "memory does not rise from wave to wave".to_owned(),
        was: worst.map_or("nothing was measured".to_owned(), |worst| {
            format!("{}: {}", worst.ailment.words(), worst.evidence)
        }),
        holds: worst.is_some() && heap.verdict < Zone::Red,
    }
}

/// With a file for each job, its task's time is its own. Of jobs that are sent at once, those that are served last take nearly
/// twice as long as on average even so: what fails is a pool that stands still for a while.
fn fair(of: &Played) -> Check {
    let latencies: Vec<_> = of.findings.iter().flat_map(|found| found.latencies.iter().copied()).collect();
    let mean = float(latencies.iter().sum()) / float(latencies.len().max(1) as u64);
    let most = float(latencies.iter().copied().max().unwrap_or(0));
    Check {
        must: "no job takes more than twice as long as they do on average".to_owned(),
        was: format!("{:.2} s on average, {:.2} s at most", mean / 1e3, most / 1e3),
        holds: !latencies.is_empty() && most <= UNFAIR * mean,
    }
}

fn told(of: &Played) -> Check {
    let sum = |count: fn(&crate::verify::Findings) -> u64| of.findings.iter().map(count).sum::<u64>();
    let (failed, told) = (sum(|found| found.failed), sum(|found| found.dead_lettered));
    let queues = &of.report.queues;
    let retried = queues.export_jobs.settled.retried + queues.download_tasks.settled.retried;
    let given_up = sum(|found| found.given_up);
    Check {
        must: "what failed has its dead letter, and nothing else failed".to_owned(),
        was: format!(
            "{failed} tasks failed, {told} dead letters with those of messages that are none, {retried} retries, {given_up} \
             failed that should not"
        ),
        holds: told > 0 && given_up == 0 && (failed == 0 || retried > 0),
    }
}

fn health(of: &Played) -> Check {
    let answers = of.health.clone().unwrap_or_default();
    let [p99, bare] = [&answers.micros, &answers.bare_micros].map(|micros| quantile(micros, 0.99));
    Check {
        must: "/health answers, 99 of 100 times within 10 ms".to_owned(),
        was: format!(
            "{} answers, {} failed, p99 {}; of a server that does nothing {}",
            answers.micros.len(),
            answers.failed,
            millis(p99),
            millis(bare)
        ),
        holds: !answers.micros.is_empty() && answers.failed == 0 && p99 < YELLOW_FROM_MICROS,
    }
}

fn well(of: &Played) -> Check {
    let found = &of.examination.diagnoses;
    let bad = found.iter().find(|each| each.zone > Zone::Green && each.ailment != Ailment::CrowdedCpus);
    let words = |each: &exportpool_profile::analyse::diagnosis::Diagnosis<Ailment>| {
        format!("{}: {}", each.ailment.words(), each.evidence)
    };
    Check {
        must: "the doctor finds nothing, but that the CPUs are crowded".to_owned(),
        was: bad.or(found.first()).map_or(String::new(), words),
        holds: bad.is_none(),
    }
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", float(micros) / 1e3)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", float(bytes) / (1024.0 * 1024.0))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn float(number: u64) -> f64 {
    number as f64
}
