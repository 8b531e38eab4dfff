//! What ails a consumer: how late its loops are, what they wait for, and what to do.

mod diagnose;
mod figures;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{
    diagnosis::{Diagnosis, Named, verdict},
    heap::growth,
    zone::Zone,
};
use crate::read::Recorded;
use diagnose::Case;
pub(super) use figures::longest;

/// What a doctor's profile says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Examination {
    /// The worst of its diagnoses.
    pub verdict: Zone,
    /// How late each loop was, main first.
    pub loops: Vec<LoopFigures>,
    /// The process.
    pub figures: Figures,
    /// What ails it, the worst first; one that says so where nothing does.
    pub diagnoses: Vec<Diagnosis<Ailment>>,
}

/// How late a loop was.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopFigures {
    /// The thread's name.
    pub name: String,
    /// Probes that were answered.
    pub probes: usize,
    /// Half of them were answered within this, in microseconds.
    pub p50_micros: u64,
    /// 99 of 100.
    pub p99_micros: u64,
    /// 999 of 1,000.
    pub p999_micros: u64,
    /// All.
    pub max_micros: u64,
    /// The most of it that is no waiting for a CPU, in microseconds.
    pub max_away_micros: u64,
    /// CPU time of its thread, of all time, from 0 to 1.
    pub cpu_share: f64,
}

/// The process, over the whole profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Tasks that were settled meanwhile.
    pub settled: u64,
    /// Of them those that failed for good.
    pub failed: u64,
    /// CPU time, of all CPUs that it may use, from 0 to 1.
    pub cpu_share: f64,
    /// Waiting for a CPU, of the time that its loops wanted one, from 0 to 1.
    pub run_queue_share: f64,
    /// What a hypervisor gave of all CPUs to others, from 0 to 1.
    pub stolen_share: f64,
    /// Slots with a task, of all, in the moments with work, from 0 to 1.
    pub busy_share: f64,
    /// The most resident memory, in bytes.
    pub peak_rss_bytes: u64,
}

/// What may ail a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ailment {
    /// Main was not on its loop, and not waiting for a CPU.
    BlockedMain,
    /// A worker was not.
    BlockedWorker,
    /// The consumer went away while it was profiled.
    Gone,
    /// Its jobs were not settled in time.
    Overdue,
    /// The recording is not whole.
    CutOff,
    /// Memory rises all the time.
    Leak,
    /// Tasks fail for good.
    Failing,
    /// Threads wait for CPUs.
    CrowdedCpus,
    /// The CPUs have no more to give.
    CpuBound,
    /// All slots are busy with waiting.
    IoBound,
    /// Tasks wait for slots.
    Saturated,
    /// There was nothing to do.
    Idle,
    /// It did its work, and nothing ails it.
    Healthy,
}

impl Named for Ailment {
    fn words(self) -> &'static str {
        match self {
            Self::BlockedMain => "blocked main loop",
            Self::BlockedWorker => "blocked worker",
            Self::Gone => "consumer gone",
            Self::Failing => "failing tasks",
            Self::Overdue => "not done in time",
            Self::CutOff => "recording cut off",
            Self::Leak => "leak suspected",
            Self::CrowdedCpus => "crowded CPUs",
            Self::CpuBound => "CPU-bound",
            Self::IoBound => "I/O-bound",
            Self::Saturated => "starved pool",
            Self::Idle => "idle",
            Self::Healthy => "healthy",
        }
    }
}

/// Examines a consumer.
#[must_use]
pub fn examine(recorded: &Recorded) -> Examination {
    let loops = figures::loops(&recorded.moments);
    let figures = figures::figures(&recorded.began, &recorded.moments);
    let growth = growth(&recorded.moments);
    let diagnoses = Case { loops: &loops, figures, growth, recorded }.diagnoses();
    Examination { verdict: verdict(&diagnoses), loops, figures, diagnoses }
}
