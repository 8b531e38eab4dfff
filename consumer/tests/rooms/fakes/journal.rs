//! What happened, in order.

use std::time::Duration;

use exportpool_consumer::{
    message::{Attributes, QueueName},
    ports::{Cursor, Outbox},
};
use exportpool_contract::record::{JobState, TaskState};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Did {
    /// A message was given out.
    Received { queue: QueueName, message: u64, pod: u32 },
    /// A message stays invisible.
    Extended { queue: QueueName, message: u64 },
    /// A message was given back, to be visible after this.
    Returned { queue: QueueName, message: u64, delay: Duration },
    /// A message is gone.
    Deleted { queue: QueueName, message: u64 },
    /// A message was sent.
    Sent { to: Outbox, body: String, attributes: Attributes, group: Option<String>, delay: Duration },
    /// A source was asked.
    Fetched { url: String },
    /// An object was written.
    Stored { key: String },
    /// An upload was dropped.
    Aborted { key: String },
    /// A task was claimed.
    Claimed { task: String, attempts: u32 },
    /// An attempt was given back.
    GaveBack { task: String },
    /// A task was settled.
    Settled { task: String, state: TaskState },
    /// A job's cursor moved.
    Advanced { job: String, cursor: Cursor },
    /// A job was closed.
    Closed { job: String, state: JobState },
}

impl Did {
    pub fn is_dead_letter(&self) -> bool {
        matches!(self, Self::Sent { to: Outbox::DeadLetters(_), .. })
    }

    pub fn is_hand_over(&self) -> bool {
        matches!(self, Self::Sent { to: Outbox::DownloadTasks, .. })
    }
}
