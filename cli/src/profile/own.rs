//! A consumer of its own: started, loaded, waited for, stopped.

use std::{
    convert::Infallible,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use exportpool_contract::{Health, PodReport, environment as name};
use exportpool_profile::record::{Ending, Tool};
use futures_util::future::try_join_all;
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use tokio::{process::Child, time};
use tokio_util::sync::CancellationToken;

use super::{
    connect::{Connection, to_port},
    folder::Raw,
    nothing::Nothing,
    record::{Heard, Teller, record},
};
use crate::{
    aws::run::environment,
    load::{self, Pace},
    monitor::sample::{Depth, Queues},
    stage::{
        Stage,
        consumer::{Recipe, free_port, settings, signal},
    },
    usage::Usage,
    verify,
};

/// How often it is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often the table is asked whether everything is settled, should the consumer not say so.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often SQS is asked how many messages are on its queues.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// A stack that is named for the first time takes seconds at worst, with a program that is not optimised on a busy machine.
const TELLS_WITHIN: Duration = Duration::from_secs(10);
/// A consumer with nothing in hand stops sooner.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of its log, where it did not start.
const LAST_LINES: usize = 3;

/// How a consumer is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// Beside what it takes from the environment.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// S3, of a stand-in of its own, takes so long to begin with an object.
    pub(crate) store_delay: Duration,
    /// An AWS stand-in that runs, instead of one of its own.
    pub(crate) emulator: Option<String>,
    /// Its binary, instead of the one beside this program.
    pub(crate) binary: Option<PathBuf>,
    /// It is to be ready within this.
    pub(crate) startup_wait: Duration,
}

/// Jobs, some at a time.
#[derive(Debug)]
pub(crate) struct Waves {
    /// Those of each wave, which are sent side by side.
    pub(crate) waves: Vec<Vec<load::Options>>,
    /// After each wave nothing is done for so long.
    pub(crate) pause: Duration,
    /// Each wave is to be settled within this.
    pub(crate) within: Duration,
}

/// A consumer, and the AWS that it works on.
pub(crate) struct Own {
    pub(crate) stage: Stage,
    child: Child,
    log: PathBuf,
    http: u16,
    profiles: u16,
}

impl Own {
    /// Starts one, whose log goes into `folder`. It is ready when this returns.
    ///
    /// # Errors
    /// A wrong setting, or it does not start.
    pub(crate) async fn start(setup: Setup, folder: PathBuf) -> anyhow::Result<Self> {
        let stage = Stage::set(setup.emulator.as_deref(), setup.store_delay).await.map_err(no_aws)?;
        let (http, profiles) = (free_port()?, free_port()?);
        let mut variables = environment(&stage.target);
        variables.extend(setup.settings);
        variables.push((name::PROFILE_PORT, profiles.to_string()));
        settings(&variables)?;
        let recipe = Recipe::new(setup.binary, variables, folder).await?;
        let child = recipe.start("consumer", http)?;
        let mut own = Self { stage, child, log: recipe.log("consumer"), http, profiles };
        own.is_ready(setup.startup_wait).await?;
        Ok(own)
    }

    async fn is_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let client = client()?;
        let (begun, url) = (Instant::now(), self.url("/ready"));
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(Nothing::Ended {
                    why: self.last_words(&status.to_string()),
                    log: self.log.clone(),
                }
                .into());
            }
            let answer = client.get(&url).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if begun.elapsed() >= within {
                let why = why_not_ready(&client, &self.url("/health")).await;
                return Err(Nothing::NotReady { after: within, why, log: self.log.clone() }.into());
            }
            time::sleep(ASK_EVERY).await;
        }
    }

    fn last_words(&self, ended: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines
            .iter()
            .skip(lines.len().saturating_sub(LAST_LINES))
            .fold(String::new(), |text, line| text + "\n  " + line);
        format!("{ended}{last}")
    }

    /// Of what it answers to whoever is on this machine.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn report(&self) -> anyhow::Result<PodReport> {
        get(&client()?, &self.url("/report")).await
    }

    /// To its port for profiles.
    ///
    /// # Errors
    /// It does not answer there.
    async fn connect(&self) -> Result<Connection, Nothing> {
        Ok(Connection { to: "the consumer".to_owned(), ..to_port(self.profiles).await? })
    }

    /// From where it receives its jobs.
    pub(crate) fn queue(&self) -> &str {
        &self.stage.target.export_jobs
    }

    /// Records what it tells for `tool` while it works, until its jobs are settled, it has ended, or `over` says so.
    ///
    /// # Errors
    /// Nothing comes, the jobs cannot be sent, or the disk takes no more.
    pub(crate) async fn recorded(
        &mut self,
        tool: Tool,
        waves: &Waves,
        raw: &mut Raw,
        over: impl Future<Output = Ending>,
    ) -> anyhow::Result<Ending> {
        let mut to = self.connect().await?;
        let (mut heard, ear) = Heard::new();
        let depths = depths(Queues::new(&self.stage.target).await, heard.teller());
        let worked = async {
            let ending = self.work(waves, &mut heard).await;
            // What the consumer has seen, and not told yet.
            time::sleep(tool.tells_every()).await;
            ending
        };
        let until = async {
            tokio::select! {
                ending = worked => ending,
                ending = over => Ok(ending),
                never = depths => match never {},
            }
        };
        // Of some size, with all that it sends and asks.
        Box::pin(record(&mut to, tool, raw, ear, until)).await
    }

    /// Gives it jobs, once its profile is on, and waits until they are settled, or it has ended.
    async fn work(&mut self, waves: &Waves, heard: &mut Heard) -> anyhow::Result<Ending> {
        let Self { stage, child, .. } = self;
        let work = async {
            // From the first moment on: an instrument takes time to be set up.
            match time::timeout(waves.within, heard.settled()).await {
                Ok(settled) => settled?,
                Err(_) => return Ok(Ending::Overdue),
            };
            for batches in &waves.waves {
                match time::timeout(waves.within, wave(stage, batches, heard)).await {
                    Ok(settled) => settled?,
                    Err(_) => return Ok(Ending::Overdue),
                }
                time::sleep(waves.pause).await;
            }
            anyhow::Ok(Ending::Settled)
        };
        tokio::select! {
            ending = work => ending,
            status = child.wait() => Ok(Ending::Gone { why: status?.to_string() }),
        }
    }

    /// Asks it to stop, and takes AWS down.
    pub(crate) async fn end(mut self) {
        signal(&self.child, Signal::SIGTERM);
        if time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            // `kill` also waits for the end.
            let _ = self.child.kill().await;
        }
        self.stage.strike().await;
    }
}

