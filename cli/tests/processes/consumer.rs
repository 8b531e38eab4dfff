//! A consumer as a process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::{Command, Output, Stdio},
};

use exportpool_contract::PodReport;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    download,
    process::{Process, consumer_binary},
    wait::until,
};

/// What a consumer's environment holds: nothing of the environment of the tests.
pub(crate) type Environment = BTreeMap<String, String>;

/// A consumer that runs. What it says goes to files; when a test fails, the end of that is shown.
pub(crate) struct Consumer {
    pub(crate) process: Process,
    url: String,
    folder: TempDir,
}

fn command(binary: &Path, environment: &Environment) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().envs(environment).stdin(Stdio::null());
    command
}

/// Runs a consumer that is expected to refuse to start.
pub(crate) fn refused(environment: &Environment) -> Output {
    command(&consumer_binary(), environment).output().unwrap()
}

impl Consumer {
    /// Starts one, and waits until it has its port.
    pub(crate) async fn start(environment: &Environment) -> Self {
        Self::start_of(&consumer_binary(), environment).await
    }

    /// Starts one of another build, and waits for nothing.
    pub(crate) fn spawn(binary: &Path, environment: &Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [out, err] = ["out", "err"].map(|name| File::create(folder.path().join(name)).unwrap());
        let process = Process::start(command(binary, environment).stdout(out).stderr(err));
        Self { process, url: String::new(), folder }
    }

    /// Starts one of another build, and waits until it has its port.
    pub(crate) async fn start_of(binary: &Path, environment: &Environment) -> Self {
        let mut consumer = Self::spawn(binary, environment);
        consumer.has_started().await;
        consumer
    }

    /// Waits until it has its port: before, it answers nothing.
    pub(crate) async fn has_started(&mut self) {
        let port = until("a consumer to start", async || self.port()).await;
        self.url = format!("http://127.0.0.1:{port}");
    }

    fn port(&mut self) -> Option<u64> {
        if let Some(status) = self.process.status() {
            panic!("the consumer ended with {status}:\n{}", self.said());
        }
        let log = self.said();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut starts = lines.filter(|line| line["message"] == "exportpool-consumer starts");
        starts.next()?["port"].as_u64()
    }

    /// Everything it wrote to standard output and standard error.
    pub(crate) fn said(&self) -> String {
        ["out", "err"].map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap()).concat()
    }

    /// Status and body of one of its pages.
    pub(crate) fn get(&self, page: &str) -> (u16, String) {
        let (status, body) = download::get(&format!("{}{page}", self.url)).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    pub(crate) fn report(&self) -> PodReport {
        serde_json::from_str(&self.get("/report").1).unwrap()
    }

    pub(crate) async fn ready(&self) {
        until("a consumer to be ready", async || (self.get("/ready").0 == 200).then_some(())).await;
    }

    /// Waits until it is not ready for a reason that holds `words`.
    pub(crate) async fn not_ready(&self, words: &str) -> String {
        let what = format!("a consumer not to be ready for {words:?}");
        let told =
            async || Some(self.get("/ready")).filter(|(code, why)| *code == 503 && why.contains(words));
        until(&what, told).await.1
    }

    /// Asks it to stop; its exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.process.signal(Signal::SIGTERM);
        self.process.exit().await.code()
    }
}

impl Drop for Consumer {
    #[expect(clippy::print_stderr, reason = "for whoever reads why a test failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let lines: Vec<_> = said.lines().rev().take(25).collect();
            eprintln!("the consumer at {} said last:", self.url);
            lines.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}
