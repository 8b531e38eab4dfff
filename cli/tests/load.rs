//! `exportctl load` as people run it: what it says when it cannot work, and its exit code.
#![expect(clippy::expect_used, reason = "a test that cannot run its command fails")]

use std::{
    net::TcpListener,
    os::unix::process::CommandExt as _,
    process::{Command, Output},
};

/// The command with no environment but what is given.
fn load(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exportctl"));
    command.env_clear().envs(variables.iter().copied()).arg("load").args(arguments);
    command.output().expect("exportctl runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails with `code`, and each of `words` in what it says.
#[track_caller]
fn fails(output: &Output, code: i32, words: &[&str]) {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in:\n{told}");
    }
    assert!(!told.contains("panicked"), "{told}");
}

/// A port where nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

#[test]
fn a_number_of_messages_is_needed() {
    fails(&load(&[], &[]), 2, &["<N>"]);
    fails(&load(&["0"], &[]), 2, &["'0'", "1..=10000000"]);
    fails(&load(&["10000001"], &[]), 2, &["1..=10000000"]);
    fails(&load(&["abc"], &[]), 2, &["'abc'", "<N>"]);
    fails(&load(&["-5"], &[]), 2, &["-5"]);
}

#[test]
fn what_is_not_known_or_out_of_range_is_named() {
    fails(&load(&["1", "--sise", "1"], &[]), 2, &["--sise", "--size"]);
    fails(&load(&["1", "--size", "big"], &[]), 2, &["--size", "10KiB"]);
    fails(&load(&["1", "--delay", "400"], &[]), 2, &["--delay", "400ms"]);
    fails(&load(&["1", "--failure-rate", "2"], &[]), 2, &["--failure-rate", "0 to 1"]);
    fails(&load(&["1", "--rate", "0"], &[]), 2, &["--rate", "0.001"]);
    fails(&load(&["1", "--pattern", "zigzag"], &[]), 2, &["burst", "steady", "sine"]);
    fails(&load(&["1", "--rate", "1", "--duration", "1s"], &[]), 2, &["--rate", "--duration"]);
}

#[test]
fn arguments_that_do_not_go_together_are_told_with_the_remedy() {
    let emulator = ["1", "--emulator", "http://127.0.0.1:1"];
    let with = |more: &[&str]| load(&[&emulator[..], more].concat(), &[]);
    fails(&with(&["--pattern", "sine"]), 2, &["--rate", "--duration"]);
    fails(&with(&["--pattern", "burst", "--rate", "1"]), 2, &["--pattern steady"]);
    fails(&with(&["--failure-rate", "60%", "--flaky-rate", "0.6"]), 2, &["at most 1"]);
    fails(&with(&["--job-prefix", "a b"]), 2, &["\"a b\"", "' '"]);
    fails(&with(&["--tasks-per-job", "100000"]), 2, &["1048576", "lower it to"]);
    fails(&with(&["--source", "files"]), 2, &["\"files\"", "/_source"]);
}

#[test]
fn without_an_endpoint_it_says_what_to_set() {
    fails(&load(&["1"], &[]), 2, &["AWS_REGION is not set", "exportctl aws", "--emulator"]);
    let missing = Command::new(env!("CARGO_BIN_EXE_exportctl"))
        .env_clear()
        .arg0("./exportctl")
        .args(["load", "1"])
        .output();
    fails(&missing.expect("exportctl runs"), 2, &["Run `./exportctl aws` in another terminal"]);
    fails(&load(&["1", "--emulator", "here"], &[]), 2, &["\"here\"", "http://127.0.0.1:4566"]);
}

#[test]
fn aws_itself_has_no_files_to_offer() {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("SQS_EXPORT_JOBS_URL", "https://sqs.eu-west-1.amazonaws.com/1/export-jobs"),
        ("SQS_DOWNLOAD_TASKS_URL", "https://sqs.eu-west-1.amazonaws.com/1/download-tasks"),
        ("S3_BUCKET", "exports"),
        ("DYNAMODB_TABLE", "exports"),
    ];
    fails(&load(&["1"], &variables), 2, &["--source is needed"]);
}

#[test]
fn an_endpoint_where_nobody_is_is_named_with_the_remedy() {
    let address = free_address();
    let output = load(&["5", "--json", "--emulator", &format!("http://{address}")], &[]);
    fails(&output, 1, &[&address, "exportctl aws", "Connection refused"]);
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON, also then");
    assert_eq!((&outcome["messages"], &outcome["planned"]), (&0.into(), &5.into()));
    assert!(outcome["error"].as_str().is_some_and(|error| error.contains(&address)), "{outcome}");
}

#[test]
fn the_failure_rate_of_the_environment_counts_unless_one_is_given() {
    let variables = [("FAILURE_RATE", "lots")];
    fails(&load(&["1"], &variables), 2, &["\"lots\"", "--failure-rate"]);
    let emulator = format!("http://{}", free_address());
    fails(&load(&["1", "--failure-rate", "0", "--emulator", &emulator], &variables), 1, &["no answer"]);
}
