//! The verdict, for people.

use std::{fmt::Write as _, path::Path};

use exportpool_profile::analyse::{
    diagnosis::{Diagnosis, Named},
    doctor::{Examination, LoopFigures},
    flame::{Figures, Flame},
    zone::Zone,
};

use super::report::{Found, Report};

/// Functions in the table at most; the page has all.
const MOST_FUNCTIONS: usize = 10;
/// Loops in the table at most: main, and the slowest workers.
const MOST_LOOPS: usize = 9;

/// The verdict, what it is based on, and where the page is.
pub(super) fn verdict(report: &Report, page: &Path) -> String {
    let head = format!("{}: {}\n", report.consumer.tool.name(), report.verdict().word());
    let found = match &report.found {
        Found::Doctor(examination) => of_doctor(examination),
        Found::Flame(flame) => of_flame(flame),
    };
    format!("{head}{found}page  {}", page.display())
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
    format!("\nloop, late ms    p50      p99      max  not run queue  CPU %\n{rows}\n")
}
