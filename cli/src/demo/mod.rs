//! `exportctl demo`: the main job, end to end, on this machine.
//!
//! On its stage are AWS and a file server, `fleet` runs consumers as processes of their own, `steer` scales them by
//! what the queues and the consumers say, `show` tells how it goes, and `summary` says in numbers what comparing bucket
//! and table with what was sent has found.

mod args;
mod chaos;
mod fleet;
mod run;
mod show;
mod steer;
mod summary;

pub(crate) use args::Args;
pub(crate) use run::run;
