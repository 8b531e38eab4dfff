//! `exportctl aws`, as a user starts it, but for an access key that it checks.

use std::process::Command;

use super::{KEY, server::Server};

pub(super) fn start() -> Server {
    Server::start(|port, _| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_exportctl"));
        command.args(["aws", "--access-key", KEY, "--port", &port.to_string()]);
        command
    })
}
