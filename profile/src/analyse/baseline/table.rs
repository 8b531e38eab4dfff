//! A comparison as text.

use super::{Comparison, Outcome, Shift};

const HEADS: [&str; 6] = ["", "before", "now", "", "change", ""];
/// A longer name is cut off in the table.
const LONGEST: usize = 60;

impl Comparison {
    /// For a terminal: a line for each warning, and a table, the worst first. Ends with a line's end.
    #[must_use]
    pub fn table(&self) -> String {
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        let rows: Vec<[String; 6]> =
            std::iter::once(HEADS.map(str::to_owned)).chain(self.shifts.iter().map(row)).collect();
        let widths: [usize; 6] = std::array::from_fn(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0)
        });
        warnings.chain(rows.iter().map(|row| line(row, &widths))).collect()
    }
}

fn row(shift: &Shift) -> [String; 6] {
    let words: String = shift.quantity.words().chars().take(LONGEST).collect();
    let outcome = match shift.outcome {
        Outcome::TooFew => {
            format!("{} ({} and {} windows)", shift.outcome.words(), shift.windows[0], shift.windows[1])
        }
        outcome => outcome.words().to_owned(),
    };
    [words, shift.before_words(), shift.now_words(), shift.unit.to_owned(), shift.change_words(), outcome]
}

impl Shift {
    /// What it was, without its unit.
    #[must_use]
    pub fn before_words(&self) -> String {
        number(self.before)
    }

    /// What it is, without its unit.
    #[must_use]
    pub fn now_words(&self) -> String {
        number(self.now)
    }

    /// By how much it rose, with a percent sign.
    #[must_use]
    pub fn change_words(&self) -> String {
        self.change_percent.map_or_else(none, |percent| format!("{percent:+.1} %"))
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(none, |value| format!("{value:.2}"))
}

fn none() -> String {
    "–".to_owned()
}

/// Numbers to the right, words to the left.
fn line(row: &[String; 6], widths: &[usize; 6]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, most))| {
        let blank = " ".repeat(most.saturating_sub(width(cell)));
        if matches!(at, 1 | 2 | 4) { blank + cell } else { cell.clone() + &blank }
    });
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}
