//! The doctor's page.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    html::escaped,
    page::{Page, badge, charts, findings, whose},
};
use crate::{
    analyse::{
        doctor::{Examination, LoopFigures},
        number::mebibytes,
        series::Course,
        zone::Zone,
    },
    record::Began,
};

/// What the page's scripts read.
#[derive(Serialize)]
struct Data<'a> {
    course: &'a Course,
}

/// The page of a doctor's profile. `when` is for people.
///
/// # Errors
/// The numbers cannot be written as JSON: one of them is not finite.
pub fn doctor(
    began: &Began,
    when: &str,
    examination: &Examination,
    course: &Course,
) -> Result<String, serde_json::Error> {
    let page = Page {
        tool: "doctor",
        verdict: examination.verdict,
        summary: summary(began, when, examination),
        sections: vec![
            ("What was found", findings(&examination.diagnoses)),
            ("Over time", charts(&course.charts)),
            ("How late each loop was", figures(examination)),
        ],
        data: &Data { course },
        has_charts: true,
        style: "",
        script: "",
    };
    page.html()
}

fn summary(began: &Began, when: &str, examination: &Examination) -> String {
    let figures = &examination.figures;
    format!(
        "{}, for {:.1} s: {} tasks settled, {:.0} % of the CPUs, {:.0} % of the slots while there was work, at most {:.1} MiB \
         resident.",
        whose(began, when),
        figures.seconds,
        figures.settled,
        100.0 * figures.cpu_share,
        100.0 * figures.busy_share,
        mebibytes(figures.peak_rss_bytes),
    )
}

fn figures(examination: &Examination) -> String {
    let rows = examination.loops.iter().fold(String::new(), |html, each| html + &row(each));
    format!(
        "<table><thead><tr><th scope=\"col\">loop</th><th scope=\"col\">probes</th><th scope=\"col\">p50, ms</th>\
         <th scope=\"col\">p99, ms</th><th scope=\"col\">p99.9, ms</th><th scope=\"col\">max, ms</th>\
         <th scope=\"col\">of it no waiting for a CPU, ms</th><th scope=\"col\">on a CPU</th><th scope=\"col\">zone</th></tr></thead>\
         <tbody>{rows}</tbody></table>"
    )
}

fn row(of: &LoopFigures) -> String {
    let cells = [of.p50_micros, of.p99_micros, of.p999_micros, of.max_micros, of.max_away_micros];
    let cells = cells.iter().fold(String::new(), |mut html, micros| {
        let _ = write!(html, "<td>{}.{:02}</td>", micros / 1_000, micros % 1_000 / 10);
        html
    });
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td>{cells}<td>{:.1} %</td><td>{}</td></tr>",
        escaped(&of.name),
        of.probes,
        100.0 * of.cpu_share,
        badge(Zone::of_delay(of.max_micros)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::doctor::examine,
        read::Recorded,
        record::{Blocked, LoopMoment, Moment, Tool, fixture},
    };

    fn rendered(version: &str, minutes: u64) -> String {
        let began = Began { version: version.to_owned(), ..fixture::began(Tool::Doctor) };
        let names =
            || std::iter::once("main".to_owned()).chain((0..8).map(|worker| format!("worker-{worker}")));
        let moments: Vec<_> = (1..=minutes * 600)
            .map(|tenth| Moment {
                at_micros: tenth * 100_000,
                loops: names()
                    .map(|name| LoopMoment {
                        name,
                        late_micros: vec![150_000],
                        away_micros: 150_000,
                        ..LoopMoment::default()
                    })
                    .collect(),
                ..Moment::default()
            })
            .collect();
        let blocked =
            Blocked { at_micros: 1, name: "main".into(), for_micros: 9, stack: vec!["<Vec as T>::f".into()] };
        let course = Course::of(&moments);
        let examination =
            examine(&Recorded { moments, blocked: vec![blocked], ..Recorded::of(began.clone()) });
        doctor(&began, "today", &examination, &course).unwrap()
    }

    #[test]
    fn a_page_says_what_was_found_and_needs_nothing_else() {
        let page = rendered("1.2.3", 1);
        for part in [
            "<title>doctor: red - exportpool</title>",
            "blocked main loop",
            "<code>&lt;Vec as T&gt;::f</code>",
            "exportpool-consumer 1.2.3, process 7",
            "How late loops are, ms<span class=\"note\">: green below 10, red above 100</span>",
            "Copyright (c) 2022 Leon Sorokin",
        ] {
            assert!(page.contains(part), "{part}");
        }
        for elsewhere in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_page_is_small_however_long_the_profile_was() {
        assert!(rendered("1.2.3", 1).len() < 300_000);
        assert!(rendered("1.2.3", 180).len() < 500_000);
    }

    #[test]
    fn what_a_process_says_of_itself_does_not_become_markup() {
        assert!(!rendered("</script><script>alert(1)</script>", 1).contains("<script>alert"));
    }
}
