//! Numbers over time, few enough for a page: peaks are kept.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::Serialize;

use super::{
    doctor::longest,
    number::{float, mebibytes, round},
};
use crate::record::{LoopMoment, Moment, Queues};

/// A page has so many points of a series at most, however long the profile is.
pub const MOST_POINTS: usize = 900;
/// More workers are shown as the slowest of them: nobody tells so many lines apart.
const MOST_LINES: usize = 8;

/// A chart: series over the same times.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// Where yellow and red begin, in that unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<[f64; 2]>,
    /// The lines.
    pub series: Vec<Series>,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// What it is.
    pub label: String,
    /// A value for each time; null where there is none.
    pub values: Vec<Option<f64>>,
}

/// Everything of a doctor's page that is over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// In seconds since the profile began.
    pub seconds: Vec<f64>,
    /// The charts.
    pub charts: Vec<Chart>,
}

impl Course {
    /// Of a profile.
    #[must_use]
    pub fn of(moments: &[Moment]) -> Self {
        let buckets: Vec<_> = moments.chunks(moments.len().div_ceil(MOST_POINTS).max(1)).collect();
        let seconds =
            buckets.iter().filter_map(|bucket| bucket.last()).map(|last| round(float(last.at_micros) / 1e6));
        let of = |label: &str, value: &dyn Fn(&[Moment]) -> Option<f64>| Series {
            label: label.to_owned(),
            values: buckets.iter().map(|bucket| value(bucket).map(round)).collect(),
        };
        let lines = lines(moments);
        let of_loops = |value: &dyn Fn(&[Moment], &Line) -> Option<f64>| -> Vec<Series> {
            lines.iter().map(|line| of(&line.label, &|bucket| value(bucket, line))).collect()
        };
        let charts = vec![
            Chart {
                title: "How late loops are",
                unit: "ms",
                zones: Some([10.0, 100.0]),
                series: of_loops(&|bucket, line| line.peak(bucket, longest).map(|micros| micros / 1e3)),
            },
            Chart {
                title: "CPU of threads",
                unit: "%",
                zones: None,
                series: threads(&buckets).into_iter().map(rounded).collect(),
            },
            Chart {
                title: "The pool",
                unit: "",
                zones: None,
                series: vec![
                    of("busy slots", &|bucket| peak(bucket, |moment| u64::from(moment.busy))),
                    of("tasks waiting", &|bucket| peak(bucket, |moment| u64::from(moment.waiting))),
                    of("messages in hand", &|bucket| peak(bucket, |moment| u64::from(moment.in_hand))),
                ],
            },
            Chart {
                title: "Memory",
                unit: "MiB",
                zones: None,
                series: vec![
                    of("resident", &|bucket| most(bucket, |moment| moment.rss_bytes).map(mebibytes)),
                    of("allocated", &|bucket| most(bucket, |moment| moment.allocated_bytes).map(mebibytes)),
                ],
            },
        ];
        Self { seconds: seconds.collect(), charts }
    }

    /// With what was on the queues, where that is known.
    #[must_use]
    pub fn with_queues(mut self, queues: &[Queues]) -> Self {
        if queues.is_empty() {
            return self;
        }
        let of = |label: &str, count: fn(&Queues) -> u64| Series {
            label: label.to_owned(),
            values: self
                .seconds
                .iter()
                .map(|second| last_told(queues, *second).map(count).map(float))
                .collect(),
        };
        let series = vec![
            of("waiting", |queues| queues.waiting),
            of("in flight", |queues| queues.in_flight),
            of("dead letters", |queues| queues.dead),
        ];
        self.charts.push(Chart { title: "Messages on the queues", unit: "", zones: None, series });
        self
    }
}

/// What was told last by then.
fn last_told(queues: &[Queues], second: f64) -> Option<&Queues> {
    let told = queues.partition_point(|each| float(each.at_micros) / 1e6 <= second);
    queues.get(told.checked_sub(1)?)
}

/// CPU time of the threads that had most of it, in percent of a CPU, and of all others together.
fn threads(buckets: &[&[Moment]]) -> Vec<Series> {
    let mut by_thread: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, micros) in buckets.iter().copied().flatten().flat_map(|moment| &moment.threads) {
        *by_thread.entry(name).or_default() += micros;
    }
    let mut names: Vec<_> = by_thread.into_iter().collect();
    names.sort_by_key(|(_, micros)| Reverse(*micros));
    let (shown, others) = names.split_at(names.len().min(MOST_LINES));
    let of = |label: &str, names: &[(&str, u64)]| Series {
        label: label.to_owned(),
        values: spans(buckets)
            .map(|(bucket, span)| {
                let of_names = |moment: &Moment| {
                    names.iter().filter_map(|(name, _)| moment.threads.get(*name)).sum::<u64>()
                };
                Some(100.0 * float(bucket.iter().map(of_names).sum()) / float(span.max(1)))
            })
            .collect(),
    };
    let mut series: Vec<_> = shown.iter().map(|thread| of(thread.0, &[*thread])).collect();
    if !others.is_empty() {
        series.push(of(&format!("{} other threads", others.len()), others));
    }
    series
}

/// Each bucket, and how long it was, in microseconds.
fn spans<'a>(buckets: &'a [&'a [Moment]]) -> impl Iterator<Item = (&'a [Moment], u64)> {
    let mut before = 0;
    buckets.iter().map(move |bucket| {
        let end = bucket.last().map_or(before, |last| last.at_micros);
        (*bucket, end.saturating_sub(std::mem::replace(&mut before, end)))
    })
}

