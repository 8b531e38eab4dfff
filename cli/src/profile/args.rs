//! What the command line asks for.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use exportpool_contract::environment as name;
use exportpool_profile::record::Tool;

use super::{
    baselines::Name,
    own::{Setup, Waves},
    telling::Telling,
};
use crate::{
    load::{self, units},
    usage::usage,
};

/// Of the environment's, those that figures depend on.
const SETTINGS: [&str; 7] = [
    name::WORKER_POOL_SIZE,
    name::TASKS_PER_WORKER,
    name::MAX_CONCURRENT_JOBS,
    name::MAX_QUEUE_SIZE,
    name::MEMORY_BUDGET_MIB,
    name::PER_HOST_CONCURRENCY,
    name::PER_HOST_RATE,
];

/// What only a consumer of its own can be asked for. What the environment may say as well is left out: it is for others, too.
const OF_ITS_OWN: [&str; 9] =
    ["tasks_per_job", "size", "mixed", "delay", "flaky_rate", "invalid_rate", "seed", "emulator", "consumer"];

/// The most messages of a profile: a profile of more says no more.
const MAX_MESSAGES: u64 = 1_000_000;

/// Profile a consumer: what ails it, told by measurements, on a page of its own
///
/// Without --attach and --pod a consumer is started for it, on an AWS stand-in, with N jobs to do; it is profiled until these
/// are settled. The consumer takes its settings from the environment, such as WORKER_POOL_SIZE.
///
/// Ends with a verdict. Exit codes: 0 green or yellow, 1 red, 2 nothing was collected, 130 stopped before its jobs were settled.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    exportctl profile doctor                       a consumer of its own, 100 jobs\n  \
    WORKER_POOL_SIZE=8 exportctl profile doctor 500 --delay 100ms\n  \
    exportctl profile doctor --attach 4711         the consumer that runs as process 4711, for 30 s\n  \
    exportctl profile doctor --pod exports-7d9f8-x2x5k -n shop\n  \
    exportctl profile bubble 500                   where the time of a message goes\n  \
    exportctl profile flame 500                    where its CPU time goes\n  \
    exportctl profile heap 50 --waves 10           does its memory come back after each wave of jobs\n  \
    exportctl profile report .exportctl/doctor-…   the page again, from what was recorded")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// How late main and each worker are, and why: blocked loops with their stacks, crowded CPUs, a starved pool, leaks
    Doctor(Box<Profile>),
    /// Where the time of a message goes: each step from receive to acknowledge, which of them it waits for, what could be
    /// done at the same time
    Bubble(Box<Profile>),
    /// Where CPU time goes: the stacks of all threads, 99 times a second of CPU time, as a flame graph
    Flame(Box<Profile>),
    /// Where memory goes, and whether it comes back after each wave of jobs: leaks, with the stacks that grow
    Heap(Box<Profile>),
    /// Make the report of a profile again, from what it recorded
    Report(Report),
}

/// Whom to profile, and for how long.
#[derive(Debug, clap::Args)]
pub(super) struct Profile {
    /// Jobs that are sent.
    #[arg(value_name = "N", default_value_t = 100, conflicts_with_all = ["attach", "pod"],
        value_parser = clap::value_parser!(u64).range(1..=MAX_MESSAGES))]
    pub(super) messages: u64,
    #[command(flatten)]
    pub(super) files: load::Files,
    /// S3 takes so long to begin with an object that is stored: what a slow store does to a pool.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = units::duration, conflicts_with_all = ["attach", "pod", "emulator"])]
    pub(super) store_delay: Duration,
    /// The jobs are sent so often, each time when those before are settled [default: 10 for heap, else 1]
    #[arg(long, value_name = "N", conflicts_with_all = ["attach", "pod"], value_parser = clap::value_parser!(u32).range(1..=1_000))]
    waves: Option<u32>,
    /// After each of several waves nothing is done for so long: what is still allocated then, stays.
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = units::span, conflicts_with_all = ["attach", "pod"])]
    pub(super) pause: Duration,
    /// Profile the consumer that runs as this process of this machine.
    #[arg(long, value_name = "PID", conflicts_with = "pod", conflicts_with_all = OF_ITS_OWN, value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) attach: Option<i32>,
    /// Profile the consumer in this pod, which goes on as before.
    #[arg(long, value_name = "NAME", conflicts_with_all = OF_ITS_OWN)]
    pub(super) pod: Option<String>,
    /// The pod's namespace [default: the context's].
    #[arg(long, short, value_name = "NAMESPACE", requires = "pod", conflicts_with = "attach")]
    pub(super) namespace: Option<String>,
    /// The kubeconfig's context [default: the current one].
    #[arg(long, value_name = "CONTEXT", requires = "pod", conflicts_with = "attach")]
    pub(super) context: Option<String>,
    /// So long at most; a consumer of its own until its jobs are settled, others for 30 s.
    #[arg(long, value_name = "TIME", value_parser = units::span)]
    pub(super) duration: Option<Duration>,
    /// The consumer is to be ready within this; a number alone is seconds.
    #[arg(long, value_name = "TIME", env = "STARTUP_WAIT", default_value = "30s", value_parser = units::seconds)]
    pub(super) startup_wait: Duration,
    /// Its jobs are to be settled within this; a number alone is seconds.
    #[arg(long, value_name = "TIME", env = "PROCESSING_WAIT", default_value = "10m", value_parser = units::seconds)]
    pub(super) processing_wait: Duration,
    /// A running AWS stand-in, instead of one of its own.
    #[arg(long, value_name = "URL")]
    pub(super) emulator: Option<String>,
    /// The consumer's binary [default: exportpool-consumer beside this program].
    #[arg(long, value_name = "PATH")]
    pub(super) consumer: Option<PathBuf>,
    /// Reports go into folders of this one.
    #[arg(long, value_name = "FOLDER", default_value = ".exportctl")]
    pub(super) reports: PathBuf,
    /// Keep what was measured under this name, for --compare.
    #[arg(long, value_name = "NAME")]
    pub(super) save_baseline: Option<Name>,
    /// Compare with what was kept under this name: what is worse, and hardly by chance, makes the verdict red.
    #[arg(long, value_name = "NAME")]
    pub(super) compare: Option<Name>,
    #[command(flatten)]
    pub(super) telling: Telling,
}

