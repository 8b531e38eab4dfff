//! The verdict, for people.

use std::fmt::Write as _;

use exportpool_profile::analyse::{
    bubble::Bubble,
    diagnosis::{Diagnosis, Named},
    doctor::{Examination, LoopFigures},
    flame::{Figures, Flame},
    heap::{self, Heap},
    zone::Zone,
};

use super::report::{Found, Report};

/// Functions in the table at most; the page has all.
const MOST_FUNCTIONS: usize = 10;
/// Loops in the table at most: main, and the slowest workers.
const MOST_LOOPS: usize = 9;

/// The verdict, and what it is based on.
pub(super) fn verdict(report: &Report) -> String {
    let head = format!("{}: {}\n", report.consumer.tool.name(), report.verdict().word());
    let found = match &report.found {
        Found::Doctor(examination) => of_doctor(examination),
        Found::Bubble(bubble) => of_bubble(bubble),
        Found::Flame(flame) => of_flame(flame),
        Found::Heap(heap) => of_heap(heap),
    };
    let changed = report
        .comparison
        .as_ref()
        .map_or(String::new(), |of| format!("since the baseline\n{}\n", of.table()));
    format!("{head}{found}{changed}")
}

fn of_doctor(examination: &Examination) -> String {
    let figures = &examination.figures;
    let mut text = format!(
        "{} tasks settled in {:.1} s, {:.0} % of the CPUs, {:.0} % of the slots\n",
        figures.settled,
        figures.seconds,
        100.0 * figures.cpu_share,
        100.0 * figures.busy_share,
    );
    for diagnosis in &examination.diagnoses {
        text += &told(diagnosis);
    }
    text + &loops(&examination.loops)
}

fn of_flame(flame: &Flame) -> String {
    let Figures { samples, cpu_seconds, seconds, .. } = flame.figures;
    let mut text = format!("{samples} samples, {cpu_seconds:.1} s of CPU time in {seconds:.1} s\n");
    text.extend(flame.diagnoses.iter().map(told));
    let share = |part: u64| 100.0 * part as f64 / samples.max(1) as f64;
    let mut own: Vec<_> = flame.functions.iter().filter(|function| function.own > 0).collect();
    own.sort_by_key(|function| std::cmp::Reverse(function.own));
    text += "\n own %  total %  function\n";
    for function in own.iter().take(MOST_FUNCTIONS) {
        let _ = writeln!(text, "{:6.1}{:9.1}  {}", share(function.own), share(function.total), function.name);
    }
    text + "\n"
}

fn of_bubble(bubble: &Bubble) -> String {
    let figures = &bubble.figures;
    let millis = |micros: u64| micros as f64 / 1e3;
    let mut text = format!(
        "{} messages in {:.1} s: {:.0} ms (p50), {:.0} ms (p99) from receive to acknowledge\n",
        figures.messages,
        figures.seconds,
        millis(figures.p50_micros),
        millis(figures.p99_micros)
    );
    text.extend(bubble.diagnoses.iter().map(told));
    text += "\nstep, ms       count  failed      p50      p95      p99  critical path %\n";
    for group in &bubble.groups {
        let path = 100.0 * group.path_micros as f64 / figures.path_micros.max(1) as f64;
        let _ = writeln!(
            text,
            "{:12}{:>8}{:>8}{:>9.1}{:>9.1}{:>9.1}{path:>17.1}",
            group.step.words(),
            group.count,
            group.failures,
            millis(group.p50_micros),
            millis(group.p95_micros),
            millis(group.p99_micros),
        );
    }
    text + "\n"
}

fn of_heap(heap: &Heap) -> String {
    let heap::Figures { settled, seconds, waves, resident, allocated, .. } = heap.figures;
    let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let mut text = format!(
        "{settled} tasks settled in {seconds:.1} s and {waves} waves; allocated {:.1} MiB at first, {:.1} at most, {:.1} at last; \
         resident {:.1} MiB at most\n",
        mebibytes(allocated.first),
        mebibytes(allocated.most),
        mebibytes(allocated.last),
        mebibytes(resident.most),
    );
    text.extend(heap.diagnoses.iter().map(told));
    text + "\n"
}

fn told<A: Named>(diagnosis: &Diagnosis<A>) -> String {
    let Diagnosis { ailment, zone, evidence, remedy, stack } = diagnosis;
    let mut text = format!("\n{} ({}): {evidence}\n  {remedy}\n", ailment.words(), zone.word());
    // Enough to know where it is; the page has all of it.
    for frame in stack.iter().filter(|frame| !is_of_the_runtime(frame)).take(8) {
        let _ = writeln!(text, "    at {frame}");
    }
    text
}

/// What every stack has.
fn is_of_the_runtime(frame: &str) -> bool {
    ["core::", "std::", "tokio::", "alloc::", "<core::", "<std::", "<tokio::"]
        .iter()
        .any(|of| frame.starts_with(of))
}

fn loops(loops: &[LoopFigures]) -> String {
    let mut shown: Vec<_> = loops.iter().collect();
    // Main is the first one.
    let workers = shown.get_mut(1..).unwrap_or_default();
    workers.sort_by_key(|each| std::cmp::Reverse(each.max_micros));
    let millis = |micros: u64| format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10);
    let rows = shown.iter().take(MOST_LOOPS).fold(String::new(), |mut rows, each| {
        let of = [each.p50_micros, each.p99_micros, each.max_micros, each.max_away_micros].map(millis);
        let zone = Zone::of_delay(each.max_micros).word();
        let _ = writeln!(
            rows,
            "{:12}{:>9}{:>9}{:>9}{:>15}{:>7.1}  {zone}",
            each.name,
            of[0],
            of[1],
            of[2],
            of[3],
            100.0 * each.cpu_share
        );
        rows
    });
    format!("\nloop, late ms    p50      p99      max  not CPU wait   CPU %\n{rows}\n")
}
