//! Moto's server, in a virtual environment of its own.

use std::process::Command;

use super::server::Server;
use crate::implementation::Implementation;

pub(super) fn start() -> Server {
    Server::start(|port, _| {
        let mut command = Command::new(Implementation::Moto.folder().join("bin/moto_server"));
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command
    })
}
