//! `exportctl profile`, with consumers of its own and with those of others.

mod nothing;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    consumer::Consumer,
    process::{EXPORTCTL, Process, consumer_binary, killable_consumer},
    stand_in::StandIn,
    wait::until,
};

/// A profile that has ended.
struct Profiled {
    code: Option<i32>,
    told: String,
    out: String,
    /// Where the reports are.
    folder: TempDir,
}

fn command(folder: &TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(EXPORTCTL);
    command.env_clear().envs(settings.iter().copied()).current_dir(folder).env("TMPDIR", folder.path());
    command.arg("profile").args(arguments).arg("--no-open").stdin(Stdio::null());
    command
}

fn profile(arguments: &[&str], settings: &[(&str, &str)]) -> Profiled {
    consumer_binary();
    let folder = tempfile::tempdir().unwrap();
    let output = command(&folder, arguments, settings).output().unwrap();
    Profiled::of(&output, folder)
}

impl Profiled {
    fn of(output: &Output, folder: TempDir) -> Self {
        let [out, told] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        Self { code: output.status.code(), told, out, folder }
    }

    /// Its only folder.
    fn report(&self) -> PathBuf {
        let mut folders = fs::read_dir(self.folder.path().join(".exportctl")).unwrap();
        let folder = folders.next().unwrap_or_else(|| panic!("no report: {}", self.told)).unwrap().path();
        assert!(folders.next().is_none());
        folder
    }

    fn json(&self) -> Value {
        let text = fs::read(self.report().join("report.json"));
        serde_json::from_slice(&text.unwrap_or_else(|error| panic!("{error}: {}", self.told))).unwrap()
    }

    /// What was found first, which is the worst.
    fn worst(&self) -> Value {
        self.json()["diagnoses"][0].clone()
    }

    fn found(&self, ailment: &str) -> Value {
        let report = self.json();
        let mut found = report["diagnoses"].as_array().unwrap().iter();
        let found = found.find(|found| found["ailment"] == ailment);
        found.unwrap_or_else(|| panic!("no {ailment}: {report:#}")).clone()
    }

    #[track_caller]
    fn collected_nothing(&self, why: &str) {
        assert_eq!(self.code, Some(2), "{}{}", self.told, self.out);
        assert!(self.told.contains("nothing was collected") && self.told.contains(why), "{}", self.told);
        let left = fs::read_dir(self.folder.path().join(".exportctl")).unwrap().flatten();
        let recorded = left.filter(|folder| folder.path().join("profile.ndjson").exists());
        assert_eq!(recorded.count(), 0, "a folder with nothing in it does not stay");
    }
}

/// A consumer that is ready, and its process id: while it starts, its threads are busy with their clients.
async fn running(aws: &StandIn) -> (Consumer, String) {
    let consumer = Consumer::start(&aws.environment(&[("WORKER_POOL_SIZE", "2")])).await;
    until("the consumer to be ready", async || (consumer.get("/ready").0 == 200).then_some(())).await;
    let pid = consumer.process.child.id().to_string();
    (consumer, pid)
}

/// A profile of a consumer that runs, for a minute, once it is on.
async fn attached(tool: &str, pid: &str, folder: &TempDir) -> Process {
    let mut command = command(folder, &[tool, "--attach", pid, "--duration", "60s"], &[]);
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let recording = async || {
        let folder = fs::read_dir(folder.path().join(".exportctl")).ok()?.next()?.ok()?.path();
        fs::metadata(folder.join("profile.ndjson")).ok().filter(|file| file.len() > 0)
    };
    until("a recording", recording).await;
    process
}

/// Planted in a consumer that can be hurt, with two workers.
fn hurt(tool: &str, fault: (&str, &str)) -> Profiled {
    let binary = killable_consumer();
    let arguments = [tool, "20", "--delay", "10ms", "--consumer", binary.to_str().unwrap()];
    profile(&arguments, &[fault, ("WORKER_POOL_SIZE", "2")])
}

#[test]
fn a_consumer_of_its_own_is_examined_until_its_jobs_are_settled() {
    let profiled = profile(&["doctor", "20", "--delay", "50ms"], &[("WORKER_POOL_SIZE", "3")]);
    assert_eq!(profiled.code, Some(0), "{}{}", profiled.told, profiled.out);
    let report = profiled.json();
    assert_eq!((&report["figures"]["settled"], &report["ending"]["ending"]), (&20.into(), &"settled".into()));
    assert_eq!((&report["consumer"]["tool"], &report["consumer"]["workers"]), (&"doctor".into(), &3.into()));
    let loops: Vec<_> = report["loops"].as_array().unwrap().iter().map(|each| &each["name"]).collect();
    assert_eq!(loops, ["main", "worker-0", "worker-1", "worker-2"]);
    let page = fs::read_to_string(profiled.report().join("report.html")).unwrap();
    assert!(page.contains("<title>doctor: ") && page.len() < 1_000_000);
    assert!(profiled.out.contains("report.html"), "{}", profiled.out);
}

