//! LocalStack without its image, its SQS and S3 alone. `run` is its Python, wherever that had to be put.

use std::process::Command;

use super::server::Server;
use crate::implementation::Implementation;

pub(super) fn start() -> Server {
    Server::start(|port, folder| {
        let mut command = Command::new(Implementation::LocalStack.folder().join("run"));
        let address = format!("127.0.0.1:{port}");
        command.args(["-m", "localstack.runtime.main"]);
        command.env("GATEWAY_LISTEN", &address).env("LOCALSTACK_HOST", &address);
        command.env("SERVICES", "sqs,s3").env("SQS_ENDPOINT_STRATEGY", "path");
        // It takes many a machine for its image, and would write to the same folders of it from every test.
        command.env("OVERRIDE_IN_DOCKER", "0").env("FILESYSTEM_ROOT", folder.join("localstack"));
        // Nothing is asked of the network.
        command.env("DNS_ADDRESS", "0").env("SKIP_SSL_CERT_DOWNLOAD", "1").env("DISABLE_EVENTS", "1");
        command
    })
}
