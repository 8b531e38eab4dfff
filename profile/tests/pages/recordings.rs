//! What is shown: consumers of four workers as they are recorded, without chance.

use exportpool_profile::{
    analyse::{
        baseline::{Baseline, compare},
        bubble,
        doctor::examine,
        flame as analysed, heap,
        series::Course,
    },
    read::Recorded,
    record::{
        Allocation, Began, Blocked, Ending, Live, LoopMoment, Moment, Operation, Queues, SCHEMA, Sample,
        Samples, Stack, Step, Tool, Wave,
    },
    render,
};

const WHEN: &str = "2026-07-01 12:00:00 UTC";
const WORKERS: u32 = 4;
/// Half a minute, in tenths of a second.
const TENTHS: u64 = 300;

/// A page, as it is written to `report.html`.
pub(crate) struct Page {
    /// Of the tool.
    pub(crate) tool: &'static str,
    /// All of it.
    pub(crate) html: String,
}

/// A doctor's page of a consumer that does its work.
pub(crate) fn healthy() -> Page {
    doctor(&Recorded { moments: moments(), ..recorded(Tool::Doctor) })
}

/// The same, but main was kept for 60 ms by its log, and for 2.4 s by a file.
pub(crate) fn blocked() -> Page {
    let mut moments = moments();
    for (at, late) in [(90, 61_000), (184, 2_400_000)] {
        let main = &mut moments[at].loops[0];
        main.late_micros.push(late);
        main.away_micros = u64::from(late) - 300;
    }
    let stack = [
        "__libc_read",
        "std::fs::read::inner",
        "exportpool_consumer::place::leases::Leases::restore",
        "exportpool_consumer::run::main_loop::{{closure}}",
        "tokio::runtime::scheduler::current_thread::Context::run_task",
        "main",
    ];
    let blocked = Blocked {
        at_micros: 18_400_000,
        name: "main".to_owned(),
        for_micros: 2_390_000,
        stack: stack.map(str::to_owned).to_vec(),
    };
    doctor(&Recorded { moments, blocked: vec![blocked], queues: queues(), ..recorded(Tool::Doctor) })
}

/// The page of a profile of which no line was told but the first.
pub(crate) fn nothing() -> Page {
    doctor(&Recorded { ending: None, ..recorded(Tool::Doctor) })
}

/// A flame graph of main and of four workers.
pub(crate) fn flame() -> Page {
    let recorded = sampled(40);
    let found = analysed::flame(&recorded);
    let course = Course::of(&recorded.moments);
    let html = render::flame(&recorded.began, WHEN, &found, &course, None).unwrap();
    Page { tool: "flame", html }
}

/// The same beside a baseline in which a checksum cost half as much.
pub(crate) fn flame_with_a_baseline() -> Page {
    let recorded = sampled(40);
    let found = analysed::flame(&recorded);
    let difference = analysed::compare(&analysed::flame(&sampled(16)), &found);
    let course = Course::of(&recorded.moments);
    let html = render::flame(&recorded.began, WHEN, &found, &course, Some(&difference)).unwrap();
    Page { tool: "flame", html }
}

/// Bubble's page of a consumer whose store takes 1.5 s.
pub(crate) fn slow_store() -> Page {
    let operations = (0..60).flat_map(message).collect();
    let busy = |moment| Moment { busy: WORKERS, ..moment };
    let recorded =
        Recorded { operations, moments: moments().into_iter().map(busy).collect(), ..recorded(Tool::Bubble) };
    bubbles(&recorded)
}

/// Bubble's page of a profile of which no line was told but the first.
pub(crate) fn bubble_of_nothing() -> Page {
    bubbles(&Recorded { ending: None, ..recorded(Tool::Bubble) })
}

fn bubbles(recorded: &Recorded) -> Page {
    let html = render::bubble(&recorded.began, WHEN, &bubble::bubble(recorded)).unwrap();
    Page { tool: "bubble", html }
}

