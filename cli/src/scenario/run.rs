//! One or all, one after the other.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use chrono::Local;
use exportpool_profile::analyse::zone::Zone;
use serde::Serialize;

use super::{
    Args,
    catalog::{Run, Scenario},
    check::Check,
    page,
    play::play,
};
use crate::{
    ci::Case,
    profile::{EXIT_INTERRUPTED, Folder, make_report},
    say::note,
    stage::consumer::{found, has_kill_points},
    stop,
    usage::usage,
};

/// Of [`Report::schema`]: another one has other fields.
const SCHEMA: u32 = 1;

/// What `report.json` has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// [`SCHEMA`].
    schema: u32,
    /// Of exportpool.
    version: &'static str,
    /// Red: something does not hold. Yellow: something was left out.
    verdict: Zone,
    scenarios: &'a [Outcome],
}

/// A scenario that was played.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) runs: Vec<RunOutcome>,
    /// Why it was not played, if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<&'static str>,
}

/// Why [`Scenario::needs_kill_points`] leaves one out, and the remedy.
const NO_KILL_POINTS: &str =
    "it needs a consumer with kill points: `make kills` builds one, --consumer takes it";

/// A run that was played.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunOutcome {
    pub(super) label: String,
    /// The settings that it states, `NAME=value`.
    pub(super) settings: Vec<String>,
    pub(super) checks: Vec<Check>,
    /// Its own page, from the folder of the one of all; none of one that could not be played.
    pub(super) page: Option<PathBuf>,
}

impl Outcome {
    /// Each check of each run.
    fn cases(&self) -> impl Iterator<Item = Case> {
        let of = |run: &RunOutcome, check: &Check| Case {
            suite: format!("scenario {}", self.name),
            name: format!("{}: {}", run.label, check.must),
            zone: if check.holds { Zone::Green } else { Zone::Red },
            message: check.was.clone(),
        };
        let left_out = self.left_out.map(|why| Case {
            suite: format!("scenario {}", self.name),
            name: "left out".to_owned(),
            zone: Zone::Yellow,
            message: why.to_owned(),
        });
        let checked =
            self.runs.iter().flat_map(move |run| run.checks.iter().map(move |check| of(run, check)));
        left_out.into_iter().chain(checked)
    }

    /// Red: something does not hold. Yellow: nobody knows.
    pub(super) fn zone(&self) -> Zone {
        if !self.runs.iter().flat_map(|run| &run.checks).all(|check| check.holds) {
            Zone::Red
        } else if self.left_out.is_some() {
            Zone::Yellow
        } else {
            Zone::Green
        }
    }
}

/// Plays what `args` ask for, and tells what holds.
///
/// # Errors
/// A consumer that does not start, a folder that cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.telling.check()?;
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = match Folder::make(&args.reports, "scenario", Local::now()) {
        Ok(folder) => folder,
        Err(error) => return args.telling.nothing("scenario", error),
    };
    let played = tokio::select! {
        played = all(&args, &folder) => played,
        () = stop::asked() => {
            note(&format!("stopped: what was played so far is in {}", folder.0.display()));
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
    };
    match played {
        Ok(outcomes) => told(&args, &folder, &outcomes),
        Err(error) => {
            folder.discard();
            args.telling.nothing("scenario", error)
        }
    }
}

async fn all(args: &Args, folder: &Folder) -> anyhow::Result<Vec<Outcome>> {
    let binary = found(args.consumer.clone()).await?;
    let can_be_hurt = has_kill_points(&binary).await;
    let (played, left_out): (Vec<_>, Vec<_>) =
        args.scenarios().into_iter().partition(|scenario| can_be_hurt || !scenario.needs_kill_points);
    if let ([], [scenario]) = (&played[..], &left_out[..]) {
        return Err(usage(anyhow::anyhow!("{}: {NO_KILL_POINTS}", scenario.name)).into());
    }
    let mut outcomes = Vec::new();
    for scenario in played {
        outcomes.push(one(&binary, folder, &scenario, outcomes.is_empty()).await?);
    }
    for Scenario { name, about, .. } in left_out {
        note(&format!("{name}: left out: {NO_KILL_POINTS}"));
        outcomes.push(Outcome { name, about, runs: vec![], left_out: Some(NO_KILL_POINTS) });
    }
    Ok(outcomes)
}

/// What cannot be played fails, and the others go on; but for the very first: then nothing can.
async fn one(binary: &Path, folder: &Folder, scenario: &Scenario, is_first: bool) -> anyhow::Result<Outcome> {
    let mut runs = Vec::new();
    for (number, run) in (1..).zip(&scenario.runs) {
        note(&format!("{}: {}", scenario.name, run.label));
        let own = Folder::of_run(folder, &format!("{}-{number}", scenario.name))?;
        let outcome = match played(run, binary, &own).await {
            Err(error) if is_first && number == 1 => return Err(error),
            Err(error) => unplayed(run, &error),
            Ok(outcome) => outcome,
        };
        for check in &outcome.checks {
            note(&line(check));
        }
        runs.push(outcome);
    }
    Ok(Outcome { name: scenario.name, about: scenario.about, runs, left_out: None })
}

async fn played(run: &Run, binary: &Path, folder: &Folder) -> anyhow::Result<RunOutcome> {
    let played = play(run, binary, folder).await?;
    let page = make_report(folder, &played.recorded)?;
    let page = folder.0.parent().and_then(|all| page.strip_prefix(all).ok()).unwrap_or(&page).to_owned();
    let checks = run.must.iter().map(|must| must.check(run, &played)).collect();
    Ok(RunOutcome { checks, page: Some(page), ..of(run) })
}

fn unplayed(run: &Run, error: &anyhow::Error) -> RunOutcome {
    let check = Check { must: "it is played".to_owned(), was: format!("{error:#}"), holds: false };
    RunOutcome { checks: vec![check], ..of(run) }
}

/// One of which nothing is known yet.
fn of(run: &Run) -> RunOutcome {
    let settings = run.settings().iter().map(|(name, value)| format!("{name}={value}")).collect();
    RunOutcome { label: run.label.clone(), settings, checks: vec![], page: None }
}

fn line(check: &Check) -> String {
    let Check { must, was, holds } = check;
    format!("  {} {must}: {was}", if *holds { "ok  " } else { "FAIL" })
}

fn told(args: &Args, folder: &Folder, outcomes: &[Outcome]) -> anyhow::Result<ExitCode> {
    let verdict = outcomes.iter().map(Outcome::zone).max().unwrap_or(Zone::Green);
    let report = Report { schema: SCHEMA, version: env!("CARGO_PKG_VERSION"), verdict, scenarios: outcomes };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    let written = folder.write("report.json", &json);
    let page = written.and_then(|_| folder.write("report.html", &page::page(outcomes)));
    let cases: Vec<_> = outcomes.iter().flat_map(Outcome::cases).collect();
    args.telling.tell(&summary(outcomes), &report, &cases, page)?;
    Ok(if verdict == Zone::Red { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn summary(outcomes: &[Outcome]) -> String {
    outcomes.iter().fold(String::new(), |text, outcome| {
        let checks = || outcome.runs.iter().flat_map(|run| &run.checks);
        let (held, all) = (checks().filter(|check| check.holds).count(), checks().count());
        let word = match outcome.zone() {
            Zone::Green => "holds",
            Zone::Yellow => "not played",
            Zone::Red => "FAILS",
        };
        format!("{text}{:16} {word}  {held} of {all} checks\n", outcome.name)
    })
}
