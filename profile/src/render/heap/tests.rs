use super::*;
use crate::{
    analyse::heap::heap as analysed,
    read::Recorded,
    record::{Allocation, Ending, Live, Moment, Stack, Tool, Wave, fixture},
};

const MIB: u64 = 1 << 20;

fn began(version: &str) -> Began {
    Began { version: version.to_owned(), ..fixture::began(Tool::Heap) }
}

/// So many seconds in waves of 6 s, of which 4 are a pause, and each of which leaves so many bytes. Every 2 s each stack has
/// as much of what was left as the others.
fn recorded(seconds: u64, left: u64, stacks: Vec<Vec<String>>) -> Recorded {
    let kept = |tenth: u64| (tenth + 40) / 60 * left;
    let moment = |tenth: u64| Moment {
        at_micros: tenth * 100_000,
        allocated_bytes: 20 * MIB
            + kept(tenth)
            + if tenth % 60 < 20 { 7 * MIB + tenth % 7 * 12_345 } else { 0 },
        active_bytes: 40 * MIB + tenth % 11,
        retained_bytes: 9 * MIB,
        rss_bytes: 61 * MIB + tenth % 13 * 4_096,
        busy: u32::from(tenth % 60 < 20),
        settled: tenth / 60 * 50,
        ..Moment::default()
    };
    let many = stacks.len() as u64;
    let live = |second: u64| Live {
        at_micros: second * 1_000_000,
        allocations: (0..)
            .zip(&stacks)
            .map(|(stack, _)| Allocation { stack, bytes: (MIB + kept(second * 10)) / many })
            .collect(),
    };
    let wave = |at: u64| {
        let at_micros = at * 6_000_000;
        [Wave { at_micros, jobs: 50 }, Wave { at_micros: at_micros + 2_000_000, jobs: 0 }]
    };
    Recorded {
        moments: (1..=seconds * 10).map(moment).collect(),
        live: (1..=seconds / 2).map(|at| live(2 * at)).collect(),
        waves: (0..seconds / 6).flat_map(wave).collect(),
        stacks: (0..).zip(stacks).map(|(id, frames)| Stack { id, frames }).collect(),
        ending: Some(Ending::Settled),
        ..Recorded::of(began("1.2.3"))
    }
}

fn leaking() -> Recorded {
    recorded(60, MIB, vec![vec!["malloc".into(), "exportpool_consumer::keep<A,B>".into(), "main".into()]])
}

fn rendered(recorded: &Recorded) -> String {
    heap(&recorded.began, "today", &analysed(recorded)).unwrap()
}

#[test]
fn a_page_says_what_was_found_and_needs_nothing_else() {
    let page = rendered(&leaking());
    for part in [
        "<title>heap: red - exportpool</title>",
        "What is left after each wave",
        "<code>exportpool_consumer::keep&lt;A,B&gt;</code>",
        "Where most of it was allocated",
        "exportpool-consumer 1.2.3, process 7",
        "in 10 waves of 500 jobs in all",
        "role=\"tree\"",
        "<svg viewBox",
        "<th scope=\"row\">retained: mapped, and neither used nor in memory</th><td>9.00</td>",
        "<th scope=\"row\">1 (start)</th><td>50</td>",
        "<td>+1024.0</td>",
        "\"first\":\"growth\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for elsewhere in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn a_page_is_small_whatever_the_load_and_however_long_the_profile_was() {
    let frames = |at: u32| {
        let frame = |level: u32| {
            format!(
                "<aws_smithy_runtime::client::level_{level}::T{}<T,C> as core::future::Future>::poll",
                at >> (level / 8)
            )
        };
        (0..100).map(frame).collect()
    };
    for (seconds, limit) in [(60, 1_000_000), (10_800, 5_000_000)] {
        let many = if seconds == 60 { 2_000 } else { 200 };
        let recorded = recorded(seconds, 10_000, (0..many).map(frames).collect());
        let found = analysed(&recorded);
        assert!(found.trees.iter().all(|tree| tree.nodes.len() > 300), "the trees are there");
        let size = heap(&recorded.began, "today", &found).unwrap().len();
        assert!(size < limit, "{seconds} s: {size}");
    }
}

#[test]
fn what_a_profile_says_does_not_become_markup() {
    let evil = "</script><script>alert(1)</script><img>".to_owned();
    let mut recorded = recorded(60, MIB, vec![vec![evil.clone(), "main".into()]]);
    recorded.began = began(&evil);
    let page = heap(&recorded.began, &evil, &analysed(&recorded)).unwrap();
    assert!(page.contains("&lt;img&gt;") && page.contains("\\u003cimg>"));
    assert!(!page.contains("<script>alert") && !page.contains("<img>"));
}

#[test]
fn without_waves_a_page_has_tenths_of_the_time() {
    let page = rendered(&Recorded { waves: vec![], live: vec![], ..leaking() });
    assert!(page.contains("What is left in each tenth of the time") && page.contains(">stretch</th>"));
    assert!(page.contains("No stacks were recorded") && !page.contains("role=\"tree\""));
}

#[test]
fn of_nothing_there_is_a_page() {
    let page = rendered(&Recorded::of(began("1.2.3")));
    assert!(page.contains("recording not whole") && !page.contains("<svg") && !page.contains("NaN"));
}

#[test]
fn of_many_waves_the_first_and_the_last_are_in_the_table() {
    let page = rendered(&recorded(600, 0, vec![]));
    let row = |number: u32| page.contains(&format!("<th scope=\"row\">{number}</th><td>50</td>"));
    assert!(row(3) && row(20) && !row(21) && !row(80) && row(81) && row(100));
}

#[test]
fn a_chart_of_equal_floors_is_in_the_middle() {
    let page = rendered(&recorded(60, 0, vec![]));
    let svg = page.split_once("<svg").and_then(|(_, rest)| rest.split_once("</svg>")).unwrap().0;
    assert_eq!(svg.matches("<circle").count(), 10);
    assert_eq!(svg.matches("<circle class=\"start\"").count(), 2);
    assert_eq!(svg.matches(r#"cy="83.0""#).count(), 10, "{svg}");
}
