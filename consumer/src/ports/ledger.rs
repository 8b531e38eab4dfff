//! What the consumer needs of DynamoDB.

use std::time::Duration;

use exportpool_contract::{JobId, TaskId};

use crate::{
    fail::{AwsFault, Reason},
    message::Stored,
};

/// How far the listing of a job came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The page, from 0. A job that lists its files itself is one page.
    pub page: u64,
    /// The first task of that page that is not yet handed over.
    pub index: usize,
    /// Tasks listed before it, each counted once.
    pub tasks: usize,
}

/// What a job's item says after it was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobClaim {
    /// This claim's.
    pub epoch: u64,
    /// How many of the job's first tasks stay under its message.
    pub local: usize,
    /// Where to go on.
    pub cursor: Cursor,
    /// All tasks are known.
    pub listed: bool,
}

/// What is known of a job when its message is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOpening {
    /// The job.
    pub job: JobId,
    /// Digest of its definition.
    pub digest: String,
    /// How many tasks are known.
    pub tasks: usize,
    /// More may be listed later: the total is not known yet.
    pub more: bool,
    /// How many of its first tasks shall stay under its message, if nobody decided that before.
    pub local: usize,
}

/// What a task's item says after it was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// This claim's: only the newest may write progress or `failed`.
    pub epoch: u64,
    /// Starts of the task, this one included.
    pub attempts: u32,
    /// It had failed before.
    pub was_failed: bool,
    /// An upload that an earlier claim left open.
    pub open_upload: Option<String>,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Ours to work on.
    Granted(Claimed),
    /// Stored and recorded before.
    AlreadyDone,
    /// The task stands there with another URL or key.
    IdReused,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Stored.
    Done {
        /// The object.
        object: Stored,
        /// Time from claim to stored.
        service: Duration,
    },
    /// Given up; its dead letter is sent.
    Failed {
        /// Why.
        reason: Reason,
    },
}

/// A task to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settling {
    /// The task.
    pub task: TaskId,
    /// The claim it was worked on under.
    pub claimed: Claimed,
    /// How it ended.
    pub ending: Ending,
    /// Its job lists no other: nobody else is waited for, and when it is done, so is the job.
    pub only: bool,
}

/// What the ledger made of a settled task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// As said.
    Accepted,
    /// It was done before, by another delivery: nothing was changed.
    DoneBefore,
    /// Another delivery has the task now: this one may not end it.
    Fenced,
}

/// DynamoDB. A task moves to `done` once, and its shard's counter with it in one transaction.
pub trait Ledger {
    /// Checks that the table can be reached.
    async fn look(&self) -> Result<(), AwsFault>;
    /// Claims a job: a new epoch. `None`: the job stands there with another definition.
    async fn open_job(&self, opening: &JobOpening) -> Result<Option<JobClaim>, AwsFault>;
    /// Moves a job's cursor. At the `end` of a listing the tasks before it are the job's total. `false`: another
    /// delivery has the job.
    async fn advance(&self, job: &JobId, epoch: u64, cursor: Cursor, end: bool) -> Result<bool, AwsFault>;
    /// Counts a failure of the listing; answers how many there were in a row. A moved cursor starts anew.
    async fn listing_failed(&self, job: &JobId) -> Result<u32, AwsFault>;
    /// Which of a job's tasks are settled.
    async fn settled(&self, job: &JobId, tasks: &[TaskId]) -> Result<Vec<bool>, AwsFault>;
    /// Claims a task: a new epoch, one more attempt. Never blocks, never expires. The same claim again, by its token,
    /// changes nothing and answers as before while it is the newest.
    async fn claim(&self, ask: &ClaimAsk<'_>) -> Result<Claim, AwsFault>;
    /// Remembers an open upload, for the next claimant to abort. `false`: fenced.
    async fn note_upload(
        &self,
        job: &JobId,
        task: &TaskId,
        epoch: u64,
        upload: &str,
    ) -> Result<bool, AwsFault>;
    /// Takes back the attempt of a claim that was not the task's fault, if the claim was made and is the newest; once.
    async fn give_back(&self, job: &JobId, task: &TaskId, token: &str) -> Result<(), AwsFault>;
    /// The shard of a task; tasks of one shard are committed together.
    async fn shard(&self, job: &JobId, task: &TaskId) -> Result<u16, AwsFault>;
    /// Settles up to 25 different tasks of one shard, with its counter, in one transaction.
    async fn commit(&self, job: &JobId, shard: u16, batch: &[Settling]) -> Result<Vec<Recorded>, AwsFault>;
    /// Closes a job if all its tasks are known and settled.
    async fn close(&self, job: &JobId) -> Result<(), AwsFault>;
    /// Closes a running job of one task, which is done, without reading the counters. `false`: it is no such job, or
    /// somebody closed it; [`Ledger::close`] tells.
    async fn close_of_one(&self, job: &JobId) -> Result<bool, AwsFault>;
}

/// A task to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimAsk<'a> {
    /// The job.
    pub job: &'a JobId,
    /// The task.
    pub task: &'a TaskId,
    /// Names this start of the task, and no other: see [`Task::claim_token`](crate::message::Task::claim_token).
    pub token: &'a str,
    /// Digest of its URL and key.
    pub digest: &'a str,
    /// The URL without query and user info.
    pub url: &'a str,
    /// When the work was first put on a queue, in milliseconds since the Unix epoch.
    pub enqueued_at: Option<u64>,
    /// The epoch on a redriven dead letter.
    pub reopens: Option<u64>,
}