/// A profile that was recorded before.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// Its folder.
    #[arg(value_name = "FOLDER")]
    pub(super) folder: PathBuf,
    #[command(flatten)]
    pub(super) telling: Telling,
}

impl Profile {
    /// So many floors tell a leak from chance.
    const HEAP_WAVES: u32 = 10;
    /// Nobody's jobs are waited for.
    const OTHERS: Duration = Duration::from_secs(30);

    /// How its own consumer is started.
    pub(super) fn setup(&self) -> Setup {
        Setup {
            settings: vec![],
            store_delay: self.store_delay,
            emulator: self.emulator.clone(),
            binary: self.consumer.clone(),
            startup_wait: self.startup_wait,
        }
    }

    /// Each wave of jobs, with files from `source`.
    ///
    /// # Errors
    /// They make no sense.
    pub(super) fn waves(&self, tool: Tool, source: &str) -> anyhow::Result<Waves> {
        let mut dice = fastrand::Rng::new();
        let mut wave = || {
            let options = self.files.options("profile", self.messages, source.to_owned(), &mut dice);
            options.check().map_err(usage)?;
            anyhow::Ok(vec![options])
        };
        let waves: Vec<_> = (0..self.count(tool)).map(|_| wave()).collect::<Result<_, _>>()?;
        let pause = if waves.len() > 1 { self.pause } else { Duration::ZERO };
        Ok(Waves { waves, pause, within: self.processing_wait })
    }

    /// Of a consumer that is started for it.
    pub(super) const fn is_own(&self) -> bool {
        self.attach.is_none() && self.pod.is_none()
    }

    /// How many waves of jobs are sent.
    fn count(&self, tool: Tool) -> u32 {
        self.waves.unwrap_or(if tool == Tool::Heap { Self::HEAP_WAVES } else { 1 })
    }

    /// What its figures depend on, beside the machine. Of the consumers of others nothing is known.
    pub(super) fn settings(&self, tool: Tool) -> BTreeMap<String, String> {
        let set = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        let jobs = [
            ("jobs".to_owned(), self.messages.to_string()),
            ("waves".to_owned(), self.count(tool).to_string()),
            ("pause".to_owned(), humantime::format_duration(self.pause).to_string()),
            ("store-delay".to_owned(), humantime::format_duration(self.store_delay).to_string()),
        ];
        let settings =
            jobs.into_iter().chain(self.files.settings()).chain(SETTINGS.into_iter().filter_map(set));
        settings.filter(|_| self.is_own()).collect()
    }

    /// It goes on for so long at most. `None`: until its jobs are settled.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.duration.or((!self.is_own()).then_some(Self::OTHERS))
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

    fn doctor(line: &str) -> Result<Profile, String> {
        let words = ["profile", "doctor"].into_iter().chain(line.split_whitespace());
        match Line::try_parse_from(words).map_err(|error| error.to_string())?.args.command {
            Command::Doctor(profile) => Ok(*profile),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_of_jobs_that_are_none_are_refused_with_what_is_allowed() {
        for bad in ["0", "10000000"] {
            let error = doctor(bad).unwrap_err();
            assert!(error.contains(&format!("'{bad}'")) && error.contains("1..=1000000"), "{error}");
        }
        for bad in ["many", "1.5"] {
            let error = doctor(bad).unwrap_err();
            assert!(error.contains(&format!("'{bad}'")) && error.contains("invalid digit"), "{error}");
        }
        assert!(doctor("-1").unwrap_err().contains("unexpected argument '-1'"));
        assert_eq!(doctor("").unwrap().messages, 100);
    }

    #[test]
    fn a_tool_that_there_is_not_is_told_with_those_that_there_are() {
        let error = Line::try_parse_from(["profile", "doktor", "5"]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("'doktor'") && error.contains("'doctor'"), "{error}");
    }

    #[test]
    fn whom_to_profile_is_said_once() {
        for bad in [
            "7 --attach 3",
            "--attach 3 --pod p",
            "--attach 0",
            "-n shop",
            "5 --pod p",
            "--attach 3 -n shop",
            "--attach 3 --delay 1s",
            "--pod p --seed 5",
        ] {
            assert!(doctor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn others_are_profiled_for_a_while_and_its_own_until_it_is_through() {
        assert_eq!(doctor("7").unwrap().duration(), None);
        assert_eq!(doctor("--attach 3").unwrap().duration(), Some(Duration::from_secs(30)));
        assert_eq!(doctor("--pod p --duration 5s").unwrap().duration(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn waits_are_spans_or_seconds() {
        let profile = doctor("--startup-wait 5 --processing-wait 2m").unwrap();
        assert_eq!(
            (profile.startup_wait, profile.processing_wait),
            (Duration::from_secs(5), Duration::from_secs(120))
        );
    }
}
