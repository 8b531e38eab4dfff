//! The plain table.

use std::fmt::Write as _;

use crate::monitor::{
    view::{ConsumerRow, Pool, Presence, QueueRow, View, reasons},
    words,
};

/// The footer, as it says what sampling costs, and the names of the columns.
pub(crate) fn heading(view: &View) -> String {
    let mut text = format!("# {}\n", view.headline);
    for line in &view.footer {
        _ = writeln!(text, "# {line}");
    }
    let names = ["Visible", "In-Flight", "Delayed", "Total", "Rate", "Trend", "Level"].map(str::to_owned);
    text + &line("Time", "Queue", &names)
}

/// A line for each queue, each reason, each consumer.
pub(crate) fn rows(view: &View) -> String {
    let time = view.at.format("%H:%M:%S").to_string();
    let mut text = String::new();
    if let Some(pool) = &view.pool {
        _ = writeln!(text, "{time}  pool {} {}", pool.pool, words::pool(pool));
    }
    text.extend(view.queues.iter().map(|row| queue(&time, row)));
    for (names, why) in reasons(&view.queues) {
        _ = writeln!(text, "{time}  ? {}: {why}; {}", names.join(", "), why.remedy());
    }
    text.extend(view.consumers.iter().map(|row| consumer(&time, row)));
    text
}

fn queue(time: &str, row: &QueueRow) -> String {
    let counts = match &row.depth {
        Ok(depth) => {
            [depth.visible, depth.in_flight, depth.delayed, depth.total()].map(|count| count.to_string())
        }
        Err(_) => ["?"; 4].map(str::to_owned),
    };
    let [visible, in_flight, delayed, total] = counts;
    let (trend, level) = (row.trend.word().to_owned(), row.level.word().to_owned());
    line(time, &row.queue, &[visible, in_flight, delayed, total, words::rate(row), trend, level])
}

fn line(
    time: &str,
    queue: &str,
    [visible, in_flight, delayed, total, rate, trend, level]: &[String; 7],
) -> String {
    format!(
        "{time:<8}  {queue:<24} {visible:>9} {in_flight:>9} {delayed:>9} {total:>9} {rate:>8}  {trend:<8}  {level}\n"
    )
}

fn consumer(time: &str, row: &ConsumerRow) -> String {
    let name = &row.consumer;
    match &row.state {
        Presence::None => format!("{time:<8}  consumer {name:<15} none\n"),
        Presence::Unknown(why) => {
            format!("{time:<8}  consumer {name:<15} unknown: {why}; {}\n", why.remedy())
        }
        Presence::Here(pool) => format!("{time:<8}  consumer {name:<15} {}  {}\n", pool.word(), facts(pool)),
    }
}

fn facts(pool: &Pool) -> String {
    format!(
        "slots {}/{}  waiting {}  done {} ({} in all)  failed {}  breaker {}  loop delay p99 {} max {}",
        pool.busy,
        pool.total,
        pool.waiting,
        words::done_per_second(pool),
        pool.done,
        pool.failed,
        pool.breaker.words(),
        words::millis(pool.loop_p99),
        words::millis(pool.loop_max),
    )
}
