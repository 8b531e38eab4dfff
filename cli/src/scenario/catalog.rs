//! The situations, with what must hold in each.

use std::time::Duration;

use exportpool_contract::environment as name;
use exportpool_profile::record::Tool;

use super::check::Must;

/// A situation, in a few runs.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    /// On the command line.
    pub(super) name: &'static str,
    /// In a line.
    pub(super) about: &'static str,
    /// It hurts its consumer, and any other one would not be hurt.
    pub(super) needs_kill_points: bool,
    pub(super) runs: Vec<Run>,
}

/// A consumer, its jobs, and what must hold.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// What is special in it, in a few words.
    pub(super) label: String,
    /// What looks at it.
    pub(super) tool: Tool,
    /// Worker threads, with a task at a time each.
    pub(super) workers: u32,
    /// Its settings, beside what is the same in all: see [`Run::settings`].
    settings: Vec<(&'static str, &'static str)>,
    pub(super) load: Load,
    /// Requests to /health, meanwhile.
    pub(super) health: Option<Asked>,
    pub(super) must: Vec<Must>,
}

/// What it is given to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Load {
    /// Messages of each batch.
    pub(super) messages: u64,
    /// Batches that are sent side by side.
    pub(super) batches: u32,
    /// Files of each message.
    pub(super) tasks_per_job: u32,
    /// Time before the first byte of each file.
    pub(super) delay: Duration,
    /// Share of files that never come.
    pub(super) failure_rate: f64,
    /// Share of messages that are none.
    pub(super) invalid_rate: f64,
    /// So often, each time when everything before is settled.
    pub(super) waves: u32,
    /// After each wave nothing is done for so long.
    pub(super) pause: Duration,
}

/// How /health is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) connections: u32,
    /// Each is asked so often.
    pub(super) every: Duration,
    /// For so long.
    pub(super) during: Duration,
}

/// How long a source takes where nothing else is said.
const DELAY: Duration = Duration::from_millis(400);
/// Where many files are to be had in a short time.
const SHORT: Duration = Duration::from_millis(50);
/// Workers are compared by what so many tasks of each cost: of the six that eight workers have of 50, a half more or less is
/// chance.
const TASKS_TO_COMPARE: u64 = 50;
/// What was allocated for jobs is free, and dirty pages are given back, after this: jemalloc's decay is a second.
const CALM: Duration = Duration::from_secs(3);

impl Load {
    fn of(messages: u64) -> Self {
        Self {
            messages,
            batches: 1,
            tasks_per_job: 1,
            delay: DELAY,
            failure_rate: 0.0,
            invalid_rate: 0.0,
            waves: 1,
            pause: Duration::ZERO,
        }
    }

    /// Tasks of a wave, of messages that are some.
    pub(super) fn tasks(&self) -> u64 {
        self.messages * u64::from(self.batches) * u64::from(self.tasks_per_job)
    }
}

