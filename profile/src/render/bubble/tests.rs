use super::*;
use crate::{
    analyse::bubble::{STEPS, bubble as analysed},
    read::Recorded,
    record::{Ending, Moment, Operation, Tool, fixture},
};

/// A consumer of eight workers that had so many seconds of work: of each message two tasks, each step of which takes a
/// hundredth of a second and more, and the store as long as it is told to, in microseconds.
fn recorded(seconds: u64, messages_a_second: u64, store: u64) -> Recorded {
    let operations = (0..seconds * messages_a_second).flat_map(|message| {
        let mut at = message * 1_000_000 / messages_a_second;
        STEPS.into_iter().filter(|step| *step != Step::Connect).flat_map(move |step| {
            let takes = if step == Step::Store { store } else { 10_000 + message * 37 % 5_000 };
            let from_micros = at;
            at += takes;
            let of = move |task| Operation {
                message,
                task,
                step,
                from_micros,
                to_micros: from_micros + takes,
                failed: step == Step::FirstByte && message % 50 == 7,
            };
            let is_own = matches!(step, Step::Receive | Step::Admit | Step::Acknowledge);
            if is_own { vec![of(None)] } else { vec![of(Some(0)), of(Some(1))] }
        })
    });
    let moment =
        |tenth: u64| Moment { at_micros: tenth * 100_000, busy: 8, settled: tenth, ..Moment::default() };
    Recorded {
        operations: operations.collect(),
        moments: (1..=seconds * 10).map(moment).collect(),
        ending: Some(Ending::Settled),
        ..Recorded::of(Began { workers: 8, ..fixture::began(Tool::Bubble) })
    }
}

fn rendered(recorded: &Recorded) -> String {
    bubble(&recorded.began, "today", &analysed(recorded)).unwrap()
}

#[test]
fn a_page_says_what_was_found_and_needs_nothing_else() {
    let page = rendered(&recorded(10, 20, 1_500_000));
    for part in [
        "<title>bubble: yellow - exportpool</title>",
        "slow store",
        "store takes 1.50 s (p50)",
        "exportpool-consumer 1.2.3, process 7, 8 workers",
        "200 messages with 400 tasks",
        "<th scope=\"row\">first byte</th><td>400</td><td>8</td>",
        "<th scope=\"row\">claim</th><td>wait for a slot</td><td>400</td>",
        "Operations at a time, on average",
        "data-message=\"",
        "Copyright (c) 2022 Leon Sorokin",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for elsewhere in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn a_page_is_small_whatever_the_load_and_however_long_the_profile_was() {
    for (seconds, messages_a_second, limit) in [(60, 500, 1_000_000), (10_800, 2, 5_000_000)] {
        let page = rendered(&recorded(seconds, messages_a_second, 10_000));
        assert!(page.len() < limit, "{seconds} s: {}", page.len());
    }
}

#[test]
fn what_a_process_says_of_itself_does_not_become_markup() {
    let evil = "</script><script>alert(1)</script><img>";
    let mut recorded = recorded(2, 10, 10_000);
    recorded.began.version = evil.to_owned();
    recorded.ending = Some(Ending::Gone { why: evil.to_owned() });
    let page = bubble(&recorded.began, evil, &analysed(&recorded)).unwrap();
    assert!(page.contains("&lt;img&gt;") && !page.contains("<script>alert") && !page.contains("<img>"));
}

/// The charts, the graph and the tables have the same steps, each in the script's own list of names.
#[test]
fn the_script_knows_each_step_by_its_words() {
    for step in STEPS {
        let named = serde_json::to_string(&step).unwrap().replace('"', "");
        assert!(SCRIPT.contains(&format!("{named}: \"{}\"", step.words())), "{named}");
    }
}

#[test]
fn of_nothing_there_is_a_page() {
    let page = rendered(&Recorded::of(fixture::began(Tool::Bubble)));
    assert!(page.contains("recording not whole") && page.contains("0 operations"));
}
