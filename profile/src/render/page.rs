//! What pages have in common: one file, whose parts need nothing else.

use std::fmt::Write as _;

use serde::Serialize;

use super::html::{embedded, escaped};
use crate::{
    analyse::{
        diagnosis::{Diagnosis, Named},
        series::Chart,
        zone::Zone,
    },
    record::Began,
};

pub(super) const STYLE: &str = include_str!("assets/page.css");
const CHARTS: [&str; 2] = [include_str!("assets/uPlot.iife.min.js"), include_str!("assets/charts.js")];
const CHARTS_STYLE: &str = include_str!("assets/uPlot.min.css");
const CHARTS_LICENCE: &str = include_str!("assets/uPlot.LICENSE");

/// Where a page's sections begin: text of a profile that comes before has no markup.
pub(super) const MAIN: &str = "<main>\n";

/// A page, as it is put together. What is HTML is so called; all else is text.
pub(super) struct Page<'a, D> {
    /// Of the tool, such as `doctor`.
    pub(super) tool: &'static str,
    pub(super) verdict: Zone,
    /// Below the verdict, in a sentence.
    pub(super) summary: String,
    /// What each is headed, and its HTML.
    pub(super) sections: Vec<(&'static str, String)>,
    /// What the scripts find in the element `data`, as JSON.
    pub(super) data: &'a D,
    /// Whether [`charts`] are drawn, from `data.course`.
    pub(super) has_charts: bool,
    /// Of this page alone.
    pub(super) style: &'static str,
    /// Of this page alone.
    pub(super) script: &'static str,
}

impl<D: Serialize> Page<'_, D> {
    /// The page's HTML.
    ///
    /// # Errors
    /// The data cannot be written as JSON: a number is not finite.
    pub(super) fn html(&self) -> Result<String, serde_json::Error> {
        let data = embedded(&serde_json::to_string(self.data)?);
        let sections = self.sections.iter().enumerate().fold(String::new(), |mut html, (at, (head, body))| {
            let head = escaped(head);
            let _ = writeln!(
                html,
                "<section aria-labelledby=\"section-{at}\"><h2 id=\"section-{at}\">{head}</h2>{body}</section>"
            );
            html
        });
        let (chart_style, charts) = if self.has_charts { (CHARTS_STYLE, &CHARTS[..]) } else { ("", &[][..]) };
        let scripts = charts.iter().chain([&self.script]).filter(|script| !script.is_empty());
        let scripts = scripts.fold(String::new(), |html, script| html + "<script>" + script + "</script>\n");
        let after = format!(
            "{}<script type=\"application/json\" id=\"data\">{data}</script>\n{scripts}",
            if self.has_charts { footer() } else { String::new() }
        );
        let frame = Frame {
            title: self.tool,
            verdict: self.verdict,
            summary: &self.summary,
            style: &[chart_style, STYLE, self.style].concat(),
            sections: &sections,
            after: &after,
        };
        Ok(frame.html())
    }
}

/// What is around the sections of a page. What is HTML is so called; all else is text.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) verdict: Zone,
    /// Below the title, in a sentence.
    pub(super) summary: &'a str,
    /// CSS.
    pub(super) style: &'a str,
    /// HTML.
    pub(super) sections: &'a str,
    /// HTML, below all of them.
    pub(super) after: &'a str,
}

impl Frame<'_> {
    /// The page's HTML.
    pub(super) fn html(&self) -> String {
        let Self { style, sections, after, .. } = self;
        format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: {verdict} - exportpool</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title} {badge}</h1><p>{summary}</p></header>
{MAIN}{sections}</main>
{after}</body>
</html>
"#,
            title = escaped(self.title),
            verdict = self.verdict.word(),
            badge = badge(self.verdict),
            summary = escaped(self.summary),
        )
    }
}

fn footer() -> String {
    let licence = escaped(CHARTS_LICENCE);
    format!(
        "<footer><details><summary>Licences</summary><p>Charts are drawn by uPlot:</p><pre>{licence}</pre></details></footer>\n"
    )
}

