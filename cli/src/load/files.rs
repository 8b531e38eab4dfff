//! The part of the command line that says what files there are, and what is wrong with them.

use std::time::Duration;

use super::{plan::Options, units};

/// What files there are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Files {
    /// Files of each job.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tasks_per_job: u32,
    /// Size of each file.
    #[arg(long, value_name = "BYTES", default_value = "10KiB", value_parser = units::size)]
    size: u64,
    /// Jobs of one, of several and of hundreds of files, a few of several parts, instead of --tasks-per-job and
    /// --size. Files that never come are 404 then.
    #[arg(long, conflicts_with_all = ["tasks_per_job", "size"])]
    mixed: bool,
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
    /// What goes wrong, and where, is the same for the same seed [default: by chance].
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

impl Files {
    /// What was asked for, by its names.
    pub(crate) fn settings(&self) -> [(String, String); 7] {
        [
            ("tasks-per-job", self.tasks_per_job.to_string()),
            ("size", units::bytes_text(self.size)),
            ("mixed", self.mixed.to_string()),
            ("delay", humantime::format_duration(self.delay).to_string()),
            ("failure-rate", self.failure_rate.to_string()),
            ("flaky-rate", self.flaky_rate.to_string()),
            ("invalid-rate", self.invalid_rate.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }

    /// A plan's options; the run's name, and a seed that is not given, come from `dice`.
    pub(crate) fn options(
        &self,
        prefix: &str,
        messages: u64,
        source: String,
        dice: &mut fastrand::Rng,
    ) -> Options {
        Options {
            run: (0..6).map(|_| dice.digit(36)).collect(),
            prefix: prefix.to_owned(),
            messages,
            tasks_per_job: self.tasks_per_job,
            size: self.size,
            mixed: self.mixed,
            delay: self.delay,
            failure_rate: self.failure_rate,
            flaky_rate: self.flaky_rate,
            invalid_rate: self.invalid_rate,
            // Short enough to be typed again.
            seed: self.seed.unwrap_or_else(|| dice.u64(..1_000_000)),
            source,
        }
    }
}
