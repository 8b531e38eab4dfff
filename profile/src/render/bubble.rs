//! The page of where the time of messages goes.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    html::escaped,
    page::{Page, charts, findings, table, whose},
};
use crate::{
    analyse::{
        bubble::{Bubble, Chains, Group, Kept, Line, Open, Row, Waterfall},
        series::{Chart, Course, Series},
    },
    record::{Began, Step},
};

const STYLE: &str = include_str!("assets/bubble.css");
const SCRIPT: &str = include_str!("assets/bubble.js");
const GRAPH: &str = include_str!("assets/bubble.html");

/// What the page's scripts read.
#[derive(Serialize)]
struct Data<'a> {
    course: &'a Course,
    bubble: Drawn<'a>,
}

/// What is drawn of a bubble.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Drawn<'a> {
    groups: &'a [Group],
    lines: &'a [Line],
    messages: &'a [Waterfall],
    path_micros: u64,
}

/// The page of a bubble. `when` is for people.
///
/// # Errors
/// The numbers cannot be written as JSON: one of them is not finite.
pub fn bubble(began: &Began, when: &str, bubble: &Bubble) -> Result<String, serde_json::Error> {
    let course = course(bubble);
    let Bubble { groups, lines, messages, figures, .. } = bubble;
    let page = Page {
        tool: "bubble",
        verdict: bubble.verdict,
        summary: summary(began, when, bubble),
        sections: vec![
            ("What the time of messages goes to", GRAPH.to_owned()),
            ("What was found", findings(&bubble.diagnoses)),
            ("Steps", steps(bubble)),
            ("What waits for what", waits(bubble)),
            ("Tasks of one message", chains(&bubble.chains)),
            ("Over time", charts(&course.charts)),
            ("Messages", kept(messages)),
        ],
        data: &Data {
            course: &course,
            bubble: Drawn { groups, lines, messages, path_micros: figures.path_micros },
        },
        has_charts: true,
        style: STYLE,
        script: SCRIPT,
    };
    page.html()
}

fn summary(began: &Began, when: &str, bubble: &Bubble) -> String {
    let figures = &bubble.figures;
    format!(
        "{}, for {:.1} s: {} messages with {} tasks, of which {} came to an end, half of them within {}, 99 of 100 within {}; {} \
         operations.",
        whose(began, when),
        figures.seconds,
        figures.messages + figures.unfinished,
        figures.tasks,
        figures.messages,
        time(figures.p50_micros),
        time(figures.p99_micros),
        figures.operations,
    )
}

/// How many operations are open, as charts have it.
fn course(bubble: &Bubble) -> Course {
    let parallelism = &bubble.parallelism;
    let chart = |title, values: &dyn Fn(&Open) -> Vec<Option<f64>>| Chart {
        title,
        unit: "",
        zones: None,
        series: parallelism
            .steps
            .iter()
            .map(|open| Series { label: open.step.words().to_owned(), values: values(open) })
            .collect(),
    };
    Course {
        seconds: parallelism.seconds.clone(),
        charts: vec![
            chart("Operations at a time, on average", &|open| {
                open.average.iter().map(|value| Some(*value)).collect()
            }),
            chart("Operations at a time, at most", &|open| {
                open.peak.iter().map(|value| Some(f64::from(*value))).collect()
            }),
        ],
    }
}

fn steps(bubble: &Bubble) -> String {
    let path = bubble.figures.path_micros;
    let rows = bubble.groups.iter().map(|group| {
        let Group { step, count, failures, p50_micros, p95_micros, p99_micros, max_micros, .. } = *group;
        let [p50, p95, p99, max] = [p50_micros, p95_micros, p99_micros, max_micros].map(millis);
        let total = seconds(group.total_micros);
        let (on_path, share) = (seconds(group.path_micros), percent(group.path_micros, path));
        let (count, failures) = (count.to_string(), failures.to_string());
        [step.words().to_owned(), count, failures, p50, p95, p99, max, total, on_path, share]
    });
    let table = table(
        [
            "step",
            "operations",
            "failed",
            "p50, ms",
            "p95, ms",
            "p99, ms",
            "max, ms",
            "total, s",
            "critical path, s",
            "share of it",
        ],
        rows,
    );
    let gap = bubble.figures.gap_micros;
    format!(
        "{table}<p class=\"note\">A message's critical path is the chain of operations that determined when it ended. All together \
         are {} s, of which {} s ({}) are on no operation. In total, operations at the same time count each. A task that waited in vain for a slot was \
         handed over or given back, and counts there as failed.</p>",
        seconds(path),
        seconds(gap),
        percent(gap, path),
    )
}

