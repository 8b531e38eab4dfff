//! What has changed since a baseline, in a page.

use std::fmt::Write as _;

use super::{
    html::escaped,
    page::{MAIN, badge},
};
use crate::analyse::baseline::{Comparison, Outcome, Shift};

/// The section of a page that says what has changed.
#[must_use]
pub fn comparison(of: &Comparison) -> String {
    let warnings = of.warnings.iter().fold(String::new(), |mut html, warning| {
        let _ = write!(html, "<p><strong>Beware:</strong> {}.</p>", escaped(warning));
        html
    });
    let rows = of.shifts.iter().fold(String::new(), |html, shift| html + &row(of, shift));
    format!(
        "<section aria-labelledby=\"comparison\"><h2 id=\"comparison\">Since the baseline {}</h2>\
         <p>Of version {} then, of {} now.</p>{warnings}\
         <table><thead><tr><th scope=\"col\">quantity</th><th scope=\"col\">before</th><th scope=\"col\">now</th>\
         <th scope=\"col\">unit</th><th scope=\"col\">change</th><th scope=\"col\">windows</th><th scope=\"col\">outcome</th>\
         </tr></thead><tbody>{rows}</tbody></table>\
         <p>Worse or better is what chance hardly makes, by a rank-sum test of the windows of both profiles, and what is large \
         enough to matter. Peaks, of which there is one, are judged by their size, and functions as in the flame graph.</p>\
         </section>\n",
        badge(of.verdict()),
        escaped(&of.before.version),
        escaped(&of.now.version),
    )
}

/// A page of any tool, with that section before all others.
#[must_use]
pub fn with_comparison(page: &str, of: &Comparison) -> String {
    // Nothing before it is markup but the page's own.
    page.replacen(MAIN, &format!("{MAIN}{}", comparison(of)), 1)
}

fn row(of: &Comparison, shift: &Shift) -> String {
    let windows = match shift.windows {
        [0, 0] => "–".to_owned(),
        [before, now] => format!("{before}, {now}"),
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{windows}</td><td>{}</td></tr>",
        escaped(&shift.quantity.words()),
        shift.before_words(),
        shift.now_words(),
        escaped(shift.unit),
        shift.change_words(),
        outcome(of, shift.outcome),
    )
}

/// In a word, in the colour of its zone where it is good or bad.
fn outcome(of: &Comparison, outcome: Outcome) -> String {
    of.zone_of(outcome).map_or_else(
        || outcome.words().to_owned(),
        |zone| format!("<span class=\"badge {}\">{}</span>", zone.word(), outcome.words()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::{
            baseline::{Origin, Quantity},
            doctor::examine,
            series::Course,
            zone::Zone,
        },
        read::Recorded,
        record::{Tool, fixture},
        render,
    };

    const EVIL: &str = "</script><script>alert(1)</script><main>";

    fn shift(quantity: Quantity, outcome: Outcome) -> Shift {
        Shift {
            unit: quantity.unit(),
            quantity,
            before: Some(100.0),
            now: Some(70.0),
            change_percent: Some(-30.0),
            outcome,
            surprise: Some(0.0001),
            windows: [20, 30],
        }
    }

    fn compared() -> Comparison {
        let origin = |version: &str| Origin { version: version.to_owned(), unix_millis: 0 };
        Comparison {
            verdict: Zone::Red,
            tool: Tool::Doctor,
            before: origin("1.2.2"),
            now: origin(EVIL),
            warnings: vec![EVIL.to_owned()],
            shifts: vec![
                shift(Quantity::Throughput, Outcome::Worse),
                shift(Quantity::Function(EVIL.to_owned()), Outcome::Better),
                Shift { before: None, change_percent: None, ..shift(Quantity::WaveFloor, Outcome::TooFew) },
            ],
        }
    }

    fn page() -> String {
        let recorded = Recorded::of(fixture::began(Tool::Doctor));
        let (examination, course) = (examine(&recorded), Course::of(&recorded.moments));
        render::doctor(&recorded.began, EVIL, &examination, &course).unwrap()
    }

    #[test]
    fn a_section_says_what_has_changed() {
        let section = comparison(&compared());
        for part in [
            "Since the baseline <span class=\"badge red\">red</span>",
            "Of version 1.2.2 then",
            "<th scope=\"row\">throughput</th><td>100.00</td><td>70.00</td><td>tasks/s</td><td>-30.0 %</td><td>20, 30</td>",
            "<span class=\"badge red\">worse</span>",
            "<td>–</td><td>70.00</td><td>MiB</td><td>–</td><td>20, 30</td><td>too few to tell</td>",
        ] {
            assert!(section.contains(part), "{part}: {section}");
        }
    }

    #[test]
    fn it_comes_first_in_a_page_and_once() {
        let (before, after) = (page(), with_comparison(&page(), &compared()));
        assert_eq!(after.len(), before.len() + comparison(&compared()).len());
        assert_eq!(after.matches("id=\"comparison\"").count(), 1);
        let [main, compared, first] =
            ["<main>", "id=\"comparison\"", "id=\"section-0\""].map(|part| after.find(part).unwrap());
        assert!(main < compared && compared < first);
    }

    #[test]
    fn nothing_of_a_baseline_becomes_markup() {
        let page = with_comparison(&page(), &compared());
        assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"));
        assert_eq!(page.matches("<main>").count(), 1);
    }
}
