//! Calls of the ledger as values, so that they can be drawn, made, made again, and put in any order.

use exportpool_consumer::{
    fail::AwsFault,
    ports::{Claim, ClaimAsk, Cursor, JobClaim, JobOpening, Ledger, Recorded, Settling},
};
use exportpool_contract::{JobId, TaskId};

/// A call.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Open(JobOpening),
    Advance {
        job: JobId,
        epoch: u64,
        cursor: Cursor,
        end: bool,
    },
    ListingFailed(JobId),
    Settled {
        job: JobId,
        tasks: Vec<TaskId>,
    },
    Claim {
        job: JobId,
        task: TaskId,
        token: String,
        digest: String,
        reopens: Option<u64>,
    },
    NoteUpload {
        job: JobId,
        task: TaskId,
        epoch: u64,
        upload: String,
    },
    GiveBack {
        job: JobId,
        task: TaskId,
        token: String,
    },
    /// Of tasks of one shard.
    Commit {
        job: JobId,
        batch: Vec<Settling>,
    },
    Close(JobId),
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened(Option<JobClaim>),
    Held(bool),
    Count(u32),
    Settled(Vec<bool>),
    Claimed(Claim),
    Recorded(Vec<Recorded>),
    Nothing,
}

impl Call {
    /// Makes the call.
    pub(crate) async fn make(&self, ledger: &impl Ledger) -> Result<Answer, AwsFault> {
        Ok(match self {
            Self::Open(opening) => Answer::Opened(ledger.open_job(opening).await?),
            Self::Advance { job, epoch, cursor, end } => {
                Answer::Held(ledger.advance(job, *epoch, *cursor, *end).await?)
            }
            Self::ListingFailed(job) => Answer::Count(ledger.listing_failed(job).await?),
            Self::Settled { job, tasks } => Answer::Settled(ledger.settled(job, tasks).await?),
            Self::Claim { job, task, token, digest, reopens } => {
                let url = "http://files.test/f";
                let ask = ClaimAsk { job, task, token, digest, url, enqueued_at: None, reopens: *reopens };
                Answer::Claimed(ledger.claim(&ask).await?)
            }
            Self::NoteUpload { job, task, epoch, upload } => {
                Answer::Held(ledger.note_upload(job, task, *epoch, upload).await?)
            }
            Self::GiveBack { job, task, token } => {
                ledger.give_back(job, task, token).await?;
                Answer::Nothing
            }
            Self::Commit { job, batch } => {
                let shard = ledger.shard(job, &batch[0].task).await?;
                Answer::Recorded(ledger.commit(job, shard, batch).await?)
            }
            Self::Close(job) => {
                ledger.close(job).await?;
                Answer::Nothing
            }
        })
    }
}
