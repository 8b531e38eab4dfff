//! What stands under a key already, and whose it is.

use crate::{
    message::Stored,
    ports::{Head, Place},
};

/// What stands under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// No object.
    Nothing,
    /// An object that names this job and task: this task's, whichever attempt wrote it.
    Ours(Stored),
    /// Somebody else's.
    Another {
        /// Its entity tag: what a task that may overwrite replaces, and nothing newer.
        etag: Option<String>,
    },
}

impl Standing {
    pub(super) fn of(place: &Place, head: Head) -> Self {
        let ours = head
            .owner
            .as_ref()
            .is_some_and(|(job, task)| job == place.owner.job.as_str() && task == place.owner.task.as_str());
        if !ours {
            return Self::Another { etag: head.etag };
        }
        Self::Ours(Stored {
            key: place.key.clone(),
            bytes: head.bytes,
            crc64nvme: head.crc64nvme,
            etag: head.etag,
            adopted: true,
        })
    }
}
