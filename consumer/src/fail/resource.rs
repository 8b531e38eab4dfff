//! What of AWS was asked, so that a fault says what it is a fault of.

use std::fmt;

use crate::{event::Resource, message::QueueName, ports::Outbox};

/// What was asked, by name; shown as `bucket exports`, and as `bucket` without a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AwsResource {
    /// A queue, to receive from it, and for what becomes of what was received.
    Queue(String),
    /// A queue, to send to it: also one of dead letters.
    Outbox(String),
    /// The bucket.
    Bucket(String),
    /// The table.
    Table(String),
}

impl AwsResource {
    /// A queue that messages are received from.
    #[must_use]
    pub fn queue(name: QueueName) -> Self {
        Self::Queue(name.as_str().to_owned())
    }

    /// A queue that messages are sent to.
    #[must_use]
    pub fn outbox(to: Outbox) -> Self {
        Self::Outbox(match to {
            Outbox::ExportJobs => QueueName::ExportJobs.as_str().to_owned(),
            Outbox::DownloadTasks => QueueName::DownloadTasks.as_str().to_owned(),
            Outbox::DeadLetters(of) => format!("of dead letters of {}", of.as_str()),
        })
    }

    /// What has to answer before work is taken on again.
    #[must_use]
    pub const fn needed(&self) -> Resource {
        match self {
            Self::Queue(_) | Self::Outbox(_) => Resource::Queues,
            Self::Bucket(_) => Resource::Bucket,
            Self::Table(_) => Resource::Table,
        }
    }
}

impl fmt::Display for AwsResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Queue(name) | Self::Outbox(name) => ("queue", name),
            Self::Bucket(name) => ("bucket", name),
            Self::Table(name) => ("table", name),
        };
        f.write_str(kind)?;
        if name.is_empty() { Ok(()) } else { write!(f, " {name}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_shown_by_kind_and_name() {
        let shown = [
            AwsResource::queue(QueueName::ExportJobs),
            AwsResource::outbox(Outbox::DownloadTasks),
            AwsResource::outbox(Outbox::DeadLetters(QueueName::ExportJobs)),
            AwsResource::Bucket("exports".into()),
            AwsResource::Table(String::new()),
        ]
        .map(|resource| resource.to_string());
        let told = [
            "queue export-jobs",
            "queue download-tasks",
            "queue of dead letters of export-jobs",
            "bucket exports",
            "table",
        ];
        assert_eq!(shown, told);
    }
}