/// What was done for a message of two tasks, one of which waits longer for its slot.
fn message(number: u64) -> Vec<Operation> {
    let began = 1_000_000 + number * 400_000;
    let operation = |task, step, from: u64, to: u64| Operation {
        message: number,
        task,
        step,
        from_micros: began + from * 1_000,
        to_micros: began + to * 1_000,
        failed: false,
    };
    let mut operations =
        vec![operation(None, Step::Receive, 0, 12), operation(None, Step::Admit, 12, 24 + number % 5)];
    for (task, waits) in [(0, 3), (1, 40 + number % 7)] {
        let mut at = 24 + number % 5;
        let takes = [
            (Step::Wait, waits),
            (Step::Claim, 9),
            (Step::Connect, 4),
            (Step::FirstByte, 60 + scattered(number, 40)),
            (Step::Body, 15),
            (Step::Store, 1_450 + scattered(number * 2 + u64::from(task), 100)),
            (Step::Record, 14),
        ];
        for (step, takes) in takes {
            operations.push(operation(Some(task), step, at, at + takes));
            at += takes;
        }
    }
    let end = operations.iter().map(|of| (of.to_micros - began) / 1_000).max().unwrap_or(0);
    operations.push(operation(None, Step::Acknowledge, end + 1, end + 14));
    operations
}

/// The heap's page of a consumer that keeps 2 MiB of each wave.
pub(crate) fn leak() -> Page {
    let stack =
        |id: u32, frames: &[&str]| Stack { id, frames: frames.iter().map(|&name| name.to_owned()).collect() };
    let stacks = vec![
        stack(
            0,
            &["exportpool_consumer::place::Ledger::remember", "exportpool_consumer::run::main_loop", "main"],
        ),
        stack(1, &["exportpool_consumer::work::budget::Budget::lend", WORKER, "main"]),
    ];
    let (mut moments, mut live, mut waves) = (Vec::new(), Vec::new(), Vec::new());
    // Ten waves of four seconds, of which work takes two.
    for tenth in 1..=400_u64 {
        let (wave, within, at_micros) = (tenth / 40, tenth % 40, tenth * 100_000);
        let works = within < 20;
        let kept = (wave + u64::from(!works)) * (2 << 20);
        let lent = if works { 8 << 20 } else { scattered(tenth, 20_000) };
        if within == 0 || within == 20 {
            waves.push(Wave { at_micros, jobs: if within == 0 { 50 } else { 0 } });
        }
        if within % 20 == 10 {
            let bytes = [(0, kept), (1, lent)].map(|(stack, bytes)| Allocation { stack, bytes });
            live.push(Live { at_micros, allocations: bytes.to_vec() });
        }
        moments.push(Moment {
            at_micros,
            rss_bytes: (40 << 20) + kept + lent,
            allocated_bytes: (12 << 20) + kept + lent,
            active_bytes: (14 << 20) + kept + lent,
            retained_bytes: 6 << 20,
            busy: if works { WORKERS } else { 0 },
            settled: wave * 50 + if works { within * 2 } else { 50 },
            ..Moment::default()
        });
    }
    let recorded = Recorded { moments, live, waves, stacks, ..recorded(Tool::Heap) };
    let html = render::heap(&recorded.began, WHEN, &heap::heap(&recorded)).unwrap();
    Page { tool: "heap", html }
}

/// The healthy consumer's page beside a baseline of one that did the same in half of the time.
pub(crate) fn compared() -> Page {
    let baseline = |moments| {
        let recorded = Recorded { moments, ..recorded(Tool::Doctor) };
        Baseline::of(&recorded, Default::default())
    };
    let twice = |moment: Moment| Moment { settled: 2 * moment.settled, ..moment };
    let before = baseline(moments().into_iter().map(twice).collect());
    let comparison = compare(&before, &baseline(moments())).unwrap();
    Page { html: render::with_comparison(&healthy().html, &comparison), ..healthy() }
}

