//! The largest of the newest values, over a window.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Values kept apart in a window.
const BUCKETS: u32 = 60;
/// A gap up to this does not interrupt a window, however short the window is.
const LEAST_GAP: Duration = Duration::from_secs(30);

/// The largest values of a window, in buckets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    buckets: Vec<Bucket>,
    since: Option<Millis>,
    latest: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Bucket {
    at: Millis,
    largest: u32,
}

impl Window {
    /// Takes in a value. After a gap that is longer than the window, the window starts again.
    pub(crate) fn note(&mut self, now: Millis, value: u32, span: Duration) {
        if self.latest.is_some_and(|latest| now.since(latest) > span.max(LEAST_GAP)) {
            *self = Self::default();
        }
        self.since = self.since.or(Some(now));
        self.latest = Some(now);
        self.buckets.retain(|bucket| now.since(bucket.at) <= span + span / BUCKETS);
        match self.buckets.last_mut() {
            Some(last) if now.since(last.at) < span / BUCKETS => last.largest = last.largest.max(value),
            _ => self.buckets.push(Bucket { at: now, largest: value }),
        }
    }

    /// The largest value, if the whole window was seen.
    pub(crate) fn largest(&self, now: Millis, span: Duration) -> Option<u32> {
        let seen = self.since.is_some_and(|since| now.since(since) >= span);
        if !seen || self.latest != Some(now) {
            return None;
        }
        self.buckets.iter().map(|bucket| bucket.largest).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    #[test]
    fn a_window_that_was_not_seen_whole_says_nothing() {
        let mut window = Window::default();
        window.note(Millis(0), 3, SPAN);
        window.note(Millis(59_999), 3, SPAN);
        assert_eq!(window.largest(Millis(59_999), SPAN), None);
        window.note(Millis(60_000), 3, SPAN);
        assert_eq!(window.largest(Millis(60_000), SPAN), Some(3));
    }

    #[test]
    fn the_largest_value_stays_for_the_window_and_no_longer() {
        let mut window = Window::default();
        let mut largest = vec![];
        for second in 0..=180 {
            window.note(Millis(second * 1_000), if second == 60 { 9 } else { 1 }, SPAN);
            largest.push(window.largest(Millis(second * 1_000), SPAN));
        }
        assert_eq!((largest[59], largest[60]), (None, Some(9)));
        assert_eq!((largest[119], largest[122]), (Some(9), Some(1)));
    }

    #[test]
    fn a_long_gap_starts_the_window_again() {
        let mut window = Window::default();
        window.note(Millis(0), 3, SPAN);
        window.note(Millis(61_000), 3, SPAN);
        assert_eq!(window.largest(Millis(61_000), SPAN), None);
    }

    #[test]
    fn buckets_are_bounded_however_often_it_is_called() {
        let mut window = Window::default();
        (0..20_000).for_each(|tick| window.note(Millis(tick * 20), 1, SPAN));
        assert!(window.buckets.len() <= 62, "{}", window.buckets.len());
    }
}
