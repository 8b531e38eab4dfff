//! S3 in memory: conditional writes, uploads in parts, checksums that are checked.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use exportpool_consumer::{
    fail::{AwsFault, AwsKind, AwsResource},
    ports::{Head, ObjectStore, Owner, Part, Place, StoreFault},
    work::store::{MIN_PART_BYTES, checksum::Checksum},
};
use exportpool_contract::ObjectKey;

use super::{
    Everything, World, fault,
    flaw::{Call, Flaw, Op},
    job_id,
    journal::Did,
    task_id,
};

fn bucket() -> AwsResource {
    AwsResource::Bucket("exports".into())
}

#[derive(Debug, Clone)]
pub struct Object {
    pub body: Bytes,
    pub crc64nvme: String,
    pub owner: Option<Owner>,
    /// Successful writes of the key by consumers.
    pub writes: u32,
}

#[derive(Debug, Clone)]
pub struct Upload {
    pub key: String,
    parts: BTreeMap<i32, Bytes>,
}

#[derive(Default)]
pub struct Bucket {
    pub objects: BTreeMap<String, Object>,
    pub uploads: BTreeMap<String, Upload>,
    /// Keys that may not be written.
    pub denied: BTreeSet<String>,
    next: u64,
}

impl Bucket {
    fn begin(&mut self, key: &str) -> String {
        self.next += 1;
        let id = format!("upload-{}", self.next);
        self.uploads.insert(id.clone(), Upload { key: key.into(), parts: BTreeMap::new() });
        id
    }
}

impl Everything {
    fn write(&mut self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault> {
        let key = place.key.as_str();
        if Checksum::of(&body) != crc64nvme {
            self.broken.push(format!("a wrong checksum for {key}"));
        }
        if self.bucket.denied.contains(key) {
            return Err(fault(AwsKind::Denied, bucket()).into());
        }
        let before = self.bucket.objects.get(key).map_or(0, |object| object.writes);
        let standing = self.bucket.objects.get(key).map(|object| etag(key, object.writes));
        if standing != place.replaces {
            return Err(StoreFault::Exists);
        }
        let owner = Some(place.owner.clone());
        let object = Object { body, crc64nvme: crc64nvme.into(), owner, writes: before + 1 };
        self.bucket.objects.insert(key.into(), object);
        self.journal.push(Did::Stored { key: key.into() });
        Ok(Some(etag(key, before + 1)))
    }

    /// The body of the parts, in order; every part but the last has 5 MiB at least.
    fn assemble(&mut self, upload: &str, parts: &[Part]) -> Result<Bytes, StoreFault> {
        let Some(upload) = self.bucket.uploads.get(upload) else { return Err(StoreFault::Conflict) };
        let mut body = BytesMut::new();
        for (at, part) in parts.iter().enumerate() {
            let bytes = upload.parts.get(&part.number).cloned().unwrap_or_default();
            let small = (bytes.len() as u64) < MIN_PART_BYTES && at + 1 < parts.len();
            if small || part.crc64nvme != Checksum::of(&bytes) || usize::try_from(part.number) != Ok(at + 1) {
                self.broken.push(format!("part {} of {} is not as S3 takes it", part.number, upload.key));
                return Err(fault(AwsKind::Rejected, bucket()).into());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body.freeze())
    }
}

impl World {
    /// An object that somebody put there.
    pub fn put_object(&self, key: &str, body: &'static [u8], owner: Option<(&str, &str)>) {
        let owner = owner.map(|(job, task)| Owner { job: job_id(job), task: task_id(task), attempt: 1 });
        let object = Object { body: body.into(), crc64nvme: Checksum::of(body), owner, writes: 0 };
        self.lock().bucket.objects.insert(key.into(), object);
    }

    pub fn object(&self, key: &str) -> Option<Object> {
        self.lock().bucket.objects.get(key).cloned()
    }

    pub fn open_uploads(&self) -> usize {
        self.lock().bucket.uploads.len()
    }

    /// An upload whose starter died before anybody had its id.
    pub fn leave_upload(&self, key: &str) {
        self.lock().bucket.begin(key);
    }

    async fn call_bucket(&self, op: Op) -> Result<Call, StoreFault> {
        let call = self.call(op, bucket()).await?;
        if matches!(call.flaw, Flaw::Conflict) { Err(StoreFault::Conflict) } else { Ok(call) }
    }
}

/// Of the object that the so-manieth write made.
fn etag(key: &str, writes: u32) -> String {
    format!("etag-{key}-{writes}")
}

pub struct FakeStore(pub World);

impl ObjectStore for FakeStore {
    async fn look(&self) -> Result<(), AwsFault> {
        self.0.call(Op::LookBucket, bucket()).await?.answer(())
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, AwsFault> {
        let call = self.0.call(Op::Head, bucket()).await?;
        let head = self.0.object(key.as_str()).map(|object| Head {
            bytes: object.body.len() as u64,
            crc64nvme: Some(object.crc64nvme),
            etag: Some(etag(key.as_str(), object.writes)),
            owner: object.owner.map(|owner| (owner.job.to_string(), owner.task.to_string())),
        });
        call.answer(head)
    }

    async fn put(&self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault> {
        let call = self.0.call_bucket(Op::Put).await?;
        let written = self.0.lock().write(place, body, crc64nvme)?;
        call.answer(written)
    }

    async fn create_upload(&self, place: &Place) -> Result<String, StoreFault> {
        let call = self.0.call_bucket(Op::CreateUpload).await?;
        let id = self.0.lock().bucket.begin(place.key.as_str());
        if matches!(call.flaw, Flaw::NoAnswer) {
            std::future::pending::<()>().await;
        }
        call.answer(id)
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: &str,
    ) -> Result<Part, StoreFault> {
        let call = self.0.call_bucket(Op::PutPart).await?;
        let mut world = self.0.lock();
        let Some(open) = world.bucket.uploads.get_mut(upload) else { return Err(StoreFault::Conflict) };
        open.parts.insert(number, body);
        if open.key != key.as_str() {
            world.broken.push(format!("a part of {key} in another key's upload"));
        }
        call.answer(Part { number, etag: format!("part-{number}"), crc64nvme: crc64nvme.into() })
    }

    async fn complete_upload(
        &self,
        place: &Place,
        upload: &str,
        parts: &[Part],
        crc64nvme: &str,
    ) -> Result<Option<String>, StoreFault> {
        let call = self.0.call_bucket(Op::CompleteUpload).await?;
        let mut world = self.0.lock();
        let body = world.assemble(upload, parts)?;
        // Refused by its condition, an upload stays open: somebody has to abort it.
        let written = world.write(place, body, crc64nvme)?;
        world.bucket.uploads.remove(upload);
        call.answer(written)
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &str) -> Result<(), AwsFault> {
        let call = self.0.call(Op::AbortUpload, bucket()).await?;
        let mut world = self.0.lock();
        if world.bucket.uploads.remove(upload).is_some() {
            world.journal.push(Did::Aborted { key: key.as_str().into() });
        }
        call.answer(())
    }

    async fn list_uploads(&self, key: &ObjectKey) -> Result<Vec<String>, AwsFault> {
        let call = self.0.call(Op::ListUploads, bucket()).await?;
        let world = self.0.lock();
        let open = world.bucket.uploads.iter().filter(|(_, upload)| upload.key == key.as_str());
        call.answer(open.map(|(id, _)| id.clone()).collect())
    }
}
