//! Tables in Markdown, each with its goal.

use std::fmt::Write as _;

use crate::{
    contender::Contender,
    measure::{cost, delay, fairness, memory, scaling, speed, start},
    stats::Spread,
};

/// A table, row by row.
struct Table(String);

impl Table {
    fn new(columns: &[&str]) -> Self {
        let rule = vec!["---"; columns.len()].join("|");
        Self(format!("| {} |\n|{rule}|\n", columns.join(" | ")))
    }

    fn row(&mut self, cells: &[String]) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

/// Whether a goal is met, in a word.
const fn met(yes: bool) -> &'static str {
    if yes { "met" } else { "**missed**" }
}

/// The median, and the range when there were several runs.
fn of(spread: Spread, digits: usize) -> String {
    let Spread { median, least, most, runs } = spread;
    if runs > 1 {
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    } else {
        format!("{median:.digits$}")
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

pub(super) fn scaling(rows: &[scaling::Row]) -> String {
    let mut table = Table::new(&[
        "workers",
        "messages",
        "ideal, s",
        "first claim to last record, s",
        "of ideal",
        "goal 97 %",
        "first send to last record, s",
        "of ideal",
        "steady, tasks/s",
        "slots busy then",
    ]);
    for row in rows {
        table.row(&[
            row.workers.to_string(),
            row.messages.to_string(),
            format!("{:.1}", row.ideal_seconds),
            of(row.worked_seconds, 2),
            percent(row.efficiency()),
            met(row.efficiency() >= scaling::GOAL).into(),
            of(row.sent_to_recorded_seconds, 2),
            percent(row.efficiency_from_sending()),
            of(row.steady_per_second, 1),
            percent(row.steady_busy.median),
        ]);
    }
    format!("![Tasks a second by workers](benchmarks/scaling.svg)\n\n{}", table.0)
}

pub(super) fn speed(rows: &[speed::Row]) -> String {
    let mut table = Table::new(&[
        "who",
        "slots",
        "messages are",
        "messages/s",
        "messages/CPU-second",
        "peak RSS, MiB",
        "stand-in, cores",
    ]);
    for row in rows {
        table.row(&[
            row.entry.who.words().into(),
            row.entry.slots.to_string(),
            if row.entry.jobs { "jobs of one" } else { "tasks" }.into(),
            of(row.per_second, 0),
            of(row.per_cpu_second, 0),
            of(row.peak_rss_mib, 1),
            of(row.stand_in_cpu_share, 2),
        ]);
    }
    format!("![Messages a CPU second](benchmarks/speed.svg)\n\n{}\n{}", table.0, speed_goals(rows))
}

fn speed_goals(rows: &[speed::Row]) -> String {
    let find = |who, slots| rows.iter().find(|row| row.entry == speed::Entry { who, slots, jobs: false });
    // Beside the loop on threads nothing is promised: it tells what the threads cost from what the pool does.
    let goals = [
        (Contender::Bare, 4, 4, Some(speed::GOAL_OF_BARE)),
        (Contender::Bare, 8, 8, Some(speed::GOAL_OF_BARE)),
        (Contender::BareOnThreads, 4, 4, None),
        (Contender::BareOnThreads, 8, 8, None),
        (Contender::Node, 4, 4, Some(speed::GOAL_OF_NODE)),
        (Contender::Node, 8, 8, Some(speed::GOAL_OF_NODE)),
        (Contender::Spring, 8, 10, Some(speed::GOAL_OF_SPRING)),
    ];
    let mut table = Table::new(&["messages a CPU second, task messages", "ratio", "goal", ""]);
    for (who, ours, theirs, goal) in goals {
        let Some((ours, theirs)) = find(Contender::Exportpool, ours).zip(find(who, theirs)) else { continue };
        let ratio = ours.per_cpu_second.median / theirs.per_cpu_second.median;
        let what =
            format!("exportpool, {} slots / {}, {}", ours.entry.slots, who.words(), theirs.entry.slots);
        let (goal, verdict) = match goal {
            Some(goal) => (format!(">= {goal}"), met(ratio >= goal)),
            None => (String::new(), ""),
        };
        table.row(&[what, format!("{ratio:.2}"), goal, verdict.into()]);
    }
    if let Some((ours, node)) = find(Contender::Exportpool, 8).zip(find(Contender::Node, 8)) {
        let ratio = node.peak_rss_mib.median / ours.peak_rss_mib.median;
        let goal = format!(">= {}", memory::GOAL_OF_NODE);
        table.row(&[
            "peak RSS, Node / exportpool, 8 slots".into(),
            format!("{ratio:.1}"),
            goal,
            met(ratio >= memory::GOAL_OF_NODE).into(),
        ]);
    }
    table.0
}

pub(super) fn delay(rows: &[delay::Row]) -> String {
    let mut table = Table::new(&[
        "who",
        "source, ms",
        "core to spare",
        "what",
        "p50, µs",
        "p99, µs",
        "p99.9, µs",
        "max, µs",
        "max < 10 ms",
        "p99.9 < 1 ms",
    ]);
    let mut cores = Table::new(&[
        "who",
        "source, ms",
        "core to spare",
        "main: mean wait for a core, µs",
        "main: on a core",
        "workers: mean wait, µs",
    ]);
    for row in rows {
        let case = row.case;
        let spare = if case.core_to_spare { "yes" } else { "no" };
        let head = [case.who.words().to_owned(), case.delay_millis.to_string(), spare.into()];
        let kinds = [
            ("main's loop", Some(&row.main)),
            ("of it, run queue", row.main_run_queue.as_ref()),
            ("workers' loops", row.workers.as_ref()),
            ("of it, run queue", row.workers_run_queue.as_ref()),
        ];
        for (place, (what, found)) in kinds.into_iter().enumerate() {
            let Some(found) = found else { continue };
            let micros = [found.p50, found.p99, found.p999, found.max].map(|spread| of(spread, 0));
            let goals = if place == 0 { delay_goals(row) } else { [""; 2] }.map(str::to_owned);
            table.row(&[head.as_slice(), &[what.to_owned()], &micros, &goals].concat());
        }
        let waits = [
            of(row.main_run_queue_micros, 0),
            percent(row.main_busy.median),
            of(row.workers_run_queue_micros, 0),
        ];
        cores.row(&[head.as_slice(), &waits].concat());
    }
    format!("{}\n{}", table.0, cores.0)
}

/// The largest of all runs, and the middle p99.9.
const fn delay_goals(row: &delay::Row) -> [&'static str; 2] {
    [met(row.main.max.most < delay::GATE_MICROS), met(row.main.p999.median < delay::GOAL_P999_MICROS)]
}

pub(super) fn memory(found: &memory::Memory) -> String {
    let mut table =
        Table::new(&["RSS, MiB", "before", "after the first wave", "after the last", "a wave", "peak"]);
    for waves in &found.waves {
        let at = |value: Option<&f64>| value.map_or_else(String::new, |value| format!("{value:.1}"));
        table.row(&[
            waves.who.words().into(),
            format!("{:.1}", waves.before_mib),
            at(waves.after_mib.first()),
            at(waves.after_mib.last()),
            format!("{:+.2}", waves.slope()),
            format!("{:.1}", waves.peak_mib),
        ]);
    }
    let (large, peak) = (found.large_bytes / 1_048_576, found.large_peak_mib);
    format!(
        "![RSS over waves](benchmarks/memory.svg)\n\n{}\nOne file of {large} MiB: peak RSS {peak:.1} MiB (goal <= {}: {}), \
         {:.1} s.\n",
        table.0,
        memory::GOAL_LARGE_MIB,
        met(peak <= memory::GOAL_LARGE_MIB),
        found.large_seconds
    )
}

pub(super) fn start(rows: &[start::Row]) -> String {
    let mut table = Table::new(&["start to first poll", "ms", "starts", "goal <= 100 ms"]);
    for row in rows {
        let Spread { median, runs, .. } = row.first_poll_millis;
        let goal = if row.who == Contender::Exportpool { met(median <= start::GOAL_MILLIS) } else { "" };
        table.row(&[row.who.words().into(), of(row.first_poll_millis, 0), runs.to_string(), goal.into()]);
    }
    table.0
}

pub(super) fn cost(rows: &[cost::Row]) -> String {
    let mut table = Table::new(&[
        "1,000 tasks",
        "SQS requests",
        "S3 requests",
        "DynamoDB requests",
        "write units",
        "read units",
        "SQS $",
        "S3 $",
        "DynamoDB $",
        "all $",
    ]);
    for row in rows {
        let scaled = |sum: u64| sum as f64 * 1_000.0 / row.tasks as f64;
        let requests =
            ["SQS ", "S3 ", "DynamoDB "].map(|service| scaled(row.sum(service, |asked| asked.requests)));
        let units = [row.sum("", |asked| asked.writes) * 2, row.sum("", |asked| asked.half_reads)];
        let dollars = row.dollars();
        let mut cells = vec![format!("{}, {}", row.who.words(), shape(row.tasks_a_job))];
        cells.extend(requests.map(|count| format!("{count:.0}")));
        cells.extend(units.map(|halves| format!("{:.0}", scaled(halves) / 2.0)));
        cells.extend(dollars.map(|cost| format!("{cost:.5}")));
        cells.push(format!("{:.5}", dollars.iter().sum::<f64>()));
        table.row(&cells);
    }
    format!(
        "![Dollars](benchmarks/cost.svg)\n\n{}\n{}\nPrices of us-east-1 as of {}.\n",
        table.0,
        kinds(rows),
        cost::price::AS_OF
    )
}

pub(super) fn shape(tasks_a_job: Option<usize>) -> String {
    tasks_a_job.map_or_else(|| "task messages".into(), |tasks| format!("jobs of {tasks}"))
}

/// Each kind of request, by row.
fn kinds(rows: &[cost::Row]) -> String {
    let kinds: std::collections::BTreeSet<_> = rows.iter().flat_map(|row| row.counts.keys()).collect();
    let heads: Vec<_> =
        rows.iter().map(|row| format!("{}, {}", row.who.words(), shape(row.tasks_a_job))).collect();
    let mut columns = vec!["requests for 1,000 tasks"];
    columns.extend(heads.iter().map(String::as_str));
    let mut table = Table::new(&columns);
    for kind in kinds {
        let count = |row: &cost::Row| row.counts.get(kind).map_or(0, |asked| asked.requests) as f64;
        let mut cells = vec![kind.clone()];
        cells.extend(rows.iter().map(|row| format!("{:.0}", count(row) * 1_000.0 / row.tasks as f64)));
        table.row(&cells);
    }
    table.0
}

pub(super) fn fairness(found: &fairness::Fairness) -> String {
    let mut table =
        Table::new(&["20 jobs of one task", "last one recorded after, s", "of its time alone", "goal <= 2"]);
    let cases = [
        ("alone", found.alone_seconds),
        ("beside a job of 1,000, sent 2 s before", found.beside_seconds),
        ("beside a job of 1,000, sent right before", found.together_seconds),
    ];
    for (place, (what, spread)) in cases.into_iter().enumerate() {
        let ratio = spread.median / found.alone_seconds.median;
        let goal = if place == 0 { "" } else { met(ratio <= fairness::GOAL) };
        table.row(&[what.into(), of(spread, 2), format!("{ratio:.2}"), goal.into()]);
    }
    let fairness::Fairness { workers, delay_millis, .. } = found;
    format!("{}\n{workers} workers, the source takes {delay_millis} ms.\n", table.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_rule_of_its_width() {
        let mut table = Table::new(&["a", "b"]);
        table.row(&["1".into(), "2".into()]);
        assert_eq!(table.0, "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }

    #[test]
    fn a_spread_is_a_median_with_its_range() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(of(spread, 1), "2.0 (1.0–3.0)");
        assert_eq!(of(Spread { runs: 1, ..spread }, 0), "2");
    }

    #[test]
    fn a_missed_goal_stands_out() {
        let row = |who, per_cpu: f64, rss: f64| {
            let one = |value: f64| Spread { median: value, least: value, most: value, runs: 1 };
            let entry = speed::Entry { who, slots: 8, jobs: false };
            let (peak_rss_mib, per_cpu_second) = (one(rss), one(per_cpu));
            let (per_second, stand_in_cpu_share) = (one(1.0), one(1.0));
            speed::Row {
                entry,
                messages: 1,
                warm_up: 1,
                per_second,
                per_cpu_second,
                stand_in_cpu_share,
                peak_rss_mib,
            }
        };
        let goals =
            speed_goals(&[row(Contender::Exportpool, 500.0, 40.0), row(Contender::Node, 100.0, 400.0)]);
        assert!(
            goals.contains("| 5.00 | >= 6 | **missed** |") && goals.contains("| 10.0 | >= 8 | met |"),
            "{goals}"
        );
    }
}
