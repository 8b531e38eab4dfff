//! Tables and charts of the results: `docs/benchmarks.md`, between its marks, and `docs/benchmarks/*.svg`. The prose
//! around the marks stays as it was written.

mod chart;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    measure::{cost, delay, fairness, memory, scaling, speed, start},
    sheet::Sheet,
};

/// What a page says about one measurement, and the charts of it.
struct Rendered {
    name: &'static str,
    text: String,
}

/// Renders all results that are in `docs/benchmarks/`.
///
/// # Errors
/// Results are not understood, the page has no place for them, or a file cannot be written.
pub(crate) fn render(docs: &Path) -> anyhow::Result<()> {
    let folder = docs.join("benchmarks");
    let parts = [
        part(
            &folder,
            scaling::NAME,
            |rows: &Vec<scaling::Row>| table::scaling(rows),
            |rows, path| chart::scaling(rows, path),
        )?,
        part(
            &folder,
            speed::NAME,
            |rows: &Vec<speed::Row>| table::speed(rows),
            |rows, path| chart::speed(rows, path),
        )?,
        part(&folder, delay::NAME, |rows: &Vec<delay::Row>| table::delay(rows), |_, _| Ok(()))?,
        part(&folder, memory::NAME, table::memory, chart::memory)?,
        part(&folder, start::NAME, |rows: &Vec<start::Row>| table::start(rows), |_, _| Ok(()))?,
        part(
            &folder,
            cost::NAME,
            |rows: &Vec<cost::Row>| table::cost(rows),
            |rows, path| chart::cost(rows, path),
        )?,
        part(&folder, fairness::NAME, table::fairness, |_, _| Ok(()))?,
    ];
    let path = docs.join("benchmarks.md");
    let mut page = fs::read_to_string(&path).unwrap_or_default();
    for Rendered { name, text } in parts.into_iter().flatten() {
        page = replaced(&page, name, &text);
    }
    fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))
}

fn part<T: Serialize + DeserializeOwned>(
    folder: &Path,
    name: &'static str,
    table: impl FnOnce(&T) -> String,
    chart: impl FnOnce(&T, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Rendered>> {
    let Some(sheet) = Sheet::<T>::read(folder, name)? else { return Ok(None) };
    chart(&sheet.results, &folder.join(format!("{name}.svg")))?;
    let text = format!("{}\n{}", table(&sheet.results), origin(&sheet, name));
    Ok(Some(Rendered { name, text }))
}

/// Where the numbers come from.
fn origin<T>(sheet: &Sheet<T>, name: &str) -> String {
    let machine = &sheet.machine;
    let trial = if sheet.quick { "**A trial, not a measurement.** " } else { "" };
    format!(
        "{trial}`{}`, {} UTC, commit {}; {}, {} cores, {} MiB, Linux {}, load before {}. \
         Raw: [{name}.json](benchmarks/{name}.json).\n",
        sheet.command,
        sheet.date,
        sheet.commit,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.load_before
    )
}

/// The page with new text between the marks of `name`; a page without them gets them at its end.
fn replaced(page: &str, name: &str, text: &str) -> String {
    let (open, close) = (format!("<!-- bench:{name} -->\n"), format!("<!-- /bench:{name} -->\n"));
    let place = page.find(&open).zip(page.find(&close)).filter(|(from, to)| from < to);
    match place {
        Some((from, to)) => format!("{}{text}{}", &page[..from + open.len()], &page[to..]),
        None => format!("{page}\n{open}{text}{close}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_around_the_marks_stays() {
        let page = "before\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nafter\n";
        let new = replaced(page, "a", "new\n");
        assert_eq!(new, "before\n<!-- bench:a -->\nnew\n<!-- /bench:a -->\nafter\n");
        assert_eq!(replaced(&new, "a", "new\n"), new, "again changes nothing");
    }

    #[test]
    fn a_page_without_marks_gets_them() {
        let page = replaced("words\n", "a", "new\n");
        assert!(page.starts_with("words\n") && page.ends_with("<!-- bench:a -->\nnew\n<!-- /bench:a -->\n"));
    }
}
