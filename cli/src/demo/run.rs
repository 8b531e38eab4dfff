//! The course of a demo.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context;
use exportpool_contract::environment as name;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    Args,
    chaos::Killer,
    fleet::Fleet,
    show::Show,
    steer::{Steering, Turn, millis},
    summary::{Course, Summary},
};
use crate::{
    aws::run::environment,
    load::{self, Accepted},
    monitor::sample::QueueReading,
    stage::{
        Stage,
        consumer::{Recipe, settings},
    },
    stop,
    usage::usage,
    verify::{self, ledger},
};

/// How often the controller takes a turn.
const TURN_EVERY: Duration = Duration::from_millis(400);
/// With chaos: what a killed consumer held comes back soon, and a task may be killed often. (A start that ends in a
/// crash counts as an attempt: nobody can tell a killed consumer from a task that kills it.)
const CHAOS_SETTINGS: [(&str, &str); 2] = [(name::VISIBILITY_SECONDS, "15"), (name::MAX_ATTEMPTS, "100")];
const INTERRUPTED: u8 = 130;
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the demo.
///
/// # Errors
/// What is missing or wrong, and the remedy.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stage = Stage::set(args.emulator.as_deref(), Duration::ZERO).await?;
    let outcome = play(&args, &stage).await;
    stage.strike().await;
    outcome
}

async fn play(args: &Args, stage: &Stage) -> anyhow::Result<ExitCode> {
    let options = args.load(stage.source.clone());
    options.check().map_err(usage)?;
    let variables = variables(args, stage);
    let slots = u32::try_from(settings(&variables)?.pool.slots())?;
    let mut fleet = Fleet::new(Recipe::new(args.consumer.clone(), variables, args.logs.clone()).await?);
    let mut steering = Steering::new(&stage.target, args.max_replicas, slots, args.drain_time).await?;
    let mut show = Show::open(args.json, args.kills.is_some())?;
    show.say(&opening(args, &options, slots, stage))?;
    let began_at = millis().0;
    let ended = course(args, stage, &options, &mut fleet, &mut steering, &mut show).await;
    drop(show);
    let (finally, logs) = (fleet.replicas(), fleet.logs().to_owned());
    let (kills, peak, reports) =
        (std::mem::take(&mut fleet.kills), fleet.peak, std::mem::take(&mut fleet.reports));
    fleet.disband(PATIENCE).await;
    if ended? == Ended::Interrupted {
        // A full screen took with it what it said.
        let _ = writeln!(
            io::stderr(),
            "stopped, nothing is checked; the consumers' logs are in {}",
            logs.display()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let left = ledger::read(&stage.target, &verify::prefix(&options)).await?;
    let findings = verify::verify(&stage.target, &options, &left).await?;
    let course = Course {
        messages: options.messages,
        began_at,
        kills,
        peak,
        finally,
        reports: reports.values().collect(),
        shared: stage.is_shared(),
    };
    let summary = Summary::new(&course, &findings);
    tell(args.json, &summary, &findings.problems, &logs.display().to_string())?;
    Ok(if summary.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn opening(args: &Args, options: &load::Options, slots: u32, stage: &Stage) -> String {
    let endpoint = stage.target.access.endpoint.as_deref().unwrap_or_default();
    let files = if options.mixed { "all kinds of".to_owned() } else { options.tasks_per_job.to_string() };
    format!(
        "{} jobs of {files} files, consumers of {slots} slots, at most {}; AWS at {endpoint}; queues: visible+in flight",
        options.messages, args.max_replicas
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Drained,
    Overdue,
    Interrupted,
}

/// Sends the load and steers the fleet until everything is settled and the fleet is back at zero.
async fn course(
    args: &Args,
    stage: &Stage,
    options: &load::Options,
    fleet: &mut Fleet,
    steering: &mut Steering,
    show: &mut Show,
) -> anyhow::Result<Ended> {
    let sqs = aws_sdk_sqs::Client::new(&stage.target.access.resolve().await);
    let no_stop = CancellationToken::new();
    let (sent, mut seen) = tokio::sync::watch::channel(Accepted::default());
    let sending =
        load::send(&sqs, &stage.target.export_jobs, load::plan(options), args.pace(), &no_stop, |accepted| {
            sent.send_replace(accepted.clone());
        });
    let mut sending = std::pin::pin!(sending);
    let mut stopped = std::pin::pin!(stop::asked());
    let mut killer = Killer::new(args);
    let (mut turns, deadline) = (time::interval(TURN_EVERY), Instant::now() + args.timeout);
    turns.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut all_sent = false;
    loop {
        tokio::select! {
            accepted = &mut sending, if !all_sent => all_sent = check_sent(accepted, options.messages)?,
            _ = turns.tick() => {
                let turn = steering.turn(fleet, killer.least_replicas()).await?;
                let over = all_sent && drained(&turn) && fleet.is_empty();
                show.turn(turn, fleet, seen.borrow_and_update().messages, options.messages)?;
                if over {
                    return Ok(Ended::Drained);
                }
            }
            () = killer.due() => if let Some(victim) = killer.strike(fleet)? {
                show.killed(&victim)?;
            },
            () = time::sleep_until(deadline.into()) => {
                show.say("not everything is settled in time: see --timeout")?;
                return Ok(Ended::Overdue);
            }
            () = async { tokio::select! { () = &mut stopped => {}, () = show.quit() => {} } } => {
                show.say("stopping the consumers: nothing is checked")?;
                return Ok(Ended::Interrupted);
            }
        }
    }
}

fn check_sent(accepted: Accepted, of: u64) -> anyhow::Result<bool> {
    if let Some(load::Stopped::Failed(error)) = accepted.stopped {
        return Err(error).context("the load was not sent");
    }
    anyhow::ensure!(accepted.messages >= of, "SQS took {} of {of} messages", accepted.messages);
    Ok(true)
}

/// Nothing is left on the queues that are worked on.
fn drained(turn: &Turn) -> bool {
    let empty = |queue: &QueueReading| queue.depth.as_ref().is_ok_and(|depth| depth.total() == 0);
    turn.sample.queues.iter().filter(|queue| !queue.dead_letters).all(empty)
}

fn variables(args: &Args, stage: &Stage) -> Vec<(&'static str, String)> {
    let mut variables = environment(&stage.target);
    if args.chaos.is_some() {
        let unset = CHAOS_SETTINGS.iter().filter(|(name, _)| std::env::var_os(name).is_none());
        variables.extend(unset.map(|(name, value)| (*name, (*value).to_owned())));
    }
    variables
}

fn tell(json: bool, summary: &Summary, problems: &[String], logs: &str) -> io::Result<()> {
    let (mut out, mut beside) = (io::stdout().lock(), io::stderr().lock());
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(summary).unwrap_or_default())?;
    } else {
        writeln!(out, "\n{}", summary.text())?;
    }
    for problem in problems {
        writeln!(beside, "  {problem}")?;
    }
    if !summary.holds() {
        writeln!(beside, "  the consumers' logs are in {logs}")?;
    }
    Ok(())
}
