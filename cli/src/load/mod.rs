//! `exportctl load`: jobs on the queue, at a pace, with a known share of what goes wrong.
//!
//! Read in order: [`args`] what was asked, [`plan`] which messages that makes and what must come of each, [`pace`]
//! when each is due, [`batch`] which travel together, [`deliver`] one request until it is settled, [`send`] all of
//! them, [`tell`] the outcome. Whoever has the options can make the plan again and compare it with the bucket:
//! `--verify` does.

mod args;
mod batch;
mod deliver;
#[cfg(test)]
mod end_to_end;
pub(crate) mod error;
mod files;
mod mix;
pub(crate) mod pace;
pub(crate) mod plan;
pub(crate) mod send;
mod tell;
#[cfg(test)]
mod tests;
pub(crate) mod units;

use std::process::ExitCode;

use anyhow::Context as _;
use aws_sdk_sqs::{Client, config::retry::RetryConfig};
use tokio_util::sync::CancellationToken;

pub(crate) use args::Args;
pub(crate) use files::Files;
pub(crate) use pace::Pace;
pub(crate) use plan::{Options, plan};
pub(crate) use send::{Accepted, Stopped, send};

use crate::{say, stop, target::Target, usage::usage, verify};
use tell::{Progress, Waiting};

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Sends what `args` ask for, and tells what was accepted.
///
/// # Errors
/// What is missing or wrong, and the remedy.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let target = Target::find(args.emulator.as_deref()).map_err(usage)?;
    let pace = args.pace().map_err(usage)?;
    let options = args.options(&target, &mut fastrand::Rng::new()).map_err(usage)?;
    options.check().map_err(usage)?;
    say::note(&tell::opening(&options, &target.export_jobs));
    let client = client(&target).await;
    let Some(accepted) = send_or_abandon(&client, &target.export_jobs, &options, pace).await else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if args.json {
        say::print(&tell::document(&options, &target.export_jobs, &accepted).to_string());
    } else if accepted.messages > 0 || !matches!(accepted.stopped, Some(Stopped::Failed(_))) {
        say::print(&tell::summary(&options, &accepted));
    }
    let sent_all = accepted.stopped.is_none() && accepted.refused == 0;
    if args.verify && sent_all {
        return verified(&args, &target, &options).await;
    }
    outcome(accepted, &target)
}

/// Waits until everything is settled, and compares it with what was sent.
async fn verified(args: &Args, target: &Target, options: &Options) -> anyhow::Result<ExitCode> {
    let mut waiting = Waiting::default();
    let settled = verify::when_settled(target, options, args.timeout, |settled| waiting.tell(settled));
    let findings = tokio::select! {
        findings = settled => findings?,
        () = stop::asked() => {
            say::note("stopped, nothing is checked: what was sent is still worked off");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    say::print(&if args.json {
        tell::findings_document(&findings).to_string()
    } else {
        tell::findings(&findings)
    });
    Ok(if findings.hold() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Its own retries off: one place decides how often, and an address where nobody is fails at once.
async fn client(target: &Target) -> Client {
    let config = target.access.resolve().await;
    let builder = aws_sdk_sqs::config::Builder::from(&config).retry_config(RetryConfig::disabled());
    Client::from_conf(builder.build())
}

/// The first signal stops sending and waits for what is under way; with the second nothing is waited for.
async fn send_or_abandon(
    client: &Client,
    queue_url: &str,
    options: &Options,
    pace: Pace,
) -> Option<Accepted> {
    let cancel = CancellationToken::new();
    let mut progress = Progress::new(options.messages);
    let sending = send(client, queue_url, plan(options), pace, &cancel, |accepted| progress.tell(accepted));
    let signals = async {
        stop::asked().await;
        cancel.cancel();
        say::note("stopping when the requests under way are answered; Ctrl-C again to leave them");
        stop::asked().await;
    };
    let accepted = tokio::select! {
        accepted = sending => Some(accepted),
        () = signals => None,
    };
    progress.finish();
    accepted
}

fn outcome(accepted: Accepted, target: &Target) -> anyhow::Result<ExitCode> {
    match accepted.stopped {
        Some(Stopped::Failed(error)) => match &target.access.endpoint {
            Some(endpoint) => Err(error).with_context(|| format!("the endpoint is {endpoint}")),
            None => Err(error.into()),
        },
        Some(Stopped::Interrupted) => Ok(ExitCode::from(INTERRUPTED)),
        None if accepted.refused > 0 => Ok(ExitCode::FAILURE),
        None => Ok(ExitCode::SUCCESS),
    }
}