fn waits(bubble: &Bubble) -> String {
    let rows = bubble.lines.iter().map(|line| {
        [
            line.after.words().to_owned(),
            line.before.words().to_owned(),
            line.count.to_string(),
            seconds(line.gap_micros),
            percent(line.gap_micros, bubble.figures.path_micros),
        ]
    });
    let heads = ["step", "waits for", "times", "on no operation in between, s", "share of critical paths"];
    table(heads, rows)
}

fn chains(chains: &Chains) -> String {
    if chains.messages == 0 {
        return "<p>No message had several tasks that were worked on.</p>".to_owned();
    }
    let rows = [
        ("messages with several tasks", chains.messages.to_string()),
        ("tasks at a time, on average", format!("{:.2}", chains.side_by_side)),
        ("all tasks of a message, median", time(chains.span_micros)),
        ("its longest task, median", time(chains.longest_micros)),
        ("done one after another although slots were free", chains.serial.to_string()),
        ("each could have ended earlier by, median", time(chains.saving_micros)),
        ("all together by", time(chains.savings_micros)),
    ];
    let rows = rows.into_iter().map(|(what, value)| [what.to_owned(), value]);
    table(["what", "how much"], rows)
        + "<p class=\"note\">Side by side, the tasks of a message take as long as its longest one.</p>"
}

/// Messages to look at, each with what opens it.
fn kept(messages: &[Waterfall]) -> String {
    let shown = messages.iter().filter(|message| message.kept != Kept::SlowOperation);
    let rows = shown.fold(String::new(), |mut html, message| {
        let (number, mostly) = (message.message, mostly(&message.rows));
        let _ = write!(
            html,
            "<tr><th scope=\"row\"><button type=\"button\" class=\"opens\" data-message=\"{number}\" aria-expanded=\"false\" hidden>\
             message {number}</button><noscript>message {number}</noscript></th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            match message.kept {
                Kept::Typical => "as half of them",
                Kept::Slow | Kept::SlowOperation => "slow",
            },
            time(message.from_micros),
            time(message.micros),
            message.tasks,
            escaped(mostly.map_or("–", Step::words)),
        );
        html
    });
    let heads = ["message", "why it is here", "began at", "took", "tasks", "longest critical step"];
    format!("<table>{}<tbody>{rows}</tbody></table>", head(&heads))
}

/// The step with the most of a message's critical path.
fn mostly(rows: &[Row]) -> Option<Step> {
    let critical = rows.iter().filter(|row| row.is_critical);
    critical.max_by_key(|row| row.micros).map(|row| row.step)
}

fn head(heads: &[&str]) -> String {
    let cells = heads.iter().fold(String::new(), |mut html, head| {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(head));
        html
    });
    format!("<thead><tr>{cells}</tr></thead>")
}

fn millis(micros: u64) -> String {
    format!("{}.{}", micros / 1_000, micros % 1_000 / 100)
}

fn seconds(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

/// A time for people: milliseconds below a second.
fn time(micros: u64) -> String {
    if micros < 1_000_000 { format!("{} ms", millis(micros)) } else { format!("{} s", seconds(micros)) }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn percent(part: u64, of: u64) -> String {
    format!("{:.1} %", if of == 0 { 0.0 } else { 100.0 * part as f64 / of as f64 })
}

#[cfg(test)]
mod tests;
