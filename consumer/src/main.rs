//! The consumer's process: environment in, signals in, exit code out.

use std::{net::TcpListener, process::ExitCode};

use exportpool_consumer::{
    aws::ports::AwsPorts,
    config::{Config, EXIT_CONFIG},
    observe::{self, report::Identity},
    run::{self, Settings},
};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    observe::log::start(config.log_format);
    match start(&config) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(config: &Config) -> anyhow::Result<ExitCode> {
    let listener = match TcpListener::bind(("0.0.0.0", config.port)) {
        Ok(listener) => listener,
        Err(error) => return Ok(refuse(&port_taken(config.port, &error))),
    };
    // Both TLS clients, the AWS SDK's and the downloads', use this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let identity = Identity::new();
    tracing::info!(
        instance = identity.instance,
        version = env!("CARGO_PKG_VERSION"),
        workers = config.pool.workers,
        slots = config.pool.slots(),
        port = listener.local_addr()?.port(),
        "exportpool-consumer starts"
    );
    let ports = AwsPorts::new(config, &identity.instance)?;
    run::run(&ports, &Settings::from(config), identity, listener, stop_signal())?;
    tracing::info!("everything is settled or given back: bye");
    Ok(ExitCode::SUCCESS)
}

/// Resolves at the first SIGTERM or SIGINT; a second one exits at once.
async fn stop_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    next().await;
    tokio::task::spawn_local(async move {
        next().await;
        std::process::exit(130);
    });
}

fn port_taken(port: u16, error: &std::io::Error) -> String {
    format!("PORT={port:?} cannot be used: {error}; set PORT to a free port, or to 0 for any")
}

#[expect(clippy::print_stderr, reason = "before logging is set up, and for whoever started it by hand")]
fn refuse(why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("exportpool-consumer: {why}");
    ExitCode::from(EXIT_CONFIG)
}
