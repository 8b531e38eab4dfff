//! What a pool says of itself: status, events, metrics, logs, all from the same values. Nothing is written when nothing
//! changed.

mod conditions;
pub mod events;
pub mod metrics;
pub mod status;
#[cfg(test)]
mod tests;

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{Depth, Learned};
use jiff::Timestamp;

use crate::{
    api::ExportPool,
    apply::fault::ApplyFault,
    decide::{Undecidable, Verdict},
    observe::workload::Workload,
};

pub(crate) use conditions::ONE_EACH;

/// What happened to a pool in one round, for whoever tells of it.
#[derive(Debug, Clone)]
pub struct Round<'a> {
    /// The pool.
    pub pool: &'a ExportPool,
    /// When.
    pub now: Timestamp,
    /// Its Deployment and pods.
    pub workload: &'a Workload,
    /// Its queues.
    pub queues: &'a ByQueue<QueueRead>,
    /// Ready pods whose report was asked for, and of these the ones that answered.
    pub reports: Reports,
    /// When the oldest work in hand was put on its queue, as pods say.
    pub oldest: Option<Timestamp>,
    /// What was learned so far.
    pub learned: &'a Learned,
    /// What was decided; none before the first read.
    pub verdict: Option<&'a Result<Verdict, Undecidable>>,
    /// What stands in the way of what was decided.
    pub hindrance: Hindrance<'a>,
}

/// What stands in the way of what was decided.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hindrance<'a> {
    /// In the spec or at the API server.
    pub obstacle: Option<&'a Obstacle>,
    /// Who else writes the replicas.
    pub contested_by: Option<&'a str>,
    /// The operator would render other pods, and others' are replaced first.
    pub waits_its_turn: bool,
    /// Another operator that looks after this pool as well, and lets go of it.
    pub rival: Option<&'a str>,
}

/// How the last read of a queue ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueRead {
    /// Its depth; none before the first read.
    pub depth: Option<Depth>,
    /// Why there is none: a stable word, and a sentence with the remedy.
    pub fault: Option<(&'static str, String)>,
}

/// How many reports were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reports {
    /// Ready pods that were asked.
    pub asked: u32,
    /// Of these, ones that answered.
    pub read: u32,
}

/// What stands in the way of what was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The spec cannot be rendered.
    #[error("{message}")]
    Spec {
        /// A stable word.
        reason: &'static str,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The API server.
    #[error(transparent)]
    Apply(#[from] ApplyFault),
}

impl Obstacle {
    /// A stable word for conditions and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Spec { reason, .. } => reason,
            Self::Apply(fault) => fault.reason(),
        }
    }

    /// Whether it passes by itself.
    #[must_use]
    pub const fn passes(&self) -> bool {
        match self {
            Self::Spec { .. } => false,
            Self::Apply(fault) => fault.passes(),
        }
    }
}