impl Run {
    /// A pool of so many workers with a task each, looked at by the doctor.
    fn of(workers: u32, load: Load, must: Vec<Must>) -> Self {
        Self {
            label: format!("{workers} workers, {} messages", load.messages * u64::from(load.batches)),
            tool: Tool::Doctor,
            workers,
            settings: vec![],
            load,
            health: None,
            must,
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.settings.push((name, value));
        self
    }

    fn called(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// All of its settings: what the environment says of these is not taken. Downloads from one host are not limited below
    /// the pool, since all files come from one.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let same = [(name::TASKS_PER_WORKER, "1"), (name::PER_HOST_CONCURRENCY, "64")];
        let own = same.iter().chain(&self.settings).map(|(name, value)| (*name, (*value).to_owned()));
        std::iter::once((name::WORKER_POOL_SIZE, self.workers.to_string())).chain(own).collect()
    }
}

/// All of them, in the order in which they are played.
pub(super) fn all(fast: bool) -> Vec<Scenario> {
    vec![
        no_blocking(),
        scalability(fast),
        stress(),
        leak(fast),
        concurrent_jobs(),
        failures(),
        health_load(fast),
        overflow(),
        isolation(),
        light(),
        heavy(),
    ]
}

fn no_blocking() -> Scenario {
    let run = |messages| {
        let must = vec![Must::Drained, Must::MainAnswers, Must::NotRed, Must::SteadyRate, Must::CpuOnWorkers];
        Run::of(4, Load::of(messages), must)
    };
    Scenario {
        name: "no-blocking",
        about: "the main loop is never blocked, whatever the workers do",
        needs_kill_points: false,
        runs: vec![run(100), run(200)],
    }
}

fn scalability(fast: bool) -> Scenario {
    let delays = if fast { vec![DELAY] } else { vec![DELAY, Duration::from_secs(2)] };
    let sizes = || [2, 4, 8];
    let timed = |workers, delay| {
        let run = Run::of(workers, Load { delay, ..Load::of(50) }, vec![Must::Drained, Must::Takes]);
        // What is measured is from the first claim to the last record: operations have both.
        Run {
            tool: Tool::Bubble,
            ..run.called(format!("{workers} workers, a source of {} s", delay.as_secs_f64()))
        }
    };
    let even = |workers: u32| {
        let messages = TASKS_TO_COMPARE * u64::from(workers);
        Run::of(workers, Load { delay: SHORT, ..Load::of(messages) }, vec![Must::Drained, Must::EvenWorkers])
    };
    Scenario {
        name: "scalability",
        about: "twice the workers do the same in half the time, and share it",
        needs_kill_points: false,
        runs: delays
            .into_iter()
            .flat_map(|delay| sizes().map(|workers| timed(workers, delay)))
            .chain(sizes().map(even))
            .collect(),
    }
}

fn stress() -> Scenario {
    let load = Load { pause: CALM, ..Load::of(500) };
    let must =
        vec![Must::Drained, Must::MainAnswers, Must::NoRestart, Must::SteadyRate, Must::MemoryComesBack];
    Scenario {
        name: "stress",
        about: "500 messages at once: no restart, a steady rate, memory comes back",
        needs_kill_points: false,
        runs: vec![Run::of(8, load, must).with(name::MAX_CONCURRENT_JOBS, "50")],
    }
}

fn leak(fast: bool) -> Scenario {
    let (delay, pause) =
        if fast { (SHORT, Duration::from_secs(2)) } else { (DELAY, Duration::from_secs(30)) };
    let load = Load { waves: 10, pause, delay, ..Load::of(50) };
    let run = Run::of(4, load, vec![Must::Drained, Must::NoLeak]).called("10 waves of 50 messages");
    Scenario {
        name: "leak",
        about: "after each of ten waves of jobs the memory is as it was before",
        needs_kill_points: false,
        runs: vec![Run { tool: Tool::Heap, ..run }],
    }
}

fn concurrent_jobs() -> Scenario {
    let load = Load { batches: 5, ..Load::of(20) };
    let must = vec![Must::Drained, Must::Fair, Must::NotRed];
    let run = Run::of(8, load, must).with(name::MAX_CONCURRENT_JOBS, "10");
    Scenario {
        name: "concurrent-jobs",
        about: "five batches side by side: none of their jobs is left behind",
        needs_kill_points: false,
        runs: vec![run.called("5 batches of 20 messages, 10 jobs at once")],
    }
}

fn failures() -> Scenario {
    let must = || vec![Must::Drained, Must::FailuresAreTold, Must::MainAnswers, Must::MemoryComesBack];
    let of = |load, label: &str| Run::of(4, Load { pause: CALM, ..load }, must()).called(label);
    Scenario {
        name: "failures",
        about: "what fails is tried again, and told at last; nothing else suffers",
        needs_kill_points: false,
        runs: vec![
            of(Load { failure_rate: 0.2, ..Load::of(100) }, "a fifth of the files never comes"),
            of(Load { invalid_rate: 0.2, ..Load::of(100) }, "a fifth of the messages is none"),
        ],
    }
}

fn health_load(fast: bool) -> Scenario {
    // The pool has work for all of the time: 100 files, four at a time.
    let (during, delay) =
        if fast { (Duration::from_secs(5), DELAY) } else { (Duration::from_secs(30), 3 * DELAY) };
    let health = Asked { connections: 10, every: Duration::from_millis(20), during };
    let must = vec![Must::Drained, Must::MainAnswers, Must::HealthAnswers];
    let run = Run::of(4, Load { delay, ..Load::of(100) }, must)
        .called("10 connections ask /health, 50 times a second each");
    Scenario {
        name: "health-load",
        about: "whoever asks for its health is answered, and disturbs nothing",
        needs_kill_points: false,
        runs: vec![Run { health: Some(health), ..run }],
    }
}

fn overflow() -> Scenario {
    let load = Load { tasks_per_job: 10, delay: SHORT, ..Load::of(100) };
    let must = vec![Must::Drained, Must::HandedOver];
    let run = Run::of(2, load, must).with(name::MAX_QUEUE_SIZE, "5");
    Scenario {
        name: "overflow",
        about: "what a consumer cannot keep in memory goes to download-tasks, and nothing is lost",
        needs_kill_points: false,
        runs: vec![run.called("2 workers, a queue of 5, 100 messages of 10 files")],
    }
}

fn isolation() -> Scenario {
    let load = Load { delay: Duration::from_secs(1), ..Load::of(20) };
    let must = vec![Must::Drained, Must::Respawned, Must::MainAnswers];
    // Of consumers with kill points alone.
    let run = Run::of(2, load, must).with("EXPORTPOOL_PANIC_AT", "claimed:/5");
    Scenario {
        name: "isolation",
        about: "a worker that panics is replaced, main does not notice, nothing is lost (needs kill points)",
        needs_kill_points: true,
        runs: vec![run.called("each fifth task panics")],
    }
}

fn light() -> Scenario {
    Scenario {
        name: "light",
        about: "a few messages, a small pool",
        needs_kill_points: false,
        runs: vec![Run::of(2, Load::of(10), vec![Must::Drained, Must::Well])],
    }
}

fn heavy() -> Scenario {
    let run = Run::of(4, Load::of(100), vec![Must::Drained, Must::Well]);
    Scenario {
        name: "heavy",
        about: "more messages than jobs that may be in hand",
        needs_kill_points: false,
        runs: vec![run.with(name::MAX_CONCURRENT_JOBS, "20")],
    }
}
