//! What was decided for a pool, and why: the same value feeds status, events, metrics and logs.

use std::fmt::{self, Display, Formatter};

use exportpool_scaling::{Inputs, Reason};
use jiff::Timestamp;

use crate::api::FallbackBehavior;

/// What was decided for a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The replicas to ask for.
    pub replicas: u32,
    /// Why.
    pub why: Why,
    /// The numbers it came from. None if a queue could not be read.
    pub inputs: Option<Inputs>,
    /// Pools of its namespace on one of its queues, by name: each works off its part.
    pub shared_with: Vec<String>,
}

/// Why a pool asks for so many replicas. [`word`](Self::word) is stable; `Display` is a sentence with the numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// `spec.replicas` says so.
    Fixed,
    /// `scaling.override` says so, until then.
    Overridden {
        /// Until then.
        until: Timestamp,
    },
    /// `scaling.paused` says to leave it.
    Paused {
        /// What people wrote.
        reason: String,
        /// Until then, if it ends by itself.
        until: Option<Timestamp>,
    },
    /// `scaling.mode` is `Observe`: nothing is changed.
    Observing {
        /// The replicas that would be asked for.
        would: u32,
        /// Why.
        reason: Reason,
    },
    /// An older pool of another namespace has one of its queues: the pods stay as many as they are.
    Yielding {
        /// `namespace/name` of it.
        to: String,
    },
    /// `spec.drain`: what the queues hold is worked off.
    Draining {
        /// As decided by the scaling.
        reason: Reason,
    },
    /// `spec.drain`: there is nothing left.
    Drained,
    /// A schedule asks for more than the work does.
    Scheduled {
        /// The schedule.
        schedule: String,
        /// Replicas that the work asks for.
        wanted: u32,
    },
    /// The queues cannot be read, and `scaling.fallback` says what then.
    FallenBack {
        /// How.
        behavior: FallbackBehavior,
        /// Reads in a row that failed.
        failed_reads: u32,
        /// At least so many replicas.
        at_least: u32,
    },
    /// The scaling.
    Scaled(Reason),
}

impl Why {
    /// A stable word, for conditions, events and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Fixed => "Fixed",
            Self::Overridden { .. } => "Overridden",
            Self::Paused { .. } => "Paused",
            Self::Observing { .. } => "Observing",
            Self::Yielding { .. } => "QueueConflict",
            Self::Draining { .. } => "Draining",
            Self::Drained => "Drained",
            Self::Scheduled { .. } => "Scheduled",
            Self::FallenBack { .. } => "FallenBack",
            Self::Scaled(reason) => reason.word(),
        }
    }
}

impl Display for Why {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("spec.replicas says so"),
            Self::Overridden { until } => write!(f, "scaling.override says so until {until:.0}"),
            Self::Paused { reason, until: None } => write!(f, "scaling is paused: {reason}"),
            Self::Paused { reason, until: Some(until) } => {
                write!(f, "scaling is paused until {until:.0}: {reason}")
            }
            Self::Observing { would, reason } => {
                write!(f, "mode is Observe: {would} would be asked for, as {reason}")
            }
            Self::Yielding { to } => write!(
                f,
                "pool {to} of another namespace has one of these queues, and is older: give each pool queues of its own, \
                 or delete one of them"
            ),
            Self::Draining { reason } => write!(f, "the pool drains: {reason}"),
            Self::Drained => f.write_str("the pool has drained: it can be deleted"),
            Self::Scheduled { schedule, wanted } => {
                write!(f, "the work asks for {wanted}, schedule {schedule:?} for more")
            }
            Self::FallenBack { behavior, failed_reads, at_least } => {
                write!(f, "{failed_reads} reads failed, fallback {behavior:?} asks for at least {at_least}")
            }
            Self::Scaled(reason) => reason.fmt(f),
        }
    }
}
