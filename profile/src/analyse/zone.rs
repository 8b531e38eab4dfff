//! How late a loop may be.

use serde::{Deserialize, Serialize};

/// How well something is: the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Zone {
    /// Nobody notices.
    Green,
    /// Worth a look.
    Yellow,
    /// Something has to be done.
    Red,
}

/// A loop is green below this, in microseconds.
pub const YELLOW_FROM_MICROS: u64 = 10_000;
/// A loop is red above this, in microseconds.
pub const RED_ABOVE_MICROS: u64 = 100_000;

impl Zone {
    /// The zone of a loop that was so late, in microseconds.
    #[must_use]
    pub const fn of_delay(micros: u64) -> Self {
        match micros {
            0..YELLOW_FROM_MICROS => Self::Green,
            YELLOW_FROM_MICROS..=RED_ABOVE_MICROS => Self::Yellow,
            _ => Self::Red,
        }
    }

    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zones_are_below_ten_milliseconds_to_a_hundred_and_above() {
        let zones = [0, 9_999, 10_000, 100_000, 100_001].map(Zone::of_delay);
        assert_eq!(zones, [Zone::Green, Zone::Green, Zone::Yellow, Zone::Yellow, Zone::Red]);
        assert!(Zone::Green < Zone::Yellow && Zone::Yellow < Zone::Red);
    }
}
