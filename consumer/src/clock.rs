//! The wall clock. Deciding knows none: it is read where something is written down or shown.

use std::time::SystemTime;

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
