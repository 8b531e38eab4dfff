//! A job under the message that is being admitted.

use exportpool_contract::{Continuation, ExportApi, JobMessage};
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

    const fn api(&self) -> Option<&ExportApi> {
        match &self.job.files {
            Files::Inline(_) => None,
            Files::Pages { api, .. } => Some(api),
        }
    }

    /// The job's message, to go on at a page.
    pub(super) fn continuing(&self, at: &Continuation) -> JobMessage {
        JobMessage {
            job_id: self.job.id.clone(),
            tasks: None,
            export_api: self.api().cloned(),
            destination: self.job.destination.clone(),
            continues: Some(at.clone()),
        }
    }
}
