//! Who may start, who holds what, until when. Everything here is pure: events and the time come in, commands go
//! out; the main loop in [`crate::run`] carries them out.

mod admission;
pub mod desk;
mod drain;
pub mod fairness;
#[cfg(test)]
pub(crate) mod fixture;
mod hold;
pub mod intake;
pub mod leases;
#[cfg(test)]
mod model;
mod retries;
pub mod tally;
#[cfg(test)]
mod tests;
mod threads;
mod view;
pub mod workers;

pub use desk::Desk;