fn doctor(recorded: &Recorded) -> Page {
    let course = Course::of(&recorded.moments).with_queues(&recorded.queues);
    let examination = examine(recorded);
    Page { tool: "doctor", html: render::doctor(&recorded.began, WHEN, &examination, &course).unwrap() }
}

fn recorded(tool: Tool) -> Recorded {
    let began = Began {
        schema: SCHEMA,
        tool,
        version: "0.1.0".to_owned(),
        pid: 4711,
        unix_millis: 1_782_907_200_000,
        workers: WORKERS,
        tasks_per_worker: 1,
        cpus: 4,
        os: "linux".to_owned(),
        processor: "x86_64".to_owned(),
    };
    Recorded { ending: Some(Ending::Settled), ..Recorded::of(began) }
}

fn names() -> impl Iterator<Item = String> {
    std::iter::once("main".to_owned()).chain((0..WORKERS).map(|worker| format!("worker-{worker}")))
}

/// A number below another that looks like chance, and is the same for the same two.
fn scattered(at: u64, below: u64) -> u64 {
    let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) % below
}

/// Work comes in the second second, and is done in the 28th.
fn moments() -> Vec<Moment> {
    let mut settled = 0;
    let mut course = Vec::new();
    for tenth in 1..=TENTHS {
        let works = (20..280).contains(&tenth);
        let busy = if works { 3 + u32::try_from(scattered(tenth, 2)).unwrap() } else { 0 };
        settled += if works { 1 + scattered(tenth, 3) } else { 0 };
        let left = 280_u64.saturating_sub(tenth);
        course.push(Moment {
            at_micros: tenth * 100_000,
            loops: names().zip(0..).map(|(name, number)| a_loop(name, number, tenth, works)).collect(),
            cpu_micros: if works { 90_000 + scattered(tenth, 40_000) } else { 1_500 },
            threads: names().zip(0..).map(|(name, number)| (name, on_cpu(number, tenth, works))).collect(),
            rss_bytes: (48 << 20) + scattered(tenth, 2 << 20),
            allocated_bytes: (21 << 20) + (tenth % 25) * 200_000,
            busy,
            waiting: if works { u32::try_from(left / 12).unwrap() } else { 0 },
            in_hand: if works { 8 + busy } else { 0 },
            settled,
            ..Moment::default()
        });
    }
    course
}

/// What is left of 250 messages, once a second.
fn queues() -> Vec<Queues> {
    let told = |second: u64| {
        let waiting = if second < 2 { 0 } else { 250_u64.saturating_sub((second - 2) * 10) };
        let in_flight = if (2..28).contains(&second) { 8 + scattered(second, 4) } else { 0 };
        Queues { at_micros: second * 1_000_000, waiting, in_flight, dead: 0 }
    };
    (0..=TENTHS / 10).map(told).collect()
}

fn a_loop(name: String, number: u64, tenth: u64, works: bool) -> LoopMoment {
    let below = if works { 600 + 900 * number.min(1) } else { 150 };
    let late = |probe: u64| 50 + u32::try_from(scattered(tenth * 64 + number * 8 + probe, below)).unwrap();
    LoopMoment {
        name,
        late_micros: (0..5).map(late).collect(),
        away_micros: 400,
        cpu_micros: on_cpu(number, tenth, works),
        run_queue_micros: if works { 300 } else { 0 },
        ..LoopMoment::default()
    }
}

fn on_cpu(number: u64, tenth: u64, works: bool) -> u64 {
    let usual = if number == 0 { 4_000 } else { 18_000 + 1_500 * number };
    if works { usual + scattered(tenth * 8 + number, 2_500) } else { 200 }
}

