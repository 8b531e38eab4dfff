//! What may be measured.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{analyse::quantile::median, record::Step};

/// Something that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quantity {
    /// Tasks that are settled, a second with work.
    Throughput,
    /// CPU time of the process, for each task that is settled, in milliseconds.
    CpuPerTask,
    /// 99 of 100 probes of main's loop were answered within this, in milliseconds.
    MainDelay,
    /// For so long main was not on its loop, and not waiting for a CPU, in milliseconds.
    MainAway,
    /// 99 of 100 probes of all workers' loops, in milliseconds.
    WorkerDelay,
    /// The same as main's, of the worst worker, in milliseconds.
    WorkerAway,
    /// The least that the allocator had given out, in MiB.
    AllocatedFloor,
    /// The least resident memory, in MiB: where the allocator does not say.
    ResidentFloor,
    /// The most resident memory of the whole profile, in MiB: one number.
    ResidentPeak,
    /// The least memory after each wave but the first, in MiB.
    WaveFloor,
    /// What that rises by from wave to wave, in MiB.
    WaveGrowth,
    /// Half of the operations of a step that succeeded took less, in milliseconds.
    StepMedian(Step),
    /// 95 of 100, in milliseconds.
    StepTail(Step),
    /// CPU time of a function itself, for each task that is settled, in milliseconds. Kept in the flame, and not as a sample.
    Function(String),
}

/// What is large enough to matter, if it is no chance: both have to be reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relevance {
    /// Of what it was before.
    pub(super) share: f64,
    /// In the quantity's unit.
    pub(super) least: f64,
}

impl Quantity {
    /// In words.
    #[must_use]
    pub fn words(&self) -> Cow<'_, str> {
        match self {
            Self::Throughput => "throughput".into(),
            Self::CpuPerTask => "CPU time of a task".into(),
            Self::MainDelay => "main loop late, p99".into(),
            Self::MainAway => "main away from its loop".into(),
            Self::WorkerDelay => "workers' loops late, p99".into(),
            Self::WorkerAway => "worst worker away from its loop".into(),
            Self::AllocatedFloor => "memory given out, least".into(),
            Self::ResidentFloor => "resident memory, least".into(),
            Self::ResidentPeak => "resident memory, most".into(),
            Self::WaveFloor => "memory after a wave".into(),
            Self::WaveGrowth => "memory's growth by a wave".into(),
            Self::StepMedian(step) => format!("{}, p50", step.words()).into(),
            Self::StepTail(step) => format!("{}, p95", step.words()).into(),
            Self::Function(name) => name.into(),
        }
    }

    /// Of its values.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        match self {
            Self::Throughput => "tasks/s",
            Self::CpuPerTask
            | Self::MainDelay
            | Self::MainAway
            | Self::WorkerDelay
            | Self::WorkerAway
            | Self::StepMedian(_)
            | Self::StepTail(_)
            | Self::Function(_) => "ms",
            Self::AllocatedFloor
            | Self::ResidentFloor
            | Self::ResidentPeak
            | Self::WaveFloor
            | Self::WaveGrowth => "MiB",
        }
    }

    /// Less of anything else is better.
    #[must_use]
    pub const fn is_better_high(&self) -> bool {
        matches!(self, Self::Throughput)
    }

    /// There is no sample of it, and no telling from chance.
    pub(super) const fn is_one_number(&self) -> bool {
        matches!(self, Self::ResidentPeak)
    }

    /// Two profiles of the same thing differ by some percent because the machine does: no test within a profile sees that, so
    /// that less than a tenth never counts. The slowest few of a window vary by more, and one number of a whole profile by most.
    pub(super) const fn relevance(&self) -> Relevance {
        let (share, least) = match self {
            Self::Throughput => (0.1, 0.0),
            Self::CpuPerTask | Self::Function(_) => (0.1, 0.1),
            Self::StepMedian(_) | Self::AllocatedFloor | Self::ResidentFloor | Self::WaveFloor => (0.1, 1.0),
            Self::MainDelay | Self::MainAway | Self::WorkerDelay | Self::WorkerAway | Self::StepTail(_) => {
                (0.25, 1.0)
            }
            // It should be nothing: a share of that says nothing.
            Self::WaveGrowth => (0.0, 0.25),
            Self::ResidentPeak => (0.25, 8.0),
        };
        Relevance { share, least }
    }

    /// One number for all of a sample. `None` of an empty one.
    pub(super) fn typical(&self, values: &[f64]) -> Option<f64> {
        let many = float(values.len());
        let typical = match self {
            _ if values.is_empty() => return None,
            // All tasks by all the time: windows have as many tasks, and not as much time.
            Self::Throughput => many / values.iter().map(|value| value.recip()).sum::<f64>(),
            Self::CpuPerTask | Self::WaveGrowth => values.iter().sum::<f64>() / many,
            _ => median(&mut values.to_vec()),
        };
        typical.is_finite().then_some(typical)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few windows")]
pub(super) const fn float(number: usize) -> f64 {
    number as f64
}
