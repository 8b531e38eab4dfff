//! `exportctl scenario`: each of them holds for the consumer that there is.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{killable_consumer, optimised_exportctl};

/// No other test runs meanwhile.
#[test]
fn all_of_them_hold() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(optimised_exportctl());
    command.args(["scenario", "all", "--fast", "--json", "--no-open", "--consumer"]).arg(killable_consumer());
    command.env_clear().current_dir(&folder).env("TMPDIR", folder.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "green", "{told}");
    let outcomes = report["scenarios"].as_array().unwrap();
    let checks = outcomes.iter().flat_map(|outcome| outcome["runs"].as_array().unwrap());
    let checks: Vec<_> = checks.flat_map(|run| run["checks"].as_array().unwrap()).collect();
    assert_eq!(outcomes.len(), 11, "{told}");
    assert!(checks.len() > 40 && checks.iter().all(|check| check["holds"] == true), "{told}");
    let reports =
        std::fs::read_dir(folder.path().join(".exportctl")).unwrap().next().unwrap().unwrap().path();
    let page = std::fs::read_to_string(reports.join("report.html")).unwrap();
    assert!(page.contains("<title>scenarios: green") && page.contains("leak-1/report.html"), "{page}");
    assert!(reports.join("leak-1/report.html").exists());
}
