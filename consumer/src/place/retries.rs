//! How many attempts are put off: counted by the second in which they are due, in a ring that is as long as SQS
//! delays a message. However many there are, it is read at once.

use std::time::{Duration, Instant};

/// The longest delay, in seconds
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html>).
const SECONDS: usize = 900;

/// Attempts that wait on a queue, to a second.
#[derive(Debug, Clone)]
pub(super) struct Retries {
    /// The first was put off then: seconds count from it.
    start: Option<Instant>,
    /// All that was due by then is taken out of the ring.
    second: usize,
    /// By the second in which they are due: those of the next 900 s.
    due: [u32; SECONDS],
}

impl Default for Retries {
    fn default() -> Self {
        Self { start: None, second: 0, due: [0; SECONDS] }
    }
}

impl Retries {
    /// An attempt is due after `delay`, counted in whole seconds from 1 to 900.
    pub(super) fn put_off(&mut self, delay: Duration, now: Instant) {
        let start = *self.start.get_or_insert(now);
        self.pass(second(start, now));
        let ahead = delay.as_millis().div_ceil(1_000).clamp(1, SECONDS as u128);
        let due = &mut self.due[(self.second + usize::try_from(ahead).unwrap_or(SECONDS)) % SECONDS];
        *due = due.saturating_add(1);
    }

    /// Attempts that are not due yet.
    pub(super) fn waiting(&self, now: Instant) -> usize {
        let passed = self.start.map_or(0, |start| second(start, now)).saturating_sub(self.second);
        let ahead = (passed + 1)..=SECONDS;
        ahead.map(|ahead| self.due[(self.second + ahead) % SECONDS] as usize).sum()
    }

    fn pass(&mut self, now: usize) {
        let passed = (self.second + 1)..=now.min(self.second + SECONDS);
        passed.for_each(|second| self.due[second % SECONDS] = 0);
        self.second = self.second.max(now);
    }
}

fn second(start: Instant, now: Instant) -> usize {
    usize::try_from(now.saturating_duration_since(start).as_secs()).unwrap_or(usize::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts off attempts at random, and keeps a list beside the ring.
    #[test]
    fn the_ring_counts_as_a_list_would() {
        let (mut rng, start) = (fastrand::Rng::with_seed(7), Instant::now());
        let (mut retries, mut list) = (Retries::default(), Vec::new());
        let mut now = 0;
        for _ in 0..5_000 {
            now += [0, 0, 0, 1, 7, 1_000][rng.usize(..6)] * u64::from(rng.bool());
            let delay = rng.u64(1..=900);
            let at = start + Duration::from_secs(now);
            retries.put_off(Duration::from_secs(delay), at);
            list.push(now + delay);
            for later in [0, 1, 450, 899, 900, 5_000] {
                let waiting = list.iter().filter(|due| **due > now + later).count();
                assert_eq!(retries.waiting(at + Duration::from_secs(later)), waiting, "at {now} + {later}");
            }
        }
    }

    #[test]
    fn half_a_million_retries_take_no_more_room_than_one() {
        let (mut retries, start) = (Retries::default(), Instant::now());
        (0..500_000).for_each(|_| retries.put_off(Duration::from_secs(10_000), start));
        assert_eq!(retries.waiting(start + Duration::from_secs(899)), 500_000);
        assert_eq!(retries.waiting(start + Duration::from_secs(900)), 0, "SQS delays no longer");
        assert_eq!(Retries::default().waiting(start), 0);
    }
}
