use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::record::{Ending, Moment, Sample, Samples, Stack, Tool, fixture::began};

/// Ten seconds with so much CPU time, in which threads were seen with stacks, written as `outermost;innermost`.
fn recorded(cpu_micros: u64, settled: u64, seen: &[(&str, &str, u32)]) -> Recorded {
    let mut stacks: Vec<Stack> = Vec::new();
    let mut known: BTreeMap<&str, u32> = BTreeMap::new();
    let mut samples = Vec::new();
    for (thread, stack, count) in seen {
        let id = *known.entry(stack).or_insert_with(|| {
            let id = u32::try_from(stacks.len()).unwrap();
            stacks.push(Stack { id, frames: stack.split(';').rev().map(str::to_owned).collect() });
            id
        });
        samples.push(Sample { thread: (*thread).to_owned(), stack: id, count: *count });
    }
    let moment = |second: u64| Moment {
        at_micros: second * 1_000_000,
        cpu_micros: cpu_micros / 10,
        settled: settled * second,
        ..Moment::default()
    };
    Recorded {
        moments: (1..=10).map(moment).collect(),
        stacks,
        samples: vec![Samples { at_micros: 10_000_000, hertz: 99, samples }],
        ending: Some(Ending::Over),
        ..Recorded::of(began(Tool::Flame))
    }
}

/// A consumer with work, that used 80 % of a CPU.
pub(super) fn of(seen: &[(&str, &str, u32)]) -> Flame {
    flame(&recorded(8_000_000, 10, seen))
}

fn found(flame: &Flame) -> Vec<(Hotspot, Zone)> {
    flame.diagnoses.iter().map(|diagnosis| (diagnosis.ailment, diagnosis.zone)).collect()
}

fn function<'a>(flame: &'a Flame, name: &str) -> &'a Function {
    flame.functions.iter().find(|function| function.name == name).unwrap()
}

fn own(flame: &Flame, kind: Kind) -> u64 {
    flame.kinds.iter().find(|share| share.kind == kind).unwrap().own
}

/// Work that is spread over many functions of the SDK, so that nothing is hot.
fn even(count: u32) -> Vec<(&'static str, String, u32)> {
    (0..20).map(|at| ("worker-0", format!("main;aws_sdk_s3::f{at}"), count)).collect()
}