/// A zone as a word in its colour.
pub(super) fn badge(zone: Zone) -> String {
    format!(r#"<span class="badge {word}">{word}</span>"#, word = zone.word())
}

/// What was found, one after the other.
pub(super) fn findings<A: Named>(diagnoses: &[Diagnosis<A>]) -> String {
    findings_with(diagnoses, "What its thread was doing, the innermost first")
}

/// The same, with what their stacks are headed.
pub(super) fn findings_with<A: Named>(diagnoses: &[Diagnosis<A>], stacks: &str) -> String {
    diagnoses.iter().fold(String::new(), |html, diagnosis| html + &finding(diagnosis, stacks))
}

fn finding<A: Named>(diagnosis: &Diagnosis<A>, stacks: &str) -> String {
    let stack = if diagnosis.stack.is_empty() {
        String::new()
    } else {
        let frames = diagnosis.stack.iter().fold(String::new(), |mut html, frame| {
            let _ = write!(html, "<li><code>{}</code></li>", escaped(frame));
            html
        });
        format!("<details open><summary>{stacks}</summary><ol>{frames}</ol></details>")
    };
    format!(
        r#"<article class="finding {}"><h3>{} {}</h3><p>{}.</p><p><strong>What to do:</strong> {}.</p>{stack}</article>"#,
        diagnosis.zone.word(),
        escaped(diagnosis.ailment.words()),
        badge(diagnosis.zone),
        escaped(&diagnosis.evidence),
        escaped(&diagnosis.remedy),
    )
}

/// Places for charts, in their order.
pub(super) fn charts(charts: &[Chart]) -> String {
    let without = String::from("<noscript><p>Charts are drawn by a script.</p></noscript>");
    charts.iter().fold(without, |mut html, chart| {
        let (title, unit, zones) = (escaped(chart.title), escaped(chart.unit), zones(chart));
        let unit = if unit.is_empty() { unit } else { format!(", {unit}") };
        let _ = write!(
            html,
            r#"<figure class="chart" aria-label="{title}"><figcaption>{title}{unit}{zones}</figcaption></figure>"#
        );
        html
    })
}

/// What colours show behind a chart's lines, in words.
fn zones(chart: &Chart) -> String {
    chart.zones.map_or_else(String::new, |[yellow, red]| {
        format!(r#"<span class="note">: green below {yellow}, red above {red}</span>"#)
    })
}

/// Whose profile it is, in the beginning of a sentence.
pub(super) fn whose(began: &Began, when: &str) -> String {
    let Began { version, pid, workers, tasks_per_worker, cpus, .. } = began;
    let (workers, tasks) = (counted(*workers, "worker"), counted(*tasks_per_worker, "task"));
    let cpus = counted(*cpus, "CPU");
    format!("exportpool-consumer {version}, process {pid}, {workers} with {tasks} at a time, {cpus}; {when}")
}

/// A number of things, such as `1 worker`.
fn counted(number: u32, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A longer text in a table goes over several lines.
const LONG: usize = 32;

/// A table of text, the first of a row its head.
pub(super) fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let heads = heads.iter().fold(String::new(), |mut html, head| {
        let _ = write!(html, "<th scope=\"col\">{head}</th>");
        html
    });
    let rows = rows.fold(String::new(), |html, row| html + "<tr>" + &cells(&row) + "</tr>");
    format!("<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")
}

fn cells(row: &[String]) -> String {
    row.iter().enumerate().fold(String::new(), |mut html, (at, cell)| {
        let is_long = cell.len() > LONG;
        let cell = escaped(cell);
        let _ = match at {
            0 => write!(html, "<th scope=\"row\">{cell}</th>"),
            _ if is_long => write!(html, "<td class=\"long\">{cell}</td>"),
            _ => write!(html, "<td>{cell}</td>"),
        };
        html
    })
}
