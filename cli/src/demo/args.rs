//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use crate::load::{self, units};

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
    /// Files of each job.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tasks_per_job: u32,
    /// Size of each file.
    #[arg(long, value_name = "BYTES", default_value = "10KiB", value_parser = units::size)]
    size: u64,
    /// Time before the first byte of each file.
    #[arg(long, value_name = "TIME", default_value = "400ms", value_parser = units::duration)]
    delay: Duration,
    /// Share of files that never come: half are 404, half 500 for ever.
    #[arg(long, value_name = "SHARE", env = "FAILURE_RATE", default_value = "0", value_parser = units::share)]
    failure_rate: f64,
    /// Share of files that fail twice with 500, then come.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = units::share)]
    flaky_rate: f64,
    /// Share of messages that are malformed, misshapen or without an id.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = units::share)]
    invalid_rate: f64,
    /// Consumers at most.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) max_replicas: u32,
    /// The backlog is to be drained within this.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::span)]
    pub(super) drain_time: Duration,
    /// What goes wrong on purpose.
    #[arg(long, value_enum)]
    pub(super) chaos: Option<Chaos>,
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
    /// What goes wrong, and where, is the same for the same seed [default: by chance].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
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
    /// The load, from files at `source`.
    pub(super) fn load(&self, source: String) -> load::Options {
        let mut dice = fastrand::Rng::new();
        load::Options {
            run: (0..6).map(|_| dice.digit(36)).collect(),
            prefix: "demo".into(),
            messages: self.messages,
            tasks_per_job: self.tasks_per_job,
            size: self.size,
            delay: self.delay,
            failure_rate: self.failure_rate,
            flaky_rate: self.flaky_rate,
            invalid_rate: self.invalid_rate,
            seed: self.seed.unwrap_or_else(|| dice.u64(..1_000_000)),
            source,
        }
    }
}
