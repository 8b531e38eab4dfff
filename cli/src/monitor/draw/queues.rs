//! The table of the queues.

use ratatui::{
    layout::{Alignment, Constraint},
    text::{Line, Text},
    widgets::{Cell, Row, Table},
};

use super::{flow, paint::Paint};
use crate::monitor::{
    view::{QueueRow, reasons},
    words,
};

const HEADINGS: [&str; 6] = ["Visible", "In-Flight", "Delayed", "Total", "Rate", "Level"];
/// Widths of the numbers: seven characters of a count, eight of a rate.
const WIDTHS: [u16; 6] = [7, 9, 7, 7, 8, 8];
const MARK: u16 = 1;
/// Narrower than this the word of the level is left out; its mark stays.
const WITH_LEVEL: u16 = 70;

/// The width that shows names of up to 24 characters.
pub(crate) const FULL_WIDTH: u16 = 78;

/// The table of `rows` in `width` columns: a heading and a line for each row.
pub(crate) fn table(rows: &[QueueRow], width: u16, paint: Paint) -> Table<'static> {
    let numbers = if width >= WITH_LEVEL { WIDTHS.len() } else { WIDTHS.len() - 1 };
    let fixed: u16 = WIDTHS.iter().take(numbers).map(|width| width + 1).sum();
    let name = width.saturating_sub(fixed + MARK + 1);
    let widths = [MARK, name].into_iter().chain(WIDTHS).take(numbers + 2).map(Constraint::Length);
    let headings = HEADINGS.into_iter().take(numbers).map(|heading| heading_cell(heading));
    let header = [Cell::new(""), Cell::new("Queue")].into_iter().chain(headings);
    let rows = rows.iter().map(|row| self::row(row, usize::from(name), numbers, paint));
    Table::new(rows, widths).column_spacing(1).header(Row::new(header).style(paint.heading()))
}

/// Why queues cannot be read, and what to do: a paragraph for each reason.
pub(crate) fn notes(rows: &[QueueRow], width: u16) -> Vec<Line<'static>> {
    let note = |(names, why): (Vec<&str>, &crate::monitor::sample::Unreadable)| {
        let text = format!("? {}: {why}; {}", names.join(", "), why.remedy());
        flow::hanging(&text, usize::from(width))
    };
    reasons(rows).into_iter().flat_map(note).collect()
}

fn row(row: &QueueRow, name: usize, numbers: usize, paint: Paint) -> Row<'static> {
    let level = paint.level(row.level);
    let counts = match &row.depth {
        Ok(depth) => [depth.visible, depth.in_flight, depth.delayed, depth.total()].map(words::count),
        Err(_) => ["?"; 4].map(str::to_owned),
    };
    let [visible, in_flight, delayed, total] = counts.map(number_cell);
    let cells = [
        Cell::new(row.level.mark()).style(level),
        Cell::new(self::name(row, name)),
        visible,
        in_flight,
        delayed,
        total.style(level),
        number_cell(words::rate(row)).style(paint.trend(row.trend)),
        Cell::new(row.level.word()).style(level),
    ];
    Row::new(cells.into_iter().take(numbers + 2))
}

/// A dead-letter queue stands under its queue, indented where there is room.
fn name(row: &QueueRow, width: usize) -> String {
    if row.dead_letters && row.queue.chars().count() + 2 <= width {
        return format!("└ {}", row.queue);
    }
    flow::shorten(&row.queue, width)
}

fn number_cell(number: String) -> Cell<'static> {
    Cell::new(Text::raw(number).alignment(Alignment::Right))
}

fn heading_cell(heading: &'static str) -> Cell<'static> {
    let alignment = if heading == "Level" { Alignment::Left } else { Alignment::Right };
    Cell::new(Text::raw(heading).alignment(alignment))
}
