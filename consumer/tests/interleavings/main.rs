//! The whole consumer with its threads, over fake ports, as a scheduler draws whose turn it is: main, link, admit,
//! record, workers, and the time. Needs the feature `shuttle`.
//!
//! A failure prints its schedule. What is drawn is only partly what the scheduler draws (maps, `select!` and jitter
//! draw by themselves), so that a schedule may not fail again; the journal of the world is shown with it.
#![allow(unreachable_pub, dead_code, reason = "modules of another test binary")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../rooms/fakes/mod.rs"]
mod fakes;
#[path = "../rooms/letters.rs"]
mod letters;
#[path = "../rooms/pod.rs"]
mod pod;

mod ends;
mod schedule;
