//! `exportctl demo`, with consumers of its own.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{EXPORTCTL, Process, consumer_binary};

/// Runs a demo in an empty folder.
fn demo(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let mut command = Command::new(EXPORTCTL);
    command.env_clear().envs(settings.iter().copied()).current_dir(&folder).env("TMPDIR", folder.path());
    command.arg("demo").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::start_group(&mut command);
    let (out, err) = (process.child.stdout.take().unwrap(), process.child.stderr.take().unwrap());
    let read = |mut pipe: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    let status = process.exit_of_group();
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}

/// The summary of a demo in which nothing may be lost or doubled.
#[track_caller]
pub(crate) fn summary(arguments: &[&str], settings: &[(&str, &str)]) -> Value {
    consumer_binary();
    let output = demo(&[arguments, &["--json", "--timeout", "80s"]].concat(), settings);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!(output.status.code(), Some(0), "{summary:#}\n{told}");
    for name in ["lost", "doubled", "finalReplicas"] {
        assert_eq!(summary[name], 0, "{name}: {summary:#}\n{told}");
    }
    assert!(count(&summary, "peakReplicas") >= 1, "{summary:#}");
    summary
}

pub(crate) fn count(summary: &Value, name: &str) -> u64 {
    summary[name].as_u64().unwrap_or_else(|| panic!("no {name} in {summary:#}"))
}

#[test]
fn a_demo_stores_every_file_once_and_ends_at_zero_consumers() {
    let summary = summary(&["--messages", "20", "--delay", "50ms"], &[]);
    assert_eq!((count(&summary, "stored"), count(&summary, "tasks"), count(&summary, "failed")), (20, 20, 0));
}

#[test]
fn jobs_larger_than_a_pool_overflow_to_the_other_queue() {
    let pool = [("WORKER_POOL_SIZE", "2"), ("MAX_QUEUE_SIZE", "5"), ("MAX_CONCURRENT_JOBS", "4")];
    let summary = summary(&["--messages", "20", "--tasks-per-job", "5", "--delay", "50ms"], &pool);
    assert_eq!(count(&summary, "stored"), 100);
    assert!(count(&summary, "handedOver") > 0, "{summary:#}");
}

#[test]
fn files_that_never_come_and_messages_that_are_wrong_are_dead_letters_and_the_rest_is_stored() {
    let wrong = ["--invalid-rate", "0.2", "--failure-rate", "0.2", "--flaky-rate", ".2", "--seed", "7"];
    let arguments = [&["--messages", "40", "--delay", "50ms"][..], &wrong].concat();
    let summary = summary(&arguments, &[("MAX_ATTEMPTS", "3")]);
    assert!(count(&summary, "deadLettered") > count(&summary, "failed"), "{summary:#}");
    assert!(count(&summary, "failed") > 0, "{summary:#}");
    assert_eq!(count(&summary, "stored") + count(&summary, "failed"), count(&summary, "tasks"));
}

#[test]
fn consumers_that_are_killed_lose_and_double_nothing() {
    // Kills to the end have no end by which all must be done: dice may meet the last task each time it comes back.
    let kills = ["--chaos", "kill", "--kills", "8", "--kill-every", "1s"];
    let summary = summary(&[&["--messages", "60", "--delay", "150ms"][..], &kills].concat(), &[]);
    assert_eq!((count(&summary, "stored"), count(&summary, "kills")), (60, 8), "{summary:#}");
}

#[test]
fn a_missing_consumer_is_told_with_how_to_build_it() {
    let output = demo(&["--consumer", "/nonexistent/consumer"], &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{told}");
    for words in ["/nonexistent/consumer", "cargo build -p exportpool-consumer", "--consumer"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn what_a_demo_does_not_know_is_a_mistake() {
    for (arguments, words) in [
        (&["--mesages", "5"][..], "--messages"),
        (&["--messages", "0"], "1..=100000"),
        (&["--chaos", "flood"], "kill"),
        (&["--failure-rate", "2"], "0 to 1"),
        (&["--failure-rate", "0.7", "--flaky-rate", "0.7"], "at most 1"),
        (&["--emulator", "localhost:4566"], "http://127.0.0.1:4566"),
    ] {
        let output = demo(arguments, &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
}

#[test]
fn a_wrong_setting_of_the_consumers_is_told_before_any_is_started() {
    let output = demo(&["--messages", "5"], &[("WORKER_POOL_SIZE", "many")]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("WORKER_POOL_SIZE=\"many\"") && told.contains("from 1 to 256"), "{told}");
}
