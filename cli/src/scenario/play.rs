//! One run, from the start of its consumer to what is left.

use std::{path::Path, time::Duration};

use exportpool_contract::PodReport;
use exportpool_profile::{
    analyse::doctor::{Examination, examine},
    read::Recorded,
    record::Ending,
};

use super::{
    catalog::Run,
    health::{self, Answers},
};
use crate::{
    load,
    profile::{Folder, Own, Setup, Waves, recorded},
    verify::{self, Findings, ledger},
};

/// A consumer is ready sooner.
const STARTUP_WAIT: Duration = Duration::from_secs(30);
/// Every wave is settled sooner, whatever fails in it: the last attempt of a task comes after some 10 s.
const PROCESSING_WAIT: Duration = Duration::from_secs(180);

/// What came of a run.
#[derive(Debug)]
pub(super) struct Played {
    /// What was recorded.
    pub(super) recorded: Recorded,
    /// What the doctor says of it.
    pub(super) examination: Examination,
    /// What the consumer said of itself at the end.
    pub(super) report: PodReport,
    /// What is left of each batch, beside what was sent.
    pub(super) findings: Vec<Findings>,
    /// How /health answered, if it was asked.
    pub(super) health: Option<Answers>,
}

/// Plays a run; what is recorded goes into `folder`.
///
/// # Errors
/// The consumer does not start, or AWS does not answer.
pub(super) async fn play(run: &Run, binary: &Path, folder: &Folder) -> anyhow::Result<Played> {
    let binary = Some(binary.to_owned());
    let setup = Setup { settings: run.settings(), binary, startup_wait: STARTUP_WAIT, ..Setup::default() };
    let mut own = Own::start(setup, folder.0.clone()).await?;
    let played = played(run, &mut own, folder).await;
    own.end().await;
    played
}

async fn played(run: &Run, own: &mut Own, folder: &Folder) -> anyhow::Result<Played> {
    let (waves, url) = (waves(run, &own.stage.source)?, own.url("/health"));
    let asking = async {
        match run.health {
            Some(asked) => health::ask(&url, asked).await.map(Some),
            None => Ok(None),
        }
    };
    let mut raw = folder.raw()?;
    let recording = own.recorded(run.tool, &waves, &mut raw, std::future::pending());
    let (ending, health) = tokio::try_join!(recording, asking)?;
    let mut findings = Vec::new();
    for batch in waves.waves.iter().flatten() {
        let left = ledger::read(&own.stage.target, &verify::prefix(batch)).await?;
        findings.push(verify::verify(&own.stage.target, batch, &left).await?);
    }
    // One that is gone says nothing any more.
    let report =
        if matches!(ending, Ending::Gone { .. }) { PodReport::default() } else { own.report().await? };
    let recorded = recorded(folder)?;
    Ok(Played { examination: examine(&recorded), recorded, report, findings, health })
}

fn waves(run: &Run, source: &str) -> anyhow::Result<Waves> {
    let mut dice = fastrand::Rng::new();
    let mut batch = || {
        let load = &run.load;
        let options = load::Options {
            run: (0..6).map(|_| dice.digit(36)).collect(),
            prefix: "scenario".to_owned(),
            messages: load.messages,
            tasks_per_job: load.tasks_per_job,
            size: 10 * 1024,
            mixed: false,
            delay: load.delay,
            failure_rate: load.failure_rate,
            flaky_rate: 0.0,
            invalid_rate: load.invalid_rate,
            seed: dice.u64(..1_000_000),
            source: source.to_owned(),
        };
        options.check().map(|()| options)
    };
    let mut wave = || (0..run.load.batches).map(|_| batch()).collect::<Result<Vec<_>, _>>();
    let waves = (0..run.load.waves).map(|_| wave()).collect::<Result<_, _>>()?;
    Ok(Waves { waves, pause: run.load.pause, within: PROCESSING_WAIT })
}
