//! Profiles of which nothing comes, or not all: why is told, with the remedy.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{Profiled, attached, command, profile, running};
use crate::{
    process::{EXPORTCTL, Process, consumer_binary, killable_consumer},
    stand_in::StandIn,
    wait::until,
};

#[tokio::test]
async fn cpu_and_memory_are_not_sampled_together_and_that_reason_is_told() {
    let aws = StandIn::start().await;
    let (mut consumer, pid) = running(&aws).await;
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut flame = attached("flame", &pid, &folder).await;
    let heap = command(&other, &["heap", "--attach", &pid], &[]).output().unwrap();
    Profiled::of(&heap, other).collected_nothing("samples of CPU and of memory together end in crashes");
    flame.signal(Signal::SIGINT);
    assert_eq!(flame.exit().await.code(), Some(0));
    assert_eq!(consumer.stop().await, Some(0));
}

#[test]
fn a_consumer_that_does_not_start_is_told_with_what_it_said() {
    let refusing = profile(&["doctor", "--consumer", "/bin/false"], &[]);
    refusing.collected_nothing("did not start: exit status: 1");
    let wrong = profile(&["doctor"], &[("WORKER_POOL_SIZE", "many")]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.told.contains("WORKER_POOL_SIZE"), "{}", wrong.told);
    let missing = profile(&["doctor", "--consumer", "/nowhere"], &[]);
    assert!(missing.code == Some(2) && missing.told.contains("no consumer at /nowhere"), "{}", missing.told);
}

#[tokio::test]
async fn a_consumer_that_is_never_ready_is_told_with_how_long_it_had_and_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (script, pid) = (folder.path().join("sleeps"), folder.path().join("pid"));
    fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", pid.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let slow = profile(&["doctor", "--consumer", script.to_str().unwrap()], &[("STARTUP_WAIT", "1")]);
    slow.collected_nothing("is not ready after 1s: it does not answer");
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let is_gone = async || (kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)).then_some(());
    until("the consumer to be gone", is_gone).await;
}

#[test]
fn a_consumer_that_is_missing_is_built_in_the_sources() {
    let sources = tempfile::tempdir().unwrap();
    let debug = sources.path().join("target/debug");
    fs::create_dir_all(&debug).unwrap();
    fs::write(sources.path().join("target/CACHEDIR.TAG"), "").unwrap();
    fs::create_dir(sources.path().join("consumer")).unwrap();
    fs::write(sources.path().join("consumer/Cargo.toml"), "").unwrap();
    fs::copy(EXPORTCTL, debug.join("exportctl")).unwrap();
    // Says what it is asked for, and builds a consumer that ends at once.
    let cargo = sources.path().join("cargo");
    let text = format!(
        "#!/bin/sh\necho \"cargo $*\" >&2\nln -s /bin/false {}/exportpool-consumer\n",
        debug.display()
    );
    fs::write(&cargo, text).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new(debug.join("exportctl"));
    command.args(["profile", "doctor", "--no-open"]).current_dir(sources.path().join("consumer"));
    command
        .env("CARGO", &cargo)
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", sources.path())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let asked = format!(
        "cargo build -p exportpool-consumer --profile dev --target-dir {}/target",
        sources.path().display()
    );
    assert!(told.contains(&asked) && told.contains("did not start: exit status: 1"), "{told}");
}

