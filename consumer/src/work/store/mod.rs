//! Storing: a body becomes an object, in one request when it fits into a part, else in a multipart upload.

pub mod checksum;
mod filler;
mod upload;

use std::cell::RefCell;

use bytes::Bytes;

use crate::{
    fail::{Reason, TaskFault},
    message::Stored,
    ports::{Body, Head, Ledger, ObjectStore, Place, SourceHead, StoreFault},
    work::budget::Budget,
};
use filler::Filler;

/// The least size of a part but the last, and the memory a slot needs
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most parts of an upload.
const MAX_PARTS: u64 = 10_000;

/// A worker's means to store objects.
#[derive(Debug)]
pub struct Shelf<'a, S, L> {
    /// Where.
    pub store: &'a S,
    /// Remembers open uploads.
    pub ledger: &'a L,
    /// Memory for buffers.
    pub budget: &'a Budget,
    /// The largest file.
    pub max_bytes: u64,
    /// The upload that is open now: whoever stops this task aborts it.
    pub open_upload: &'a RefCell<Option<String>>,
}

impl<S: ObjectStore, L: Ledger> Shelf<'_, S, L> {
    /// Stores a body under its key, once: an object of the same task that stands there already is adopted.
    ///
    /// # Errors
    /// The source's faults while its body is read, `tooLarge`, `keyConflict`, and faults of ours.
    pub async fn store<B: Body>(
        &self,
        place: &Place,
        epoch: u64,
        head: &SourceHead,
        body: B,
    ) -> Result<Stored, TaskFault> {
        if head.length.is_some_and(|length| length > self.max_bytes) {
            return Err(filler::too_large(self.max_bytes));
        }
        let part_bytes = part_bytes(head.length);
        let _reserved =
            self.budget.reserve(head.length.map_or(part_bytes, |length| length.min(part_bytes))).await;
        let mut filler = Filler::new(body, head.length, self.max_bytes);
        let first = filler.fill(part_bytes).await?;
        if filler.ended() {
            return self.put(place, first, &filler).await;
        }
        self.upload(place, epoch, first, filler, part_bytes).await
    }

    async fn put<B: Body>(
        &self,
        place: &Place,
        body: Bytes,
        filler: &Filler<B>,
    ) -> Result<Stored, TaskFault> {
        let crc = filler.checksum();
        match self.store.put(place, body, &crc).await {
            Ok(etag) => Ok(stored(place, filler.bytes(), crc, etag)),
            Err(fault) => self.not_written(place, fault).await,
        }
    }

    /// The object stands there already: ours, from an attempt that was not recorded, or somebody else's.
    async fn not_written(&self, place: &Place, fault: StoreFault) -> Result<Stored, TaskFault> {
        match fault {
            StoreFault::Aws(fault) => Err(fault.into()),
            StoreFault::Conflict => {
                Err(TaskFault::retry(Reason::WriteConflict, "another write to the key won"))
            }
            StoreFault::Exists => match self.store.head(&place.key).await? {
                None => {
                    Err(TaskFault::retry(Reason::WriteConflict, "the object under the key came and went"))
                }
                Some(head) => adopt(place, head).ok_or_else(|| {
                    TaskFault::last(Reason::KeyConflict, format!("another object stands under {}", place.key))
                }),
            },
        }
    }

    /// An object of an earlier attempt, if there is one: the attempt ended between storing and recording.
    ///
    /// # Errors
    /// Faults of ours.
    pub async fn left_behind(&self, place: &Place) -> Result<Option<Stored>, TaskFault> {
        let head = self.store.head(&place.key).await?;
        Ok(head.and_then(|head| adopt(place, head)))
    }
}

/// Large enough that the file fits into 10,000 parts.
fn part_bytes(length: Option<u64>) -> u64 {
    MIN_PART_BYTES.max(length.unwrap_or(0).div_ceil(MAX_PARTS))
}

fn adopt(place: &Place, head: Head) -> Option<Stored> {
    let (job, task) = head.owner?;
    let ours = job == place.owner.job.as_str() && task == place.owner.task.as_str();
    ours.then(|| Stored {
        key: place.key.clone(),
        bytes: head.bytes,
        crc64nvme: head.crc64nvme,
        etag: head.etag,
        adopted: true,
    })
}

fn stored(place: &Place, bytes: u64, crc: String, etag: Option<String>) -> Stored {
    Stored { key: place.key.clone(), bytes, crc64nvme: Some(crc), etag, adopted: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_grow_with_the_file() {
        assert_eq!(part_bytes(None), MIN_PART_BYTES);
        assert_eq!(part_bytes(Some(1)), MIN_PART_BYTES);
        let five_tib = 5 * 1024 * 1024 * 1024 * 1024;
        assert!(five_tib / part_bytes(Some(five_tib)) <= MAX_PARTS);
    }
}
