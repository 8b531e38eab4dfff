//! Storing: a body becomes an object, in one request when it fits into a part, else in a multipart upload.
//!
//! | on | then |
//! |---|---|
//! | 412 | what stands there is looked at: of this task, it is adopted; of another, `keyConflict`, or replaced if the task says `overwrite` |
//! | 409 at a single request | the same request again |
//! | 409, or an upload that is gone | looked at; adopted, or the upload is dropped and begun again from byte 0 |

pub mod checksum;
mod filler;
mod standing;
mod sweep;
mod upload;

use std::{cell::RefCell, time::Duration};

use bytes::Bytes;

use crate::{
    fail::{Reason, TaskFault},
    kill::{self, Point},
    message::Stored,
    ports::{Body, Ledger, ObjectStore, Place, SourceHead, StoreFault},
    work::budget::{Budget, Reserved},
};
use filler::Filler;
pub use standing::Standing;
pub use sweep::sweep_done;

/// The least size of a part but the last, and the memory a slot needs
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most parts of an upload (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const MAX_PARTS: u16 = 10_000;
/// Parts of a file of unknown length double after so many: ten sizes reach S3's largest object.
const PARTS_OF_A_SIZE: u64 = 1_000;
/// Tries of one write before the attempt ends: others write the same key.
const WRITES: usize = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Stores a task's body as an object, with a worker's clients.
#[derive(Debug)]
pub struct Uploader<'a, S, L> {
    /// Where.
    pub store: &'a S,
    /// Remembers open uploads.
    pub ledger: &'a L,
    /// Memory for buffers.
    pub budget: &'a Budget,
    /// The largest file.
    pub max_bytes: u64,
    /// An object of somebody else may be replaced.
    pub overwrite: bool,
    /// The upload that is open now: whoever stops this task aborts it.
    pub open_upload: &'a RefCell<Option<String>>,
}

/// What came of storing a body.
#[derive(Debug)]
pub enum Outcome {
    /// An object stands there.
    Stored(Stored),
    /// Nothing was written, and what was read is gone: a new download may do better.
    StartAgain,
}

impl<S: ObjectStore, L: Ledger> Uploader<'_, S, L> {
    /// Stores a body under its key, once: an object of the same task that stands there already is adopted. `memory` is
    /// what an earlier try waited for.
    ///
    /// # Errors
    /// The source's faults while its body is read, `tooLarge`, `keyConflict`, and faults of ours.
    pub async fn store<B: Body>(
        &self,
        place: &Place,
        epoch: u64,
        (head, body): (&SourceHead, B),
        memory: &mut Option<Reserved>,
    ) -> Result<Outcome, TaskFault> {
        if head.length.is_some_and(|length| length > self.max_bytes) {
            return Err(filler::too_large(self.max_bytes));
        }
        let part_bytes = first_part_bytes(head.length);
        let needed = head.length.map_or(part_bytes, |length| length.min(part_bytes));
        let reserved = memory.take().filter(|reserved| reserved.bytes() >= needed);
        let Some(mut reserved) = reserved.or_else(|| self.budget.try_reserve(needed)) else {
            // Who waits for memory keeps no place at a host: those who have the memory may wait for it.
            drop(body);
            *memory = Some(self.budget.reserve(needed).await?);
            return Ok(Outcome::StartAgain);
        };
        let mut filler = Filler::new(body, head.length, self.max_bytes);
        let first = filler.fill(part_bytes).await?;
        if filler.ended() {
            return self.put(place, first, &filler).await.map(Outcome::Stored);
        }
        self.upload(place, epoch, first, filler, &mut reserved).await
    }

    async fn put<B: Body>(
        &self,
        place: &Place,
        body: Bytes,
        filler: &Filler<B>,
    ) -> Result<Stored, TaskFault> {
        let (mut place, crc) = (place.clone(), filler.checksum());
        for _ in 0..WRITES {
            match self.store.put(&place, body.clone(), &crc).await {
                Ok(etag) => {
                    kill::at(Point::ObjectPut);
                    return Ok(stored(&place, filler.bytes(), crc, etag));
                }
                Err(StoreFault::Aws(fault)) => return Err(fault.into()),
                Err(StoreFault::Conflict) => tokio::time::sleep(PAUSE).await,
                Err(StoreFault::Exists) => {
                    if let Some(object) = self.make_way(&mut place).await? {
                        return Ok(compared(object, filler.bytes(), &crc));
                    }
                }
            }
        }
        Err(TaskFault::retry(Reason::WriteConflict, format!("others write {} all the time", place.key)))
    }

    /// The condition of a write failed: an object of this task is to be adopted; otherwise the next write has a
    /// condition that fits, if there may be one.
    async fn make_way(&self, place: &mut Place) -> Result<Option<Stored>, TaskFault> {
        match self.standing(place).await? {
            Standing::Ours(object) => return Ok(Some(object)),
            Standing::Nothing => place.replaces = None,
            Standing::Another { etag } if self.overwrite => place.replaces = etag,
            Standing::Another { .. } => {
                let detail = format!("another object stands under {}", place.key);
                return Err(TaskFault::last(Reason::KeyConflict, detail));
            }
        }
        Ok(None)
    }

    /// What stands under a key: an object of an earlier attempt when that ended between storing and recording.
    ///
    /// # Errors
    /// Faults of ours.
    pub async fn standing(&self, place: &Place) -> Result<Standing, TaskFault> {
        let head = self.store.head(&place.key).await?;
        Ok(head.map_or(Standing::Nothing, |head| Standing::of(place, head)))
    }
}