#[test]
fn a_main_loop_that_computes_is_named_with_the_function_that_does() {
    let profiled = hurt("doctor", ("EXPORTPOOL_BUSY_AT", "finished:3-6"));
    let worst = profiled.found("blockedMain");
    assert_eq!((profiled.code, &worst["zone"]), (Some(1), &"red".into()), "{}{worst:#}", profiled.told);
    assert!(worst["stack"].to_string().contains("kill::armed::a_busy_function"), "{worst:#}");
    assert!(profiled.out.contains("a_busy_function"), "{}", profiled.out);
}

#[test]
fn a_worker_that_computes_is_named_with_the_function_that_does() {
    let profiled = hurt("doctor", ("EXPORTPOOL_BUSY_AT", "claimed:3-6"));
    let worst = profiled.found("blockedWorker");
    assert_eq!((profiled.code, &worst["zone"]), (Some(1), &"red".into()), "{}{worst:#}", profiled.told);
    assert!(worst["stack"].to_string().contains("kill::armed::a_busy_function"), "{worst:#}");
}

#[test]
fn a_hot_function_is_named_with_its_share() {
    let profiled = hurt("flame", ("EXPORTPOOL_BUSY_AT", "claimed:1-20"));
    let worst = profiled.worst();
    assert_eq!(
        (&worst["ailment"], &worst["zone"]),
        (&"function".into(), &"red".into()),
        "{}{worst:#}",
        profiled.told
    );
    assert!(
        worst["evidence"]
            .as_str()
            .unwrap()
            .starts_with("exportpool_consumer::kill::armed::a_busy_function has")
    );
    assert_eq!(profiled.code, Some(1));
    let page = fs::read_to_string(profiled.report().join("report.html")).unwrap();
    assert!(page.contains("a_busy_function") && page.len() < 1_000_000, "{}", page.len());
    let threads = profiled.json()["threads"].to_string();
    assert!(["worker-0", "worker-1"].iter().all(|worker| threads.contains(worker)), "{threads}");
}

#[test]
fn a_consumer_that_is_killed_is_reported_up_to_its_end() {
    let profiled = hurt("doctor", ("EXPORTPOOL_KILL_AT", "finished:9"));
    let (worst, report) = (profiled.worst(), profiled.json());
    assert_eq!((profiled.code, &worst["ailment"]), (Some(1), &"gone".into()), "{}{worst:#}", profiled.told);
    assert_eq!(report["ending"]["ending"], "gone");
    assert!(report["figures"]["seconds"].as_f64().unwrap() > 0.0, "{report:#}");
}

#[tokio::test]
async fn a_consumer_that_runs_is_examined_where_it_is_and_goes_on() {
    let aws = StandIn::start().await;
    let (mut consumer, pid) = running(&aws).await;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut first = attached("doctor", &pid, &folder).await;
    let second = command(&other, &["doctor", "--attach", &pid], &[]).output().unwrap();
    Profiled::of(&second, other).collected_nothing("one profile at a time");
    first.signal(Signal::SIGINT);
    let code = first.exit().await.code();
    let profiled = Profiled { code, told: String::new(), out: String::new(), folder };
    // Green, or as crowded as this machine is.
    let found = profiled.worst()["ailment"].clone();
    assert!(profiled.code == Some(0) && (found == "idle" || found == "crowdedCpus"), "{found}");
    assert_eq!(profiled.json()["ending"]["ending"], "interrupted");
    assert_eq!(consumer.stop().await, Some(0));
}

