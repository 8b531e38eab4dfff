//! A page of tables, without anything that moves.

use std::fmt::Write as _;

use super::{
    html::escaped,
    page::{Frame, STYLE},
};
use crate::analyse::zone::Zone;

/// A table, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Above it.
    pub head: String,
    /// Below its head, in a sentence.
    pub about: String,
    /// Words, and the page that they lead to, as a path from this one.
    pub link: Option<(String, String)>,
    /// What each column is headed; the last one is of verdicts.
    pub columns: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row, and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// One less than there are columns.
    pub cells: Vec<String>,
    /// How well it is.
    pub zone: Zone,
    /// The verdict, in a word.
    pub word: &'static str,
}

/// A page of tables.
#[must_use]
pub fn tables(title: &str, verdict: Zone, summary: &str, tables: &[Table]) -> String {
    let sections = tables.iter().fold(String::new(), |html, table| html + &section(table));
    let style = [STYLE, "section > table td { text-align: left; }"].concat();
    Frame { title, verdict, summary, style: &style, sections: &sections, after: "" }.html()
}

fn section(of: &Table) -> String {
    let heads = of.columns.iter().fold(String::new(), |mut html, column| {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(column));
        html
    });
    let rows = of.rows.iter().fold(String::new(), |html, of| html + &row(of));
    let link = of.link.as_ref().map_or(String::new(), |(words, path)| {
        format!(" <a href=\"{}\">{}</a>", escaped(path), escaped(words))
    });
    format!(
        "<section><h2>{}</h2><p>{}{link}</p><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>\n",
        escaped(&of.head),
        escaped(&of.about),
    )
}

fn row(of: &Row) -> String {
    let cells = of.cells.iter().fold(String::new(), |mut html, cell| {
        let _ = write!(html, "<td>{}</td>", escaped(cell));
        html
    });
    format!("<tr>{cells}<td><span class=\"badge {}\">{}</span></td></tr>", of.zone.word(), escaped(of.word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_tables_and_nothing_of_them_becomes_markup() {
        let row = Row { cells: vec!["<b>".into(), "1 & 2".into()], zone: Zone::Red, word: "fails" };
        let table = Table {
            head: "leak: <10 waves>".into(),
            about: "\"so\"".into(),
            link: Some(("its profile".into(), "leak-1/report.html".into())),
            columns: vec!["what must hold".into(), "what was".into(), String::new()],
            rows: vec![row],
        };
        let page = tables("scenarios", Zone::Red, "0 of 1 & more", &[table]);
        for part in [
            "<title>scenarios: red - exportpool</title>",
            "<h2>leak: &lt;10 waves&gt;</h2>",
            "<td>&lt;b&gt;</td><td>1 &amp; 2</td>",
            "<span class=\"badge red\">fails</span>",
            "href=\"leak-1/report.html\"",
            "0 of 1 &amp; more",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<b>"));
    }
}
