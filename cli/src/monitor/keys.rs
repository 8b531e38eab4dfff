//! What a key does. Pure.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

/// The intervals that `+` and `-` step through.
const STEPS: [Duration; 8] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// What a reader asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Leave.
    Quit,
    /// Stop asking, or go on.
    Pause,
    /// The next shorter interval.
    Faster,
    /// The next longer interval.
    Slower,
    /// Show or hide the help.
    Help,
    /// The screen has another size.
    Redraw,
}

/// The wish of an event, when it has one.
pub(crate) fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(key) = event else {
        return matches!(event, Event::Resize(..)).then_some(Wish::Redraw);
    };
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        // In raw mode Ctrl-C is a key, no signal.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Quit),
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Wish::Quit),
        KeyCode::Char('p' | 'P' | ' ') => Some(Wish::Pause),
        KeyCode::Char('+' | '=') => Some(Wish::Faster),
        KeyCode::Char('-' | '_') => Some(Wish::Slower),
        KeyCode::Char('?' | 'h') => Some(Wish::Help),
        _ => None,
    }
}

/// The next shorter interval, or the same at the end.
pub(crate) fn faster(interval: Duration) -> Duration {
    STEPS.into_iter().rev().find(|step| *step < interval).unwrap_or(interval)
}

/// The next longer interval, or the same at the end.
pub(crate) fn slower(interval: Duration) -> Duration {
    STEPS.into_iter().find(|step| *step > interval).unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Wish> {
        wish(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn q_escape_and_control_c_quit() {
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::NONE), Some(Wish::Quit));
        assert_eq!(key(KeyCode::Esc, KeyModifiers::NONE), Some(Wish::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Wish::Quit));
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::NONE), None);
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing_again() {
        let mut up = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE);
        assert_eq!(wish(&Event::Key(up)), Some(Wish::Pause));
        up.kind = KeyEventKind::Release;
        assert_eq!(wish(&Event::Key(up)), None);
    }

    #[test]
    fn intervals_step_and_stop_at_both_ends() {
        let seconds = Duration::from_secs;
        assert_eq!((faster(seconds(1)), slower(seconds(1))), (Duration::from_millis(500), seconds(2)));
        assert_eq!((faster(seconds(3)), slower(seconds(3))), (seconds(2), seconds(5)));
        assert_eq!(faster(Duration::from_millis(200)), Duration::from_millis(200));
        assert_eq!((faster(seconds(600)), slower(seconds(600))), (seconds(60), seconds(600)));
    }
}
