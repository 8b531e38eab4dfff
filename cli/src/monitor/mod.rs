//! `exportctl monitor`: the queues and the consumers, live.
//!
//! `sample` reads, `derive` makes rows of it, `draw` and `print` show them; `watch` and `follow` repeat it.

pub(crate) mod derive;
pub(crate) mod draw;
#[cfg(test)]
mod fixture;
mod follow;
pub(crate) mod keys;
mod print;
pub(crate) mod sample;
pub(crate) mod screen;
mod stop;
mod trend;
pub(crate) mod view;
mod watch;
mod words;

use std::{io, process::ExitCode, time::Duration};

use chrono::{DateTime, FixedOffset};

use self::{
    derive::History,
    print::{Form, Printer},
    sample::{Address, ClusterPool, DEFAULT_CONSUMER, NotAConsumer, Sampler, Unreadable},
    view::{Thresholds, View},
};
use crate::{cluster, target::Target, usage::usage};

/// Shorter intervals show nothing new: SQS approximates its counts.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3600);
/// `export-jobs`, `download-tasks` and the dead-letter queue of each: a request a sample for each of them.
const REQUESTS: usize = 4;

/// Watch the queues and the consumers.
#[derive(clap::Args)]
#[command(
    after_help = "Only GetQueueAttributes is sent to SQS: watching receives no message. AWS bills it as a \
    request; at --interval 1s four queues make 10.4 million requests in 30 days.\n\n\
    Keys: q quit, p pause, + - interval, ? help. NO_COLOR is honoured. Where standard output is no terminal, plain \
    lines are written.\n\nOf a pool (--pool) the queues are as its status has them, which is not written for every number that moves, and \
    up to 64 pods are asked through the API server: that needs the rights to list pods and to forward ports to them.\n\nWith --once the exit code is 1 when no queue can be read."
)]
pub(crate) struct Args {
    /// Print one table, or with --json one document, and exit.
    #[arg(long)]
    once: bool,
    /// Print a JSON document a line for each sample.
    #[arg(long)]
    json: bool,
    /// Time between two samples: 200ms to 1h.
    #[arg(long, default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Messages in total from which a queue is marked as a warning.
    #[arg(long, default_value_t = 100)]
    warn: u64,
    /// Messages in total from which a queue is marked as critical. A dead-letter queue is from the first.
    #[arg(long, default_value_t = 1000)]
    critical: u64,
    /// A consumer to show; again for more [default: http://127.0.0.1:3000, when one is there].
    #[arg(long = "consumer", value_name = "URL")]
    consumers: Vec<String>,
    /// An AWS stand-in that runs at this URL, instead of the environment.
    #[arg(long, value_name = "URL")]
    emulator: Option<String>,
    /// An ExportPool on a cluster with its pods, instead: as the operator sees it, and without rights on AWS.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["consumers", "emulator"])]
    pool: Option<String>,
    /// The pool's namespace [default: the one of the kubeconfig's context]
    #[arg(short, long, requires = "pool")]
    namespace: Option<String>,
    /// The kubeconfig's context
    #[arg(long, requires = "pool")]
    context: Option<String>,
}

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("--warn {warn} is above --critical {critical}: choose --warn below it")]
    Thresholds { warn: u64, critical: u64 },
    #[error(transparent)]
    Consumer(#[from] NotAConsumer),
    #[error("no queue can be read: {why}; {}", .why.remedy())]
    NoQueue { why: Unreadable },
}

/// What is shown, and how often. Everything that a view needs and no sample has.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    interval: Duration,
    thresholds: Thresholds,
    /// What is watched.
    place: String,
    /// Requests to SQS that a sample costs.
    requests: usize,
    colour: bool,
}

impl Plan {
    /// The picture of `history` at the time `at`.
    fn view(&self, at: DateTime<FixedOffset>, history: &History) -> View {
        View {
            at,
            headline: format!("exportctl monitor · {}", self.place),
            pool: history.last().and_then(|sample| sample.pool.clone()),
            queues: history.queues(self.thresholds),
            consumers: history.consumers(),
            thresholds: self.thresholds,
            footer: vec![words::cost(self.requests, self.interval)],
            colour: self.colour,
        }
    }
}

/// Runs `exportctl monitor`.
///
/// # Errors
/// [`Refused`], a missing variable, or a terminal that cannot be used.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let thresholds = thresholds(args.warn, args.critical).map_err(usage)?;
    let Watching { mut sampler, place, requests } = watching(&args).await?;
    let plan = Plan { interval: args.interval, thresholds, place, requests, colour: screen::colour() };
    let form = if args.json { Form::Json } else { Form::Table };
    let printer = Printer::new(io::stdout(), form);
    if args.once {
        once(&mut sampler, &plan, printer).await?;
    } else if args.json || !screen::usable() {
        follow::follow(&mut sampler, &plan, printer).await?;
    } else {
        watch::watch(&mut sampler, plan).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is watched.
struct Watching {
    sampler: Sampler,
    place: String,
    requests: usize,
}

async fn watching(args: &Args) -> anyhow::Result<Watching> {
    if let Some(name) = &args.pool {
        let cluster = cluster::cluster(args.context.as_deref(), args.namespace.as_deref()).await?;
        let pool = ClusterPool::new(&cluster, cluster::pool(&cluster, name).await?);
        let place = format!("ExportPool {}", pool.name());
        return Ok(Watching { sampler: Sampler::of_pool(pool), place, requests: 0 });
    }
    let addresses = addresses(&args.consumers).map_err(usage)?;
    let target = Target::find(args.emulator.as_deref()).map_err(usage)?;
    let sampler = Sampler::new(&target, addresses).await?;
    Ok(Watching { sampler, place: place(&target), requests: REQUESTS })
}

async fn once(sampler: &mut Sampler, plan: &Plan, mut printer: Printer<io::Stdout>) -> anyhow::Result<()> {
    let sample = sampler.read().await;
    let mut history = History::default();
    history.push(sample.clone());
    // What repeating costs is no matter here.
    let view = View { footer: Vec::new(), ..plan.view(sample.at, &history) };
    follow::unless_closed(printer.sample(&sample, &view))?;
    let unreadable: Result<Vec<_>, _> =
        sample.queues.into_iter().map(|queue| queue.depth.err().ok_or(())).collect();
    match unreadable.ok().and_then(|whys| whys.into_iter().next()) {
        Some(why) => Err(Refused::NoQueue { why }.into()),
        None => Ok(()),
    }
}

fn addresses(urls: &[String]) -> Result<Vec<Address>, Refused> {
    if urls.is_empty() {
        return Ok(vec![Address::parse(DEFAULT_CONSUMER)?.optional()]);
    }
    urls.iter().map(|url| Ok(Address::parse(url)?)).collect()
}

fn thresholds(warn: u64, critical: u64) -> Result<Thresholds, Refused> {
    if warn > critical {
        Err(Refused::Thresholds { warn, critical })
    } else {
        Ok(Thresholds { warn, critical })
    }
}

fn place(target: &Target) -> String {
    let access = &target.access;
    access.endpoint.clone().unwrap_or_else(|| format!("AWS {}", access.region))
}

fn interval(text: &str) -> Result<Duration, String> {
    let example = "a number with its unit such as 500ms, 1s, 1m";
    let interval = humantime::parse_duration(text).map_err(|_| format!("not a duration: {example}"))?;
    if (SHORTEST..=LONGEST).contains(&interval) {
        Ok(interval)
    } else {
        Err("allowed is 200ms to 1h".to_owned())
    }
}
