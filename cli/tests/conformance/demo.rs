//! The whole product on an AWS that is not ours: `exportctl` makes its resources there, and consumers work on them.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{
    implementation::{CHOICE, Implementation},
    start,
};

const EXPORTCTL: &str = env!("CARGO_BIN_EXE_exportctl");

#[test]
fn a_demo_on_ministack_stores_every_file_once() {
    if Implementation::MiniStack.is_left_out() {
        println!("NOT RUN: a demo on MiniStack, left out by {CHOICE}");
        return;
    }
    // It is of another package, so that cargo does not build it for these tests.
    let consumer = Path::new(EXPORTCTL).with_file_name("exportpool-consumer");
    assert!(consumer.is_file(), "there is no consumer: run `cargo build --workspace --bins` first");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = runtime.block_on(start::start(Implementation::MiniStack));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(EXPORTCTL);
    command.env_clear().env("TMPDIR", folder.path()).current_dir(&folder);
    command.args(["demo", "--emulator", &site.endpoint, "--json", "--timeout", "80s"]);
    let output = command.args(["--messages", "20", "--tasks-per-job", "3"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let summary: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    let counts = ["stored", "lost", "doubled", "failed"].map(|name| summary[name].as_u64());
    assert_eq!(counts, [Some(60), Some(0), Some(0), Some(0)], "{summary:#}\n{told}");
    assert!(output.status.success());
}
