//! A profile, from its start to its verdict.

use std::{process::ExitCode, time::Duration};

use chrono::Local;
use exportpool_profile::{
    analyse::{baseline::Baseline, zone::Zone},
    read::Recorded,
    record::{Ending, Tool},
};
use tokio::time;

use super::{
    args::{Args, Command, Profile, Report},
    baselines::{self, Baselines, Name},
    connect::{Connection, to_pod, to_process},
    folder::{Folder, PAGE},
    nothing::Nothing,
    own::{Own, Waves},
    record::{self, Heard},
    report::{self, Pair},
    tell,
    telling::{EXIT_INTERRUPTED, Telling},
};
use crate::{cluster::cluster, say::note, stop, usage::usage};

const EXIT_RED: u8 = 1;

/// Runs a profile, or makes the report of one again.
///
/// # Errors
/// What is missing or wrong, and the remedy.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &args.command {
        Command::Report(again) => reported(again),
        Command::Doctor(profile) => profiled(Tool::Doctor, profile).await,
        Command::Bubble(profile) => profiled(Tool::Bubble, profile).await,
        Command::Flame(profile) => profiled(Tool::Flame, profile).await,
        Command::Heap(profile) => profiled(Tool::Heap, profile).await,
    }
}

fn reported(again: &Report) -> anyhow::Result<ExitCode> {
    again.telling.check()?;
    let folder = Folder(again.folder.clone());
    match report::recorded(&folder).and_then(|recorded| Ok((recorded, report::pair(&folder)?))) {
        Ok((recorded, pair)) => told(&folder, &recorded, pair.as_ref(), &again.telling).map(code),
        Err(error) => again.telling.nothing("report", usage(error).into()),
    }
}

async fn profiled(tool: Tool, profile: &Profile) -> anyhow::Result<ExitCode> {
    profile.telling.check()?;
    let baselines = Baselines::of(&profile.reports);
    let (before, folder, recorded) = match collected(&baselines, tool, profile).await {
        Ok(collected) => collected,
        Err(error) => return profile.telling.nothing(tool.name(), error),
    };
    let now = Baseline::of(&recorded, profile.settings(tool));
    let pair = before.map(|before| Pair { before, now: now.clone() });
    let verdict = told(&folder, &recorded, pair.as_ref(), &profile.telling);
    if let Some(name) = &profile.save_baseline {
        keep(&baselines, (name, &now), &recorded, profile.is_own())?;
    }
    let verdict = verdict?;
    let is_stopped = profile.is_own() && recorded.ending == Some(Ending::Interrupted);
    Ok(if is_stopped && verdict < Zone::Red { ExitCode::from(EXIT_INTERRUPTED) } else { code(verdict) })
}

/// What was recorded, in a folder of its own, and what it is to be compared with, if anything.
async fn collected(
    baselines: &Baselines,
    tool: Tool,
    profile: &Profile,
) -> anyhow::Result<(Option<Baseline>, Folder, Recorded)> {
    let before = profile.compare.as_ref().map(|name| {
        let before = baselines.read(name)?;
        baselines::fits(name, &before, tool).map(|()| before)
    });
    let before = before.transpose()?;
    let folder = Folder::make(&profile.reports, tool.name(), Local::now())?;
    let recorded = Session { tool, profile, folder: &folder }.recorded().await?;
    Ok((before, folder, recorded))
}

/// Keeps what was measured, unless it is not all of it: of its own jobs a consumer has to settle all, and of those of others
/// somebody says when it is enough.
fn keep(
    baselines: &Baselines,
    (name, now): (&Name, &Baseline),
    recorded: &Recorded,
    is_own: bool,
) -> anyhow::Result<()> {
    let is_whole = match recorded.ending {
        Some(Ending::Settled) => true,
        Some(Ending::Over | Ending::Interrupted) => !is_own,
        _ => false,
    };
    if is_whole {
        let kept = baselines.keep(name, now)?;
        note(&format!("kept as baseline {name}: {}", kept.display()));
        if !now.tells() {
            note("too little was measured to tell anything from chance: profile more jobs, or for longer");
        }
    } else {
        note(&format!("not kept as baseline {name}: the profile did not end as it should have"));
    }
    Ok(())
}

/// A profile that is made.
struct Session<'a> {
    tool: Tool,
    profile: &'a Profile,
    folder: &'a Folder,
}

