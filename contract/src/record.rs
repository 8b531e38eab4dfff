//! The layout of the table `exports`: one table, partition key `pk`, sort key `sk`, both strings.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | a job | `job#<jobId>` | `job` |
//! | a task | `tasks#<jobId>#<shard>` | `task#<taskId>` |
//! | a shard's counter | `tasks#<jobId>#<shard>` | `counter` |
//!
//! A shard is the unit of one transaction: up to 25 tasks and their counter. A job of at most 100 tasks has one
//! shard, a larger one 16, so that no partition takes all the writes of a large job.

use serde::{Deserialize, Serialize};

use crate::{JobId, TaskId};

/// The partition key's attribute.
pub const PK: &str = "pk";
/// The sort key's attribute.
pub const SK: &str = "sk";
/// The sort key of a job's item.
pub const JOB: &str = "job";
/// The sort key of a shard's counter.
pub const COUNTER: &str = "counter";
/// What the sort keys of tasks start with.
pub const TASK_PREFIX: &str = "task#";

/// Names of attributes. Numbers are DynamoDB numbers; times are milliseconds since the Unix epoch, but for
/// [`EXPIRES_AT`](attribute::EXPIRES_AT).
pub mod attribute {
    /// [`TaskState`](super::TaskState) or [`JobState`](super::JobState).
    pub const STATE: &str = "state";
    /// Counts the claims of a task, or of a job: only the newest writes progress.
    pub const EPOCH: &str = "epoch";
    /// How often a task was started, less what was given back.
    pub const ATTEMPTS: &str = "attempts";
    /// Digest of the definition: the same id with another digest is `idReused`.
    pub const DIGEST: &str = "digest";
    /// Names the last claim of a task, until its attempt is given back.
    pub const CLAIM: &str = "claim";
    /// The instance that claimed last.
    pub const CLAIMED_BY: &str = "claimedBy";
    /// When it was last claimed.
    pub const CLAIMED_AT: &str = "claimedAt";
    /// When a task's work was first put on a queue.
    pub const ENQUEUED_AT: &str = "enqueuedAt";
    /// When a task was settled.
    pub const SETTLED_AT: &str = "settledAt";
    /// The source's URL without query and user info.
    pub const URL: &str = "url";
    /// The object's key.
    pub const KEY: &str = "key";
    /// The object's size in bytes.
    pub const BYTES: &str = "bytes";
    /// The object's CRC64NVME, as base64 of eight bytes, big-endian.
    pub const CRC64NVME: &str = "crc64nvme";
    /// The object's entity tag.
    pub const ETAG: &str = "etag";
    /// Milliseconds from claim to stored.
    pub const SERVICE_MILLIS: &str = "serviceMillis";
    /// Why a task failed: a stable word.
    pub const REASON: &str = "reason";
    /// An open multipart upload, recorded before its first part; the next claimant aborts it.
    pub const UPLOAD_ID: &str = "uploadId";
    /// Tasks of a job, set together with [`LISTED`].
    pub const TOTAL: &str = "total";
    /// Whether the job's tasks are all known.
    pub const LISTED: &str = "listed";
    /// How many shards the job's tasks are in.
    pub const SHARDS: &str = "shards";
    /// How many of the job's first tasks stay under the job's own message.
    pub const LOCAL: &str = "local";
    /// The first task not yet handed over to `download-tasks`: its place on the page [`CURSOR_PAGE`].
    pub const CURSOR: &str = "cursor";
    /// The page of the cursor, from 0; a job that lists its files is one page.
    pub const CURSOR_PAGE: &str = "cursorPage";
    /// Tasks listed before the cursor, each counted once.
    pub const CURSOR_TASKS: &str = "cursorTasks";
    /// Failures of the listing in a row at the cursor.
    pub const LISTING_FAILURES: &str = "listingFailures";
    /// When the job's item was made.
    pub const CREATED_AT: &str = "createdAt";
    /// When the job was closed.
    pub const CLOSED_AT: &str = "closedAt";
    /// A counter's tasks in state done.
    pub const DONE: &str = "done";
    /// A counter's tasks in state failed.
    pub const FAILED: &str = "failed";
    /// DynamoDB's time to live, in seconds since the Unix epoch.
    pub const EXPIRES_AT: &str = "expiresAt";
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskState {
    /// Claimed at least once, not settled.
    Running,
    /// Stored and recorded. Final.
    Done,
    /// Given up, and in the dead-letter queue. A later success replaces it.
    Failed,
}

impl TaskState {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Reads the table's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// Its tasks are not all known yet.
    Listing,
    /// All tasks are known, some are not settled.
    Running,
    /// All tasks are done.
    Done,
    /// All tasks are settled, some failed.
    DoneWithFailures,
}

impl JobState {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Running => "running",
            Self::Done => "done",
            Self::DoneWithFailures => "doneWithFailures",
        }
    }

    /// Reads the table's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Listing, Self::Running, Self::Done, Self::DoneWithFailures]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// The most tasks a job may have in one shard.
pub const ONE_SHARD_TASKS: usize = 100;
/// The shards of a job with more tasks than [`ONE_SHARD_TASKS`].
pub const MANY_SHARDS: u16 = 16;

/// How many shards a job gets when its item is made, by the tasks known then; `more` are to come. It never changes
/// afterwards.
#[must_use]
pub const fn shards_for(tasks: usize, more: bool) -> u16 {
    if more || tasks > ONE_SHARD_TASKS { MANY_SHARDS } else { 1 }
}

/// The shard of a task: FNV-1a (64 bit) of its id, modulo the job's shards.
#[must_use]
pub fn shard_of(task: &TaskId, shards: u16) -> u16 {
    let hash = task.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    u16::try_from(hash % u64::from(shards.max(1))).unwrap_or_default()
}

/// The partition key of a job's item.
#[must_use]
pub fn job_pk(job: &JobId) -> String {
    format!("job#{job}")
}

/// The partition key of a shard.
#[must_use]
pub fn shard_pk(job: &JobId, shard: u16) -> String {
    format!("tasks#{job}#{shard}")
}

/// The sort key of a task.
#[must_use]
pub fn task_sk(task: &TaskId) -> String {
    format!("{TASK_PREFIX}{task}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_job_spreads_over_its_shards() {
        let tasks: Vec<_> = (0..1_600).map(|n| TaskId::new(format!("task-{n}")).unwrap()).collect();
        let mut sizes = [0_usize; 16];
        for task in &tasks {
            sizes[usize::from(shard_of(task, shards_for(tasks.len(), false)))] += 1;
        }
        assert!(sizes.iter().all(|size| (50..=150).contains(size)), "{sizes:?}");
        assert!(tasks.iter().all(|task| shard_of(task, shards_for(100, false)) == 0));
    }

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in [TaskState::Running, TaskState::Done, TaskState::Failed] {
            assert_eq!(TaskState::parse(state.as_str()), Some(state));
        }
        for state in [JobState::Listing, JobState::Running, JobState::Done, JobState::DoneWithFailures] {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
        }
        assert_eq!(TaskState::parse("gone"), None);
    }
}
