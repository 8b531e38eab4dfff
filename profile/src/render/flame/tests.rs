use super::*;
use crate::{
    analyse::flame::{compare, flame as analysed},
    read::Recorded,
    record::{Began, Ending, Moment, Sample, Samples, Stack, Tool, fixture},
};

fn began(version: &str) -> Began {
    Began { version: version.to_owned(), ..fixture::began(Tool::Flame) }
}

/// So many seconds of two busy CPUs, in which each stack was seen in turn.
fn recorded(seconds: u64, stacks: Vec<Vec<String>>) -> Recorded {
    let moment = |tenth: u64| Moment {
        at_micros: tenth * 100_000,
        cpu_micros: 200_000,
        settled: tenth,
        threads: (0..8).map(|worker| (format!("worker-{worker}"), 25_000)).collect(),
        ..Moment::default()
    };
    let many = stacks.len() as u64;
    // A stack a second is enough of each in three hours.
    let each = if seconds > 600 { 198 } else { 1 };
    let sample = |at: u64| Sample {
        thread: format!("worker-{}", at % 8),
        stack: u32::try_from(at % many).unwrap(),
        count: u32::try_from(each).unwrap(),
    };
    let samples = |second: u64| Samples {
        at_micros: second * 1_000_000,
        hertz: 99,
        samples: (0..198 / each).map(|at| sample(second * 198 / each + at)).collect(),
    };
    Recorded {
        moments: (1..=seconds * 10).map(moment).collect(),
        samples: (1..=seconds).map(samples).collect(),
        stacks: (0..).zip(stacks).map(|(id, frames)| Stack { id, frames }).collect(),
        ending: Some(Ending::Over),
        ..Recorded::of(began("1.2.3"))
    }
}

/// Deep stacks with long names, many of them alike near their threads.
fn deep(many: u32) -> Vec<Vec<String>> {
    let name = |level: u32, at: u32| {
        format!(
            "<aws_smithy_runtime::client::level_{level}::Type{}<T,C> as core::future::Future>::poll",
            at >> (13 - level.min(13))
        )
    };
    (0..many).map(|at| (0..100).rev().map(|level| name(level, at)).collect()).collect()
}

fn rendered(recorded: &Recorded) -> String {
    let found = analysed(recorded);
    flame(&recorded.began, "today", &found, &Course::of(&recorded.moments), None).unwrap()
}

fn hot() -> Recorded {
    recorded(10, vec![vec!["exportpool_consumer::hash<A,B>".into(), "main".into()]])
}

#[test]
fn a_page_says_what_was_found_and_needs_nothing_else() {
    let page = rendered(&hot());
    for part in [
        "<title>flame: red - exportpool</title>",
        "hot function",
        "exportpool_consumer::hash&lt;A,B&gt;",
        "exportpool-consumer 1.2.3, process 7",
        "1980 samples of 20.00 s of CPU time; 2.00 CPUs on average",
        "<th scope=\"row\">allocator</th>",
        "role=\"tree\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for elsewhere in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    assert!(!page.contains("What has changed"));
}

#[test]
fn a_page_is_small_whatever_the_load_and_however_long_the_profile_was() {
    for (seconds, limit) in [(60, 1_000_000), (10_800, 5_000_000)] {
        let recorded = recorded(seconds, deep(2_048));
        let found = analysed(&recorded);
        let difference = compare(&found, &found);
        let course = Course::of(&recorded.moments);
        let page = flame(&recorded.began, "today", &found, &course, Some(&difference)).unwrap();
        let size = page.len();
        assert!(found.threads[0].nodes.len() > 1_000, "the graph is there");
        assert!(size < limit, "{seconds} s: {size}");
    }
}

#[test]
fn what_a_profile_says_does_not_become_markup() {
    let evil = "</script><script>alert(1)</script><img>".to_owned();
    let mut recorded = recorded(2, vec![vec![evil.clone(), "main".into()]]);
    recorded.began = began(&evil);
    recorded.samples[0].samples[0].thread = evil.clone();
    let found = analysed(&recorded);
    let baseline = compare(&analysed(&hot()), &found);
    let page =
        flame(&recorded.began, &evil, &found, &Course::of(&recorded.moments), Some(&baseline)).unwrap();
    assert!(page.contains("&lt;img&gt;") && page.contains("\\u003cimg>"));
    assert!(!page.contains("<script>alert") && !page.contains("<img>"));
}

#[test]
fn with_a_baseline_a_page_says_what_has_changed() {
    let before = analysed(&recorded(10, vec![vec!["a::f".into()], vec!["a::g".into()]]));
    let after = recorded(
        10,
        vec![vec!["a::f".into()], vec!["a::f".into()], vec!["a::f".into()], vec!["a::g".into()]],
    );
    let found = analysed(&after);
    let of = |before: &Flame| {
        let difference = compare(before, &found);
        flame(&after.began, "today", &found, &Course::of(&after.moments), Some(&difference)).unwrap()
    };
    let page = of(&before);
    assert!(
        page.contains("What has changed")
            && page.contains("<td>+25.00 %</td>")
            && page.contains("<td>-25.00 %</td>")
    );
    assert!(page.contains("\"changes\":[{\"before\":0.5,\"after\":0.75,\"isSure\":true}"));
    assert!(
        of(&found).contains("No function&#39;s share has changed")
            || of(&found).contains("No function's share has changed")
    );
}

#[test]
fn of_nothing_there_is_a_page() {
    let page = rendered(&Recorded::of(began("1.2.3")));
    assert!(page.contains("recording not whole") && page.contains("0 samples"));
}
