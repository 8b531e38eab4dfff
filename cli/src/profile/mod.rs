//! `exportctl profile`: what ails a consumer.
//!
//! Read in order: [`args`] what was asked, [`own`] a consumer that is started for it, [`connect`] the way to one, [`record`]
//! what it tells until it is over, [`progress`] how far that is, [`folder`] where that is kept, [`report`] what it means,
//! [`baselines`] what it was before, [`tell`] the verdict, [`telling`] to whom.

mod args;
pub(crate) mod baselines;
mod connect;
mod folder;
mod nothing;
mod own;
mod progress;
mod record;
mod report;
mod run;
mod tell;
mod telling;

pub(crate) use args::Args;
pub(crate) use folder::Folder;
pub(crate) use own::{Own, Setup, Waves};
pub(crate) use report::{make_page as make_report, recorded};
pub(crate) use run::run;
pub(crate) use telling::{EXIT_INTERRUPTED, Telling};
