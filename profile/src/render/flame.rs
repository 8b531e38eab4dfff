//! The flame graph's page.

use std::cmp::Reverse;

use serde::Serialize;

use super::page::{Page, charts, findings, table, whose};
use crate::{
    analyse::{
        flame::{Change, Difference, Flame, Function, Kind, Shift},
        series::Course,
        share::share,
    },
    record::Began,
};

/// Tables have so many rows at most: what comes after is in the graph.
const MOST_ROWS: usize = 40;
const STYLE: &str = include_str!("assets/flame.css");
const SCRIPT: &str = include_str!("assets/flame.js");
const GRAPH: &str = include_str!("assets/flame.html");

/// What the page's scripts read.
#[derive(Serialize)]
struct Data<'a> {
    course: &'a Course,
    flame: &'a Flame,
    /// Of each function, where there is a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Option<Shift>>>,
}

/// The page of a flame graph. `when` is for people; with a `baseline`, frames are coloured by what has changed since.
///
/// # Errors
/// The numbers cannot be written as JSON: one of them is not finite.
pub fn flame(
    began: &Began,
    when: &str,
    flame: &Flame,
    course: &Course,
    baseline: Option<&Difference>,
) -> Result<String, serde_json::Error> {
    let changes = baseline.map(|difference| changes(flame, difference));
    let mut sections = vec![
        ("Flame graph", graph(flame)),
        ("What was found", findings(&flame.diagnoses)),
        ("What it was for", kinds(flame)),
        ("Functions by what they do themselves", functions(flame, |of| of.own, |of| of.own > 0)),
        ("Functions with what they call", functions(flame, |of| of.total, is_told)),
        ("Crates", crates(flame)),
        ("Threads", threads(flame)),
        ("Over time", charts(&course.charts)),
    ];
    if let Some(difference) = baseline {
        sections.insert(2, ("What has changed", changed(difference)));
    }
    let page = Page {
        tool: "flame",
        verdict: flame.verdict,
        summary: summary(began, when, flame),
        sections,
        data: &Data { course, flame, changes },
        has_charts: true,
        style: STYLE,
        script: SCRIPT,
    };
    page.html()
}

/// The runtime and the language call everything: their totals say nothing.
fn is_told(function: &Function) -> bool {
    !matches!(function.kind, None | Some(Kind::Runtime))
}

fn changes(flame: &Flame, difference: &Difference) -> Vec<Option<Shift>> {
    let by_name: std::collections::HashMap<_, _> =
        difference.changes.iter().map(|change| (change.name.as_str(), rounded(change.total))).collect();
    flame.functions.iter().map(|function| by_name.get(function.name.as_str()).copied()).collect()
}

/// A page is small.
fn rounded(shift: Shift) -> Shift {
    let round = |share: f64| (share * 1e5).round() / 1e5;
    Shift { before: round(shift.before), after: round(shift.after), ..shift }
}

fn summary(began: &Began, when: &str, flame: &Flame) -> String {
    let figures = &flame.figures;
    format!(
        "{}, for {:.1} s: {} samples of {:.2} s of CPU time; {:.2} CPUs on average.",
        whose(began, when),
        figures.seconds,
        figures.samples,
        figures.cpu_seconds,
        figures.cpus,
    )
}

fn graph(flame: &Flame) -> String {
    let figures = &flame.figures;
    format!(
        "{GRAPH}<p class=\"note\">Frames with fewer than {} of {} samples ({} in the trees of threads) are together in others. \
         {} functions with fewer than {} samples have no line of their own. Each sample is a hundredth of a second of a CPU. \
         Functions that the compiler put into their callers are not seen.</p>",
        figures.least_of_all,
        figures.samples,
        figures.least_of_threads,
        figures.left_out_functions,
        figures.least_of_functions,
    )
}

fn kinds(flame: &Flame) -> String {
    let of = |samples| percent(share(samples, flame.figures.samples));
    let rows = flame.kinds.iter().map(|kind| {
        let total = kind.total.map_or_else(|| "–".to_owned(), of);
        [kind.kind.words().to_owned(), kind.own.to_string(), of(kind.own), total]
    });
    let table = table(["kind", "samples", "share", "with what it calls"], rows);
    format!(
        "{table}<p class=\"note\">A sample is of the kind of its innermost function that is not the language's or the C library's: \
         the shares add up to 100 %. With what it calls, but sockets: one sample may be of several kinds.</p>"
    )
}

fn functions(flame: &Flame, by: fn(&Function) -> u64, is_shown: fn(&Function) -> bool) -> String {
    let mut shown: Vec<&Function> = flame.functions.iter().filter(|function| is_shown(function)).collect();
    shown.sort_by_key(|function| Reverse(by(function)));
    let of = |samples| percent(share(samples, flame.figures.samples));
    let rows = shown.iter().take(MOST_ROWS).map(|function| {
        let of_crate = flame.crates.get(function.of_crate as usize).map_or("", |found| &found.name);
        [function.name.clone(), of_crate.to_owned(), of(function.own), of(function.total)]
    });
    table(["function", "crate", "own", "with what it calls"], rows) + &rest(shown.len())
}

fn rest(rows: usize) -> String {
    match rows.saturating_sub(MOST_ROWS) {
        0 => String::new(),
        more => format!("<p class=\"note\">And {more} more, with less.</p>"),
    }
}

fn crates(flame: &Flame) -> String {
    let of = |samples| percent(share(samples, flame.figures.samples));
    let rows = flame.crates.iter().take(MOST_ROWS);
    let rows = rows.map(|found| [found.name.clone(), of(found.own), of(found.total)]);
    table(["crate", "own", "with what it calls"], rows) + &rest(flame.crates.len())
}

fn threads(flame: &Flame) -> String {
    let rows = flame.threads.iter().map(|thread| {
        let widest = thread.nodes.iter().max_by_key(|node| node.own).filter(|node| node.own > 0);
        let function = widest.and_then(|node| flame.functions.get(node.function? as usize));
        [
            thread.name.clone(),
            thread.threads.to_string(),
            thread.samples.to_string(),
            percent(share(thread.samples, flame.figures.samples)),
            function.map_or_else(|| "–".to_owned(), |function| function.name.clone()),
        ]
    });
    table(["thread", "threads", "samples", "share of all", "most in one place"], rows)
}

fn changed(difference: &Difference) -> String {
    let is_sure = |change: &&Change| change.own.is_sure || change.total.is_sure;
    let sure: Vec<&Change> = difference.changes.iter().filter(is_sure).collect();
    let head = format!(
        "<p>Compared with a baseline of {} samples: {:.2} CPUs on average then, {:.2} now. {}</p>",
        difference.before_samples,
        difference.before_cpus,
        difference.after_cpus,
        if sure.is_empty() {
            "No function's share has changed by more than chance makes it."
        } else {
            "Of the changes below, at most one of twenty is expected to be chance."
        },
    );
    if sure.is_empty() {
        return head;
    }
    let rows = sure.iter().take(MOST_ROWS).map(|change| {
        [
            change.name.clone(),
            points(change.own),
            points(change.total),
            percent(change.total.before),
            percent(change.total.after),
        ]
    });
    head + &table(["function", "own", "with what it calls", "before", "after"], rows) + &rest(sure.len())
}

/// By how many percent of all samples it rose.
fn points(shift: Shift) -> String {
    let doubt = if shift.is_sure { "" } else { " (chance?)" };
    format!("{:+.2} %{doubt}", 100.0 * shift.rise())
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests;