/// Large enough that a file of this length fits into 10,000 parts.
fn first_part_bytes(length: Option<u64>) -> u64 {
    MIN_PART_BYTES.max(length.unwrap_or(0).div_ceil(MAX_PARTS.into()))
}

/// The size of a part (from 1) of a file of unknown length, when there is memory for it.
fn grown_part_bytes(number: u64) -> u64 {
    MIN_PART_BYTES << (number.saturating_sub(1) / PARTS_OF_A_SIZE).min(9)
}

fn stored(place: &Place, bytes: u64, crc: String, etag: Option<String>) -> Stored {
    Stored { key: place.key.clone(), bytes, crc64nvme: Some(crc), etag, adopted: false }
}

/// An adopted object beside what was downloaded in vain. It stands as it is, and so it is recorded: a source may have
/// changed since.
fn compared(object: Stored, bytes: u64, crc: &str) -> Stored {
    let same = object.bytes == bytes && object.crc64nvme.as_deref().is_none_or(|standing| standing == crc);
    if !same {
        let key = object.key.as_str();
        tracing::warn!(
            key,
            "the source has another file than the one that an earlier attempt stored; that one stays"
        );
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_TIB: u64 = 5 * 1024 * 1024 * 1024 * 1024;

    #[test]
    fn parts_grow_with_the_file() {
        assert_eq!(first_part_bytes(None), MIN_PART_BYTES);
        assert_eq!(first_part_bytes(Some(1)), MIN_PART_BYTES);
        assert_eq!(first_part_bytes(Some(10_000 * MIN_PART_BYTES)), MIN_PART_BYTES);
        assert_eq!(first_part_bytes(Some(10_000 * MIN_PART_BYTES + 1)), MIN_PART_BYTES + 1);
        assert!(FIVE_TIB.div_ceil(first_part_bytes(Some(FIVE_TIB))) <= MAX_PARTS.into());
    }

    #[test]
    fn parts_of_unknown_length_reach_nearly_five_tebibytes() {
        let all: u64 = (1..=MAX_PARTS.into()).map(grown_part_bytes).sum();
        assert!(all > FIVE_TIB / 100 * 97, "{all}");
        assert_eq!((grown_part_bytes(1_000), grown_part_bytes(1_001)), (MIN_PART_BYTES, 2 * MIN_PART_BYTES));
        let largest_part = 5 * 1024 * 1024 * 1024;
        assert!(grown_part_bytes(MAX_PARTS.into()) <= largest_part);
    }
}
