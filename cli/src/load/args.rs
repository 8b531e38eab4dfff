//! What the command line asks for.

use std::time::Duration;

use super::{
    files::Files,
    pace::{Pace, Pattern},
    plan::Options,
    units,
};
use crate::target::Target;

/// The most messages of a run.
const MAX_MESSAGES: u64 = 10_000_000;

/// Send jobs to the queue, whose files come from a file server that can be slow or wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    exportctl load 100                                    100 jobs at once\n  \
    exportctl load 600 --pattern sine --duration 5m       two a second on average, in waves of a minute\n  \
    exportctl load 50 --failure-rate 10% --flaky-rate 0.2 some files never come, some come at the third attempt")]
pub(crate) struct Args {
    /// Messages to send, each a job.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_MESSAGES))]
    messages: u64,
    #[command(flatten)]
    files: Files,
    /// How the load runs over time: burst, or steady when a rate or a duration is given.
    #[arg(long, value_enum)]
    pattern: Option<Shape>,
    /// Messages a second, on average.
    #[arg(long, value_name = "RATE", conflicts_with = "duration", value_parser = units::rate)]
    rate: Option<f64>,
    /// Spread the messages over this time, instead of giving a rate.
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    duration: Option<Duration>,
    /// Length of a sine's wave.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = units::span)]
    period: Duration,
    /// The file server, as consumers reach it [default: <AWS endpoint>/_source, which `exportctl aws` has].
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// A running stand-in, instead of what the environment says.
    #[arg(long, value_name = "URL")]
    pub(super) emulator: Option<String>,
    /// Job ids are <PREFIX>-<run>-<n>.
    #[arg(long, value_name = "PREFIX", default_value = "load")]
    job_prefix: String,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// Then wait until everything is settled, and compare bucket, table and dead-letter queues with what was sent;
    /// exit with 1 if anything is lost or doubled
    #[arg(long)]
    pub(super) verify: bool,
    /// How long --verify waits
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::span, requires = "verify")]
    pub(super) timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    /// All at once.
    Burst,
    /// Evenly.
    Steady,
    /// In waves between nothing and twice the rate.
    Sine,
}

/// Why the arguments make no load.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// No rate to send at.
    #[error("--pattern {0} needs --rate (messages a second) or --duration")]
    NoRate(&'static str),
    /// A burst is at no rate.
    #[error(
        "--pattern burst sends everything at once: leave out --rate and --duration, or use --pattern steady"
    )]
    BurstAtRate,
    /// Where the files come from is not known.
    #[error(
        "--source is needed: the URL of a file server as consumers reach it. Only a stand-in \
         (--emulator or AWS_ENDPOINT) has one by default, at /_source"
    )]
    NoSource,
}

impl Args {
    /// The shape and the rate.
    pub(super) fn pace(&self) -> Result<Pace, Unclear> {
        let over = |duration: Duration| self.messages as f64 / duration.as_secs_f64();
        let rate = self.rate.or_else(|| self.duration.map(over));
        let default = if rate.is_some() { Shape::Steady } else { Shape::Burst };
        match (self.pattern.unwrap_or(default), rate) {
            (Shape::Burst, None) => Ok(Pace::BURST),
            (Shape::Burst, Some(_)) => Err(Unclear::BurstAtRate),
            (Shape::Steady, None) => Err(Unclear::NoRate("steady")),
            (Shape::Sine, None) => Err(Unclear::NoRate("sine")),
            (Shape::Steady, Some(rate)) => Ok(Pace { pattern: Pattern::Steady, rate }),
            (Shape::Sine, Some(rate)) => Ok(Pace { pattern: Pattern::Sine { period: self.period }, rate }),
        }
    }

    /// The plan's options; the run's name and a seed that is not given come from `dice`.
    pub(super) fn options(&self, target: &Target, dice: &mut fastrand::Rng) -> Result<Options, Unclear> {
        let default =
            || target.access.endpoint.as_ref().map(|url| format!("{}/_source", url.trim_end_matches('/')));
        let source = self.source.clone().or_else(default).ok_or(Unclear::NoSource)?;
        Ok(self.files.options(&self.job_prefix, self.messages, source, dice))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(["load"].into_iter().chain(line.split_whitespace())).unwrap().args
    }

    #[test]
    fn a_rate_or_a_duration_makes_a_burst_steady() {
        assert_eq!(args("10").pace(), Ok(Pace::BURST));
        assert_eq!(args("10 --rate 5").pace(), Ok(Pace { pattern: Pattern::Steady, rate: 5.0 }));
        assert_eq!(args("60 --duration 30s").pace(), Ok(Pace { pattern: Pattern::Steady, rate: 2.0 }));
        let sine = Pattern::Sine { period: Duration::from_secs(10) };
        assert_eq!(
            args("60 --pattern sine --duration 1m --period 10s").pace(),
            Ok(Pace { pattern: sine, rate: 1.0 })
        );
    }

    #[test]
    fn patterns_without_their_rate_are_told() {
        assert_eq!(args("10 --pattern steady").pace(), Err(Unclear::NoRate("steady")));
        assert_eq!(args("10 --pattern sine").pace(), Err(Unclear::NoRate("sine")));
        assert_eq!(args("10 --pattern burst --rate 3").pace(), Err(Unclear::BurstAtRate));
    }

    #[test]
    fn the_source_is_the_stand_ins_unless_given() {
        let (mut target, mut dice) = (Target::emulator("http://h:1/").unwrap(), fastrand::Rng::with_seed(1));
        let mut source =
            |line: &str, target: &Target| args(line).options(target, &mut dice).map(|options| options.source);
        assert_eq!(source("1", &target), Ok("http://h:1/_source".into()));
        assert_eq!(source("1 --source http://files", &target), Ok("http://files".into()));
        target.access.endpoint = None;
        assert_eq!(source("1", &target), Err(Unclear::NoSource));
    }

    #[test]
    fn runs_have_names_of_their_own_and_the_seed_that_is_given() {
        let (target, mut dice) = (Target::emulator("http://h:1").unwrap(), fastrand::Rng::with_seed(1));
        let [one, two] = [(); 2].map(|()| args("1 --seed 7").options(&target, &mut dice).unwrap());
        assert_ne!(one.run, two.run);
        assert_eq!((one.seed, two.seed), (7, 7));
    }
}
