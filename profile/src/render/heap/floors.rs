//! What is left after each wave: a small chart that needs no script, and a table.

use std::fmt::Write as _;

use super::{super::page::table, kib, mib};
use crate::analyse::{
    heap::{Heap, Stretch},
    number::mebibytes,
};

/// The chart's size, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
/// Of it, for numbers: to the left and below, and as much of air above and to the right as `AIR`.
const LEFT: f64 = 76.0;
const BELOW: f64 = 24.0;
const AIR: f64 = 10.0;
/// More rows are left out in the middle.
const MOST_ROWS: usize = 40;
/// More stretches have no number below them each.
const MOST_NUMBERS: usize = 24;
/// Floors that differ by less, in MiB, are drawn as alike.
const LEAST_RANGE: f64 = 1.0;

/// What the section is headed.
pub(super) const fn head(heap: &Heap) -> &'static str {
    if heap.figures.waves > 0 {
        "What is left after each wave"
    } else {
        "What is left in each tenth of the time"
    }
}

pub(super) fn section(heap: &Heap) -> String {
    if heap.stretches.is_empty() {
        return "<p>No wave was settled and followed by a pause, and without waves the profile was too short.</p>".to_owned();
    }
    chart(&heap.stretches, heap.growth.bytes_per_stretch, heap.figures.waves > 0) + &rows(heap)
}

/// Where the values of a chart are.
struct Scale {
    least: f64,
    most: f64,
    last: f64,
}

impl Scale {
    fn of(stretches: &[Stretch]) -> Self {
        let floors = || stretches.iter().map(|stretch| mebibytes(stretch.floor_bytes));
        let (least, most) = (floors().fold(f64::MAX, f64::min), floors().fold(0.0, f64::max));
        let more = (LEAST_RANGE - (most - least)).max(0.0) / 2.0;
        Self {
            least: (least - more).max(0.0),
            most: most + more,
            last: place(stretches.len().saturating_sub(1)),
        }
    }

    fn x(&self, at: usize) -> f64 {
        LEFT + (WIDTH - LEFT - AIR) * if self.last > 0.0 { place(at) / self.last } else { 0.5 }
    }

    fn y(&self, mebibytes: f64) -> f64 {
        AIR + (HEIGHT - AIR - BELOW) * (self.most - mebibytes) / (self.most - self.least)
    }
}

fn place(at: usize) -> f64 {
    f64::from(u32::try_from(at).unwrap_or(u32::MAX))
}

