//! A consumer as a process of its own.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, anyhow};
use exportpool_consumer::config::Config;
use exportpool_contract::environment as name;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{say::note, usage::usage};

/// Its version, of a machine that has much else to do.
const SAYS_WITHIN: Duration = Duration::from_secs(10);

/// How consumers are started.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Set in their environment.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// Where their logs go.
    pub(crate) logs: PathBuf,
}

impl Recipe {
    /// The consumer that is [`found`], with its settings.
    ///
    /// # Errors
    /// There is none, or no folder for logs.
    pub(crate) async fn new(
        binary: Option<PathBuf>,
        variables: Vec<(&'static str, String)>,
        logs: PathBuf,
    ) -> anyhow::Result<Self> {
        let binary = found(binary).await?;
        fs::create_dir_all(&logs)
            .with_context(|| format!("the folder {} for logs cannot be made", logs.display()))?;
        Ok(Self { binary, variables, logs })
    }

    /// Starts one that serves at `port`; its log is `<name>.log`.
    ///
    /// # Errors
    /// The log cannot be written, or the binary is none.
    pub(crate) fn start(&self, name: &str, port: u16) -> anyhow::Result<Child> {
        let path = self.log(name);
        let log =
            File::create(&path).with_context(|| format!("the log {} cannot be written", path.display()))?;
        let mut command = Command::new(&self.binary);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.env_remove(name::S3_PREFIX).envs(self.variables.iter().cloned());
        command.env(name::PORT, port.to_string()).env(name::LOG_FORMAT, "json");
        command.spawn().with_context(|| format!("{} cannot be started", self.binary.display()))
    }

    /// The log of the consumer of that name.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

/// The consumer beside this program, unless another is given: it is built, should it be missing in the sources.
///
/// # Errors
/// There is none, and it cannot be built; the message says how to build it.
pub(crate) async fn found(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let none = |binary: &Path| {
        let binary = binary.display();
        anyhow!(
            "there is no consumer at {binary}: build it with `cargo build -p exportpool-consumer`, or give --consumer PATH"
        )
    };
    if let Some(given) = given {
        return if given.is_file() { Ok(given) } else { Err(usage(none(&given)).into()) };
    }
    let beside = std::env::current_exe()?.with_file_name("exportpool-consumer");
    if beside.is_file() || built(&beside).await? { Ok(beside) } else { Err(none(&beside)) }
}

/// Whether a consumer can be hurt on purpose, as it says of itself. What is none says nothing.
pub(crate) async fn has_kill_points(binary: &Path) -> bool {
    let mut version = Command::new(binary);
    version.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let said = timeout(SAYS_WITHIN, version.output()).await;
    said.is_ok_and(|said| {
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("with kill points"))
    })
}

/// Builds the consumer at `binary`, as cargo built this program. `false`: it did not, or this is not called in the sources.
///
/// # Errors
/// It cannot be built.
async fn built(binary: &Path) -> anyhow::Result<bool> {
    let here = std::env::current_dir()?;
    let sources = here.ancestors().find(|folder| folder.join("consumer/Cargo.toml").is_file());
    let (Some(sources), Some(folder)) = (sources, binary.parent()) else { return Ok(false) };
    let (Some(profile), Some(target)) = (folder.file_name(), folder.parent()) else { return Ok(false) };
    // Of each folder that cargo builds into.
    if !target.join("CACHEDIR.TAG").is_file() {
        return Ok(false);
    }
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    note(&format!(
        "building the consumer, once: cargo build -p exportpool-consumer --profile {}",
        profile.display()
    ));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(sources).args(["build", "-p", "exportpool-consumer", "--profile"]).arg(profile);
    cargo.arg("--target-dir").arg(target).stdin(Stdio::null()).kill_on_drop(true);
    let status = cargo.status().await.context("cargo cannot be started")?;
    anyhow::ensure!(status.success(), "the consumer cannot be built: cargo {status}");
    Ok(binary.is_file())
}

/// The settings that consumers will have, of `variables` and of this program's environment.
///
/// # Errors
/// A consumer would refuse one of them.
pub(crate) fn settings(variables: &[(&'static str, String)]) -> anyhow::Result<Config> {
    let read = |wanted: &str| {
        let ours = variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        ours.or_else(|| std::env::var(wanted).ok())
    };
    Ok(Config::from_variables(&read).context("the consumers' environment").map_err(usage)?)
}

/// Sends a signal. `false`: it has ended.
pub(crate) fn signal(consumer: &Child, signal: Signal) -> bool {
    // One that was waited for has no id any more; one that ended meanwhile keeps its id until then.
    let id = consumer.id().and_then(|id| i32::try_from(id).ok());
    id.is_some_and(|id| kill(Pid::from_raw(id), signal).is_ok())
}

/// A port that is free now. Should somebody take it before the consumer does, the consumer is replaced.
///
/// # Errors
/// There is none.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port for a consumer")?;
    Ok(listener.local_addr()?.port())
}
