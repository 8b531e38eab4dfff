//! A message's life as types: [`Received`] → [`Task`] → [`Claimed`](crate::ports::Claimed) → [`Stored`] → settled.
//! A task that is not stored cannot be recorded as done: it does not compile.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bytes::Bytes;
use exportpool_contract::{
    Destination, ExportApi, JobId, ObjectKey, TaskId, TaskMessage, TaskSpec, attribute,
};

/// The two queues a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QueueName {
    /// `export-jobs`: messages are jobs.
    ExportJobs,
    /// `download-tasks`: messages are single tasks.
    DownloadTasks,
}

impl QueueName {
    /// Both, in the order in which work flows.
    pub const ALL: [Self; 2] = [Self::ExportJobs, Self::DownloadTasks];

    /// The queue's name, as in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExportJobs => "export-jobs",
            Self::DownloadTasks => "download-tasks",
        }
    }
}

/// The longest trace context that is carried, in bytes. Today's have 55
/// (<https://www.w3.org/TR/trace-context/#traceparent-header>).
pub const MAX_TRACEPARENT_BYTES: usize = 256;

/// Names a message in hand, for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

/// Names a task in hand, for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskNo(pub u64);

/// What SQS wants back to extend or delete a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt(pub Arc<str>);

/// Message attributes by name: the map of those that are texts, which are what we read and write; and whatever else
/// came with a message, kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    texts: BTreeMap<String, String>,
    others: BTreeMap<String, Other>,
}

/// An attribute of another type than `String`: a number, a binary, or one with a label of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Such as `Number`, `Binary` or `Binary.gzip`.
    pub data_type: String,
    /// Of a binary its bytes, of any other its text's.
    pub value: Bytes,
}

impl Other {
    /// Its value goes as bytes, not as text.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.data_type.starts_with("Binary")
    }
}

impl Attributes {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that are no texts.
    #[must_use]
    pub const fn others(&self) -> &BTreeMap<String, Other> {
        &self.others
    }

    /// Keeps one that is no text.
    pub fn keep(&mut self, name: String, other: Other) {
        self.others.insert(name, other);
    }

    /// How many, of either kind.
    #[must_use]
    pub fn count(&self) -> usize {
        self.texts.len() + self.others.len()
    }
}

impl Deref for Attributes {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.texts
    }
}

impl DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.texts
    }
}

impl FromIterator<(String, String)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        Self { texts: texts.into_iter().collect(), others: BTreeMap::new() }
    }
}

impl<const N: usize> From<[(String, String); N]> for Attributes {
    fn from(texts: [(String, String); N]) -> Self {
        texts.into_iter().collect()
    }
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Handle for this delivery.
    pub receipt: Receipt,
    /// The body's bytes, untouched.
    pub body: String,
    /// How often the message was delivered, this time included.
    pub receive_count: u32,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub sent_at: Option<u64>,
    /// When it was received, in milliseconds since the Unix epoch.
    pub received_at: Option<u64>,
    /// `MessageGroupId`, for fair queues.
    pub group: Option<String>,
    /// Message attributes.
    pub attributes: Attributes,
}

impl Received {
    /// When the work was first put on a queue, in milliseconds since the Unix epoch: a hand-over says so in an
    /// attribute, otherwise it is when the message was sent.
    #[must_use]
    pub fn enqueued_at(&self) -> Option<u64> {
        self.attribute(attribute::ENQUEUED_AT).and_then(|text| text.parse().ok()).or(self.sent_at)
    }

    /// W3C trace context, when there is one of a length that can be carried along.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.attribute(attribute::TRACEPARENT).filter(|trace| trace.len() <= MAX_TRACEPARENT_BYTES)
    }

    /// A message attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Which message answers for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// The job's own message, together with other tasks. Retries leave it as a message of their own.
    Job,
    /// A message of its own. Retries are redeliveries of it.
    Message,
}

/// One file to export, admitted: it may wait for a slot.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name while in hand.
    pub no: TaskNo,
    /// The lease of the message that answers for it.
    pub lease: LeaseId,
    /// What kind of message that is.
    pub carrier: Carrier,
    /// The job.
    pub job: JobId,
    /// The file.
    pub spec: TaskSpec,
    /// Where the job's files go.
    pub destination: Option<Destination>,
    /// `MessageGroupId` for messages sent on its behalf: the inbound's, else the job's id.
    pub group: String,
    /// W3C trace context, when the message had one.
    pub traceparent: Option<String>,
    /// When the work was first put on a queue, in milliseconds since the Unix epoch.
    pub enqueued_at: Option<u64>,
    /// The epoch on a redriven dead letter: it reopens the task.
    pub reopens: Option<u64>,
    /// The page of an Export API that listed it.
    pub page: Option<ExportApi>,
    /// Its job has no other.
    pub only: bool,
}

impl Task {
    /// The message that carries this task alone.
    #[must_use]
    pub fn to_message(&self, attempt: u32) -> TaskMessage {
        TaskMessage {
            job_id: self.job.clone(),
            task: self.spec.clone(),
            destination: self.destination.clone(),
            attempt,
            enqueued_at: self.enqueued_at,
            page: self.page.clone(),
        }
    }

    /// Names this start of the task among all starts of all consumers: a claim that carries it is ours, whatever
    /// became of its answer.
    #[must_use]
    pub fn claim_token(&self, instance: &str) -> String {
        format!("{instance}-{}", self.no.0)
    }

    /// The task's name.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.spec.task_id
    }
}

/// An object that stands in the bucket, whole: what the ledger may call done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Where.
    pub key: ObjectKey,
    /// Its size.
    pub bytes: u64,
    /// Its CRC64NVME; `None` for an adopted object of a store that does not answer it.
    pub crc64nvme: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// It stood there already, from an earlier attempt.
    pub adopted: bool,
}
