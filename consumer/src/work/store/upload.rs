//! Multipart upload: one part in memory at a time, its id in the ledger before its first part.
//!
//! An upload that is open when the process dies is aborted by the next claimant, who finds its id in the ledger, or, when
//! it was not yet recorded just then, in the bucket (`sweep`).

use std::time::Duration;

use bytes::Bytes;
use tokio::time;

use super::{
    MAX_PARTS, Outcome, Uploader, WRITES,
    checksum::Checksum,
    compared,
    filler::Filler,
    grown_part_bytes, stored,
    sweep::{abort_all, other_uploads},
};
use crate::{
    fail::{AwsKind, Reason, TaskFault},
    kill::{self, Point},
    ports::{Body, Ledger, ObjectStore, Part, Place, StoreFault},
    work::budget::Reserved,
};

/// Between tries to start an upload.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// An upload that was started.
struct Started {
    upload: String,
    /// An earlier try may have started one as well: its answer did not come.
    doubtful: bool,
}

/// Why an upload goes no further.
enum Halt {
    /// Somebody else's write, or the upload is gone.
    Conflict,
    Fault(TaskFault),
}

impl From<TaskFault> for Halt {
    fn from(fault: TaskFault) -> Self {
        Self::Fault(fault)
    }
}

impl<S: ObjectStore, L: Ledger> Uploader<'_, S, L> {
    pub(super) async fn upload<B: Body>(
        &self,
        place: &Place,
        epoch: u64,
        first: Bytes,
        mut filler: Filler<B>,
        memory: &mut Reserved,
    ) -> Result<Outcome, TaskFault> {
        let sent = async {
            let upload = self.begin(place, epoch).await?;
            let parts = self.send_parts(place, &upload, first, &mut filler, memory).await?;
            Ok((upload, parts))
        };
        let (upload, parts) = match sent.await {
            Ok(sent) => sent,
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Conflict) => return self.start_again(place, epoch).await,
        };
        self.complete(place, epoch, (&upload, &parts), &filler).await
    }

    /// Opens an upload and remembers it: here for whoever stops this task, in the ledger for after a crash.
    async fn begin(&self, place: &Place, epoch: u64) -> Result<String, Halt> {
        let Started { upload, doubtful } = self.start(place).await.map_err(halt)?;
        *self.open_upload.borrow_mut() = Some(upload.clone());
        kill::at(Point::UploadCreated);
        let listed = if doubtful {
            other_uploads(self.store, &place.key, Some(&upload)).await
        } else {
            Ok(Vec::new())
        };
        let orphaned = listed.map_err(TaskFault::from)?;
        self.fence(place, epoch, &upload).await?;
        kill::at(Point::UploadRecorded);
        abort_all(self.store, &place.key, &orphaned).await.map_err(TaskFault::from)?;
        Ok(upload)
    }

    /// Asks again, shortly, for what may pass.
    async fn start(&self, place: &Place) -> Result<Started, StoreFault> {
        let mut doubtful = false;
        for pause in PAUSES {
            match self.store.create_upload(place).await {
                Err(StoreFault::Aws(fault)) if may_pass(fault.kind) => {
                    doubtful |= fault.kind != AwsKind::Throttled;
                    time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
                }
                started => return started.map(|upload| Started { upload, doubtful }),
            }
        }
        self.store.create_upload(place).await.map(|upload| Started { upload, doubtful })
    }

    /// Writes an upload's id down, which only the newest claim of a task may do.
    pub(super) async fn fence(&self, place: &Place, epoch: u64, upload: &str) -> Result<(), TaskFault> {
        let owner = &place.owner;
        let ours = self.ledger.note_upload(&owner.job, &owner.task, epoch, upload).await?;
        if ours { Ok(()) } else { Err(TaskFault::Fenced) }
    }

    async fn send_parts<B: Body>(
        &self,
        place: &Place,
        upload: &str,
        first: Bytes,
        filler: &mut Filler<B>,
        memory: &mut Reserved,
    ) -> Result<Vec<Part>, Halt> {
        let mut parts = vec![self.put_part(place, upload, 1, first).await?];
        while !filler.ended() {
            let number = next_number(parts.len())?;
            if !filler.knows_its_length() {
                memory.grow(grown_part_bytes(number.unsigned_abs().into()));
            }
            let body = filler.fill(memory.bytes()).await?;
            parts.push(self.put_part(place, upload, number, body).await?);
        }
        Ok(parts)
    }

    async fn put_part(&self, place: &Place, upload: &str, number: i32, body: Bytes) -> Result<Part, Halt> {
        let crc = Checksum::of(&body);
        let part = self.store.put_part(&place.key, upload, number, body, &crc).await.map_err(halt)?;
        kill::at_await(Point::PartStored).await;
        Ok(part)
    }

    /// Makes the object, unless another delivery has the task by now: that one is at work on it.
    async fn complete<B: Body>(
        &self,
        place: &Place,
        epoch: u64,
        (upload, parts): (&str, &[Part]),
        filler: &Filler<B>,
    ) -> Result<Outcome, TaskFault> {
        let (mut place, crc) = (place.clone(), filler.checksum());
        for _ in 0..WRITES {
            self.fence(&place, epoch, upload).await?;
            match self.store.complete_upload(&place, upload, parts, &crc).await {
                Ok(etag) => {
                    kill::at(Point::UploadCompleted);
                    self.open_upload.take();
                    return Ok(Outcome::Stored(stored(&place, filler.bytes(), crc, etag)));
                }
                Err(StoreFault::Aws(fault)) => return Err(fault.into()),
                Err(StoreFault::Conflict) => return self.start_again(&place, epoch).await,
                Err(StoreFault::Exists) => {
                    if let Some(object) = self.make_way(&mut place).await? {
                        return Ok(Outcome::Stored(compared(object, filler.bytes(), &crc)));
                    }
                }
            }
        }
        Err(TaskFault::retry(Reason::WriteConflict, format!("others write {} all the time", place.key)))
    }

    /// The upload came to nothing. The write that was in the way may be this task's own, from another delivery; and
    /// that delivery may have taken the task over.
    async fn start_again(&self, place: &Place, epoch: u64) -> Result<Outcome, TaskFault> {
        if let Some(object) = self.make_way(&mut place.clone()).await? {
            return Ok(Outcome::Stored(object));
        }
        let gone = self.open_upload.borrow().clone();
        if let Some(upload) = gone {
            self.fence(place, epoch, &upload).await?;
        }
        Ok(Outcome::StartAgain)
    }
}

const fn may_pass(kind: AwsKind) -> bool {
    matches!(kind, AwsKind::Throttled | AwsKind::Failed | AwsKind::Unreachable)
}

fn halt(fault: StoreFault) -> Halt {
    match fault {
        StoreFault::Aws(fault) => Halt::Fault(fault.into()),
        StoreFault::Exists | StoreFault::Conflict => Halt::Conflict,
    }
}

fn next_number(parts: usize) -> Result<i32, TaskFault> {
    let number = i32::try_from(parts + 1).ok().filter(|number| *number <= MAX_PARTS.into());
    number.ok_or_else(|| {
        let detail = format!(
            "a file of unknown length needs more than {MAX_PARTS} parts of the size that memory allowed; raise \
             MEMORY_BUDGET_MIB, or have the source send Content-Length"
        );
        TaskFault::last(Reason::TooLarge, detail)
    })
}
