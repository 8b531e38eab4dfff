//! The heap's page.

mod floors;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::page::{Page, charts, findings_with, table, whose};
use crate::{
    analyse::{
        heap::{Figures, Function, Heap, Place, Shape, Snapshot, Span, Tree},
        number::mebibytes,
        series::Course,
    },
    record::Began,
};

/// Tables have so many rows at most.
const MOST_ROWS: usize = 40;
const STYLE: &str = include_str!("assets/heap.css");
const SCRIPT: &str = include_str!("assets/heap.js");
const TREE: &str = include_str!("assets/heap.html");

/// What the page's scripts read.
#[derive(Serialize)]
struct Data<'a> {
    course: &'a Course,
    heap: Shown<'a>,
}

/// What is live.
#[derive(Serialize)]
struct Shown<'a> {
    functions: &'a [Function],
    crates: &'a [String],
    trees: &'a [Tree],
    /// What is seen first.
    first: Snapshot,
}

impl<'a> Shown<'a> {
    const fn of(heap: &'a Heap) -> Self {
        let first = match heap.growth.shape {
            Shape::Rising | Shape::Step => Snapshot::Growth,
            Shape::TooFew | Shape::Level | Shape::Plateau => Snapshot::Peak,
        };
        Self {
            functions: heap.functions.as_slice(),
            crates: heap.crates.as_slice(),
            trees: heap.trees.as_slice(),
            first,
        }
    }
}

/// The page of a heap's profile. `when` is for people.
///
/// # Errors
/// The numbers cannot be written as JSON: one of them is not finite.
pub fn heap(began: &Began, when: &str, heap: &Heap) -> Result<String, serde_json::Error> {
    let course = heap.course();
    let page = Page {
        tool: "heap",
        verdict: heap.verdict,
        summary: summary(began, when, heap),
        sections: vec![
            (
                "What was found",
                findings_with(&heap.diagnoses, "Where most of it was allocated, the innermost first"),
            ),
            ("Over time", charts(&course.charts) + &memory(&heap.figures)),
            (floors::head(heap), floors::section(heap)),
            ("What is allocated and not freed", live(heap)),
            ("Where it was allocated", places(heap)),
        ],
        data: &Data { course: &course, heap: Shown::of(heap) },
        has_charts: true,
        style: STYLE,
        script: SCRIPT,
    };
    page.html()
}

fn summary(began: &Began, when: &str, heap: &Heap) -> String {
    let figures = &heap.figures;
    let waves = if figures.waves > 0 {
        format!(" in {} waves of {} jobs in all", figures.waves, figures.jobs)
    } else {
        String::new()
    };
    format!(
        "{}, for {:.1} s: {} tasks settled{waves}, at most {:.1} MiB allocated and {:.1} MiB resident.",
        whose(began, when),
        figures.seconds,
        figures.settled,
        mebibytes(figures.allocated.most),
        mebibytes(figures.resident.most),
    )
}

fn memory(figures: &Figures) -> String {
    let of = [
        ("resident: in memory, of all the process", figures.resident),
        ("allocated: given out by the allocator", figures.allocated),
        ("active: its pages with something of that", figures.active),
        ("retained: mapped, and neither used nor in memory", figures.retained),
    ];
    let told = of.into_iter().filter(|(_, span)| *span != Span::default());
    let rows = told.map(|(name, span)| [name.to_owned(), mib(span.first), mib(span.most), mib(span.last)]);
    table(["memory, MiB", "at first", "at most", "at last"], rows)
}

fn live(heap: &Heap) -> String {
    if heap.trees.is_empty() {
        return "<p>No stacks were recorded: the consumer's allocator does not sample, or the profile was too short.</p>".to_owned();
    }
    format!(
        "{TREE}<p class=\"note\">Estimated by the allocator, which notes the stack of about one in every so many bytes that it gives \
         out. What was allocated before the profile began is not in it. What grew is what the last floors have more than the \
         first, on average, of each stack; what shrank is left out. Functions with too little are together in others.</p>"
    )
}

fn places(heap: &Heap) -> String {
    let name =
        |number: u32| heap.functions.get(number as usize).map_or("–", |function| &function.name).to_owned();
    let of_crate = |place: &Place| {
        let function = heap.functions.get(place.function as usize);
        function.and_then(|function| heap.crates.get(function.of_crate as usize)).cloned().unwrap_or_default()
    };
    let rows = heap.places.iter().take(MOST_ROWS).map(|place| {
        [
            name(place.function),
            of_crate(place),
            place.ours.map_or_else(|| "–".to_owned(), name),
            kib(place.peak_bytes),
            kib(place.end_bytes),
            grown(place),
        ]
    });
    table(
        [
            "function",
            "crate",
            "the last of ours on the way",
            "at the peak, KiB",
            "at the end, KiB",
            "grown, KiB",
        ],
        rows,
    ) + "<p class=\"note\">The innermost function that is not the language's or the allocator's; what they allocate is for it.</p>"
}

/// From the first floors to the last.
fn grown(place: &Place) -> String {
    let (before, after) = (place.before_bytes, place.after_bytes);
    if after >= before { format!("+{}", kib(after - before)) } else { format!("-{}", kib(before - after)) }
}

/// Bytes in MiB, for a table.
fn mib(bytes: u64) -> String {
    format!("{:.2}", mebibytes(bytes))
}

/// Bytes in KiB, for a table.
fn kib(bytes: u64) -> String {
    format!("{:.1}", 1024.0 * mebibytes(bytes))
}
