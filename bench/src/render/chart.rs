//! Charts as SVG.

use std::path::Path;

use plotters::prelude::*;

use super::table::shape;
use crate::measure::{cost, memory, scaling, speed};

const SIZE: (u32, u32) = (760, 380);
const FONT: (&str, u32) = ("sans-serif", 14);
const COLOURS: [RGBColor; 4] = [
    RGBColor(0x2f, 0x6f, 0xb3),
    RGBColor(0xc7, 0x6b, 0x2a),
    RGBColor(0x4b, 0x8f, 0x4b),
    RGBColor(0x7a, 0x5b, 0xa6),
];
const IDEAL: RGBColor = RGBColor(0x99, 0x99, 0x99);
/// Room above the largest value.
const ROOM: f64 = 1.15;

/// A line of a chart.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Lines over numbers, from zero.
fn lines(path: &Path, title: &str, axes: [&str; 2], lines: &[Line]) -> anyhow::Result<()> {
    let most = |read: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| line.points.iter().map(read)).fold(1e-9, f64::max)
    };
    let (right, top) = (most(|point| point.0), most(|point| point.1) * ROOM);
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..right * 1.02, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .label_style(FONT)
        .x_desc(axes[0])
        .y_desc(axes[1])
        .draw()?;
    for Line { name, colour, points } in lines {
        let colour = *colour;
        let drawn = chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3))?;
        drawn
            .label(name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let labels = chart.configure_series_labels();
    let mut labels = labels;
    labels
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(FONT)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Bars beside their names, the longest first or as given.
fn bars(path: &Path, title: &str, unit: &str, digits: usize, bars: &[(String, f64)]) -> anyhow::Result<()> {
    const ROW: i32 = 28;
    const NAMES: i32 = 330;
    const WIDTH: i32 = 300;
    let height = u32::try_from(bars.len())? * ROW.unsigned_abs() + 60;
    let area = SVGBackend::new(path, (SIZE.0, height)).into_drawing_area();
    area.fill(&WHITE)?;
    area.draw(&Text::new(title.to_owned(), (12, 12), ("sans-serif", 18).into_font()))?;
    let most = bars.iter().map(|(_, value)| *value).fold(1e-9, f64::max);
    for (place, (name, value)) in bars.iter().enumerate() {
        let top = 44 + i32::try_from(place)? * ROW;
        let right = NAMES + length(value / most, WIDTH);
        let colour = if name.starts_with("exportpool") { COLOURS[0] } else { IDEAL };
        area.draw(&Text::new(name.clone(), (12, top + 3), FONT.into_font()))?;
        area.draw(&Rectangle::new([(NAMES, top), (right, top + 20)], colour.filled()))?;
        area.draw(&Text::new(format!("{value:.digits$} {unit}"), (right + 6, top + 3), FONT.into_font()))?;
    }
    area.present()?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a share of a few hundred pixels")]
fn length(share: f64, width: i32) -> i32 {
    (share * f64::from(width)).round() as i32
}

pub(super) fn scaling(rows: &[scaling::Row], path: &Path) -> anyhow::Result<()> {
    let most = rows.iter().map(|row| row.messages).max().unwrap_or_default();
    let rows: Vec<_> = rows.iter().filter(|row| row.messages == most).collect();
    let line = |name: &str, colour, read: &dyn Fn(&scaling::Row) -> f64| Line {
        name: name.into(),
        colour,
        points: rows.iter().map(|row| (row.workers as f64, read(row))).collect(),
    };
    let ideal = line("workers / delay", IDEAL, &|row| row.workers as f64 / scaling::DELAY.as_secs_f64());
    let measured = line("exportpool, all slots taken", COLOURS[0], &|row| row.steady_per_second.median);
    let title = format!("Tasks a second, source delay 400 ms, {most} messages");
    lines(path, &title, ["workers", "tasks/s"], &[ideal, measured])
}

pub(super) fn speed(rows: &[speed::Row], path: &Path) -> anyhow::Result<()> {
    let named = rows.iter().map(|row| {
        let jobs = if row.entry.jobs { ", jobs of one" } else { "" };
        (format!("{}, {} slots{jobs}", row.entry.who.words(), row.entry.slots), row.per_cpu_second.median)
    });
    bars(path, "Messages a CPU second, files of 1 KiB", "", 0, &named.collect::<Vec<_>>())
}

pub(super) fn memory(found: &memory::Memory, path: &Path) -> anyhow::Result<()> {
    let named = found.waves.iter().zip(COLOURS).map(|(waves, colour)| Line {
        name: waves.who.words().into(),
        colour,
        points: waves.after_mib.iter().enumerate().map(|(wave, mib)| ((wave + 1) as f64, *mib)).collect(),
    });
    lines(
        path,
        "RSS after each wave of 50 files of 1 MiB, 8 workers",
        ["wave", "MiB"],
        &named.collect::<Vec<_>>(),
    )
}

pub(super) fn cost(rows: &[cost::Row], path: &Path) -> anyhow::Result<()> {
    let named = rows.iter().map(|row| {
        (format!("{}, {}", row.who.words(), shape(row.tasks_a_job)), row.dollars().iter().sum::<f64>() * 1e3)
    });
    bars(path, "US dollars for a million tasks: SQS, S3, DynamoDB", "$", 2, &named.collect::<Vec<_>>())
}
