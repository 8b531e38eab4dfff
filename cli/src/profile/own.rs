//! A consumer of its own: started, loaded, waited for, stopped.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use exportpool_contract::{Health, environment as name};
use exportpool_profile::record::Ending;
use nix::sys::signal::Signal;
use tokio::{process::Child, sync::watch, time};
use tokio_util::sync::CancellationToken;

use super::{
    connect::{Connection, to_port},
    nothing::Nothing,
};
use crate::{
    aws::run::environment,
    load::{self, Pace},
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
/// A consumer with nothing in hand stops sooner.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of its log, where it did not start.
const LAST_LINES: usize = 3;

/// How a consumer is started.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// Beside what it takes from the environment.
    pub(super) settings: Vec<(&'static str, String)>,
    /// An AWS stand-in that runs, instead of one of its own.
    pub(super) emulator: Option<String>,
    /// Its binary, instead of the one beside this program.
    pub(super) binary: Option<PathBuf>,
    /// It is to be ready within this.
    pub(super) startup_wait: Duration,
}

/// A consumer, and the AWS that it works on.
pub(super) struct Own {
    pub(super) stage: Stage,
    child: Child,
    log: PathBuf,
    profiles: u16,
}

impl Own {
    /// Starts one, whose log goes into `folder`. It is ready when this returns.
    ///
    /// # Errors
    /// A wrong setting, or it does not start.
    pub(super) async fn start(setup: Setup, folder: PathBuf) -> anyhow::Result<Self> {
        let stage = Stage::set(setup.emulator.as_deref()).await.map_err(no_aws)?;
        let (http, profiles) = (free_port()?, free_port()?);
        let mut variables = environment(&stage.target);
        variables.extend(setup.settings);
        variables.push((name::PROFILE_PORT, profiles.to_string()));
        settings(&variables)?;
        let recipe = Recipe::new(setup.binary, variables, folder)?;
        let child = recipe.start("consumer", http)?;
        let mut own = Self { stage, child, log: recipe.log("consumer"), profiles };
        own.is_ready(http, setup.startup_wait).await?;
        Ok(own)
    }

    async fn is_ready(&mut self, http: u16, within: Duration) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build()?;
        let (begun, url) = (Instant::now(), format!("http://127.0.0.1:{http}/ready"));
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
                let why = why_not_ready(&client, http).await;
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

    /// To its port for profiles.
    ///
    /// # Errors
    /// It does not answer there.
    pub(super) async fn connect(&self) -> Result<Connection, Nothing> {
        Ok(Connection { to: "the consumer".to_owned(), ..to_port(self.profiles).await? })
    }

    /// From where it receives its jobs.
    pub(super) fn queue(&self) -> &str {
        &self.stage.target.export_jobs
    }

    /// Gives it jobs, once its profile is on, and waits until they are settled, or it has ended. `settled` is how many
    /// tasks it says it has.
    ///
    /// # Errors
    /// The jobs cannot be sent, or AWS does not answer.
    pub(super) async fn work(
        &mut self,
        options: &load::Options,
        within: Duration,
        settled: &mut watch::Receiver<Option<u64>>,
    ) -> anyhow::Result<Ending> {
        let Self { stage, child, .. } = self;
        let work = async {
            // From the first moment on: an instrument takes time to be set up.
            settled.wait_for(Option::is_some).await?;
            let before = settled.borrow().unwrap_or(0);
            let tasks = send(stage, options).await?;
            loop {
                let is_said = settled.wait_for(|now| now.unwrap_or(0).saturating_sub(before) >= tasks);
                // Once it has said so, the table may take a moment.
                if time::timeout(LOOK_EVERY, is_said).await.is_ok() {
                    time::sleep(ASK_EVERY).await;
                }
                if verify::settled(&stage.target, options).await?.is_all() {
                    return anyhow::Ok(Ending::Settled);
                }
            }
        };
        tokio::select! {
            ending = work => ending,
            status = child.wait() => Ok(Ending::Gone { why: status?.to_string() }),
            () = time::sleep(within) => Ok(Ending::Overdue),
        }
    }

    /// Asks it to stop, and takes AWS down.
    pub(super) async fn end(mut self) {
        signal(&self.child, Signal::SIGTERM);
        if time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            // `kill` also waits for the end.
            let _ = self.child.kill().await;
        }
        self.stage.strike().await;
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

/// What it waits for, as it says.
async fn why_not_ready(client: &reqwest::Client, http: u16) -> String {
    let asked = async {
        let answer = client.get(format!("http://127.0.0.1:{http}/health")).send().await?;
        anyhow::Ok(serde_json::from_slice::<Health>(&answer.bytes().await?)?)
    };
    match asked.await {
        Ok(health) => health.unavailable.unwrap_or_else(|| "it says nothing more".to_owned()),
        Err(error) => format!("it does not answer: {error}"),
    }
}
