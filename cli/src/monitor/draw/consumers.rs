//! The consumers: a card each where there is room, else a line each.

use ratatui::text::{Line, Span};

use super::{flow, paint::Paint};
use crate::monitor::{
    view::{Breaker, ConsumerRow, Level, Pool, Presence},
    words,
};

const LONGEST_BAR: usize = 40;
const LINE_BAR: usize = 6;
/// `127.0.0.1:3000` and one more.
const NAME: usize = 15;

/// `rows` in `width` columns and at most `height` lines. What does not fit is counted in the last line.
pub(crate) fn lines(rows: &[ConsumerRow], width: usize, height: usize, paint: Paint) -> Vec<Line<'static>> {
    let cards: Vec<_> = rows.iter().map(|row| card(row, width, paint)).collect();
    for gap in [1, 0] {
        let lines: Vec<_> = cards.iter().flat_map(|card| with_gap(card, gap)).collect();
        // The last card needs no gap below it.
        if lines.len() <= height + gap {
            return lines;
        }
    }
    let shown = if rows.len() <= height { rows.len() } else { height.saturating_sub(1) };
    let mut lines: Vec<_> = rows.iter().take(shown).map(|row| line(row, width, paint)).collect();
    if rows.len() > shown {
        lines.push(Line::styled(format!("  … and {} more", rows.len() - shown), paint.aside()));
    }
    lines
}

fn with_gap(card: &[Line<'static>], gap: usize) -> impl Iterator<Item = Line<'static>> {
    card.iter().cloned().chain(std::iter::repeat_n(Line::raw(""), gap))
}

fn card(row: &ConsumerRow, width: usize, paint: Paint) -> Vec<Line<'static>> {
    let mut lines = vec![title(row, width, paint)];
    match &row.state {
        Presence::None => lines.push(Line::styled("  --consumer URL shows another", paint.aside())),
        Presence::Unknown(why) => lines.extend(flow::indented(&format!("{why}; {}", why.remedy()), width)),
        Presence::Here(pool) => {
            lines.push(slots(pool, width, paint));
            lines.extend(flow::flow(facts(pool, paint), "  ", width));
        }
    }
    lines
}

/// The consumer's name at the left, its state in a word at the right.
fn title(row: &ConsumerRow, width: usize, paint: Paint) -> Line<'static> {
    let (style, word) = (paint.level(level(&row.state)), row.state.word());
    let room = width.saturating_sub(word.len() + 3);
    let name = flow::shorten(&row.consumer, room);
    Line::from(vec![
        Span::styled(mark(&row.state), style),
        Span::raw(format!(" {name:room$} ")),
        Span::styled(word, style),
    ])
}

fn slots(pool: &Pool, width: usize, paint: Paint) -> Line<'static> {
    let words = format!(" {}/{} slots busy", pool.busy, pool.total);
    let length = width.saturating_sub(words.len()).min(LONGEST_BAR);
    Line::from(vec![Span::styled(bar(pool, length), paint.level(Level::Ok)), Span::raw(words)])
}

fn facts(pool: &Pool, paint: Paint) -> Vec<Line<'static>> {
    let mut facts = vec![
        Line::raw(format!("waiting {}", words::count(pool.waiting))),
        Line::raw(format!("done {}", words::done_per_second(pool))),
        Line::raw(format!("{} in all", words::count(pool.done))),
        Line::raw(format!("breaker {}", pool.breaker.words())),
        Line::raw(format!(
            "loop delay p99 {}, max {}",
            words::millis(pool.loop_p99),
            words::millis(pool.loop_max)
        )),
    ];
    if let Some(level) = of_breaker(&pool.breaker) {
        facts[3] = facts[3].clone().style(paint.level(level));
    }
    let troubles = [(pool.failed, "failed"), (pool.abandoned, "workers stuck")];
    let troubles = troubles.into_iter().filter(|(count, _)| *count > 0);
    facts.extend(troubles.map(|(count, word)| {
        Line::styled(format!("{} {word}", words::count(count)), paint.level(Level::Warn))
    }));
    facts
}

fn line(row: &ConsumerRow, width: usize, paint: Paint) -> Line<'static> {
    let style = paint.level(level(&row.state));
    let word = row.state.word();
    let room = width.saturating_sub(word.len() + 3 + NAME);
    let facts =
        if let Presence::Here(pool) = &row.state { line_facts(pool, room, paint) } else { Vec::new() };
    let taken: usize = facts.iter().map(Span::width).sum();
    let room = width.saturating_sub(word.len() + 3 + taken);
    let name = flow::shorten(&row.consumer, room);
    let start = [Span::styled(mark(&row.state), style), Span::raw(format!(" {name:room$} "))];
    Line::from_iter(start.into_iter().chain(facts).chain([Span::styled(word, style)]))
}

/// What fits into `room`, the most telling first.
fn line_facts(pool: &Pool, room: usize, paint: Paint) -> Vec<Span<'static>> {
    let mut facts = vec![
        Span::styled(bar(pool, LINE_BAR), paint.level(Level::Ok)),
        Span::raw(format!(
            " {:>5} {:>6} ",
            format!("{}/{}", pool.busy, pool.total),
            words::done_per_second(pool)
        )),
        Span::raw(format!(" waiting {:>5} ", words::count(pool.waiting))),
        Span::raw(format!(
            " loop p99 {:>6}, max {:>6}  ",
            words::millis(pool.loop_p99),
            words::millis(pool.loop_max)
        )),
    ];
    while facts.iter().map(Span::width).sum::<usize>() > room && facts.len() > 2 {
        facts.pop();
    }
    facts
}

/// A bar of `length` characters; a busy slot shows, however many there are.
fn bar(pool: &Pool, length: usize) -> String {
    let busy = pool.busy.min(pool.total);
    let share = |length: u64| (busy * length).div_ceil(pool.total.max(1));
    let full = usize::try_from(share(length as u64)).unwrap_or(length);
    format!("{}{}", "█".repeat(full), "░".repeat(length - full))
}

fn level(state: &Presence) -> Level {
    match state {
        Presence::None | Presence::Unknown(_) => Level::Unknown,
        Presence::Here(pool) => {
            of_breaker(&pool.breaker).unwrap_or(if pool.draining { Level::Warn } else { Level::Ok })
        }
    }
}

fn of_breaker(breaker: &Breaker) -> Option<Level> {
    match breaker {
        Breaker::Closed => None,
        Breaker::Starting => Some(Level::Warn),
        Breaker::Open(_) => Some(Level::Critical),
    }
}

fn mark(state: &Presence) -> &'static str {
    if *state == Presence::None { "-" } else { level(state).mark() }
}