fn rounded(series: Series) -> Series {
    Series { values: series.values.into_iter().map(|value| value.map(round)).collect(), ..series }
}

/// A loop, or several of which the worst is shown.
struct Line {
    label: String,
    names: Vec<String>,
}

impl Line {
    fn peak(&self, bucket: &[Moment], of: fn(&LoopMoment) -> u64) -> Option<f64> {
        self.own(bucket).map(of).max().map(float)
    }

    fn own<'a>(&'a self, bucket: &'a [Moment]) -> impl Iterator<Item = &'a LoopMoment> {
        bucket.iter().flat_map(|moment| &moment.loops).filter(|each| self.names.contains(&each.name))
    }
}

fn lines(moments: &[Moment]) -> Vec<Line> {
    let mut names: Vec<String> = Vec::new();
    for each in moments.iter().flat_map(|moment| &moment.loops) {
        if !names.contains(&each.name) {
            names.push(each.name.clone());
        }
    }
    let alone = |name: String| Line { label: name.clone(), names: vec![name] };
    let (workers, others): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.starts_with("worker"));
    let mut lines: Vec<_> = others.into_iter().map(alone).collect();
    if workers.len() > MOST_LINES {
        lines.push(Line { label: format!("worst of {} workers", workers.len()), names: workers });
    } else {
        lines.extend(workers.into_iter().map(alone));
    }
    lines
}

fn peak(bucket: &[Moment], of: impl Fn(&Moment) -> u64) -> Option<f64> {
    most(bucket, of).map(float)
}

fn most(bucket: &[Moment], of: impl Fn(&Moment) -> u64) -> Option<u64> {
    bucket.iter().map(of).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::MOMENT_MICROS;

    fn moments(count: u64, workers: u32) -> Vec<Moment> {
        let of = |name: String| LoopMoment {
            name,
            late_micros: vec![100],
            cpu_micros: 50_000,
            ..LoopMoment::default()
        };
        let moment = |tenth: u64| Moment {
            at_micros: tenth * MOMENT_MICROS,
            loops: std::iter::once(of("main".into()))
                .chain((0..workers).map(|worker| of(format!("worker-{worker}"))))
                .collect(),
            threads: [("main".to_owned(), 50_000)].into(),
            rss_bytes: 50 << 20,
            ..Moment::default()
        };
        (1..=count).map(moment).collect()
    }

    #[test]
    fn a_peak_is_kept_however_long_the_profile_is() {
        let mut long = moments(108_000, 2);
        long[54_321].loops[1].late_micros.push(77_000);
        let course = Course::of(&long);
        assert!(course.seconds.len() <= MOST_POINTS);
        let late = &course.charts[0].series[1];
        assert_eq!(late.values.iter().flatten().copied().fold(0.0, f64::max), 77.0);
        assert!(late.values.iter().filter(|value| **value == Some(77.0)).count() == 1);
        assert!(serde_json::to_string(&course).unwrap().len() < 300_000);
    }

    #[test]
    fn each_series_has_a_value_for_each_time() {
        let course = Course::of(&moments(600, 4));
        assert_eq!((course.seconds.len(), course.seconds[599]), (600, 60.0));
        let series = course.charts.iter().flat_map(|chart| &chart.series);
        assert!(series.clone().all(|series| series.values.len() == 600));
        assert_eq!(course.charts[1].series[0].values[0], Some(50.0));
    }

    #[test]
    fn threads_beside_the_busiest_are_one_line() {
        let mut moments = moments(10, 1);
        for (at, moment) in moments.iter_mut().enumerate() {
            moment.at_micros = (at as u64 + 1) * 200_000;
            moment.threads = (0..12).map(|thread| (format!("t{thread}"), 1_000 * (100 - thread))).collect();
        }
        let cpu = &Course::of(&moments).charts[1].series;
        assert_eq!((cpu.len(), cpu[8].label.as_str()), (9, "4 other threads"));
        assert_eq!((cpu[0].values[0], cpu[0].values[9]), (Some(50.0), Some(50.0)), "a moment of 200 ms");
    }

    #[test]
    fn many_workers_are_one_line() {
        let labels = |workers: u32| -> Vec<String> {
            Course::of(&moments(10, workers)).charts[0]
                .series
                .iter()
                .map(|series| series.label.clone())
                .collect()
        };
        assert_eq!(labels(2), ["main", "worker-0", "worker-1"]);
        assert_eq!(labels(200), ["main", "worst of 200 workers"]);
    }

    #[test]
    fn what_is_on_the_queues_is_as_it_was_told_last() {
        let at =
            |second: u64, waiting| Queues { at_micros: second * 1_000_000, waiting, in_flight: 1, dead: 0 };
        let course = Course::of(&moments(40, 1));
        assert_eq!(course.clone().with_queues(&[]), course);
        let charts = course.with_queues(&[at(1, 9), at(2, 5)]).charts;
        let waiting = &charts.last().unwrap().series[0].values;
        assert_eq!(
            (waiting[8], waiting[9], waiting[18], waiting[39]),
            (None, Some(9.0), Some(9.0), Some(5.0))
        );
    }

    #[test]
    fn of_nothing_there_is_no_point() {
        assert_eq!(Course::of(&[]).seconds, Vec::<f64>::new());
    }
}
