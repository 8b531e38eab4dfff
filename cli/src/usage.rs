//! A call that the command line's grammar allows and that cannot be meant.

/// Exit code of a wrong call, as clap's own.
pub(crate) const EXIT_USAGE: u8 = 2;

/// An argument, or a variable in its place, that is missing, wrong, or does not go with another one. Nothing has been
/// done yet.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Usage(anyhow::Error);

/// Marks an error as the caller's.
pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Usage {
    Usage(error.into())
}
