//! Two operators that look after one pool, because neither has a class, or their namespaces overlap. One of them gives way:
//! otherwise each would write over what the other one scales.

use std::time::Duration;

use tokio::time::Instant;

/// Who gives way looks again after this: the other one may be gone.
const GIVES_WAY_FOR: Duration = Duration::from_secs(300);

/// Whether another operator writes a pool as well.
#[derive(Debug, Default)]
pub(super) struct Rivalry {
    /// The Deployment was seen as this operator writes it. Before, another name on it is that of one that was there earlier.
    is_ours: bool,
    other: Option<(String, Instant)>,
}

impl Rivalry {
    /// Notes who wrote the Deployment last, by the name that stands on it. Answers whether this operator gives way from now on.
    pub(super) fn note(&mut self, writer: Option<&str>, ours: &str, now: Instant) -> bool {
        let gave_way = self.gives_way(ours);
        // Who goes on hears of one that gives way no sooner than that one looks again.
        let lasts = if gave_way { GIVES_WAY_FOR } else { GIVES_WAY_FOR * 2 };
        if self.other.as_ref().is_some_and(|(_, at)| now.duration_since(*at) >= lasts) {
            *self = Self::default();
        }
        match writer {
            Some(writer) if writer == ours => self.is_ours = true,
            Some(writer) if self.is_ours && !self.gives_way(ours) => {
                self.other = Some((writer.to_owned(), now));
            }
            _ => {}
        }
        self.gives_way(ours) && !gave_way
    }

    /// Who writes the pool as well.
    pub(super) fn other(&self) -> Option<&str> {
        self.other.as_ref().map(|(other, _)| other.as_str())
    }

    /// Whether this operator is the one that gives way: both decide it alike, by their names.
    pub(super) fn gives_way(&self, ours: &str) -> bool {
        self.other().is_some_and(|other| other < ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "a/exportpool";
    const SECOND: &str = "b/exportpool";

    fn seen(ours: &str, writers: &[&str], now: Instant) -> Rivalry {
        let mut rivalry = Rivalry::default();
        for writer in writers {
            rivalry.note(Some(writer), ours, now);
        }
        rivalry
    }

    #[test]
    fn who_was_there_earlier_is_no_rival() {
        let now = Instant::now();
        assert_eq!(seen(SECOND, &[FIRST, FIRST, SECOND], now).other(), None);
    }

    #[test]
    fn of_two_that_write_in_turns_the_second_by_name_gives_way() {
        let now = Instant::now();
        let (first, second) = (seen(FIRST, &[FIRST, SECOND], now), seen(SECOND, &[SECOND, FIRST], now));
        assert_eq!((first.other(), first.gives_way(FIRST)), (Some(SECOND), false));
        assert_eq!((second.other(), second.gives_way(SECOND)), (Some(FIRST), true));
    }

    #[test]
    fn who_gives_way_looks_again_after_five_minutes_and_may_take_the_pool_of_one_that_is_gone() {
        let now = Instant::now();
        let mut second = seen(SECOND, &[SECOND, FIRST], now);
        let within = now + GIVES_WAY_FOR.saturating_sub(Duration::from_secs(1));
        assert!(!second.note(Some(FIRST), SECOND, within) && second.gives_way(SECOND));
        second.note(Some(FIRST), SECOND, now + GIVES_WAY_FOR);
        assert!(!second.gives_way(SECOND));
        second.note(Some(SECOND), SECOND, now + GIVES_WAY_FOR);
        assert_eq!(second.other(), None);
    }

    #[test]
    fn that_it_gives_way_is_news_once() {
        let now = Instant::now();
        let mut second = seen(SECOND, &[SECOND], now);
        assert!(second.note(Some(FIRST), SECOND, now));
        assert!(!second.note(Some(FIRST), SECOND, now));
    }

    #[test]
    fn who_goes_on_forgets_one_that_was_not_seen_for_ten_minutes() {
        let now = Instant::now();
        let mut first = seen(FIRST, &[FIRST, SECOND], now);
        first.note(Some(FIRST), FIRST, now + GIVES_WAY_FOR);
        assert_eq!(first.other(), Some(SECOND));
        first.note(Some(FIRST), FIRST, now + GIVES_WAY_FOR * 2);
        assert_eq!(first.other(), None);
    }
}
