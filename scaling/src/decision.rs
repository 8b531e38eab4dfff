//! A decision and its reasons: the same value feeds status, events, logs, metrics and `exportctl explain`.

use std::fmt::{self, Display, Formatter};

use exportpool_contract::report::ByQueue;
use serde::{Deserialize, Serialize};

use crate::observation::{Queue, UnknownDepth};

/// How many replicas to ask for, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The replicas to ask for.
    pub desired: u32,
    /// Why.
    pub reason: Reason,
    /// The numbers it came from. None if a queue could not be read.
    pub inputs: Option<Inputs>,
}

/// The numbers that a decision came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Messages to be received: visible, and delayed where the queue's delay is within the drain time.
    pub backlog: ByQueue<u64>,
    /// Tasks waiting in pods.
    pub waiting: u64,
    /// Tasks at work.
    pub busy: u64,
    /// Tasks assumed in running pods that could not be read: full, as far as deferred messages go.
    pub hidden: f64,
    /// Messages received by somebody and in no pod's hands that we know of: not due yet. Shown, never work.
    pub deferred: ByQueue<u64>,
    /// Tasks that could be worked on now: backlog, waiting and busy. Never more slots than this are added.
    pub tasks: f64,
    /// Arrivals from outside, smoothed, in messages a second.
    pub arrival_rate: ByQueue<f64>,
    /// Slot time of a message with all that comes of it, in seconds. None: one task a slot.
    pub message_seconds: Option<ByQueue<f64>>,
    /// Tasks of a job; 1 as long as it is not learned.
    pub tasks_per_job: f64,
    /// The drain time less the time that pods take to start, in seconds.
    pub drain_seconds: f64,
    /// The time that 9 of 10 pods start in, in seconds. None: not learned.
    pub pod_start_seconds: Option<f64>,
    /// Slots for the objective.
    pub slots: f64,
    /// Replicas for the objective, before any limit.
    pub wanted: u32,
    /// Replicas asked for until now.
    pub replicas: u32,
    /// Pods that are terminating.
    pub terminating: u32,
    /// Pods on a node that are not ready for twice the time that pods take to start.
    #[serde(default)]
    pub stuck: u32,
    /// Ready pods whose report was asked for.
    pub reports_asked: u32,
    /// Ready pods whose report was read.
    pub reports_read: u32,
}

/// Why a number of replicas is desired. [`word`](Self::word) is stable; `Display` is a sentence with the numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all_fields = "camelCase")]
pub enum Reason {
    /// The policy says to leave it.
    Paused,
    /// A queue's depth is unknown: nothing moves, except into `minReplicas` and `maxReplicas`.
    HeldUnknown {
        /// The queue.
        queue: Queue,
        /// Why it is unknown.
        why: UnknownDepth,
    },
    /// More replicas, in one step.
    ScaledOut {
        /// Replicas until now.
        from: u32,
        /// Replicas from now on.
        to: u32,
        /// Replicas for the objective; more than `to` where a limit stands between.
        wanted: u32,
    },
    /// More replicas than the work asks for, in place of pods that do not start: at most a quarter more.
    Compensated {
        /// Replicas until now.
        from: u32,
        /// Replicas from now on.
        to: u32,
        /// Replicas for the objective, if all of them worked.
        wanted: u32,
        /// Pods that do not start.
        stuck: u32,
    },
    /// Fewer replicas.
    ScaledIn {
        /// Replicas until now.
        from: u32,
        /// Replicas from now on.
        to: u32,
    },
    /// Nothing to do and no replica, now or still.
    ScaledToZero,
    /// What is there is what is needed.
    Steady,
    /// Fewer would do now, and have not for the whole window.
    HeldStabilizing {
        /// Replicas that are enough now. None: the arrival rate is not known yet.
        enough: Option<u32>,
        /// The most that was needed in the window. None: the window was not seen yet, or the last step is within it.
        largest: Option<u32>,
        /// The window.
        window_seconds: f64,
    },
    /// Fewer would do for the objective, and what is left does not fit their slots.
    HeldDraining {
        /// Tasks that are left.
        tasks: f64,
        /// The fewest replicas that they fit.
        fits: u32,
    },
    /// The last replica stays.
    HeldAboveZero {
        /// What keeps it.
        because: ZeroBlock,
    },
    /// Fewer than half of the reports could be read: no scale-in, and at most a doubling a minute.
    HeldUnreadable {
        /// Reports read.
        read: u32,
        /// Reports asked for.
        asked: u32,
        /// Replicas for the objective, from the last learned cost.
        wanted: u32,
    },
    /// More are wanted, and would not help: sources fail, most tasks that end are to be tried again.
    HeldFailing {
        /// Replicas for the objective.
        wanted: u32,
        /// The share of the tasks that ended in the last minute, 0 to 1.
        share: f64,
    },
    /// More are wanted, and would not help: pods find a queue, the bucket or the table unavailable.
    HeldUnavailable {
        /// Replicas for the objective.
        wanted: u32,
        /// Pods that do.
        pods: u32,
        /// Of so many that were read.
        of: u32,
    },
    /// More are wanted, and would not help: the last step brought less than a quarter of what it added.
    HeldNoGain {
        /// Replicas for the objective.
        wanted: u32,
        /// The time until one pod more is tried; 0 while it is.
        seconds: f64,
    },
    /// More are wanted, and terminating pods take the room under `maxReplicas`.
    WaitingForDrain {
        /// Replicas for the objective.
        wanted: u32,
        /// Pods that are terminating.
        terminating: u32,
    },
    /// `maxReplicas` is the limit.
    AtMax {
        /// Replicas for the objective.
        wanted: u32,
        /// `maxReplicas`.
        max: u32,
    },
    /// `minReplicas` is the limit.
    AtMin {
        /// Replicas for the objective.
        wanted: u32,
        /// `minReplicas`.
        min: u32,
    },
}

