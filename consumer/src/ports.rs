//! What the consumer needs of the world, in its own words. Adapters are in `aws/` and `work/fetch/`; tests put
//! fakes with injected failures in their place.
//!
//! Every port is used on a single-threaded runtime that made it, so its futures need no `Send`.

use std::time::Duration;

use bytes::Bytes;
use exportpool_contract::{JobId, ObjectKey, TaskId};
use http::HeaderMap;
use url::Url;

use crate::{
    fail::{AwsFault, Reason, TaskFault},
    message::{Attributes, QueueName, Receipt, Received, Stored},
};

/// How one entry of a batch fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Done.
    Accepted,
    /// The message is no longer ours to change.
    Gone,
    /// Refused for good: the fault is in what was sent.
    Refused(String),
    /// Not now.
    Failed(String),
}

/// Where a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outbox {
    /// `export-jobs`, for a listing that another delivery goes on with.
    ExportJobs,
    /// `download-tasks`.
    DownloadTasks,
    /// The dead-letter queue of a queue.
    DeadLetters(QueueName),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// Message attributes.
    pub attributes: Attributes,
    /// `MessageGroupId`, for fair queues.
    pub group: Option<String>,
    /// `DelaySeconds`, at most 900.
    pub delay: Duration,
}

impl Outgoing {
    /// What SQS counts against its limit of a request: the body, and the names, types and values of attributes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const TYPE: usize = "String".len();
        let texts = self.attributes.iter().map(|(name, value)| name.len() + TYPE + value.len());
        let others = self.attributes.others().iter();
        let others = others.map(|(name, other)| name.len() + other.data_type.len() + other.value.len());
        self.body.len() + texts.chain(others).sum::<usize>()
    }
}

/// What a look at the queues found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// The redrive policy's `maxReceiveCount`, when there is one.
    pub max_receive_count: Option<u32>,
}

/// SQS, standard queues.
pub trait Queue {
    /// Checks that a queue is one we can work with, and that its dead-letter queue is there.
    async fn look(&self, queue: QueueName) -> Result<QueueFacts, AwsFault>;

    /// Takes up to `max` (1 to 10) messages, waiting up to `wait` for the first.
    async fn receive(&self, queue: QueueName, max: u32, wait: Duration) -> Result<Vec<Received>, AwsFault>;

    /// Sets how long from now messages (at most 10) stay invisible; answers one entry a receipt, in order.
    async fn change_visibility(
        &self,
        queue: QueueName,
        changes: &[(Receipt, Duration)],
    ) -> Result<Vec<Entry>, AwsFault>;

    /// Deletes messages (at most 10); answers one entry a receipt, in order.
    async fn delete(&self, queue: QueueName, receipts: &[Receipt]) -> Result<Vec<Entry>, AwsFault>;

    /// Sends messages (at most 10, together at most 1 MiB); answers one entry a message, in order.
    async fn send(&self, to: Outbox, messages: &[Outgoing]) -> Result<Vec<Entry>, AwsFault>;
}

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which attempt wrote it.
    pub attempt: u32,
}

/// An object that stands in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size.
    pub bytes: u64,
    /// Its full-object CRC64NVME, when the store answers it.
    pub crc64nvme: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// The job and task in its metadata, when they are there.
    pub owner: Option<(String, String)>,
}

/// Why the store did not take an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The condition failed: another object stands there than the one to replace, or there is none to replace.
    #[error("another object stands under the key than was said")]
    Exists,
    /// A concurrent write won, or the upload is gone: start again (409, `NoSuchUpload`).
    #[error("a concurrent write ended the upload")]
    Conflict,
    /// Anything else.
    #[error(transparent)]
    Aws(#[from] AwsFault),
}

/// A part of a multipart upload that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: i32,
    /// Its entity tag.
    pub etag: String,
    /// Its CRC64NVME.
    pub crc64nvme: String,
}

/// Where an object is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key.
    pub key: ObjectKey,
    /// Written into the metadata.
    pub owner: Owner,
    /// `Content-Type` of the source.
    pub content_type: Option<String>,
    /// The entity tag of the one object that may be replaced (`If-Match`). `None`: an object that stands there is left
    /// alone (`If-None-Match: *`).
    pub replaces: Option<String>,
}

/// S3. Checksums are full-object CRC64NVME, base64 of eight bytes big-endian
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).
pub trait ObjectStore {
    /// Checks that the bucket can be reached.
    async fn look(&self) -> Result<(), AwsFault>;
    /// What stands under a key.
    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, AwsFault>;
    /// Writes an object in one request; answers its entity tag.
    async fn put(&self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault>;
    /// Starts a multipart upload; answers its id.
    async fn create_upload(&self, place: &Place) -> Result<String, StoreFault>;
    /// Writes one part.
    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: &str,
    ) -> Result<Part, StoreFault>;
    /// Makes the object of its parts; answers its entity tag.
    async fn complete_upload(
        &self,
        place: &Place,
        upload: &str,
        parts: &[Part],
        crc64nvme: &str,
    ) -> Result<Option<String>, StoreFault>;
    /// Drops an upload and its parts. One that is gone is dropped already.
    async fn abort_upload(&self, key: &ObjectKey, upload: &str) -> Result<(), AwsFault>;
}

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

/// A file to download.
#[derive(Debug, Clone)]
pub struct Request {
    /// Checked: http or https.
    pub url: Url,
    /// Checked: on the allow-list.
    pub headers: HeaderMap,
}

/// The head of a source's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceHead {
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Content-Type`.
    pub content_type: Option<String>,
}

/// The body of a source's answer, chunk by chunk.
pub trait Body {
    /// The next chunk; `None` at the end of a body that came whole.
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault>;
}

/// Where files come from.
pub trait Source {
    /// The body.
    type Body: Body;
    /// Asks for a file; answers when the head is here.
    async fn fetch(&self, request: &Request) -> Result<(SourceHead, Self::Body), TaskFault>;
}

/// Makes ports for the thread that asks: each runtime builds its own clients, and they die with it.
pub trait Ports: Clone + Send + Sync + 'static {
    /// SQS.
    type Queue: Queue + 'static;
    /// S3.
    type Store: ObjectStore + 'static;
    /// DynamoDB.
    type Ledger: Ledger + 'static;
    /// Where files come from.
    type Source: Source + 'static;
    /// For the link thread.
    fn queue(&self) -> Self::Queue;
    /// For a worker, and for the record thread to look at.
    fn store(&self) -> Self::Store;
    /// For any thread but main and link.
    fn ledger(&self) -> Self::Ledger;
    /// For a worker.
    ///
    /// # Errors
    /// When it cannot be made.
    fn source(&self) -> anyhow::Result<Self::Source>;
    /// For the admit thread: pages of Export APIs, which the limits of downloads do not hold up.
    ///
    /// # Errors
    /// When it cannot be made.
    fn pages(&self) -> anyhow::Result<Self::Source>;
}
