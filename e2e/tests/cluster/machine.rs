//! The machine of a cluster that `make cluster` made: its programs can be disturbed.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name)
}

/// Whether the tests run on that cluster, and not on somebody's.
pub(crate) fn is_ours() -> bool {
    let output = Command::new(script("env")).output().expect("e2e/cluster/env runs");
    let ours = String::from_utf8_lossy(&output.stdout).into_owned();
    let theirs = env::var("KUBECONFIG").unwrap_or_default();
    ours.lines().any(|line| line == format!("export KUBECONFIG={theirs}"))
}

/// Stops one of its programs, and starts it again so many seconds later.
#[track_caller]
pub(crate) fn restart(program: &str, seconds_later: u32) {
    let output = Command::new(script("restart")).args([program, &seconds_later.to_string()]).output();
    let output = output.expect("e2e/cluster/restart runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