fn borrowed<'a>(seen: &'a [(&'a str, String, u32)]) -> Vec<(&'a str, &'a str, u32)> {
    seen.iter().map(|(thread, stack, count)| (*thread, stack.as_str(), *count)).collect()
}

#[test]
fn a_tree_has_the_samples_of_all_threads_and_of_each() {
    let flame = of(&[
        ("main", "main;a::f;a::g", 10),
        ("worker-0", "main;a::f", 50),
        ("worker-1", "main;a::f;a::g", 40),
        ("worker-1", "main;a::h", 7),
    ]);
    let threads: Vec<_> = flame.threads.iter().map(|thread| (thread.name.as_str(), thread.samples)).collect();
    assert_eq!(
        threads,
        [("all threads", 107), ("workers", 97), ("worker-0", 50), ("worker-1", 47), ("main", 10)]
    );
    let shown = |thread: &Thread| -> Vec<(u32, String, u64, u64)> {
        let name = |node: &Node| flame.functions[node.function.unwrap() as usize].name.clone();
        thread.nodes.iter().map(|node| (node.depth, name(node), node.own, node.total)).collect()
    };
    assert_eq!(
        shown(&flame.threads[0]),
        [
            (0, "main".to_owned(), 0, 107),
            (1, "a::f".to_owned(), 50, 100),
            (2, "a::g".to_owned(), 50, 50),
            (1, "a::h".to_owned(), 7, 7)
        ]
    );
    assert!((flame.figures.cpu_seconds - 8.0).abs() < 1e-3, "as the kernel counts it");
    assert_eq!((flame.figures.seconds, flame.figures.cpus, flame.figures.samples), (10.0, 0.8, 107));
}

#[test]
fn a_function_that_calls_itself_counts_once() {
    let flame = of(&[("main", "main;a::f;a::g;a::f;a::f", 60), ("main", "main;a::g", 40)]);
    let (f, g) = (function(&flame, "a::f"), function(&flame, "a::g"));
    assert_eq!(((f.own, f.total), (g.own, g.total)), ((60, 60), (40, 100)));
}

#[test]
fn what_the_language_and_the_c_library_do_is_of_their_callers_kind() {
    let flame = of(&[
        ("main", "main;tokio::run;serde_json::read;alloc::vec::Vec<T,A>::push;__memcpy_avx", 30),
        ("main", "main;tokio::run;serde_json::read;_rjem_malloc", 20),
        ("main", "main;tokio::run;epoll_wait", 5),
        ("main", "main;tokio::run;tokio_rustls::read;rustls::decrypt;ring_core_0_17__aes", 25),
        ("main", "main;tokio::run;tokio_rustls::read;tokio::net::read;__GI_recv", 15),
        ("main", "main", 5),
    ]);
    let kinds = [Kind::Json, Kind::Allocator, Kind::Runtime, Kind::Tls, Kind::Other];
    assert_eq!(kinds.map(|kind| own(&flame, kind)), [30, 20, 20, 25, 5]);
    let total = |kind| flame.kinds.iter().find(|share| share.kind == kind).unwrap().total;
    assert_eq!((total(Kind::Json), total(Kind::Tls), total(Kind::Runtime)), (Some(50), Some(25), None));
}

#[test]
fn a_function_of_ours_that_has_half_of_a_busy_cpu_must_be_acted_on() {
    let seen = [
        ("worker-0", "main;exportpool_consumer::hash::{{closure}}", 700),
        ("worker-0", "main;exportpool_consumer::hash", 100),
        ("main", "main;aws_sdk_s3::put", 200),
    ];
    let busy = of(&seen);
    assert_eq!((busy.verdict, found(&busy)[0]), (Zone::Red, (Hotspot::Function, Zone::Red)));
    assert!(
        busy.diagnoses[0].evidence.starts_with("exportpool_consumer::hash has 80.0 %"),
        "{:?}",
        busy.diagnoses[0]
    );
    assert_eq!(busy.diagnoses[0].stack, ["exportpool_consumer::hash::{{closure}}", "main"]);
    for (cpu_micros, zone) in [(4_000_000, Zone::Yellow), (500_000, Zone::Green)] {
        assert_eq!(flame(&recorded(cpu_micros, 10, &seen)).verdict, zone, "{cpu_micros}");
    }
}

#[test]
fn of_a_program_without_names_it_is_said_that_it_has_none() {
    let unnamed = of(&[("worker-0", "", 700), ("main", "main;aws_sdk_s3::put", 300)]);
    assert_eq!((unnamed.verdict, found(&unnamed)), (Zone::Yellow, vec![(Hotspot::Unnamed, Zone::Yellow)]));
    let named = of(&[("worker-0", "", 300), ("main", "main;aws_sdk_s3::put", 700)]);
    assert!(!found(&named).contains(&(Hotspot::Unnamed, Zone::Yellow)), "{:?}", found(&named));
}

#[test]
fn a_function_of_others_is_worth_a_look_and_never_red() {
    let flame = of(&[("main", "main;aws_sdk_s3::put;crc_fast::update", 800), ("main", "main;a::b", 200)]);
    assert_eq!(found(&flame)[0], (Hotspot::Function, Zone::Yellow));
    assert_eq!(flame.verdict, Zone::Yellow);
    assert!(found(&flame).contains(&(Hotspot::Function, Zone::Green)), "a::b has 20 %");
}

#[test]
fn of_functions_of_ours_the_last_on_a_hot_path_is_named() {
    let seen: Vec<_> = (0..20)
        .map(|at| {
            let way = "main;exportpool_consumer::run::worker_main;exportpool_consumer::Task::export";
            (
                "worker-0",
                format!("{way};exportpool_consumer::Ledger::update::{{{{closure}}}};aws_sdk::f{at}"),
                50,
            )
        })
        .collect();
    let flame = of(&borrowed(&seen));
    assert_eq!(found(&flame), [(Hotspot::Caller, Zone::Yellow)]);
    assert!(flame.diagnoses[0].evidence.starts_with("exportpool_consumer::Ledger::update has 100.0 %"));
}

#[test]
fn threads_that_only_begin_or_wait_are_not_hot() {
    let flame = of(&[
        ("main", "main;exportpool_consumer::run::threads::worker_main;tokio::block_on;epoll_wait", 900),
        ("main", "main;exportpool_consumer::run::threads::worker_main;aws_sdk_s3::f", 50),
    ]);
    assert_eq!(found(&flame), [(Hotspot::Even, Zone::Green)]);
}

#[test]
fn a_kind_with_more_than_it_should_have_is_worth_a_look() {
    for (callee, hotspot) in
        [("serde_json::f", Hotspot::Json), ("_rjem_f", Hotspot::Allocator), ("ring_core_f", Hotspot::Tls)]
    {
        let with = |share: u32| {
            let mut seen = even(100 - share);
            seen.extend((0..20).map(|at| ("main", format!("main;{callee}{at}"), share)));
            of(&borrowed(&seen))
        };
        assert_eq!(found(&with(5)), [(Hotspot::Even, Zone::Green)], "{callee}");
        assert_eq!(found(&with(60)), [(hotspot, Zone::Yellow)], "{callee}");
    }
}

#[test]
fn a_consumer_whose_work_is_spread_has_no_hot_spot() {
    let flame = of(&borrowed(&even(50)));
    assert_eq!((flame.verdict, found(&flame)), (Zone::Green, vec![(Hotspot::Even, Zone::Green)]));
}

#[test]
fn of_few_samples_nothing_is_said_but_that() {
    for (count, hotspot) in [(49, Hotspot::TooFew), (200, Hotspot::Function)] {
        assert_eq!(found(&of(&[("main", "main;exportpool_consumer::f", count)]))[0].0, hotspot);
    }
    assert_eq!(found(&of(&[])), [(Hotspot::TooFew, Zone::Green)]);
}

#[test]
fn one_without_work_is_idle_unless_it_computes() {
    let seen = [("main", "main;exportpool_consumer::spin", 300)];
    assert_eq!(found(&flame(&recorded(100_000, 0, &seen))), [(Hotspot::Idle, Zone::Green)]);
    assert_eq!(flame(&recorded(9_000_000, 0, &seen)).verdict, Zone::Red);
}

#[test]
fn a_recording_that_is_not_whole_says_so() {
    let of = |ending| {
        let flame = flame(&Recorded { ending, ..recorded(8_000_000, 10, &borrowed(&even(50))) });
        found(&flame)[0]
    };
    assert_eq!(of(None), (Hotspot::Incomplete, Zone::Yellow));
    assert_eq!(of(Some(Ending::Gone { why: "killed".into() })), (Hotspot::Incomplete, Zone::Red));
}

#[test]
fn a_stack_that_was_too_deep_is_not_taken_for_a_thread_of_its_own() {
    let frames = |outermost: &str| {
        let mut frames = vec!["tokio::poll".to_owned(); count::MOST_FRAMES - 1];
        frames.push(outermost.to_owned());
        frames
    };
    let mut recorded = recorded(1, 1, &[("main", "x", 60), ("main", "y", 60)]);
    for (stack, outermost) in recorded.stacks.iter_mut().zip(["tokio::poll", "clone3"]) {
        stack.frames = frames(outermost);
    }
    let flame = flame(&recorded);
    let outermost = |node: &Node| flame.functions[node.function.unwrap() as usize].name.clone();
    let nodes = &flame.threads[0].nodes;
    let mut roots: Vec<_> = nodes.iter().filter(|node| node.depth == 0).map(outermost).collect();
    roots.sort();
    assert_eq!(roots, [name::CUT_OFF, "clone3"]);
}

#[test]
fn a_profile_of_many_functions_is_small_and_says_what_it_left_out() {
    let seen: Vec<_> = (0..30_000_u32)
        .map(|at| {
            let module = "module_with_a_long_name".repeat(4);
            ("worker-0", format!("main;<a::{module}::F{} as b::C>::f;<a::{module}::G{at}>::g", at % 300), 1)
        })
        .collect();
    let flame = of(&borrowed(&seen));
    assert!(serde_json::to_string(&flame).unwrap().len() < 500_000);
    assert_eq!(flame.figures.left_out_functions, 30_000);
    assert!(flame.functions.len() == 301, "{}", flame.functions.len());
    let others: Vec<_> = flame.threads[0].nodes.iter().filter(|node| node.function.is_none()).collect();
    assert!(others.len() == 300 && others.iter().all(|node| node.total == 100), "{}", others.len());
}

#[test]
fn a_profile_of_many_ways_to_few_functions_has_a_tree_that_fits() {
    let inner: String = (0..29).map(|at| format!(";a::s{at}")).collect();
    let seen: Vec<_> = (0..1_000).map(|at| ("main", format!("main;a::r{at}{inner}"), 50 + at / 10)).collect();
    let flame = of(&borrowed(&seen));
    let all = &flame.threads[0];
    assert!((1_000..=8_000).contains(&all.nodes.len()), "{}", all.nodes.len());
    assert_eq!(all.nodes.iter().map(|node| node.own).sum::<u64>(), flame.figures.samples);
    assert!(flame.figures.least_of_all > flame.figures.least_of_functions);
}

#[test]
fn a_share_that_may_be_chance_is_not_told() {
    let mut seen: Vec<_> = (0..52).map(|at| ("main", format!("main;aws_sdk_s3::f{at}"), 1)).collect();
    seen.push(("main", "main;aws_sdk_s3::often".to_owned(), 8));
    assert_eq!(found(&of(&borrowed(&seen))), [(Hotspot::Even, Zone::Green)], "13 % of 60 samples");
}

pub(super) fn many(seen: &[(&str, u32)]) -> Flame {
    of(&seen.iter().map(|(stack, count)| ("main", *stack, *count)).collect::<Vec<_>>())
}

/// Stacks of a few functions, with counts.
fn stacks() -> impl Strategy<Value = Vec<(String, u32)>> {
    let function =
        prop::sample::select(vec!["a::f", "a::g", "serde_json::h", "", "malloc", "exportpool_x::y"]);
    let stack = prop::collection::vec(function, 0..6).prop_map(|functions| functions.join(";"));
    prop::collection::vec((stack, 1..500_u32), 0..30)
}

proptest! {
    /// Whatever was seen, nothing is lost and nothing is counted twice.
    #[test]
    fn shares_add_up(seen in stacks(), threads in prop::collection::vec(0..4_u8, 30)) {
        let names = ["main", "worker-0", "worker-1", "record"];
        let seen: Vec<_> = seen.iter().zip(threads)
            .map(|((stack, count), thread)| (names[usize::from(thread)], stack.as_str(), *count)).collect();
        let all: u64 = seen.iter().map(|(_, _, count)| u64::from(*count)).sum();
        let flame = of(&seen);
        prop_assert_eq!(flame.kinds.iter().map(|share| share.own).sum::<u64>(), all);
        prop_assert_eq!(flame.crates.iter().map(|share| share.own).sum::<u64>(), all);
        for thread in &flame.threads {
            prop_assert_eq!(thread.nodes.iter().map(|node| node.own).sum::<u64>(), thread.samples);
            let mut below: BTreeMap<usize, u64> = BTreeMap::new();
            let mut callers: Vec<usize> = vec![];
            for (at, node) in thread.nodes.iter().enumerate() {
                callers.truncate(node.depth as usize);
                prop_assert_eq!(callers.len(), node.depth as usize);
                if let Some(caller) = callers.last() {
                    *below.entry(*caller).or_default() += node.total;
                }
                callers.push(at);
            }
            for (at, node) in thread.nodes.iter().enumerate().filter(|(_, node)| node.function.is_some()) {
                prop_assert_eq!(node.total, node.own + below.get(&at).copied().unwrap_or(0));
            }
        }
        for function in &flame.functions {
            prop_assert!(function.own <= function.total && function.total <= all);
        }
    }

    #[test]
    fn a_flame_is_read_as_it_was_written(seen in stacks()) {
        let seen: Vec<_> = seen.iter().map(|(stack, count)| (stack.as_str(), *count)).collect();
        let flame = many(&seen);
        let written = serde_json::to_string(&flame).unwrap();
        prop_assert_eq!(serde_json::from_str::<Flame>(&written).unwrap(), flame);
    }
}