#[test]
fn what_runs_it_is_told_that_nothing_was_collected() {
    let refusing = profile(&["doctor", "--consumer", "/bin/false", "--ci", "--junit", "junit.xml"], &[]);
    refusing.collected_nothing("did not start");
    assert!(refusing.out.starts_with("::error title=doctor%3A nothing was collected::"), "{}", refusing.out);
    let junit = fs::read_to_string(refusing.folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("did not start"), "{junit}");
    let wrong = profile(&["doctor", "--compare", "nobody", "--junit", "junit.xml"], &[]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.told);
    let junit = fs::read_to_string(wrong.folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<failure") && junit.contains("no baseline nobody"), "{junit}");
    let nowhere = profile(&["doctor", "--junit", "nowhere/junit.xml"], &[]);
    assert!(
        nowhere.code == Some(2) && nowhere.told.contains("there is no folder nowhere"),
        "{}",
        nowhere.told
    );
}

#[tokio::test]
async fn a_profile_that_is_stopped_before_its_jobs_are_settled_says_so() {
    consumer_binary();
    let folder = tempfile::tempdir().unwrap();
    let mut stopped = command(&folder, &["doctor", "5000"], &[("WORKER_POOL_SIZE", "2")]);
    let mut stopped = Process::start(stopped.stdout(Stdio::null()).stderr(Stdio::null()));
    let recording = async || {
        let folder = fs::read_dir(folder.path().join(".exportctl")).ok()?.next()?.ok()?.path();
        let recorded = fs::read_to_string(folder.join("profile.ndjson")).ok()?;
        recorded.contains(r#"{"is":"wave""#).then_some(())
    };
    until("jobs to be sent", recording).await;
    stopped.signal(Signal::SIGINT);
    let code = stopped.exit().await.code();
    let profiled = Profiled { code, told: String::new(), out: String::new(), folder };
    let cut_off = profiled.found("cutOff");
    assert_eq!((profiled.code, &cut_off["zone"]), (Some(130), &"yellow".into()), "{cut_off:#}");
    assert!(cut_off["evidence"].as_str().unwrap().contains("before its jobs were settled"), "{cut_off:#}");
}

#[test]
fn reports_that_have_no_place_are_told_before_anything_is_done() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = profile(&["doctor", "--reports", file.path().to_str().unwrap()], &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.told);
    assert!(refused.told.contains("give another one with --reports"), "{}", refused.told);
}

/// A file system of 128 KiB, seen by exportctl and its consumer alone.
#[test]
fn a_disk_that_is_full_is_told_and_what_was_recorded_before_stays() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut unshare = Command::new("unshare");
    unshare.args([
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        "mount -t tmpfs -o size=128k none \"$0\" || exit 99; \"$@\"; code=$?; cp -r \"$0\" kept; exit $code",
    ]);
    unshare.arg(disk.path()).arg(EXPORTCTL).args([
        "profile",
        "doctor",
        "200",
        "--delay",
        "400ms",
        "--no-open",
        "--reports",
    ]);
    unshare.arg(disk.path()).current_dir(&folder).env("WORKER_POOL_SIZE", "4").env("TMPDIR", folder.path());
    consumer_binary();
    let output = unshare.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot be written: No space left on device"), "{told}");
    let verdict = String::from_utf8_lossy(&output.stdout);
    assert!(
        verdict.starts_with("doctor: red") && verdict.contains("profile.ndjson cannot be written"),
        "{verdict}"
    );
    let reports = fs::read_dir(folder.path().join("kept")).unwrap().next().unwrap().unwrap().path();
    let raw = fs::metadata(reports.join("profile.ndjson")).unwrap();
    assert!(raw.len() > 50_000, "{} bytes", raw.len());
}

#[test]
fn nobody_and_nothing_to_profile_is_told_with_the_remedy() {
    profile(&["doctor", "--attach", "2147483647"], &[]).collected_nothing("there is no process 2147483647");
    let own = std::process::id().to_string();
    profile(&["doctor", "--attach", &own], &[]).collected_nothing("takes no profiles");
    profile(&["doctor", "--emulator", "http://127.0.0.1:9"], &[]).collected_nothing("exportctl aws");
    let held = profile(
        &["doctor", "5", "--consumer", killable_consumer().to_str().unwrap()],
        &[("EXPORTPOOL_HOLD_AT", "received:1"), ("PROCESSING_WAIT", "2")],
    );
    held.collected_nothing("received nothing in 2s");
}
