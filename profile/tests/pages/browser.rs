//! Chromium, driven over its `DevTools` protocol: JSON that ends with a NUL, on two pipes. No client in Rust speaks it over
//! pipes (chromiumoxide #294, headless_chrome #202), and a port would have to be found free.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Of everything that is waited for: nothing takes so long, however busy the machine is.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);
/// Names a browser that is there already.
const CHOICE: &str = "EXPORTPOOL_CHROMIUM";
/// The browser reads commands from 3 and answers on 4.
const PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#;

/// A browser with one tab. It ends, and its files with it, when this is dropped.
pub(crate) struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    commanded: u64,
    session: Option<String>,
    events: Vec<Value>,
    folder: TempDir,
}

impl Browser {
    /// One that has just been started.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut process = Command::new("/bin/sh")
            .args(["-c", PIPES])
            .arg(program())
            // In a container there is no sandbox to be had, and the pages are ours.
            .args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--disable-background-networking", "--force-color-profile=srgb", "--lang=en-US"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let commands = process.stdin.take();
        let messages = messages(process.stdout.take().unwrap());
        let (commanded, session, events) = (0, None, Vec::new());
        let mut browser = Self { process, commands, messages, commanded, session, events, folder };
        browser.attach();
        browser
    }

    /// Where its files are, and pages may be.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Has something done, and returns the answer.
    pub(crate) fn call(&mut self, method: &str, arguments: &Value) -> Value {
        self.asked(method, arguments).unwrap_or_else(|why| panic!("{method} {arguments}: {why}"))
    }

    /// Waits for an event of that name, from those on that have not been looked for yet.
    pub(crate) fn await_event(&mut self, name: &str) -> Value {
        let deadline = Instant::now() + LONGEST;
        loop {
            if let Some(at) = self.events.iter().position(|event| event["method"] == name) {
                return self.events.remove(at)["params"].take();
            }
            let message = self.message(deadline).unwrap_or_else(|why| panic!("{name}: {why}"));
            self.events.push(message);
        }
    }

    /// The events of these names that have been told so far.
    pub(crate) fn events(&self, names: &[&str]) -> Vec<&Value> {
        let is_one = |event: &&Value| names.iter().any(|name| event["method"] == *name);
        self.events.iter().filter(is_one).collect()
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", &json!({}));
        let targets = targets["targetInfos"].as_array().unwrap();
        let tab = targets.iter().find(|target| target["type"] == "page").map(|tab| tab["targetId"].clone());
        let tab = tab.unwrap_or_else(|| {
            self.call("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].take()
        });
        let attached = self.call("Target.attachToTarget", &json!({"targetId": tab, "flatten": true}));
        self.session = attached["sessionId"].as_str().map(str::to_owned);
    }

    fn asked(&mut self, method: &str, arguments: &Value) -> Result<Value, String> {
        self.commanded += 1;
        let id = self.commanded;
        let mut command = json!({"id": id, "method": method, "params": arguments});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let sent = self.commands.as_mut().map(|pipe| pipe.write_all(format!("{command}\0").as_bytes()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.gone());
        }
        let deadline = Instant::now() + LONGEST;
        loop {
            let mut message = self.message(deadline)?;
            match (message["id"].as_u64(), &message["error"]) {
                (Some(of), Value::Null) if of == id => return Ok(message["result"].take()),
                (Some(of), error) if of == id => return Err(error.to_string()),
                // Of a command that was given up.
                (Some(_), _) => {}
                (None, _) => self.events.push(message),
            }
        }
    }

    fn message(&mut self, deadline: Instant) -> Result<Value, String> {
        match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => Err(format!("not within {LONGEST:?}")),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }

    fn gone(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        format!("the browser went away: {log}")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends in order, and its children with it: what it writes is written before its folder goes.
        self.session = None;
        if self.asked("Browser.close", &json!({})).is_err() {
            let _ = self.process.kill();
        }
        self.commands = None;
        // The pipe is closed by the last of its processes.
        let deadline = Instant::now() + LONGEST;
        while self.message(deadline).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the browser tells, until it ends.
fn messages(pipe: ChildStdout) -> Receiver<Value> {
    let (teller, messages) = channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { return };
            if teller.send(message).is_err() {
                return;
            }
        }
    });
    messages
}

fn program() -> PathBuf {
    let chosen = env::var_os(CHOICE).filter(|chosen| !chosen.is_empty()).map(PathBuf::from);
    let installed = || {
        let home = PathBuf::from(env::var_os("HOME").unwrap());
        home.join(".cache/exportpool/tools/chromium/chromium")
    };
    let program = chosen.unwrap_or_else(installed);
    assert!(
        program.is_file(),
        "there is no browser at {}: run `make pages-browser`, or name one with {CHOICE}",
        program.display()
    );
    program
}
