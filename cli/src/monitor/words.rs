//! Numbers as people read them. Pure.

use std::time::Duration;

use super::{
    sample::PoolReading,
    view::{Pool, QueueRow, Trend},
};

/// A count with separators, at most seven characters wide: `12,345`, `1.2M`.
pub(crate) fn count(count: u64) -> String {
    if count < 1_000_000 { separated(count) } else { short(count as f64) }
}

/// The change per second with its arrow: `↓ 12.3/s`. At most eight characters wide.
pub(crate) fn rate(row: &QueueRow) -> String {
    match (&row.depth, row.rate) {
        (Err(_), _) => "?".to_owned(),
        (Ok(_), None) => "-".to_owned(),
        (Ok(_), Some(rate)) => {
            let shown = if row.trend == Trend::Steady { 0.0 } else { rate.abs() };
            format!("{} {}/s", arrow(row.trend), amount(shown))
        }
    }
}

/// Where it is heading, in one character.
pub(crate) fn arrow(trend: Trend) -> &'static str {
    match trend {
        Trend::Draining => "↓",
        Trend::Filling => "↑",
        Trend::Steady => "=",
        Trend::Unknown => "-",
    }
}

/// Tasks done per second: `12.3/s`.
pub(crate) fn done_per_second(pool: &Pool) -> String {
    pool.done_per_second.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", amount(rate.max(0.0))))
}

/// A short time in milliseconds: `0.4 ms`, `12 ms`.
pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 9.95 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// A pool of a cluster, and what was decided for it.
pub(crate) fn pool(pool: &PoolReading) -> String {
    let PoolReading { desired, present, ready, .. } = pool;
    let shown = if pool.all_pods { "" } else { ", the first of them asked" };
    let pods = format!("asks for {desired} pods; {present} there, {ready} ready{shown}");
    let counted =
        pool.counted.map_or_else(String::new, |ago| format!(" · queues as counted {} s ago", ago.as_secs()));
    match &pool.decision {
        Some((reason, message)) => format!("{pods} · {reason}: {message}{counted}"),
        None => format!("{pods}{counted}"),
    }
}

/// What sampling costs: requests to SQS in 30 days, which AWS bills.
pub(crate) fn cost(requests: usize, interval: Duration) -> String {
    if requests == 0 {
        return "no SQS requests: the operator makes them".to_owned();
    }
    const MONTH: f64 = 30.0 * 24.0 * 3600.0;
    let month = requests as f64 * MONTH / interval.as_secs_f64();
    let month =
        if month >= 1e6 { format!("{:.1} million", month / 1e6) } else { format!("{:.0},000", month / 1e3) };
    format!("{requests} SQS requests every {} = {month} a month", humantime::format_duration(interval))
}

/// Three significant digits, at most four characters wide.
fn amount(amount: f64) -> String {
    match amount {
        0.0 => "0".to_owned(),
        small if small < 99.95 => format!("{small:.1}"),
        medium if medium < 999.5 => format!("{medium:.0}"),
        large => short(large),
    }
}

fn short(amount: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
    // Half a unit of the last digit below the next unit already rounds up to it.
    let fits = |(unit, _): &&(f64, &str)| amount < unit * 999.5;
    let (unit, letter) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
    let scaled = amount / unit;
    if scaled < 9.95 { format!("{scaled:.1}{letter}") } else { format!("{scaled:.0}{letter}") }
}

fn separated(count: u64) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_whole_below_a_million_and_never_wider_than_its_column() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (999_999, "999,999"),
            (1_234_567, "1.2M"),
            (12_345_678_901, "12G"),
        ];
        for (number, words) in cases {
            assert_eq!(count(number), words);
        }
    }

    #[test]
    fn an_amount_has_four_characters_at_most() {
        let cases = [
            (0.0, "0"),
            (0.05, "0.1"),
            (12.34, "12.3"),
            (99.94, "99.9"),
            (99.96, "100"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (9_949.0, "9.9k"),
            (9_951.0, "10k"),
            (999_400.0, "999k"),
            (999_600.0, "1.0M"),
        ];
        for (number, words) in cases {
            assert_eq!(amount(number), words, "{number}");
        }
    }

    #[test]
    fn a_delay_of_the_loop_shows_tenths_below_ten() {
        for (micros, words) in
            [(0, "0.0 ms"), (412, "0.4 ms"), (9_949, "9.9 ms"), (9_951, "10 ms"), (31_500, "32 ms")]
        {
            assert_eq!(millis(Duration::from_micros(micros)), words);
        }
    }

    #[test]
    fn the_cost_is_the_requests_of_thirty_days() {
        assert_eq!(cost(4, Duration::from_secs(1)), "4 SQS requests every 1s = 10.4 million a month");
        assert_eq!(cost(4, Duration::from_millis(200)), "4 SQS requests every 200ms = 51.8 million a month");
        assert_eq!(cost(4, Duration::from_secs(60)), "4 SQS requests every 1m = 173,000 a month");
    }
}
