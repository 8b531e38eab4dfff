//! Resident memory: over waves of work, with one large file, and beside Node.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Show, Terms, warm_up};
use crate::{
    contender::Contender,
    load::{Load, Shape},
    say,
    stats::slope,
};

pub(crate) const NAME: &str = "memory";
pub(crate) const GOAL_LARGE_MIB: f64 = 64.0;
pub(crate) const GOAL_OF_NODE: f64 = 8.0;
const WORKERS: usize = 8;
const WAVE: usize = 50;
const WAVE_BYTES: u64 = 1_048_576;
const GIB: u64 = 1_024 * 1_024 * 1_024;
const MIB: u64 = 1_024 * 1_024;
/// Waves before the slope is taken: what is kept on purpose, such as connections, is there by then.
const SETTLING: usize = 2;

/// MiB, resident.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Memory {
    /// After each wave of 50 files of 1 MiB, at 8 workers, by contender.
    pub(crate) waves: Vec<Waves>,
    /// Bytes of the one large file.
    pub(crate) large_bytes: u64,
    /// The most while it was exported, by one worker of four.
    pub(crate) large_peak_mib: f64,
    /// Seconds from claim to stored.
    pub(crate) large_seconds: f64,
}

/// Waves of one contender.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waves {
    pub(crate) who: Contender,
    /// When it had started and done nothing but one small load.
    pub(crate) before_mib: f64,
    /// After each wave.
    pub(crate) after_mib: Vec<f64>,
    /// The most in all.
    pub(crate) peak_mib: f64,
}

impl Waves {
    /// MiB a wave, from the third on.
    pub(crate) fn slope(&self) -> f64 {
        slope(self.after_mib.get(SETTLING..).unwrap_or_default())
    }
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Memory> {
    let mut waves = Vec::new();
    for who in terms.present(&[Contender::Exportpool, Contender::Node]) {
        waves.push(measure_waves(terms, who).await?);
    }
    let large_bytes = if terms.quick { 64 * MIB } else { GIB };
    let (large_peak_mib, large_seconds) = measure_large(terms, large_bytes).await?;
    Ok(Memory { waves, large_bytes, large_peak_mib, large_seconds })
}

async fn measure_waves(terms: &Terms, who: Contender) -> anyhow::Result<Waves> {
    let show = Show::open(terms, who, WORKERS, &warm_up(WORKERS, Shape::Tasks)).await?;
    let rss = || anyhow::Ok(show.started.process.rss_kib()? as f64 / 1_024.0);
    let before_mib = rss()?;
    let mut after_mib = Vec::new();
    for wave in 1..=terms.of(10, 4) {
        let load = Load {
            run: format!("wave{wave}"),
            messages: WAVE,
            shape: Shape::Tasks,
            bytes: WAVE_BYTES,
            delay: Duration::ZERO,
        };
        show.play(&load).await?;
        after_mib.push(rss()?);
    }
    let peak_mib = show.started.process.peak_rss_kib()? as f64 / 1_024.0;
    show.close().await;
    let waves = Waves { who, before_mib, after_mib, peak_mib };
    let (words, slope) = (who.words(), waves.slope());
    say(&format!("  {words}: {before_mib:.1} MiB at first, peak {peak_mib:.1} MiB, {slope:+.2} MiB a wave"));
    Ok(waves)
}

async fn measure_large(terms: &Terms, bytes: u64) -> anyhow::Result<(f64, f64)> {
    let show = Show::open(terms, Contender::Exportpool, 4, &warm_up(4, Shape::Tasks)).await?;
    let load = Load { run: "large".into(), messages: 1, shape: Shape::Tasks, bytes, delay: Duration::ZERO };
    let played = show.play(&load).await?;
    let peak = show.started.process.peak_rss_kib()? as f64 / 1_024.0;
    show.close().await;
    let seconds = played.records.first().and_then(|record| record.service).unwrap_or_default() as f64 / 1e3;
    say(&format!("  one file of {} MiB: peak {peak:.1} MiB, {seconds:.1} s", bytes / MIB));
    Ok((peak, seconds))
}
