//! What the consumer needs of SQS.

use std::time::Duration;

use crate::{
    fail::AwsFault,
    message::{Attributes, QueueName, Receipt, Received},
};

/// The most bytes SQS takes in one message, and in one request: bodies and attributes together
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// Whether SQS takes a character in a body or an attribute
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>).
#[must_use]
pub const fn is_carried(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

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
