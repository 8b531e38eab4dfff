//! `exportctl scenario`: a consumer in stated situations, and what must hold in each.
//!
//! Read in order: [`catalog`] the situations, [`play`] one of them played, [`health`] requests beside it, [`check`] what
//! holds, [`run`] one or all of them, [`page`] the page that shows all.

mod args;
mod catalog;
mod check;
mod health;
mod page;
mod play;
mod run;

pub(crate) use args::Args;
pub(crate) use run::run;