#[test]
fn a_recording_that_is_cut_off_is_reported_as_far_as_it_goes() {
    let profiled = profile(&["doctor", "5", "--delay", "10ms"], &[]);
    let (folder, raw) = (profiled.report(), profiled.report().join("profile.ndjson"));
    let bytes = fs::read(&raw).unwrap();
    fs::write(&raw, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let report = again(&folder);
    assert_eq!(report.status.code(), Some(0), "{}", String::from_utf8_lossy(&report.stderr));
    assert!(String::from_utf8_lossy(&report.stdout).contains("recording cut off"));
    let bytes_of_the_first_line = bytes[..=bytes.iter().position(|byte| *byte == b'\n').unwrap()].to_vec();
    let other = String::from_utf8(bytes).unwrap().replacen("\"schema\":1", "\"schema\":99", 1);
    fs::write(&raw, other).unwrap();
    let told = String::from_utf8(again(&folder).stderr).unwrap();
    assert!(told.contains("schema 99"), "{told}");
    fs::write(&raw, &bytes_of_the_first_line).unwrap();
    let none = again(&folder);
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(none.status.code() == Some(2) && told.contains("nothing was recorded"), "{told}");
    fs::remove_file(raw).unwrap();
    let none = again(&folder);
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(none.status.code() == Some(2) && told.contains("is no folder of a profile"), "{told}");
}

fn again(folder: &Path) -> Output {
    Command::new(EXPORTCTL).args(["profile", "report", "--no-open"]).arg(folder).output().unwrap()
}

#[test]
fn a_slow_store_is_named_by_where_the_time_of_messages_goes() {
    let settings = [("WORKER_POOL_SIZE", "4")];
    let profiled = profile(&["bubble", "20", "--delay", "10ms", "--store-delay", "1500ms"], &settings);
    let worst = profiled.worst();
    assert_eq!((&worst["ailment"], &worst["zone"]), (&"slowStore".into(), &"yellow".into()), "{worst:#}");
    assert_eq!(profiled.code, Some(0), "{}{}", profiled.told, profiled.out);
    assert!(profiled.out.contains("store takes 1.5"), "{}", profiled.out);
    let report = profiled.json();
    let steps: Vec<_> = report["groups"].as_array().unwrap().iter().map(|group| &group["step"]).collect();
    let all = [
        "receive",
        "admit",
        "wait",
        "claim",
        "connect",
        "firstByte",
        "body",
        "store",
        "record",
        "acknowledge",
    ];
    assert_eq!(steps, all, "connecting is told apart from the first byte");
    let page = fs::read_to_string(profiled.report().join("report.html")).unwrap();
    assert!(page.contains("<title>bubble: yellow") && page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn what_leaks_from_wave_to_wave_is_named_with_the_stack_that_grows() {
    let binary = killable_consumer();
    let arguments = ["heap", "10", "--waves", "7", "--delay", "10ms"];
    let arguments = [&arguments[..], &["--consumer", binary.to_str().unwrap()]].concat();
    let profiled = profile(&arguments, &[("EXPORTPOOL_LEAK_AT", "claimed:/1"), ("WORKER_POOL_SIZE", "2")]);
    let worst = profiled.worst();
    assert_eq!(
        (profiled.code, &worst["ailment"], &worst["zone"]),
        (Some(1), &"leak".into(), &"red".into()),
        "{}{worst:#}",
        profiled.told
    );
    assert!(worst["stack"].to_string().contains("kill::armed::a_leaking_function"), "{worst:#}");
    let raw = fs::read_to_string(profiled.report().join("profile.ndjson")).unwrap();
    let waves =
        raw.lines().filter(|line| line.starts_with(r#"{"is":"wave""#) && line.contains("\"jobs\":10"));
    assert_eq!(waves.count(), 7);
}

#[test]
fn a_profile_is_compared_with_one_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(&folder, arguments, &[("WORKER_POOL_SIZE", "4")]).output().unwrap();
        let [out, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), out + &told)
    };
    let (code, told) = run(&["doctor", "440", "--delay", "100ms", "--save-baseline", "before"]);
    assert!(code == Some(0) && told.contains("kept as baseline before"), "{told}");
    let (code, told) =
        run(&["doctor", "130", "--delay", "400ms", "--compare", "before", "--junit", "junit.xml"]);
    assert_eq!(code, Some(1), "{told}");
    let row = told.lines().find(|line| line.starts_with("throughput")).unwrap_or_else(|| panic!("{told}"));
    assert!(row.contains("worse"), "{row}");
    assert!(told.contains("warning:") && told.contains("delay"), "other settings are told: {told}");
    let mut reports =
        fs::read_dir(folder.path().join(".exportctl")).unwrap().flatten().map(|entry| entry.path());
    let compared = reports.find(|folder| folder.join("compared.json").exists()).unwrap();
    let report = || fs::read_to_string(compared.join("report.json")).unwrap();
    let before = report();
    assert!(before.contains(r#""verdict": "red""#), "{before}");
    assert_eq!(
        (again(&compared).status.code(), report()),
        (Some(1), before),
        "and is so when it is made again"
    );
    let junit = fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("throughput") && junit.contains("<failure"), "{junit}");
    let (code, told) = run(&["flame", "5", "--compare", "before"]);
    assert!(code == Some(2) && told.contains("baseline before is of profile doctor"), "{told}");
    let (code, told) = run(&["doctor", "5", "--compare", "nobody"]);
    assert!(code == Some(2) && told.contains("there is no baseline nobody"), "{told}");
    let list = |arguments: &[&str]| {
        let mut listing = Command::new(EXPORTCTL);
        let output = listing.arg("baselines").args(arguments).current_dir(&folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(list(&["list"]).contains("before  "), "{}", list(&["list"]));
    assert!(list(&["show", "before"]).contains("throughput"));
    assert_eq!(list(&["rm", "before"]), "removed before\n");
    assert!(list(&["list"]).starts_with("no baselines"));
}

#[test]
fn whatever_runs_it_before_a_release_is_told_in_its_own_words() {
    let summary = tempfile::NamedTempFile::new().unwrap();
    let settings = [("GITHUB_STEP_SUMMARY", summary.path().to_str().unwrap()), ("WORKER_POOL_SIZE", "2")];
    let profiled = profile(&["doctor", "10", "--delay", "10ms", "--ci", "--junit", "junit.xml"], &settings);
    assert_eq!(profiled.code, Some(0), "{}{}", profiled.told, profiled.out);
    let annotations = profiled.out.lines().filter(|line| line.starts_with("::"));
    assert!(annotations.count() > 0 && profiled.out.contains(" title=doctor%3A "), "{}", profiled.out);
    assert!(fs::read_to_string(summary).unwrap().contains("| doctor | "));
    let junit = fs::read_to_string(profiled.folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"doctor\"") && !junit.contains("<failure"), "{junit}");
}
