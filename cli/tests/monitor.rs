//! `exportctl monitor` as a process: against a stub, against a closed port, on a pipe and on a terminal.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]
#![expect(clippy::panic, reason = "a helper of a test fails the test")]

#[path = "monitor/screen.rs"]
mod screen;
#[path = "monitor/stub.rs"]
mod stub;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use screen::Screen;
use serde_json::{Value, json};
use stub::{Stub, holds, redrives_to, refuses};

/// Nothing listens there, and nothing ever may: port 1 is privileged.
const CLOSED: &str = "http://127.0.0.1:1";
/// So that a consumer on the developer's machine is not part of a test.
const NO_CONSUMER: [&str; 2] = ["--consumer", CLOSED];

fn monitor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exportctl"));
    command.env_clear().env("TZ", "UTC").arg("monitor").args(arguments);
    command
}

/// The monitor with the whole environment of an installation at `endpoint`, but for the dead-letter queues.
fn installed(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = monitor(arguments);
    let queue = |name: &str| format!("{endpoint}/123456789012/{name}");
    command.envs([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT", endpoint)]);
    command.envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
    command.envs([("SQS_EXPORT_JOBS_URL", queue("jobs")), ("SQS_DOWNLOAD_TASKS_URL", queue("tasks"))]);
    command.envs([("S3_BUCKET", "exports"), ("DYNAMODB_TABLE", "exports")]);
    command
}

/// Two queues with dead-letter queues, which only their redrive policies name.
fn four_queues() -> Stub {
    let queues = [
        ("jobs", redrives_to("jobs-dead", holds(120, 3, 2))),
        ("jobs-dead", holds(1, 0, 0)),
        ("tasks", redrives_to("tasks-dead", holds(0, 0, 0))),
        ("tasks-dead", holds(0, 0, 0)),
    ];
    Stub::start(&queues, "")
}

fn output(mut command: Command) -> (Output, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

fn document(command: Command) -> Value {
    let (output, stdout, stderr) = output(command);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn refusal(command: Command, code: i32) -> String {
    let (output, _, stderr) = output(command);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

#[test]
fn a_missing_variable_says_what_to_set_or_start() {
    let error = refusal(monitor(&[]), 2);
    assert!(error.starts_with("exportctl: AWS_REGION is not set."), "{error}");
    assert!(error.contains("exportctl aws") && error.contains("--emulator"), "{error}");
}

#[test]
fn a_wrong_argument_is_named_with_what_is_allowed() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--interval", "199ms"], 2, "allowed is 200ms to 1h"),
        (&["--interval", "2h"], 2, "allowed is 200ms to 1h"),
        (&["--interval", "5"], 2, "a number with its unit such as 500ms"),
        (&["--warn", "9", "--critical", "8"], 2, "--warn 9 is above --critical 8"),
        (&["--consumer", "3000"], 2, "--consumer \"3000\" is not a URL such as http://127.0.0.1:3000"),
        (&["--emulator", "4566"], 2, "--emulator \"4566\" is not a URL"),
    ];
    for (arguments, code, words) in cases {
        let error = refusal(monitor(arguments), code);
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn a_closed_port_is_unknown_in_every_row_and_says_what_to_start() {
    let (output, stdout, stderr) = output(monitor(&["--emulator", CLOSED, "--once"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("no queue can be read: nothing answers at http://127.0.0.1:1;"), "{stderr}");
    assert!(stderr.contains(&format!("`{} aws`", env!("CARGO_BIN_EXE_exportctl"))), "{stderr}");
    for queue in ["export-jobs ", "export-jobs-dlq ", "download-tasks ", "download-tasks-dlq "] {
        let row = stdout.lines().find(|line| line.contains(queue)).unwrap();
        assert_eq!(row.matches('?').count(), 5, "{row}");
    }
}

#[test]
fn a_closed_port_is_one_json_document_and_a_failure() {
    let (output, stdout, _) = output(monitor(&["--emulator", CLOSED, "--once", "--json"]));
    assert_eq!((output.status.code(), stdout.lines().count()), (Some(1), 1));
    let document: Value = serde_json::from_str(&stdout).unwrap();
    let queue = &document["queues"][0];
    assert_eq!((&queue["total"], &queue["level"]), (&Value::Null, &json!("unknown")));
    assert_eq!(queue["unknown"]["reason"], "unreachable");
}

#[test]
fn dead_letter_queues_are_found_from_redrive_policies() {
    let stub = four_queues();
    let document = document(installed(&stub.url(), &["--once", "--json", NO_CONSUMER[0], NO_CONSUMER[1]]));
    let row = |n: usize| {
        let queue = &document["queues"][n];
        (queue["queue"].as_str().unwrap(), queue["total"].as_u64(), queue["level"].as_str().unwrap())
    };
    assert_eq!(row(0), ("jobs", Some(125), "warn"));
    assert_eq!(row(1), ("jobs-dead", Some(1), "critical"));
    assert_eq!(row(2), ("tasks", Some(0), "ok"));
    assert_eq!(row(3), ("tasks-dead", Some(0), "ok"));
    assert_eq!(document["queues"][1]["url"], format!("{}/123456789012/jobs-dead", stub.url()));
}

#[test]
fn watching_asks_for_attributes_and_nothing_else() {
    let stub = four_queues();
    document(installed(&stub.url(), &["--once", "--json"]));
    assert_eq!(stub.operations(), ["AmazonSQS.GetQueueAttributes"]);
}

#[test]
fn one_queue_that_cannot_be_read_leaves_the_others_readable() {
    let queues = [("jobs", refuses("AccessDenied")), ("tasks", holds(7, 0, 0))];
    let stub = Stub::start(&queues, "");
    let document = document(installed(&stub.url(), &["--once", "--json"]));
    let reason = |n: usize| document["queues"][n]["unknown"]["reason"].as_str();
    assert_eq!(reason(0), Some("denied"));
    assert_eq!(reason(1), Some("notFoundYet"));
    assert_eq!((reason(2), &document["queues"][2]["visible"]), (None, &json!(7)));
    assert_eq!(reason(3), Some("noDeadLetterQueue"));
}

#[test]
fn each_cause_has_its_own_word() {
    let no_counts = (axum::http::StatusCode::OK, json!({"Attributes": {"ApproximateNumberOfMessages": "1"}}));
    let cases = [
        (refuses("QueueDoesNotExist"), "noSuchQueue"),
        (refuses("InvalidClientTokenId"), "denied"),
        (refuses("RequestThrottled"), "refused"),
        (no_counts, "notSqs"),
    ];
    for (answer, reason) in cases {
        let stub = Stub::start(&[("jobs", answer), ("tasks", holds(0, 0, 0))], "");
        let document = document(installed(&stub.url(), &["--once", "--json"]));
        assert_eq!(document["queues"][0]["unknown"]["reason"], reason);
        assert_eq!(document["queues"][0]["visible"], Value::Null, "{reason}");
    }
}

#[test]
fn a_consumer_is_shown_beside_the_queues() {
    let mut report = serde_json::to_value(exportpool_contract::report::PodReport::default()).unwrap();
    report["schema"] = exportpool_contract::report::SCHEMA.into();
    report["slots"] = json!({"total": 8, "busy": 5, "abandoned": 0});
    let stub = Stub::start(&[("jobs", holds(1, 0, 0))], &report.to_string());
    let document = document(installed(&stub.url(), &["--once", "--json", "--consumer", &stub.url()]));
    let consumer = &document["consumers"][0];
    assert_eq!(consumer["slots"], report["slots"]);
    assert_eq!((&consumer["state"], &consumer["unknown"]), (&json!("working"), &Value::Null));
    assert_eq!(consumer["consumer"], stub.address.to_string());
}

#[test]
fn a_report_is_read_up_to_its_bound() {
    let stub = Stub::start(&[("jobs", holds(1, 0, 0))], &" ".repeat(64 * 1024 + 1));
    let document = document(installed(&stub.url(), &["--once", "--json", "--consumer", &stub.url()]));
    let unknown = &document["consumers"][0]["unknown"];
    assert_eq!(unknown["reason"], "notAReport");
    assert!(unknown["message"].as_str().unwrap().contains("more than 64 KiB"), "{unknown}");
}

#[test]
fn a_named_consumer_that_is_not_there_is_told() {
    let stub = four_queues();
    let document = document(installed(&stub.url(), &["--once", "--json", NO_CONSUMER[0], NO_CONSUMER[1]]));
    let consumer = &document["consumers"][0];
    assert_eq!(
        (&consumer["state"], &consumer["unknown"]["reason"]),
        (&json!("unknown"), &json!("noConsumer"))
    );
}

#[test]
fn on_a_pipe_samples_follow_as_plain_lines_until_it_is_told_to_stop() {
    let stub = four_queues();
    let mut command = installed(&stub.url(), &["--interval", "200ms", NO_CONSUMER[0], NO_CONSUMER[1]]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut samples = lines.by_ref().filter(|line| line.contains(" jobs "));
    let (first, second) = (samples.next().unwrap(), samples.next().unwrap());
    assert!(first.contains(" -  unknown "), "{first}");
    assert!(second.contains("= 0/s  steady "), "{second}");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let rest: String = lines.collect();
    assert!(!(first + &second + &rest).contains('\x1b'));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_ends_it_without_a_word() {
    let stub = four_queues();
    let mut command = installed(&stub.url(), &["--json", "--interval", "200ms"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    assert!(serde_json::from_str::<Value>(&first).is_ok(), "{first}");
}

#[test]
fn a_terminal_is_given_back_whatever_ends_the_monitor() {
    let stub = four_queues();
    let ends: [fn(&mut Screen); 6] = [
        |screen| screen.press("q"),
        |screen| screen.press("\x1b"),
        |screen| screen.press("\x03"),
        |screen| screen.signal(Signal::SIGTERM),
        |screen| screen.signal(Signal::SIGINT),
        |screen| screen.signal(Signal::SIGHUP),
    ];
    for end in ends {
        let mut screen = Screen::start(installed(&stub.url(), &[]));
        screen.shows("jobs-dead");
        assert!(!screen.is_cooked());
        end(&mut screen);
        screen.until("given back", |screen| !screen.alternate_screen() && !screen.hide_cursor());
        assert!(screen.wait().success());
        assert!(screen.is_cooked());
    }
}

#[test]
fn keys_pause_change_the_interval_and_show_help() {
    let stub = four_queues();
    let mut screen = Screen::start(installed(&stub.url(), &["--interval", "1h"]));
    screen.shows("every 1h");
    screen.press("+");
    screen.shows("every 1m");
    screen.press("p");
    screen.shows("PAUSED");
    screen.press("?");
    screen.shows(" Help ");
}

#[test]
fn no_color_leaves_the_marks_and_no_colours() {
    let stub = four_queues();
    for (value, coloured) in [("1", false), ("", true)] {
        let mut command = installed(&stub.url(), &[]);
        command.env("NO_COLOR", value);
        let mut screen = Screen::start(command);
        screen.shows("✗ └ jobs-dead");
        assert_eq!(screen.is_coloured(), coloured, "NO_COLOR={value:?}");
    }
}

#[test]
fn a_pool_is_of_a_cluster_and_is_watched_alone() {
    let cannot = refusal(monitor(&["--pool", "reports", "--emulator", CLOSED]), 2);
    assert!(cannot.contains("--pool") && cannot.contains("--emulator"), "{cannot}");
    let alone = refusal(monitor(&["--namespace", "team"]), 2);
    assert!(alone.contains("--pool"), "{alone}");
    let nowhere = refusal(monitor(&["--pool", "reports", "--once"]), 1);
    assert!(nowhere.contains("set KUBECONFIG"), "{nowhere}");
}
