//! Twenty jobs of one task beside one job of 1,000: the small ones must not wait for the large one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time;

use super::{PATIENCE, Show, Terms, warm_up};
use crate::{
    contender::Contender,
    ledger::{last, records},
    load::{Load, Shape, drained, unix_millis},
    say,
    stats::Spread,
};

pub(crate) const NAME: &str = "fairness";
pub(crate) const GOAL: f64 = 2.0;
const WORKERS: usize = 8;
const SMALL: usize = 20;
const DELAY: Duration = Duration::from_millis(100);
/// The large job is well under way when the small ones come.
const HEAD_START: Duration = Duration::from_secs(2);

/// Seconds from the first small job's sending to the last one's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fairness {
    pub(crate) workers: usize,
    pub(crate) delay_millis: u128,
    pub(crate) small_jobs: usize,
    pub(crate) large_tasks: usize,
    pub(crate) alone_seconds: Spread,
    pub(crate) beside_seconds: Spread,
    /// Sent at the same time as the large job, right after it.
    pub(crate) together_seconds: Spread,
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Fairness> {
    let large_tasks = terms.of(1_000, 300);
    let (mut alone, mut beside, mut together) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..terms.of(3, 1) {
        alone.push(measure_run(terms, None, Duration::ZERO).await?);
        beside.push(measure_run(terms, Some(large_tasks), HEAD_START).await?);
        together.push(measure_run(terms, Some(large_tasks), Duration::ZERO).await?);
    }
    let spread = |values: Vec<f64>| {
        Spread::of(values).unwrap_or(Spread { median: 0.0, least: 0.0, most: 0.0, runs: 0 })
    };
    let fairness = Fairness {
        workers: WORKERS,
        delay_millis: DELAY.as_millis(),
        small_jobs: SMALL,
        large_tasks,
        alone_seconds: spread(alone),
        beside_seconds: spread(beside),
        together_seconds: spread(together),
    };
    let Fairness { alone_seconds, beside_seconds, together_seconds, .. } = &fairness;
    let (alone, beside, together) = (alone_seconds.median, beside_seconds.median, together_seconds.median);
    say(&format!("  alone {alone:.2} s, beside {beside:.2} s, sent together {together:.2} s"));
    Ok(fairness)
}

/// The small jobs' time; with `large`, so much later than a job of so many tasks.
async fn measure_run(terms: &Terms, large: Option<usize>, later: Duration) -> anyhow::Result<f64> {
    let load = |run: &str, messages, tasks| Load {
        run: run.into(),
        messages,
        shape: Shape::Jobs(tasks),
        bytes: 1_024,
        delay: DELAY,
    };
    let warm = Load { delay: DELAY, ..warm_up(2 * WORKERS, Shape::Jobs(1)) };
    let show = Show::open(terms, Contender::Exportpool, WORKERS, &warm).await?;
    if let Some(tasks) = large {
        load("large", 1, tasks).send(&show.stage).await?;
        time::sleep(later).await;
    }
    let small = load("small", SMALL, 1);
    let sent_at = unix_millis();
    small.send(&show.stage).await?;
    drained(&show.stage, PATIENCE).await?;
    let small = records(&show.stage, &small.run, small.tasks()).await?;
    if let Some(tasks) = large {
        records(&show.stage, "large", tasks).await?;
    }
    show.close().await;
    Ok(last(&small).saturating_sub(sent_at) as f64 / 1e3)
}
