//! Processes that end, stop or panic at a point that was chosen (`consumer/src/kill.rs`), and what the others make of
//! what they leave. The consumer is an optimised build as it is released, but for the points: `make kills`.

pub(crate) mod audit;
mod holds;
pub(crate) mod load;
mod matrix;
mod panics;
mod random;
mod released;
mod stuck;
mod table;