impl Session<'_> {
    /// What was recorded; of a recording that broke off, what was before. A folder without anything in it does not stay.
    async fn recorded(&self) -> anyhow::Result<Recorded> {
        match (self.record().await, report::recorded(self.folder)) {
            (Ok(()), recorded) => recorded,
            (Err(error), Ok(recorded)) if !error.is::<Nothing>() => {
                let ending = Some(Ending::BrokenOff { why: format!("{error:#}") });
                Ok(Recorded { ending, ..recorded })
            }
            (Err(error), _) => {
                self.folder.discard();
                Err(error)
            }
        }
    }

    async fn record(&self) -> anyhow::Result<()> {
        let profile = self.profile;
        if let Some(pid) = profile.attach {
            self.others(to_process(pid).await?).await
        } else if let Some(pod) = &profile.pod {
            let cluster = cluster(profile.context.as_deref(), profile.namespace.as_deref()).await?;
            self.others(to_pod(&cluster, pod).await?).await
        } else {
            self.own().await
        }
    }

    /// A consumer that has its jobs from elsewhere.
    async fn others(&self, mut to: Connection) -> anyhow::Result<()> {
        let mut raw = self.folder.raw()?;
        note(&format!("profiling {}: Ctrl-C ends it, and reports", to.to));
        let until = async { Ok(over(self.profile.duration()).await) };
        let (_, ear) = Heard::new();
        record::record(&mut to, self.tool, &mut raw, ear, until).await?;
        Ok(())
    }

    async fn own(&self) -> anyhow::Result<()> {
        let Self { profile, folder, .. } = self;
        let mut own = tokio::select! {
            own = Own::start(profile.setup(), folder.0.clone()) => own?,
            () = stop::asked() => anyhow::bail!("stopped before it began"),
        };
        let queue = own.queue().to_owned();
        let profiled = self.with(&mut own).await;
        own.end().await;
        match profiled? {
            Ending::Overdue if report::recorded(folder)?.received_nothing() => {
                Err(Nothing::Unasked { after: profile.processing_wait, queue }.into())
            }
            _ => Ok(()),
        }
    }

    async fn with(&self, own: &mut Own) -> anyhow::Result<Ending> {
        let Self { tool, profile, folder } = self;
        let waves = profile.waves(*tool, &own.stage.source)?;
        note(&opening(&waves));
        if *tool == Tool::Heap && waves.waves.len() > 1 && waves.pause < tool.tells_every() {
            note(&short(waves.pause));
        }
        own.recorded(*tool, &waves, &mut folder.raw()?, over(profile.duration())).await
    }
}

fn opening(of: &Waves) -> String {
    let (waves, jobs) =
        (of.waves.len(), of.waves.iter().flatten().map(|batch| batch.messages).max().unwrap_or(0));
    let each = humantime::format_duration(of.pause);
    match waves {
        0 | 1 => format!("profiling a consumer with {jobs} jobs"),
        waves => format!("profiling a consumer with {waves} waves of {jobs} jobs, {each} after each"),
    }
}

/// Stacks are told now and then, and those of a pause say what stays.
fn short(pause: Duration) -> String {
    let (pause, least) =
        (humantime::format_duration(pause), humantime::format_duration(Tool::Heap.tells_every()));
    format!("a --pause of {pause} is shorter than {least}: a leak may be found without the stacks that grow")
}

/// When its time is over, or somebody ends it.
async fn over(after: Option<Duration>) -> Ending {
    let over = async {
        match after {
            Some(after) => time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => Ending::Over,
        () = stop::asked() => Ending::Interrupted,
    }
}

fn code(verdict: Zone) -> ExitCode {
    if verdict == Zone::Red { ExitCode::from(EXIT_RED) } else { ExitCode::SUCCESS }
}

/// Makes the report, writes and tells it: a disk that takes no more keeps nobody from the verdict.
fn told(
    folder: &Folder,
    recorded: &Recorded,
    pair: Option<&Pair>,
    telling: &Telling,
) -> anyhow::Result<Zone> {
    let made = report::make(recorded, pair)?;
    let page = made.write(folder, pair).map(|()| folder.0.join(PAGE));
    let report = &made.report;
    telling.tell(&tell::verdict(report), report, &report.cases(), page)?;
    Ok(report.verdict())
}
