//! The controller of `ExportPool`: watch -> observe -> decide -> apply -> report.
//!
//! A round of a pool is `reconcile`. What it decides is pure (`decide`, `apply::render`, `apply::victims`, `report`);
//! what it reads and writes is apart (`watch`, `observe`, `apply`). One operator of several leads (`lead`).

pub mod api;
pub mod apply;
pub mod arguments;
pub mod client;
pub mod crd;
pub mod decide;
mod http;
mod lead;
pub mod names;
pub mod observe;
pub mod reconcile;
pub mod report;
pub mod run;
#[cfg(test)]
mod scenarios;
pub mod watch;