/// Sends jobs, and waits until they are settled.
async fn wave(stage: &Stage, batches: &[load::Options], heard: &mut Heard) -> anyhow::Result<()> {
    let before = heard.settled().await?;
    heard.teller().wave(batches.iter().map(|batch| batch.messages).sum());
    let tasks: u64 = try_join_all(batches.iter().map(|batch| send(stage, batch))).await?.iter().sum();
    loop {
        // Once it has said so, the table may take a moment.
        if time::timeout(LOOK_EVERY, heard.settled_by(before + tasks)).await.is_ok() {
            time::sleep(ASK_EVERY).await;
        }
        let settled = try_join_all(batches.iter().map(|batch| verify::settled(&stage.target, batch))).await?;
        if settled.into_iter().all(verify::Settled::is_all) {
            // What it has done is told late by one that was just asked for the stack of a loop.
            let _ = time::timeout(TELLS_WITHIN, heard.settled_by(before + tasks)).await;
            heard.teller().wave(0);
            return Ok(());
        }
    }
}

/// Tells how many messages are on the queues, for good. What cannot be read is not told.
async fn depths(mut queues: Queues, told: Teller) -> Infallible {
    let mut every = time::interval(COUNT_EVERY);
    loop {
        every.tick().await;
        let read = queues.read().await;
        let sum = |dead: bool, count: fn(&Depth) -> u64| -> Option<u64> {
            let those = read.iter().filter(|queue| queue.dead_letters == dead);
            those.map(|queue| queue.depth.as_ref().ok().map(count)).sum()
        };
        let waiting = sum(false, |depth| depth.visible + depth.delayed);
        let in_flight = sum(false, |depth| depth.in_flight);
        if let (Some(waiting), Some(in_flight), Some(dead)) = (waiting, in_flight, sum(true, Depth::total)) {
            told.depth(waiting, in_flight, dead);
        }
    }
}

/// A URL that is none is the caller's fault, and any other one the endpoint's.
fn no_aws(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Usage>() { error } else { Nothing::NoAws(format!("{error:#}")).into() }
}

/// Sends the jobs: how many tasks they have.
async fn send(stage: &Stage, options: &load::Options) -> anyhow::Result<u64> {
    let sqs = aws_sdk_sqs::Client::new(&stage.target.access.resolve().await);
    let (queue, stop) = (&stage.target.export_jobs, CancellationToken::new());
    let accepted = load::send(&sqs, queue, load::plan(options), Pace::BURST, &stop, |_| {}).await;
    match accepted.stopped {
        Some(load::Stopped::Failed(error)) => Err(error).context("the jobs were not sent"),
        _ => Ok(accepted.tasks),
    }
}

fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build()?)
}

async fn get<T: DeserializeOwned>(client: &reqwest::Client, url: &str) -> anyhow::Result<T> {
    let answer = client.get(url).send().await?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

/// What it waits for, as it says.
async fn why_not_ready(client: &reqwest::Client, url: &str) -> String {
    match get::<Health>(client, url).await {
        Ok(health) => health.unavailable.unwrap_or_else(|| "it says nothing more".to_owned()),
        Err(error) => format!("it does not answer: {error}"),
    }
}
