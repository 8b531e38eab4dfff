//! Whole processes: real consumers against a real `exportctl aws`, as they run on a laptop. Each test has a stand-in
//! and consumers of its own, all on loopback and on free ports, and ends every process that it started.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is how it fails"
)]

mod bad_environment;
mod bad_messages;
mod broken_off;
mod consumer;
mod crashes;
mod demo;
mod download;
mod export_api;
mod faults;
mod kills;
mod large_file;
mod process;
mod profile;
mod scenario;
mod stand_in;
mod verify;
#[path = "../common/wait.rs"]
mod wait;
