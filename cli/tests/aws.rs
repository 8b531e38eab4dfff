//! The command `exportctl aws`, as a person or a script uses it.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{
    collections::HashMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn exportctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exportctl"));
    command.arg("aws").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = exportctl(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A stand-in in its own process, on a port of its own, with a folder for its temporary files.
struct Running {
    process: Child,
    variables: HashMap<String, String>,
    temporary: tempfile::TempDir,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let mut command = exportctl(&[&["--port", "0"], arguments].concat());
        let mut process = command.env("TMPDIR", temporary.path()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut variables = HashMap::new();
        for line in lines {
            let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
            variables.insert(name.to_owned(), value.to_owned());
            if name == "EXPORT_ALLOWED_NETWORKS" {
                break;
            }
        }
        Self { process, variables, temporary }
    }

    fn endpoint(&self) -> &str {
        &self.variables["AWS_ENDPOINT"]
    }

    fn address(&self) -> &str {
        self.endpoint().strip_prefix("http://").unwrap()
    }

    /// Status line and rest of the answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "{request}").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The exit code and what was said on standard error.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String, tempfile::TempDir) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.process.wait().unwrap().code(), said, self.temporary)
    }
}

#[test]
fn it_serves_until_it_is_told_to_stop_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let aws = Running::start(&[]);
        let put = aws.ask(
            "PUT /exports/key HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody",
        );
        assert!(put.starts_with("HTTP/1.1 200"), "{put}");
        assert!(
            fs::read_dir(aws.temporary.path()).unwrap().next().is_some(),
            "the object is a temporary file"
        );
        let (code, said, temporary) = aws.stop(signal);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("gone when it stops"), "{said}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_environment_it_prints_names_the_port_it_took() {
    let aws = Running::start(&[]);
    assert!(!aws.endpoint().ends_with(":0"));
    let queue = &aws.variables["SQS_EXPORT_JOBS_URL"];
    assert_eq!(*queue, format!("{}/000000000000/export-jobs", aws.endpoint()));
    let health = aws.ask("GET /_health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(health.contains("\"running\""), "{health}");
    let file = aws.ask("GET /_source/files/a?size=3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(file.contains("content-length: 3"), "{file}");
    let (code, printed, _) = output(&["--print-env", "--emulator", aws.endpoint()]);
    let lines = printed.lines().map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap());
    let again = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<HashMap<_, _>>();
    assert_eq!((code, again), (Some(0), aws.variables.clone()));
    aws.stop(Signal::SIGTERM);
}

#[test]
fn a_shell_can_read_the_environment() {
    let (code, printed, said) = output(&["--print-env", "--port", "14566", "--access-key", "it's me"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let script = format!("{printed}\nprintf '%s|%s' \"$AWS_ENDPOINT\" \"$AWS_ACCESS_KEY_ID\"");
    let read = Command::new("sh").arg("-c").arg(script).output().unwrap();
    assert_eq!(String::from_utf8(read.stdout).unwrap(), "http://127.0.0.1:14566|it's me");
}

#[test]
fn resources_are_made_in_an_emulator_that_runs_already() {
    let aws = Running::start(&[]);
    for _ in 0..2 {
        let (code, printed, said) = output(&["--emulator", aws.endpoint()]);
        assert_eq!(code, Some(0), "{said}");
        assert!(printed.contains(&format!("export AWS_ENDPOINT={}\n", aws.endpoint())), "{printed}");
    }
    aws.stop(Signal::SIGTERM);
}

#[test]
fn a_port_in_use_is_told_with_the_remedy() {
    let aws = Running::start(&[]);
    let port = aws.address().rsplit(':').next().unwrap();
    let (code, printed, said) = output(&["--port", port]);
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(said.contains(&format!("{} is in use", aws.address())) && said.contains("--port"), "{said}");
    aws.stop(Signal::SIGTERM);
}

#[test]
fn beyond_loopback_it_warns() {
    let (_, said, _) = Running::start(&["--bind", "0.0.0.0"]).stop(Signal::SIGTERM);
    assert!(said.contains("no authentication"), "{said}");
    let (_, said, _) = Running::start(&[]).stop(Signal::SIGTERM);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn mistakes_are_told_with_the_remedy() {
    for (arguments, code, words) in [
        (&["--print-env", "--port", "0"][..], 2, "--emulator URL"),
        (&["--emulator", "localhost:4566"], 2, "is not a URL such as"),
        (&["--emulator", "http://127.0.0.1:1", "--port", "1"], 2, "cannot be used with"),
        (&["--bind", "192.0.2.1"], 1, "--bind takes an address of this machine"),
        (&["--port", "65536"], 2, "65536"),
    ] {
        let (exit, printed, said) = output(arguments);
        assert_eq!((exit, printed.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn another_key_than_the_expected_is_refused() {
    let aws = Running::start(&["--access-key", "AKIAEXAMPLE"]);
    assert_eq!(aws.variables["AWS_ACCESS_KEY_ID"], "AKIAEXAMPLE");
    let (code, _, said) = output(&["--emulator", aws.endpoint()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("InvalidClientTokenId") && said.contains("are these its keys"), "{said}");
    aws.stop(Signal::SIGTERM);
}

#[test]
fn the_help_teaches() {
    for (first, again, title) in [
        ("exportctl", "exportctl", "exportctl"),
        ("./bin/exportctl", "./bin/exportctl", "exportctl"),
        ("/usr/bin/kubectl-exportpool", "kubectl exportpool", "kubectl exportpool"),
    ] {
        let Output { status, stdout, .. } = exportctl(&["--help"]).arg0(first).output().unwrap();
        assert_eq!(status.code(), Some(0));
        let (help, eval) =
            (String::from_utf8(stdout).unwrap(), format!("eval \"$({again} aws --print-env)\""));
        let usage = format!("Usage: {title} aws [OPTIONS]");
        for words in [&*eval, &*usage, "export-jobs", "gone when it stops", "[default: 4566]"] {
            assert!(help.contains(words), "{words}: {help}");
        }
    }
}
