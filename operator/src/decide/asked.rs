//! What people asked for beside the scaling, as long as it holds.

use jiff::Timestamp;

use crate::api::{ExportPoolSpec, Mode, Override, Paused};

/// A number of pods for a while, whatever the queues say.
pub(super) fn overridden(spec: &ExportPoolSpec, now: Timestamp) -> Option<&Override> {
    let by = spec.scaling.as_ref()?.r#override.as_ref();
    by.filter(|by| by.until.0 > now)
}

/// The pods stay as many as they are.
pub(super) fn paused(spec: &ExportPoolSpec, now: Timestamp) -> Option<&Paused> {
    let paused = spec.scaling.as_ref()?.paused.as_ref();
    paused.filter(|paused| paused.until.as_ref().is_none_or(|until| until.0 > now))
}

/// What would be is told, and nothing is changed.
pub(super) fn only_observes(spec: &ExportPoolSpec) -> bool {
    spec.scaling.as_ref().is_some_and(|scaling| scaling.mode == Mode::Observe)
}
