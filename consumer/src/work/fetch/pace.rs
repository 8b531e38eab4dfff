//! How fast a body comes. Only time spent waiting for the source counts: while a part is on its way to the bucket,
//! nobody reads, and that is no fault of the source.

use std::time::Duration;

/// A body slower than this, over a whole window, holds a slot for nothing.
const MIN_BYTES_PER_SECOND: u64 = 1_024;

/// Bytes over windows of waiting time. A body that was fast for an hour and then trickles is noticed at the end of the
/// next whole window.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

/// A whole window had too few bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes in {} s, less than {MIN_BYTES_PER_SECOND} a second", waited.as_secs())]
pub(super) struct TooSlow {
    bytes: u64,
    waited: Duration,
}

impl Pace {
    pub(super) const fn new(window: Duration) -> Self {
        Self { window, waited: Duration::ZERO, bytes: 0 }
    }

    /// So many bytes came, after a wait of so long.
    pub(super) fn came(&mut self, bytes: u64, waited: Duration) -> Result<(), TooSlow> {
        self.bytes += bytes;
        self.waited += waited;
        if self.waited < self.window {
            return Ok(());
        }
        let window = TooSlow { bytes: self.bytes, waited: self.waited };
        *self = Self::new(self.window);
        // Of milliseconds: windows may be short.
        let wanted = window.waited.as_millis() * u128::from(MIN_BYTES_PER_SECOND) / 1_000;
        if u128::from(window.bytes) < wanted { Err(window) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Seconds until the pace is too slow, of chunks of so many bytes every so many seconds.
    fn noticed(pace: &mut Pace, bytes: u64, every: u64) -> Option<u64> {
        let mut seconds = (1..=1_000).map(|n| n * every);
        seconds.find(|_| pace.came(bytes, SECOND * u32::try_from(every).unwrap()).is_err())
    }

    #[test]
    fn a_trickle_is_noticed_at_the_end_of_a_window() {
        assert_eq!(noticed(&mut Pace::new(60 * SECOND), 1_023, 1), Some(60));
        assert_eq!(noticed(&mut Pace::new(60 * SECOND), 1_024, 1), None);
    }

    #[test]
    fn chunks_just_inside_the_longest_silence_are_a_trickle() {
        assert_eq!(noticed(&mut Pace::new(60 * SECOND), 1_000, 59), Some(118));
    }

    #[test]
    fn a_body_that_was_fast_for_long_and_then_trickles_is_noticed_within_two_windows() {
        let mut pace = Pace::new(60 * SECOND);
        for _ in 0..3_630 {
            pace.came(10_000_000, SECOND).unwrap();
        }
        assert_eq!(noticed(&mut pace, 10, 1), Some(90));
    }

    #[test]
    fn a_body_that_is_never_waited_for_is_not_slow() {
        let mut pace = Pace::new(60 * SECOND);
        assert!((0..1_000).all(|_| pace.came(1, Duration::ZERO).is_ok()));
    }
}
