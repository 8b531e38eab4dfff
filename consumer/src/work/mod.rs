//! The worker threads: a task becomes an object.

pub mod budget;
pub(crate) mod clock;
pub mod fetch;
#[cfg(all(test, feature = "shuttle"))]
mod interleavings;
pub(crate) mod loans;
pub mod pool;
pub mod store;
pub mod task;
pub(crate) mod watchdog;
pub mod worker;
