//! ElasticMQ, on the Java that is there, as strict as it can be.

use std::{fs, process::Command};

use super::server::Server;
use crate::implementation::Implementation;

pub(super) fn start() -> Server {
    Server::start(|port, folder| {
        let config = folder.join("elasticmq.conf");
        fs::write(&config, settings(port)).unwrap();
        let mut command = Command::new("java");
        command.arg(format!("-Dconfig.file={}", config.display()));
        command.arg("-cp").arg(Implementation::ElasticMq.folder().join("*"));
        command.arg("org.elasticmq.server.Main");
        command
    })
}

fn settings(port: u16) -> String {
    format!(
        "include classpath(\"application.conf\")\n\
         node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
         rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"127.0.0.1\", sqs-limits = strict }}\n\
         rest-stats {{ enabled = false }}\n"
    )
}
