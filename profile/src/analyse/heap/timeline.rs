//! Memory and work over time, few enough points for a page.

use serde::{Deserialize, Serialize};

use super::{
    Heap, float, round, seconds,
    stretch::{Sent, Stretch, sent},
};
use crate::{
    analyse::{
        number,
        series::{Chart, Course, MOST_POINTS, Series},
    },
    read::Recorded,
    record::Moment,
};

/// Memory in MiB, and work, over the same times. Peaks are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// In seconds since the profile began.
    pub seconds: Vec<f64>,
    /// Resident memory.
    pub resident: Vec<f64>,
    /// What the allocator has given out; empty where it does not say.
    pub allocated: Vec<f64>,
    /// Its pages with something of that; empty where it does not say.
    pub active: Vec<f64>,
    /// What it keeps mapped without using it; empty where it does not say.
    pub retained: Vec<f64>,
    /// The floor of the last stretch until then; none before the first.
    pub floor: Vec<Option<f64>>,
    /// Jobs of the wave that is not settled; empty without waves.
    pub wave: Vec<u64>,
    /// Messages in hand.
    pub in_hand: Vec<u64>,
    /// Slots with a task.
    pub busy: Vec<u64>,
    /// Tasks that wait in memory for a slot.
    pub waiting: Vec<u64>,
}

impl Timeline {
    pub(super) fn of(recorded: &Recorded, stretches: &[Stretch]) -> Self {
        let moments = &recorded.moments;
        let buckets: Vec<_> = moments.chunks(moments.len().div_ceil(MOST_POINTS).max(1)).collect();
        let most = |of: fn(&Moment) -> u64| -> Vec<u64> {
            buckets.iter().map(|bucket| bucket.iter().map(of).max().unwrap_or(0)).collect()
        };
        let memory = |of| most(of).into_iter().map(mebibytes).collect();
        let told = |of: fn(&Moment) -> u64| {
            if moments.iter().any(|moment| of(moment) > 0) { memory(of) } else { Vec::new() }
        };
        let spans = spans(&buckets);
        let waves = sent(&recorded.waves);
        Self {
            seconds: spans.iter().map(|(_, end)| seconds(*end)).collect(),
            resident: memory(|moment| moment.rss_bytes),
            allocated: told(|moment| moment.allocated_bytes),
            active: told(|moment| moment.active_bytes),
            retained: told(|moment| moment.retained_bytes),
            floor: spans.iter().map(|(_, end)| floor(stretches, seconds(*end))).collect(),
            wave: if waves.is_empty() {
                Vec::new()
            } else {
                spans.iter().map(|span| jobs(&waves, *span)).collect()
            },
            in_hand: most(|moment| u64::from(moment.in_hand)),
            busy: most(|moment| u64::from(moment.busy)),
            waiting: most(|moment| u64::from(moment.waiting)),
        }
    }
}

impl Heap {
    /// Its timeline as charts.
    #[must_use]
    pub fn course(&self) -> Course {
        let Timeline { seconds, resident, allocated, active, retained, floor, wave, in_hand, busy, waiting } =
            &self.timeline;
        let memory =
            [("resident", resident), ("allocated", allocated), ("active", active), ("retained", retained)];
        let mut memory: Vec<_> =
            memory.into_iter().filter_map(|(label, values)| line(label, values, |value| value)).collect();
        if !self.stretches.is_empty() {
            memory.push(Series { label: "last floor".to_owned(), values: floor.clone() });
        }
        let work = [
            ("jobs of the wave", wave),
            ("messages in hand", in_hand),
            ("busy slots", busy),
            ("tasks waiting", waiting),
        ];
        let work = work.into_iter().filter_map(|(label, values)| line(label, values, float));
        let chart = |title, unit, series| Chart { title, unit, zones: None, series };
        Course {
            seconds: seconds.clone(),
            charts: vec![chart("Memory", "MiB", memory), chart("Waves and work", "", work.collect())],
        }
    }
}

fn line<T: Copy>(label: &str, values: &[T], float: impl Fn(T) -> f64) -> Option<Series> {
    let label = label.to_owned();
    (!values.is_empty())
        .then(|| Series { label, values: values.iter().map(|value| Some(float(*value))).collect() })
}

/// When each bucket begins and ends, in microseconds.
fn spans(buckets: &[&[Moment]]) -> Vec<(u64, u64)> {
    let ends = buckets.iter().filter_map(|bucket| bucket.last()).map(|last| last.at_micros);
    ends.scan(0, |before, end| Some((std::mem::replace(before, end), end))).collect()
}

fn floor(stretches: &[Stretch], at: f64) -> Option<f64> {
    let until = stretches.partition_point(|stretch| stretch.settled_seconds <= at);
    stretches.get(until.checked_sub(1)?).map(|stretch| mebibytes(stretch.floor_bytes))
}

/// Of the wave that was not settled at some time of this span.
fn jobs(waves: &[Sent], (from, to): (u64, u64)) -> u64 {
    let until = waves.partition_point(|wave| wave.sent <= to);
    let last = until.checked_sub(1).and_then(|last| waves.get(last));
    last.filter(|wave| wave.settled.is_none_or(|settled| settled > from)).map_or(0, |wave| wave.jobs)
}

/// To a thousandth.
fn mebibytes(bytes: u64) -> f64 {
    round(number::mebibytes(bytes))
}
