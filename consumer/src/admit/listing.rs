//! A job under the message that is being admitted.

use tokio_util::sync::CancellationToken;

use super::parse::{Files, Job};
use crate::message::{LeaseId, Received};

/// A job under its message.
pub(super) struct Listing<'a> {
    pub(super) lease: LeaseId,
    pub(super) message: &'a Received,
    pub(super) job: &'a Job,
    /// How many of the first tasks may stay here.
    pub(super) local: usize,
    /// Told to leave off.
    pub(super) yielding: CancellationToken,
}

impl Listing<'_> {
    pub(super) const fn is_continued(&self) -> bool {
        matches!(&self.job.files, Files::Pages { continues: Some(_), .. })
    }
}
