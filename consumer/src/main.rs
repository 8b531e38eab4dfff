//! The consumer's process: environment in, signals in, exit code out.

use std::{
    env,
    io::{self, Write as _},
    net::TcpListener,
    process::{self, ExitCode},
    thread,
    time::Duration,
};

use exportpool_consumer::{
    aws::ports::AwsPorts,
    clock::unix_millis,
    config::{
        Config, EXIT_CONFIG, Profiles,
        arguments::{Asked, HELP, asked},
    },
    observe::{self, report::Identity},
    run::{self, Broken, Listeners, Settings},
};
use exportpool_contract::environment::{self as name, DEFAULT_PROFILE_PORT};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time,
};

/// Why, and how it is set up: docs/decisions/0005 and `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exit code when a part of the consumer is broken (`EX_SOFTWARE` of sysexits.h).
const EXIT_BROKEN: u8 = 70;
/// Exit code of a wrong command line, as of most programs.
const EXIT_USAGE: u8 = 2;
/// What a shell says of a program that a signal ended.
const EXIT_INTERRUPTED: i32 = 130;
/// After the grace period, for what is being written down just then.
const LAST_MOMENT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match asked(env::args().skip(1)) {
        Asked::Run => run_as_configured(),
        Asked::Help => say(HELP),
        Asked::Version => say(VERSION),
        Asked::Unknown(argument) => {
            let why = format!("{argument} is not understood: settings come from the environment, see --help");
            refuse(&why, EXIT_USAGE)
        }
    }
}

fn run_as_configured() -> ExitCode {
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(error) => return refuse(&error, EXIT_CONFIG),
    };
    observe::log::start(config.log_format, &config.log_filter);
    match start(&config) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.is::<Broken>() { ExitCode::from(EXIT_BROKEN) } else { ExitCode::FAILURE }
}

fn start(config: &Config) -> anyhow::Result<ExitCode> {
    let http = match TcpListener::bind(("0.0.0.0", config.port)) {
        Ok(listener) => listener,
        Err(error) => return Ok(refuse(&port_taken(name::PORT, config.port, &error), EXIT_CONFIG)),
    };
    let profiles = match listens_for_profiles(config.profiles) {
        Ok(listener) => listener,
        Err((port, error)) => return Ok(refuse(&port_taken(name::PROFILE_PORT, port, &error), EXIT_CONFIG)),
    };
    // Before anything that takes time: a signal is never left to its default.
    let stop = stop_signal(config.grace)?;
    // Both TLS clients, the AWS SDK's and the downloads', use this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let identity = Identity::new(config.pod_uid.clone(), unix_millis());
    tracing::info!(
        instance = identity.instance,
        version = env!("CARGO_PKG_VERSION"),
        workers = config.pool.workers,
        slots = config.pool.slots(),
        port = http.local_addr()?.port(),
        profile_port = profiles.as_ref().and_then(|listener| Some(listener.local_addr().ok()?.port())),
        "exportpool-consumer starts"
    );
    let ports = AwsPorts::new(config, &identity.instance)?;
    run::run(&ports, &Settings::from(config), identity, Listeners { http, profiles }, stop)?;
    tracing::info!("everything is settled or given back: bye");
    Ok(ExitCode::SUCCESS)
}

/// Hears signals from now on, on a thread of its own, so that they are heard whatever the others do. Resolves at the first
/// SIGTERM or SIGINT; a second one ends the process at once, and so does the end of the grace period.
fn stop_signal(grace: Duration) -> io::Result<impl Future<Output = ()> + Send> {
    let (stop, stopped) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _runtime = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let hear = async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        let _ = stop.send(());
        tokio::select! {
            () = next() => process::exit(EXIT_INTERRUPTED),
            () = time::sleep(grace + LAST_MOMENT) => process::exit(1),
        }
    };
    thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(hear))?;
    Ok(async move {
        // Without a thread that hears, nobody asks.
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn port_taken(name: &str, port: u16, error: &io::Error) -> String {
    format!("{name}={port:?} cannot be used: {error}; set {name} to a free port, or to 0 for any")
}

/// `None`: nobody may ask for profiles. Several consumers on a machine each find a port.
///
/// # Errors
/// The port, and why it cannot be had.
fn listens_for_profiles(profiles: Profiles) -> Result<Option<TcpListener>, (u16, io::Error)> {
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).map(Some).map_err(|error| (port, error));
    match profiles {
        Profiles::Nowhere => Ok(None),
        Profiles::At(port) => bind(port),
        Profiles::Somewhere => bind(DEFAULT_PROFILE_PORT).or_else(|_| bind(0)),
    }
}

/// One that can be hurt on purpose says so: it is for tests.
const VERSION: &str = if cfg!(feature = "kill-points") {
    concat!("exportpool-consumer ", env!("CARGO_PKG_VERSION"), " with kill points")
} else {
    concat!("exportpool-consumer ", env!("CARGO_PKG_VERSION"))
};

#[expect(clippy::print_stderr, reason = "before logging is set up, and for whoever started it by hand")]
fn refuse(why: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("exportpool-consumer: {why}");
    ExitCode::from(code)
}

/// Nobody may be reading it.
fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout().lock(), "{text}");
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use exportpool_consumer::event::ThreadName;

    use super::*;

    #[test]
    fn a_broken_consumer_has_an_exit_code_of_its_own_also_when_its_drain_overruns() {
        let stuck = anyhow::Error::new(Broken::TooManyStuck(3));
        let gone = Broken::ThreadGone(ThreadName::Record).into();
        for broken in [gone, stuck.context("the grace period is over")] {
            assert_eq!(exit_code(&broken), ExitCode::from(70));
        }
        assert_eq!(exit_code(&anyhow::anyhow!("the grace period is over")), ExitCode::FAILURE);
    }

    #[test]
    fn profiles_are_listened_for_on_this_machine_alone_or_nowhere() {
        for profiles in [Profiles::Somewhere, Profiles::At(0)] {
            let listener = listens_for_profiles(profiles).unwrap().unwrap();
            assert_eq!(listener.local_addr().unwrap().ip(), std::net::Ipv4Addr::LOCALHOST);
        }
        assert!(listens_for_profiles(Profiles::Nowhere).unwrap().is_none());
    }
}
