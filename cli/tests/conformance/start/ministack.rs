//! MiniStack, in a virtual environment of its own.

use std::process::Command;

use super::server::Server;
use crate::implementation::Implementation;

pub(super) fn start() -> Server {
    Server::start(|port, folder| {
        let mut command = Command::new(Implementation::MiniStack.folder().join("bin/ministack"));
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
        command.env("S3_DATA_DIR", folder.join("s3"));
        command
    })
}