const WORKER: &str = "exportpool_consumer::work::worker::worker_main";
const STORE: &str = "exportpool_consumer::work::store::Upload::part::{{closure}}";
const PUT: &str = "aws_sdk_s3::operation::upload_part::UploadPart::orchestrate::{{closure}}";
const FETCH: &str = "exportpool_consumer::work::fetch::Download::chunk::{{closure}}";
const READ: &str = "hyper::proto::h1::io::Buffered<T,B>::poll_read_from_io";
const UPDATE: &str = "exportpool_consumer::record::commit::Commit::update::{{closure}}";

/// Stacks as they call, and how often each worker was seen with them; `hashing` samples of a second are of a checksum of ours.
fn stacks(hashing: u32) -> Vec<(Vec<&'static str>, u32)> {
    vec![
        (task(&[STORE, "exportpool_consumer::work::store::checksum", "crc_fast::Digest::update"]), hashing),
        (task(&[STORE, PUT, "aws_sigv4::http_request::sign::sign", "sha2::sha256::compress256"]), 9),
        (task(&[STORE, PUT, "rustls::conn::Writer::write", "ring_core_0_17_14__aes_gcm_enc"]), 7),
        (task(&[STORE, PUT, "bytes::BytesMut::reserve_inner", "_rjem_malloc"]), 4),
        (task(&[FETCH, READ, "__libc_recv"]), 12),
        (task(&[FETCH, READ, "<alloc::vec::Vec<T,A> as core::ops::Drop>::drop", "_rjem_sdallocx"]), 3),
        (task(&[UPDATE, "aws_sdk_dynamodb::serde_util", "serde_json::ser::format_escaped_str"]), 5),
        (vec![WORKER, "tokio::runtime::scheduler::current_thread::Context::park", "__epoll_wait"], 10),
    ]
}

/// A stack in a task of a worker.
fn task(calls: &[&'static str]) -> Vec<&'static str> {
    let way = [
        WORKER,
        "tokio::runtime::task::harness::Harness<T,S>::poll",
        "exportpool_consumer::work::task::Task::export::{{closure}}",
    ];
    way.iter().chain(calls).copied().collect()
}

/// Ten seconds of a busy consumer.
fn sampled(hashing: u32) -> Recorded {
    let stacks = stacks(hashing);
    let seen = |second: u64, worker: u32| {
        let of = move |(stack, count): (u32, u32)| Sample {
            thread: format!("worker-{worker}"),
            stack,
            count: count + u32::try_from(scattered(second * 16 + u64::from(stack), 3)).unwrap(),
        };
        (0..).zip(stacks.iter().map(|stack| stack.1)).map(of).collect::<Vec<_>>()
    };
    let on_main = |second: u64| Sample {
        thread: "main".to_owned(),
        stack: u32::try_from(stacks.len()).unwrap(),
        count: 3 + u32::try_from(second % 2).unwrap(),
    };
    let samples = |second: u64| Samples {
        at_micros: second * 1_000_000,
        hertz: 99,
        samples: (0..WORKERS).flat_map(|worker| seen(second, worker)).chain([on_main(second)]).collect(),
    };
    let main: &[&str] =
        &["exportpool_consumer::run::run", "exportpool_consumer::place::intake::Intake::refill"];
    let told = |(id, frames): (u32, &[&str])| Stack {
        id,
        frames: frames.iter().rev().map(|name| (*name).to_owned()).collect(),
    };
    let all = stacks.iter().map(|stack| stack.0.as_slice()).chain([main]);
    Recorded {
        moments: moments().into_iter().take(100).map(busy).collect(),
        stacks: (0..).zip(all).map(told).collect(),
        samples: (1..=10).map(samples).collect(),
        ..recorded(Tool::Flame)
    }
}

/// Two CPUs of it.
fn busy(moment: Moment) -> Moment {
    let threads = names().map(|name| (name.clone(), if name == "main" { 4_000 } else { 49_000 })).collect();
    Moment { cpu_micros: 200_000, threads, ..moment }
}