fn chart(stretches: &[Stretch], slope: f64, has_waves: bool) -> String {
    let scale = Scale::of(stretches);
    let of = if has_waves { "wave" } else { "stretch" };
    let mut marks = grid(&scale);
    if stretches.len() <= MOST_NUMBERS {
        for (at, stretch) in stretches.iter().enumerate() {
            let _ = write!(
                marks,
                r#"<text class="number" x="{:.1}" y="{HEIGHT}">{}</text>"#,
                scale.x(at),
                stretch.number
            );
        }
    }
    marks += &line(stretches, &scale);
    marks += &trend(stretches, slope, &scale);
    for (at, stretch) in stretches.iter().enumerate() {
        let class = if stretch.is_warm_up { r#" class="start""# } else { "" };
        let floor = mebibytes(stretch.floor_bytes);
        let (x, y) = (scale.x(at), scale.y(floor));
        let _ = write!(
            marks,
            r#"<circle{class} cx="{x:.1}" cy="{y:.1}" r="4"><title>{of} {}: {floor:.2} MiB</title></circle>"#,
            stretch.number
        );
    }
    format!(
        r#"<figure class="floors"><figcaption>Floors, in MiB, by {of}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">{marks}</svg></figure>"#,
        described(stretches, of),
        height = HEIGHT + 6.0,
    )
}

/// For those who do not see it: the table has the numbers.
fn described(stretches: &[Stretch], of: &str) -> String {
    let floor = |stretch: Option<&Stretch>| stretch.map_or(0.0, |stretch| mebibytes(stretch.floor_bytes));
    format!(
        "Floors of {} of them, from {:.2} MiB after the first {of} to {:.2} MiB after the last; the table below has each",
        stretches.len(),
        floor(stretches.first()),
        floor(stretches.last()),
    )
}

fn grid(scale: &Scale) -> String {
    let values = [scale.least, f64::midpoint(scale.least, scale.most), scale.most];
    values.iter().fold(String::new(), |mut marks, value| {
        let y = scale.y(*value);
        let _ = write!(
            marks,
            r#"<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1}" y2="{y:.1}"/><text class="value" x="{:.1}" y="{:.1}">{value:.2}</text>"#,
            LEFT - 8.0,
            y + 4.0
        );
        marks
    })
}

fn line(stretches: &[Stretch], scale: &Scale) -> String {
    let points = stretches.iter().enumerate().fold(String::new(), |mut points, (at, stretch)| {
        let _ = write!(points, "{:.1},{:.1} ", scale.x(at), scale.y(mebibytes(stretch.floor_bytes)));
        points
    });
    format!(r#"<polyline points="{}"/>"#, points.trim_end())
}

/// The slope, through the middle of those that count.
fn trend(stretches: &[Stretch], slope: f64, scale: &Scale) -> String {
    let from = stretches.iter().filter(|stretch| stretch.is_warm_up).count();
    let to = stretches.len() - 1;
    let is_whole = stretches.iter().zip(stretches.iter().skip(1)).all(|(a, b)| a.number + 1 == b.number);
    if to < from + 2 || !is_whole {
        return String::new();
    }
    let slope = slope / (1024.0 * 1024.0);
    let counted = stretches.iter().skip(from).map(|stretch| mebibytes(stretch.floor_bytes));
    // As Theil and Sen's line has it: half of the floors are above.
    let mut starts: Vec<f64> =
        counted.enumerate().map(|(at, floor)| slope.mul_add(-place(at), floor)).collect();
    let start = crate::analyse::quantile::median(&mut starts);
    let end = slope.mul_add(place(to - from), start);
    let within = |mebibytes: f64| scale.y(mebibytes.clamp(scale.least, scale.most));
    format!(
        r#"<line class="trend" x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}"/>"#,
        scale.x(from),
        within(start),
        scale.x(to),
        within(end)
    )
}

fn rows(heap: &Heap) -> String {
    let has_waves = heap.figures.waves > 0;
    let before = std::iter::once(None).chain(heap.stretches.iter().map(Some));
    let all: Vec<_> = before.zip(&heap.stretches).map(|(before, stretch)| row(before, stretch)).collect();
    let (first, last) = (MOST_ROWS / 2, all.len().saturating_sub(MOST_ROWS / 2));
    let all_rows = all.len();
    let is_shown = |at: usize| at < first || at >= last;
    let rows = all.into_iter().enumerate().filter(|(at, _)| is_shown(*at)).map(|(_, row)| row);
    let [wave, sent, settled] =
        if has_waves { ["wave", "sent, s", "settled, s"] } else { ["stretch", "from, s", "to, s"] };
    let heads = [
        wave,
        "jobs",
        sent,
        settled,
        "at most, MiB",
        "left, MiB",
        "more than before, KiB",
        "a job, KiB",
        "resident, MiB",
    ];
    let table = table(heads, rows);
    table + &note(heap, all_rows)
}

fn note(heap: &Heap, rows: usize) -> String {
    let what = if heap.figures.allocated.most > 0 { "What is allocated" } else { "Resident memory" };
    let when = if heap.figures.waves > 0 {
        "at most in the wave, and at the least in the pause after it."
    } else {
        "at most in that time, and at the least."
    };
    let warm_up = match heap.growth.warm_up {
        0 => "",
        1 => " The first one is of the start, and does not count.",
        _ => " The first two are of the start, and do not count.",
    };
    let rest = if rows > MOST_ROWS { " Those in the middle are left out." } else { "" };
    format!(
        "<p class=\"note\">{what}, {when}{warm_up} The dashed line is the median of the slopes between any two floors (Theil and \
         Sen); whether they rise is told by how many pairs do (Mann and Kendall).{rest}</p>"
    )
}

fn row(before: Option<&Stretch>, stretch: &Stretch) -> [String; 9] {
    let more = before.map(|before| difference(before.floor_bytes, stretch.floor_bytes, 1));
    let of_job = before.filter(|_| stretch.jobs > 0);
    let of_job = of_job.map(|before| difference(before.floor_bytes, stretch.floor_bytes, stretch.jobs));
    let nothing = || "–".to_owned();
    let is_of_waves = stretch.jobs > 0;
    let settled = if is_of_waves { stretch.settled_seconds } else { stretch.until_seconds };
    [
        format!("{}{}", stretch.number, if stretch.is_warm_up { " (start)" } else { "" }),
        if is_of_waves { stretch.jobs.to_string() } else { nothing() },
        format!("{:.1}", stretch.sent_seconds),
        format!("{settled:.1}"),
        mib(stretch.peak_bytes),
        mib(stretch.floor_bytes),
        more.unwrap_or_else(nothing),
        of_job.unwrap_or_else(nothing),
        mib(stretch.resident_bytes),
    ]
}

/// By how much more, in KiB, for each of so many.
fn difference(before: u64, after: u64, each: u64) -> String {
    let sign = if after < before { '-' } else { '+' };
    format!("{sign}{}", kib(after.abs_diff(before) / each.max(1)))
}
