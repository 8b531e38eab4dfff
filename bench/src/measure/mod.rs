//! The measurements, one after the other, each on a fresh stand-in with a fresh contender.

pub(crate) mod cost;
pub(crate) mod delay;
pub(crate) mod fairness;
pub(crate) mod memory;
pub(crate) mod scaling;
pub(crate) mod speed;
pub(crate) mod start;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    contender::{Contender, Ground, Started},
    ledger::{self, Record},
    load::{Load, Shape, drained, unix_millis},
    machine::Machine,
    render, say,
    sheet::Sheet,
    stage::Stage,
};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// After the results are read, nothing is lost with a contender.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait for a load to be worked off.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these, by commas; all when not given.
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Fewer messages and runs: to see that everything works.
    #[arg(long)]
    quick: bool,
    /// The folder of docs/benchmarks.md and docs/benchmarks/.
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
    /// The folder of the peers: those that are not installed there are left out.
    #[arg(long, default_value = "bench/peers")]
    peers: PathBuf,
    /// The folder of exportctl, exportpool-consumer and exportpool-bench, when not this program's own.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Workers against time.
    Scaling,
    /// Messages a second and a CPU second, beside the alternatives.
    Speed,
    /// How late loops are.
    Delay,
    /// Resident memory.
    Memory,
    /// From start to the first poll.
    Start,
    /// Requests, and what AWS asks for them.
    Cost,
    /// Small jobs beside a large one.
    Fairness,
}

/// What all measurements go by.
pub(crate) struct Terms {
    pub(crate) ground: Ground,
    /// A trial.
    pub(crate) quick: bool,
}

impl Terms {
    /// One number for a measurement, a smaller one for a trial.
    pub(crate) const fn of(&self, full: usize, trial: usize) -> usize {
        if self.quick { trial } else { full }
    }

    /// Those contenders that are installed.
    pub(crate) fn present(&self, wanted: &[Contender]) -> Vec<Contender> {
        let (there, missing): (Vec<Contender>, Vec<Contender>) =
            wanted.iter().copied().partition(|who| who.is_there(&self.ground));
        for who in missing {
            say(&format!("  {} is not installed and left out: see bench/peers/README.md", who.words()));
        }
        there
    }
}

/// Measures what is asked for; Ctrl-C stops everything that was started.
///
/// # Errors
/// A program is missing, or a contender does not do its work.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    tokio::select! {
        done = measure_all(&args) => done.map(|()| ExitCode::SUCCESS),
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn measure_all(args: &Args) -> anyhow::Result<()> {
    let own = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
    let programs = args.programs.clone().or_else(own).context("where this program is, is not known")?;
    let peers = std::path::absolute(&args.peers)?;
    let terms = Terms { ground: Ground { programs, peers }, quick: args.quick };
    let all = Part::value_variants();
    let parts = if args.only.is_empty() { all } else { &args.only };
    for part in parts {
        say(&format!("{part:?}"));
        measure_one(*part, args, &terms).await.with_context(|| format!("{part:?}"))?;
        render::render(&args.docs)?;
    }
    Ok(())
}

async fn measure_one(part: Part, args: &Args, terms: &Terms) -> anyhow::Result<()> {
    match part {
        Part::Scaling => write(args, scaling::NAME, async || scaling::measure(terms).await).await,
        Part::Speed => write(args, speed::NAME, async || speed::measure(terms).await).await,
        Part::Delay => write(args, delay::NAME, async || delay::measure(terms).await).await,
        Part::Memory => write(args, memory::NAME, async || memory::measure(terms).await).await,
        Part::Start => write(args, start::NAME, async || start::measure(terms).await).await,
        Part::Cost => write(args, cost::NAME, async || cost::measure(terms).await).await,
        Part::Fairness => write(args, fairness::NAME, async || fairness::measure(terms).await).await,
    }
}

async fn write<T: Serialize + DeserializeOwned>(
    args: &Args,
    name: &str,
    measure: impl AsyncFnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<()> {
    let machine = Machine::this();
    let results = measure().await?;
    Sheet::write(&args.docs.join("benchmarks"), name, args.quick, machine, results)
}

/// A contender that has warmed up on a stand-in of its own.
pub(crate) struct Show {
    pub(crate) stage: Stage,
    pub(crate) started: Started,
}

/// A load that was worked off.
pub(crate) struct Played {
    /// When its first message was about to be sent, in milliseconds since the Unix epoch.
    pub(crate) sent_at: u64,
    /// What was recorded.
    pub(crate) records: Vec<Record>,
}

impl Show {
    /// Starts both, and lets the contender work off a load that does not count.
    ///
    /// # Errors
    /// A program does not start, or does not do its work.
    pub(crate) async fn open(
        terms: &Terms,
        who: Contender,
        slots: usize,
        warm_up: &Load,
    ) -> anyhow::Result<Self> {
        let stage = Stage::set(&terms.ground.programs).await?;
        let started = who.start(&terms.ground, &stage, slots, None, &[])?;
        let show = Self { stage, started };
        show.play(warm_up).await.with_context(|| format!("{} does not warm up", who.words()))?;
        Ok(show)
    }

    /// Sends a load, waits until it is worked off, and reads what was recorded.
    ///
    /// # Errors
    /// It is not worked off in time, or not all of it.
    pub(crate) async fn play(&self, load: &Load) -> anyhow::Result<Played> {
        let sent_at = self.run_down(load).await?;
        let records = ledger::records(&self.stage, &load.run, load.tasks()).await?;
        Ok(Played { sent_at, records })
    }

    /// Sends a load and waits until it is worked off; answers when it began to send.
    ///
    /// # Errors
    /// It is not worked off in time.
    pub(crate) async fn run_down(&self, load: &Load) -> anyhow::Result<u64> {
        let sent_at = unix_millis();
        load.send(&self.stage).await?;
        // A message is neither visible nor in flight only once it is deleted.
        if let Err(error) = drained(&self.stage, PATIENCE).await {
            // A contender that ended has said why.
            self.started.process.rss_kib()?;
            return Err(error);
        }
        Ok(sent_at)
    }

    /// Stops both.
    pub(crate) async fn close(self) {
        self.started.process.stop(STOP_PATIENCE).await;
        self.stage.strike().await;
    }
}

/// A load of small files without delay, that warms up.
pub(crate) fn warm_up(messages: usize, shape: Shape) -> Load {
    Load { run: "warm".into(), messages, shape, bytes: 1_024, delay: Duration::ZERO }
}
