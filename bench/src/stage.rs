//! The stage of a run: a fresh AWS stand-in with its file server, and clients of it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use exportpool_consumer::aws::connect::{Access, AccessKey};
use exportpool_contract::environment as name;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time,
};

use crate::process::Process;

/// Its files go with it; it lets open requests end.
const STAND_IN_PATIENCE: Duration = Duration::from_secs(8);
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A stand-in, and what is in it. Its data is gone with it.
pub(crate) struct Stage {
    /// The stand-in.
    pub(crate) stand_in: Process,
    /// SQS of the stand-in.
    pub(crate) sqs: aws_sdk_sqs::Client,
    /// DynamoDB of the stand-in.
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    variables: Vec<(String, String)>,
    folder: TempDir,
}

impl Stage {
    /// Starts a stand-in and makes its resources.
    ///
    /// # Errors
    /// `exportctl` is not among the programs, or does not start.
    pub(crate) async fn set(programs: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("exportpool-bench-").tempdir()?;
        let mut command = Command::new(program(programs, "exportctl")?);
        command.args(["aws", "--port", "0"]).stdout(Stdio::piped());
        let temporary = [("TMPDIR".to_owned(), folder.path().display().to_string())];
        let mut stand_in = Process::start(&mut command, &temporary, folder.path().join("stand-in.log"))?;
        let out = stand_in.stdout().context("no standard output")?;
        let variables = time::timeout(START_PATIENCE, environment(BufReader::new(out)));
        let variables = variables.await.context("the stand-in does not start")??;
        let config = access(&variables)?.resolve().await;
        Ok(Self {
            stand_in,
            sqs: aws_sdk_sqs::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            variables,
            folder,
        })
    }

    /// A variable of the environment that the stand-in prints.
    ///
    /// # Errors
    /// It prints no such variable.
    pub(crate) fn variable(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.variables.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str()).with_context(|| format!("the stand-in does not say {name}"))
    }

    /// The environment of a consumer; with `front`, one that reaches the stand-in through it.
    pub(crate) fn environment(&self, front: Option<&str>) -> Vec<(String, String)> {
        let endpoint = self.variable(name::AWS_ENDPOINT).unwrap_or_default().to_owned();
        let through =
            |value: &String| front.map_or_else(|| value.clone(), |front| value.replace(&endpoint, front));
        self.variables.iter().map(|(name, value)| (name.clone(), through(value))).collect()
    }

    /// Where the files to export are.
    ///
    /// # Errors
    /// The stand-in does not say.
    pub(crate) fn source(&self) -> anyhow::Result<String> {
        Ok(format!("{}/_source/files", self.variable(name::AWS_ENDPOINT)?))
    }

    /// Where a log goes.
    pub(crate) fn log(&self, of: &str) -> PathBuf {
        self.folder.path().join(format!("{of}.log"))
    }

    /// Stops the stand-in, and removes its files.
    pub(crate) async fn strike(self) {
        self.stand_in.stop(STAND_IN_PATIENCE).await;
    }
}

/// A program of this build.
///
/// # Errors
/// It is not there; the message says how to build it.
pub(crate) fn program(programs: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = programs.join(name);
    anyhow::ensure!(path.is_file(), "{} is missing: `make bench-consumer` builds it", path.display());
    Ok(path)
}

/// Reads `export NAME=VALUE` until the last of them.
async fn environment(mut out: impl AsyncBufReadExt + Unpin) -> anyhow::Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    let mut line = String::new();
    while out.read_line(&mut line).await? > 0 {
        let read = line.trim().strip_prefix("export ").and_then(|rest| rest.split_once('='));
        let (name, value) = read.with_context(|| format!("{line:?} is no variable"))?;
        variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
        if name == name::EXPORT_ALLOWED_NETWORKS {
            break;
        }
        line.clear();
    }
    Ok(variables)
}

fn access(variables: &[(String, String)]) -> anyhow::Result<Access> {
    let read = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        found.with_context(|| format!("{wanted} is missing"))
    };
    let key = AccessKey {
        id: read(name::AWS_ACCESS_KEY_ID)?,
        secret: read(name::AWS_SECRET_ACCESS_KEY)?,
        session_token: None,
    };
    Ok(Access { region: read(name::AWS_REGION)?, endpoint: Some(read(name::AWS_ENDPOINT)?), key: Some(key) })
}

/// The access that this process's own environment says, as the consumer reads it.
///
/// # Errors
/// A variable is missing.
pub(crate) fn own_access() -> anyhow::Result<Access> {
    access(&std::env::vars().collect::<Vec<_>>())
}
