//! The numbers that diagnoses are made from.

use super::{Figures, LoopFigures};
use crate::{
    analyse::{number::float, quantile::quantile},
    record::{Began, LoopMoment, Moment},
};

/// Each loop's figures, in the order in which loops were first seen.
pub(super) fn loops(moments: &[Moment]) -> Vec<LoopFigures> {
    let mut names: Vec<&str> = Vec::new();
    for each in moments.iter().flat_map(|moment| &moment.loops) {
        if !names.contains(&each.name.as_str()) {
            names.push(&each.name);
        }
    }
    let seconds = seconds(moments);
    let of = |name: &str| {
        let own = || moments.iter().flat_map(|moment| &moment.loops).filter(move |each| each.name == name);
        let mut late: Vec<u64> =
            own().flat_map(|each| each.late_micros.iter().map(|late| u64::from(*late))).collect();
        late.sort_unstable();
        LoopFigures {
            name: name.to_owned(),
            probes: late.len(),
            p50_micros: quantile(&late, 0.5),
            p99_micros: quantile(&late, 0.99),
            p999_micros: quantile(&late, 0.999),
            max_micros: own().map(longest).max().unwrap_or(0),
            max_away_micros: own().map(|each| each.away_micros).max().unwrap_or(0),
            cpu_share: share(own().map(|each| each.cpu_micros).sum(), seconds * 1e6),
        }
    };
    names.into_iter().map(of).collect()
}

/// The longest delay of a moment: also of a probe that is not answered yet.
pub(in crate::analyse) fn longest(each: &LoopMoment) -> u64 {
    let answered = each.late_micros.iter().max().map_or(0, |late| u64::from(*late));
    answered.max(each.unanswered_micros)
}

pub(super) fn figures(began: &Began, moments: &[Moment]) -> Figures {
    let seconds = seconds(moments);
    let of_loops =
        |of: fn(&LoopMoment) -> u64| -> u64 { moments.iter().flat_map(|moment| &moment.loops).map(of).sum() };
    let (on, waiting) = (of_loops(|each| each.cpu_micros), of_loops(|each| each.run_queue_micros));
    let working = || moments.iter().filter(|moment| is_working(moment));
    let slots = u64::from(began.workers) * u64::from(began.tasks_per_worker);
    let busy: u64 = working().map(|moment| u64::from(moment.busy)).sum();
    let since_first = |of: fn(&Moment) -> u64| {
        let at = |moment: Option<&Moment>| moment.map_or(0, of);
        at(moments.last()).saturating_sub(at(moments.first()))
    };
    Figures {
        seconds,
        settled: since_first(|moment| moment.settled),
        failed: since_first(|moment| moment.failed),
        cpu_share: share(
            moments.iter().map(|moment| moment.cpu_micros).sum(),
            seconds * 1e6 * f64::from(began.cpus.max(1)),
        ),
        run_queue_share: share(waiting, float(on + waiting)),
        stolen_share: share(
            moments.iter().map(|moment| moment.stolen_micros).sum(),
            seconds * 1e6 * f64::from(began.cpus.max(1)),
        ),
        busy_share: share(busy, float(slots) * float(working().count() as u64)),
        peak_rss_bytes: moments.iter().map(|moment| moment.rss_bytes).max().unwrap_or(0),
    }
}

pub(super) fn is_working(moment: &Moment) -> bool {
    moment.busy > 0 || moment.waiting > 0
}

fn seconds(moments: &[Moment]) -> f64 {
    moments.last().map_or(0.0, |last| float(last.at_micros) / 1e6)
}

pub(super) fn share(part: u64, of: f64) -> f64 {
    if of > 0.0 { (float(part) / of).min(1.0) } else { 0.0 }
}
