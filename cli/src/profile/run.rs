//! A profile, from its start to its verdict.

use std::{
    env,
    io::{Write as _, stderr, stdout},
    process::ExitCode,
    time::Duration,
};

use chrono::Local;
use exportpool_profile::{
    analyse::zone::Zone,
    read::Recorded,
    record::{Ending, Tool},
};
use tokio::{sync::watch, time};

use super::{
    args::{Args, Command, Profile, Telling},
    connect::{Connection, to_pod, to_process},
    folder::{Folder, PAGE},
    nothing::{EXIT_NOTHING, Nothing},
    own::Own,
    record::record,
    report, tell,
};
use crate::{cluster::cluster, program::title, stop};

const EXIT_RED: u8 = 1;

/// Runs a profile, or makes the report of one again.
///
/// # Errors
/// What is missing or wrong, and the remedy.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &args.command {
        Command::Report(again) => {
            let folder = Folder(again.folder.clone());
            let recorded = report::recorded(&folder)?;
            told(&folder, &recorded, again.telling)
        }
        Command::Doctor(profile) => profiled(Tool::Doctor, profile).await,
        Command::Flame(profile) => profiled(Tool::Flame, profile).await,
    }
}

async fn profiled(tool: Tool, profile: &Profile) -> anyhow::Result<ExitCode> {
    let folder = Folder::make(&profile.reports, tool.name(), Local::now())?;
    let session = Session { tool, profile, folder: &folder };
    match session.recorded().await {
        Ok(recorded) => told(&folder, &recorded, profile.telling),
        Err(error) => nothing(&folder, error),
    }
}

/// A profile that is made.
struct Session<'a> {
    tool: Tool,
    profile: &'a Profile,
    folder: &'a Folder,
}

impl Session<'_> {
    async fn recorded(&self) -> anyhow::Result<Recorded> {
        let Self { profile, folder, .. } = self;
        if let Some(pid) = profile.attach {
            self.others(to_process(pid).await?).await?;
        } else if let Some(pod) = &profile.pod {
            let cluster = cluster(profile.context.as_deref(), profile.namespace.as_deref()).await?;
            self.others(to_pod(&cluster, pod).await?).await?;
        } else {
            self.own().await?;
        }
        let recorded = report::recorded(folder)?;
        match &recorded.ending {
            Some(Ending::Gone { why }) if recorded.moments.is_empty() => {
                Err(Nothing::CutOff(why.clone()).into())
            }
            _ => Ok(recorded),
        }
    }

    /// A consumer that has its jobs from elsewhere.
    async fn others(&self, mut to: Connection) -> anyhow::Result<()> {
        let mut raw = self.folder.raw()?;
        note(&format!("profiling {}: Ctrl-C ends it, and reports", to.to));
        let until = async { Ok(over(self.profile.duration()).await) };
        record(&mut to, &self.tool.path(), &mut raw, &watch::Sender::new(None), until).await?;
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
        let (mut raw, mut to) = (folder.raw()?, own.connect().await?);
        let (settled, mut told) = watch::channel(None);
        let options = profile.load(own.stage.source.clone())?;
        let worked = async {
            let ending = own.work(&options, profile.processing_wait, &mut told).await;
            // What the consumer has seen, and not told yet.
            time::sleep(tool.tells_every()).await;
            ending
        };
        let until = async {
            tokio::select! {
                ending = worked => ending,
                ending = over(profile.duration()) => Ok(ending),
            }
        };
        note(&format!("profiling a consumer with {} jobs", profile.messages));
        // Of some size, with all that it sends and asks.
        Box::pin(record(&mut to, &tool.path(), &mut raw, &settled, until)).await
    }
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

/// Nothing was collected, and why: a folder without anything in it does not stay.
fn nothing(folder: &Folder, error: anyhow::Error) -> anyhow::Result<ExitCode> {
    folder.discard();
    if error.is::<Nothing>() {
        note(&format!("{}: nothing was collected: {error:#}", title()));
        return Ok(ExitCode::from(EXIT_NOTHING));
    }
    Err(error)
}

fn told(folder: &Folder, recorded: &Recorded, telling: Telling) -> anyhow::Result<ExitCode> {
    let report = report::make(folder, recorded)?;
    let page = folder.0.join(PAGE);
    let text =
        if telling.json { serde_json::to_string_pretty(&report)? } else { tell::verdict(&report, &page) };
    // Nobody reading it is no fault.
    let _ = writeln!(stdout(), "{text}");
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
    if !telling.no_open
        && has_display
        && let Err(error) = open::that_detached(&page)
    {
        note(&format!("the page cannot be opened: {error}"));
    }
    let is_red = report.verdict() == Zone::Red;
    Ok(if is_red { ExitCode::from(EXIT_RED) } else { ExitCode::SUCCESS })
}

fn note(line: &str) {
    // Nobody reading it is no fault.
    let _ = writeln!(stderr(), "{line}");
}
