//! Waiting for something to become so, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until there is an answer.
///
/// # Panics
/// When there is none in time; `told` says what was seen instead.
#[track_caller]
pub(crate) fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Option<T>,
    told: impl Fn() -> String,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        if begun.elapsed() > within {
            panic!("{what}: not within {} s\n{}", within.as_secs(), told());
        }
        thread::sleep(LOOK_EVERY);
    }
}
