//! Multipart upload: one part in memory at a time, its id in the ledger before its first part.

use bytes::Bytes;

use super::{Shelf, checksum::Checksum, filler::Filler, stored};
use crate::{
    fail::{Reason, TaskFault},
    message::Stored,
    ports::{Body, Ledger, ObjectStore, Part, Place, StoreFault},
};

impl<S: ObjectStore, L: Ledger> Shelf<'_, S, L> {
    pub(super) async fn upload<B: Body>(
        &self,
        place: &Place,
        epoch: u64,
        first: Bytes,
        mut filler: Filler<B>,
        part_bytes: u64,
    ) -> Result<Stored, TaskFault> {
        let upload = self.begin(place, epoch).await?;
        let mut parts = vec![self.put_part(place, &upload, 1, first).await?];
        while !filler.ended() {
            let body = filler.fill(part_bytes).await?;
            let number = next_number(parts.len())?;
            parts.push(self.put_part(place, &upload, number, body).await?);
        }
        let crc = filler.checksum();
        match self.store.complete_upload(place, &upload, &parts, &crc).await {
            Ok(etag) => {
                self.open_upload.take();
                Ok(stored(place, filler.bytes(), crc, etag))
            }
            Err(fault) => self.not_written(place, fault).await,
        }
    }

    /// Opens an upload and remembers it: here for whoever stops this task, in the ledger for after a crash.
    async fn begin(&self, place: &Place, epoch: u64) -> Result<String, TaskFault> {
        let upload = match self.store.create_upload(place).await {
            Ok(upload) => upload,
            Err(fault) => return Err(of_part(fault)),
        };
        *self.open_upload.borrow_mut() = Some(upload.clone());
        if self.ledger.note_upload(&place.owner.job, &place.owner.task, epoch, &upload).await? {
            return Ok(upload);
        }
        Err(TaskFault::Fenced)
    }

    async fn put_part(
        &self,
        place: &Place,
        upload: &str,
        number: i32,
        body: Bytes,
    ) -> Result<Part, TaskFault> {
        let crc = Checksum::of(&body);
        self.store.put_part(&place.key, upload, number, body, &crc).await.map_err(of_part)
    }
}

fn of_part(fault: StoreFault) -> TaskFault {
    match fault {
        StoreFault::Aws(fault) => fault.into(),
        StoreFault::Exists | StoreFault::Conflict => {
            TaskFault::retry(Reason::WriteConflict, "the upload ended under our hands")
        }
    }
}

fn next_number(parts: usize) -> Result<i32, TaskFault> {
    let number = i32::try_from(parts + 1).ok().filter(|number| *number <= 10_000);
    number.ok_or_else(|| {
        TaskFault::last(Reason::TooLarge, "a file of unknown length needs more than 10,000 parts")
    })
}
