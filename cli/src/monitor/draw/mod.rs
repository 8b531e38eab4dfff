//! Draws a view on a terminal, from 60 columns up. Pure: the same view in the same area is the same picture.

mod consumers;
mod flow;
mod help;
mod paint;
mod queues;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Borders, Paragraph},
};

pub(crate) use help::help;
use paint::Paint;

use super::{
    view::{Level, Thresholds, Trend, View},
    words,
};

/// From this width the consumers stand beside the queues, else below them.
const WIDE: u16 = 116;
const GAP: u16 = 2;

/// Draws `view` into `area`: headline and clock, queues and consumers, legend, footer.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let paint = Paint { colour: view.colour };
    let width = usize::from(area.width);
    let mut below = legend(view.thresholds, width, paint);
    below.extend(footer(&view.footer, width, paint));
    let rows = [Constraint::Length(2), Constraint::Min(0), Constraint::Length(height(&below))];
    let [head, body, foot] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(header(view, width, paint)), head);
    draw_body(frame, body, view);
    frame.render_widget(Paragraph::new(below), foot);
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, view: &View) {
    if area.width >= WIDE {
        let columns = [Constraint::Length(queues::FULL_WIDTH), Constraint::Length(GAP), Constraint::Min(0)];
        let [left, _, right] = Layout::horizontal(columns).areas(area);
        draw_queues(frame, left, view);
        return draw_consumers(frame, right, view);
    }
    let above = height(&queues::notes(&view.queues, area.width)).saturating_add(count(view.queues.len()) + 3);
    let [top, bottom] = Layout::vertical([Constraint::Length(above), Constraint::Min(0)]).areas(area);
    draw_queues(frame, top, view);
    draw_consumers(frame, bottom, view);
}

/// The queue table with its title and the reasons below it, as the demo shows it too.
pub(crate) fn draw_queues(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let paint = Paint { colour: view.colour };
    let inner = titled(frame, area, "Queues", paint);
    if view.queues.is_empty() {
        return frame.render_widget(Line::raw("reading the queues …"), inner);
    }
    let rows = [Constraint::Length(count(view.queues.len()) + 1), Constraint::Min(0)];
    let [table, notes] = Layout::vertical(rows).areas(inner);
    frame.render_widget(queues::table(&view.queues, table.width, paint), table);
    let why = Paragraph::new(queues::notes(&view.queues, notes.width)).style(paint.level(Level::Unknown));
    frame.render_widget(why, notes);
}

/// The consumers with their title.
pub(crate) fn draw_consumers(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let paint = Paint { colour: view.colour };
    let inner = titled(frame, area, "Consumers", paint);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    frame.render_widget(Paragraph::new(consumers::lines(&view.consumers, width, height, paint)), inner);
}

/// A rule with a title above; what is left of the area.
fn titled(frame: &mut Frame<'_>, area: Rect, title: &'static str, paint: Paint) -> Rect {
    let title = Line::styled(format!(" {title} "), paint.heading());
    let block = Block::new().borders(Borders::TOP).border_style(paint.aside()).title(title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

fn header(view: &View, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let clock = view.at.format("%H:%M:%S").to_string();
    let room = width.saturating_sub(clock.len() + 1);
    let headline: String = view.headline.chars().take(room).collect();
    let first =
        Line::from(vec![Span::styled(format!("{headline:room$} "), paint.heading()), Span::raw(clock)]);
    let pool =
        view.pool.as_ref().map(|pool| Line::raw(words::pool(pool).chars().take(width).collect::<String>()));
    std::iter::once(first).chain(pool).collect()
}

fn legend(thresholds: Thresholds, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let trend = |trend: Trend| (format!("{} {}", words::arrow(trend), trend.word()), paint.trend(trend));
    let level = |level: Level, words: String| (format!("{} {words}", level.mark()), paint.level(level));
    let pieces = [
        trend(Trend::Draining),
        trend(Trend::Filling),
        trend(Trend::Steady),
        level(Level::Ok, "ok".into()),
        level(Level::Warn, format!("warn from {}", words::count(thresholds.warn))),
        level(
            Level::Critical,
            format!("critical from {}, or any dead letter", words::count(thresholds.critical)),
        ),
        level(Level::Unknown, "unknown".into()),
    ];
    let piece = |(text, style): (String, Style)| Line::from(Span::styled(text, style));
    flow::flow(pieces.map(piece).to_vec(), "  ", width)
}

fn footer(pieces: &[String], width: usize, paint: Paint) -> Vec<Line<'static>> {
    let piece = |text: &String| Line::from(Span::styled(text.clone(), paint.aside()));
    flow::flow(pieces.iter().map(piece).collect(), "  ", width)
}

fn height(lines: &[Line<'_>]) -> u16 {
    count(lines.len())
}

/// A screen has no more lines than that.
fn count(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX / 2)
}

#[cfg(test)]
mod tests;