/// What keeps the last replica of a pool that may go to zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "block", rename_all_fields = "camelCase")]
pub enum ZeroBlock {
    /// Messages are visible.
    Visible {
        /// How many.
        messages: u64,
    },
    /// Pods have work in hand.
    PodsAtWork {
        /// How many.
        pods: u32,
    },
    /// Pods could not be read.
    PodsUnread {
        /// How many.
        pods: u32,
    },
    /// The queues were not seen empty often or long enough.
    TooFewReads {
        /// Reads in a row.
        reads: u32,
        /// The time that they span.
        seconds: f64,
    },
    /// The last work is too recent.
    KeepAlive {
        /// The time since then.
        seconds: f64,
    },
}

impl Reason {
    /// A stable word, for conditions, events and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::HeldUnknown { .. } => "HeldUnknown",
            Self::ScaledOut { .. } => "ScaledOut",
            Self::Compensated { .. } => "Compensated",
            Self::ScaledIn { .. } => "ScaledIn",
            Self::ScaledToZero => "ScaledToZero",
            Self::Steady => "Steady",
            Self::HeldStabilizing { .. } => "HeldStabilizing",
            Self::HeldDraining { .. } => "HeldDraining",
            Self::HeldAboveZero { .. } => "HeldAboveZero",
            Self::HeldUnreadable { .. } => "HeldUnreadable",
            Self::HeldFailing { .. } => "HeldFailing",
            Self::HeldUnavailable { .. } => "HeldUnavailable",
            Self::HeldNoGain { .. } => "HeldNoGain",
            Self::WaitingForDrain { .. } => "WaitingForDrain",
            Self::AtMax { .. } => "AtMax",
            Self::AtMin { .. } => "AtMin",
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("scaling is paused"),
            Self::HeldUnknown { queue, why } => write!(f, "the depth of {queue} is unknown: {}", why.word()),
            Self::ScaledOut { from, to, wanted } => {
                write!(f, "scaled out from {from} to {to}, the work asks for {wanted}")
            }
            Self::Compensated { from, to, wanted, stuck } => {
                write!(
                    f,
                    "scaled out from {from} to {to}, the work asks for {wanted} and {stuck} pods do not start"
                )
            }
            Self::ScaledIn { from, to } => write!(f, "scaled in from {from} to {to}, which was enough"),
            Self::ScaledToZero => f.write_str("there is no work"),
            Self::Steady => f.write_str("the replicas are what the work needs"),
            Self::HeldStabilizing { enough, largest, window_seconds } => {
                stabilizing(f, *enough, *largest, *window_seconds)
            }
            Self::HeldDraining { tasks, fits } => {
                write!(f, "the {tasks:.0} tasks that are left fit no fewer than {fits} replicas")
            }
            Self::HeldAboveZero { because } => write!(f, "one replica stays: {because}"),
            Self::HeldUnreadable { read, asked, wanted } => {
                write!(f, "{read} of {asked} reports could be read, the work may ask for {wanted}")
            }
            Self::HeldFailing { wanted, share } => {
                let percent = share * 100.0;
                write!(
                    f,
                    "the work asks for {wanted}, and {percent:.0} % of the tasks that end are to be tried again"
                )
            }
            Self::HeldUnavailable { wanted, pods, of } => {
                write!(
                    f,
                    "the work asks for {wanted}, and {pods} of {of} pods find a queue, bucket or table unavailable"
                )
            }
            Self::HeldNoGain { wanted, seconds } => {
                write!(
                    f,
                    "the work asks for {wanted}, the last step brought nothing: one pod more in {seconds:.0} s"
                )
            }
            Self::WaitingForDrain { wanted, terminating } => {
                write!(f, "the work asks for {wanted}, {terminating} terminating pods take the room")
            }
            Self::AtMax { wanted, max } => write!(f, "the work asks for {wanted}, maxReplicas is {max}"),
            Self::AtMin { wanted, min } => write!(f, "the work asks for {wanted}, minReplicas is {min}"),
        }
    }
}

fn stabilizing(f: &mut Formatter<'_>, enough: Option<u32>, largest: Option<u32>, window: f64) -> fmt::Result {
    match (enough, largest) {
        (None, _) => f.write_str("fewer may do, the arrival rate is not known yet"),
        (Some(enough), None) => write!(f, "{enough} would do now, not yet for {window:.0} s"),
        (Some(enough), Some(largest)) => {
            write!(f, "{enough} would do now, {largest} were needed in the last {window:.0} s")
        }
    }
}

impl Display for ZeroBlock {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Visible { messages } => write!(f, "{messages} messages are visible"),
            Self::PodsAtWork { pods } => write!(f, "{pods} pods have work in hand"),
            Self::PodsUnread { pods } => write!(f, "{pods} pods could not be read"),
            Self::TooFewReads { reads, seconds } => {
                write!(f, "the queues were seen empty {reads} times over {seconds:.0} s")
            }
            Self::KeepAlive { seconds } => write!(f, "the last work was {seconds:.0} s ago"),
        }
    }
}
