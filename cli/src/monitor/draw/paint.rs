//! Colours, and none when the reader wants none.

use ratatui::style::{Color, Modifier, Style};

use crate::monitor::view::{Level, Trend};

/// Chooses styles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    /// Whether colours are used.
    pub(crate) colour: bool,
}

impl Paint {
    /// Of a level.
    pub(crate) fn level(self, level: Level) -> Style {
        self.of(match level {
            Level::Ok => Color::Green,
            Level::Warn => Color::Yellow,
            Level::Critical => Color::Red,
            Level::Unknown => Color::Magenta,
        })
    }

    /// Of a trend.
    pub(crate) fn trend(self, trend: Trend) -> Style {
        match trend {
            Trend::Draining => self.of(Color::Green),
            Trend::Filling => self.of(Color::Yellow),
            Trend::Steady | Trend::Unknown => Style::new(),
        }
    }

    /// Of what is beside the point: dimmed, as a grey is unreadable on some grounds.
    pub(crate) fn aside(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Of headings. Bold is no colour.
    pub(crate) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
