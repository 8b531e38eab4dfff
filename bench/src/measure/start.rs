//! From the start of the process to its first poll, as the counting proxy before the stand-in sees it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time;

use super::Terms;
use crate::{contender::Contender, front::Front, say, stage::Stage, stats::Spread};

pub(crate) const NAME: &str = "start";
pub(crate) const GOAL_MILLIS: f64 = 100.0;
const WORKERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Starts of one contender.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) who: Contender,
    /// From the start of the process to the first ReceiveMessage.
    pub(crate) first_poll_millis: Spread,
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Vec<Row>> {
    let stage = Stage::set(&terms.ground.programs).await?;
    let mut rows = Vec::new();
    for who in terms.present(&[Contender::Exportpool, Contender::Node, Contender::Spring]) {
        let starts = if who == Contender::Exportpool { terms.of(30, 5) } else { terms.of(10, 2) };
        let mut taken = Vec::new();
        for _ in 0..starts {
            taken.push(measure_start(terms, &stage, who).await?.as_secs_f64() * 1e3);
        }
        let Some(first_poll_millis) = Spread::of(taken) else { continue };
        say(&format!("  {}: {:.0} ms", who.words(), first_poll_millis.median));
        rows.push(Row { who, first_poll_millis });
    }
    stage.strike().await;
    Ok(rows)
}

async fn measure_start(terms: &Terms, stage: &Stage, who: Contender) -> anyhow::Result<Duration> {
    let front = Front::open(stage.variable(exportpool_contract::environment::AWS_ENDPOINT)?).await?;
    let begun = Instant::now();
    let started = who.start(&terms.ground, stage, WORKERS, Some(&front.url), &[])?;
    let polled = loop {
        if let Some(polled) = front.take_first_poll() {
            break polled;
        }
        started.process.rss_kib()?;
        anyhow::ensure!(begun.elapsed() < PATIENCE, "no poll came");
        time::sleep(LOOK_EVERY).await;
    };
    // Its polls are open: it would wait for them.
    started.process.stop(Duration::ZERO).await;
    Ok(polled - begun)
}
