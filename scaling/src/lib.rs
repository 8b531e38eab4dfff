//! The decision to scale: how many replicas a pool needs, from what was measured and what was learned.
//!
//! Pure: no clock, no I/O, no async, no Kubernetes types. The same arguments give the same [`Decision`], in the
//! operator, in the local demo and in `exportctl simulate`.
//!
//! Once a poll, in this order:
//!
//! 1. the caller measures: an [`Observation`], with its time in it,
//! 2. [`History::observe`] takes it in: rates, costs, windows,
//! 3. [`decide`] answers, from the same observation; it changes nothing.
//!
//! Reading order follows the data: `policy` and `observation` come in; `census` adds up the pods, `follow` their
//! counters; `learn`, `arrivals`, `window` and `brake` keep what is needed later in `history`; `demand` turns it into slots;
//! `limits` and `decide` into a `decision`.
//!
//! ```
//! use exportpool_contract::report::ByQueue;
//! use exportpool_scaling::{Depth, History, Millis, Observation, Policy, Settings, decide};
//!
//! let policy = Policy::new(Settings { slots_per_pod: 4, max_replicas: 20, ..Settings::default() })?;
//! let mut history = History::default();
//! let seen = Observation {
//!     now: Millis(1_000),
//!     queues: ByQueue { export_jobs: Depth::visible(40), download_tasks: Depth::visible(0) },
//!     pods: vec![],
//!     replicas: 0,
//! };
//! history.observe(&policy, &seen);
//! let decision = decide(&policy, &history, &seen);
//! assert_eq!(decision.desired, 10); // nothing learned yet: one task a slot
//! assert_eq!(decision.reason.word(), "ScaledOut");
//! # Ok::<(), exportpool_scaling::InvalidPolicy>(())
//! ```

mod arrivals;
mod brake;
mod census;
mod decide;
mod decision;
mod demand;
mod follow;
mod history;
mod learn;
mod limits;
mod observation;
mod policy;
mod time;
mod window;

pub use decide::decide;
pub use decision::{Decision, Inputs, Reason, ZeroBlock};
pub use history::History;
pub use learn::Learned;
pub use observation::{
    Depth, Observation, PodNumbers, PodPhase, PodSeen, Queue, Reading, UnknownDepth, UnreadReport,
};
pub use policy::{InvalidPolicy, Policy, Settings};
pub use time::Millis;
