//! The page that shows all of them.

use exportpool_profile::{
    analyse::zone::Zone,
    render::{Row, Table, tables},
};

use super::run::{Outcome, RunOutcome};

/// Each scenario with its runs, what must hold and what was; each run's own page is linked.
pub(super) fn page(outcomes: &[Outcome]) -> String {
    let held = outcomes.iter().filter(|outcome| outcome.zone() == Zone::Green).count();
    let left_out = outcomes.iter().filter_map(|outcome| {
        let why = outcome.left_out?;
        Some(format!(" {} was left out: {why}.", outcome.name))
    });
    let verdict = outcomes.iter().map(Outcome::zone).max().unwrap_or(Zone::Green);
    let summary = format!(
        "{held} of {} scenarios hold, with exportpool {}.{}",
        outcomes.len(),
        env!("CARGO_PKG_VERSION"),
        left_out.collect::<String>()
    );
    let of = outcomes.iter().flat_map(|outcome| outcome.runs.iter().map(move |run| table(outcome, run)));
    tables("scenarios", verdict, &summary, &of.collect::<Vec<_>>())
}

fn table(outcome: &Outcome, run: &RunOutcome) -> Table {
    Table {
        head: format!("{}: {}", outcome.name, run.label),
        about: format!("{}. {}", outcome.about, run.settings.join(" ")),
        link: run.page.as_ref().map(|page| ("its profile".to_owned(), page.display().to_string())),
        columns: ["what must hold", "what was", ""].map(str::to_owned).to_vec(),
        rows: run
            .checks
            .iter()
            .map(|check| Row {
                cells: vec![check.must.clone(), check.was.clone()],
                zone: if check.holds { Zone::Green } else { Zone::Red },
                word: if check.holds { "holds" } else { "fails" },
            })
            .collect(),
    }
}
