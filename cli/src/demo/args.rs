//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use crate::load::{self, Pace, pace::Pattern, units};

/// Messages are sent over this share of the time that the kills are to take, so that the last kills meet work too:
/// one of eight comes early, see [`super::chaos`].
const WORK_WHILE_KILLED: f64 = 0.8;

/// See the main job done: jobs on SQS, files downloaded by a pool of worker threads, stored in S3, recorded in
/// DynamoDB, consumers scaled with the backlog and back to zero. Needs no cluster and no account.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    exportctl demo                                               200 jobs, 0 to 4 consumers\n  \
    exportctl demo --messages 500 --chaos kill                   consumers are killed all the time: nothing is lost\n  \
    FAILURE_RATE=0.2 exportctl demo --messages 100               a fifth of the files never comes\n  \
    WORKER_POOL_SIZE=8 exportctl demo                            the consumers take their settings from here\n\n\
    Ends with a summary checked against bucket and table. The exit code is 1 when anything is lost or doubled.")]
pub(crate) struct Args {
    /// Jobs to send, in a burst.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    messages: u64,
    #[command(flatten)]
    files: load::Files,
    /// Consumers at most.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) max_replicas: u32,
    /// The backlog is to be drained within this.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::span)]
    pub(super) drain_time: Duration,
    /// What goes wrong on purpose.
    #[arg(long, value_enum)]
    pub(super) chaos: Option<Chaos>,
    /// Kill so often, and spread the load over the time that takes; then what is left is done in peace. Without it
    /// consumers are killed to the end.
    #[arg(long, value_name = "N", requires = "chaos", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) kills: Option<u64>,
    /// Time between two kills, on average.
    #[arg(long, value_name = "TIME", requires = "chaos", default_value = "1750ms", value_parser = units::span)]
    pub(super) kill_every: Duration,
    /// Give up after this, and say what is missing.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::span)]
    pub(super) timeout: Duration,
    /// A running AWS stand-in, instead of one of its own. Its resources are made when they are missing.
    #[arg(long, value_name = "URL")]
    pub(super) emulator: Option<String>,
    /// The consumer's binary [default: exportpool-consumer beside this program].
    #[arg(long, value_name = "PATH")]
    pub(super) consumer: Option<PathBuf>,
    /// Where the consumers write their logs.
    #[arg(long, value_name = "FOLDER", default_value = ".exportctl/demo")]
    pub(super) logs: PathBuf,
    /// Print the summary as JSON, and how it goes on standard error.
    #[arg(long)]
    pub(super) json: bool,
}

/// What goes wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Chaos {
    /// kill -9 of random consumers, throughout.
    Kill,
}

impl Args {
    /// When the messages are sent: at once, or spread over the kills, which then meet work to the end.
    pub(super) fn pace(&self) -> Pace {
        let Some(kills) = self.kills else { return Pace::BURST };
        let span = self.kill_every.as_secs_f64() * kills as f64 * WORK_WHILE_KILLED;
        Pace { pattern: Pattern::Steady, rate: self.messages as f64 / span.max(1e-3) }
    }

    /// The load, from files at `source`.
    pub(super) fn load(&self, source: String) -> load::Options {
        self.files.options("demo", self.messages, source, &mut fastrand::Rng::new())
    }
}
