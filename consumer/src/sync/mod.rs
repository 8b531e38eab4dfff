//! Threads, and what they meet in: std's and tokio's. With the feature `shuttle`, of which a release has nothing, the
//! same names are those of [`scheduled`]: a scheduler draws whose turn it is.

#[cfg(not(feature = "shuttle"))]
mod real;
#[cfg(feature = "shuttle")]
mod scheduled;

#[cfg(not(feature = "shuttle"))]
pub(crate) use real::*;
#[cfg(feature = "shuttle")]
pub(crate) use scheduled::*;
