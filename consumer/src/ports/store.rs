//! What the consumer needs of S3.

use bytes::Bytes;
use exportpool_contract::{JobId, ObjectKey, TaskId};

use crate::fail::AwsFault;

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which attempt wrote it.
    pub attempt: u32,
}

/// An object that stands in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its size.
    pub bytes: u64,
    /// Its full-object CRC64NVME, when the store answers it.
    pub crc64nvme: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// The job and task in its metadata, when they are there.
    pub owner: Option<(String, String)>,
}

/// Why the store did not take an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// The condition failed: another object stands there than the one to replace, or there is none to replace.
    #[error("another object stands under the key than was said")]
    Exists,
    /// A concurrent write won, or the upload is gone: start again (409, `NoSuchUpload`).
    #[error("a concurrent write ended the upload")]
    Conflict,
    /// Anything else.
    #[error(transparent)]
    Aws(#[from] AwsFault),
}

/// A part of a multipart upload that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: i32,
    /// Its entity tag.
    pub etag: String,
    /// Its CRC64NVME.
    pub crc64nvme: String,
}

/// Where an object is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The key.
    pub key: ObjectKey,
    /// Written into the metadata.
    pub owner: Owner,
    /// `Content-Type` of the source.
    pub content_type: Option<String>,
    /// The entity tag of the one object that may be replaced (`If-Match`). `None`: an object that stands there is left
    /// alone (`If-None-Match: *`).
    pub replaces: Option<String>,
}

/// S3. Checksums are full-object CRC64NVME, base64 of eight bytes big-endian
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>).
pub trait ObjectStore {
    /// Checks that the bucket can be reached.
    async fn look(&self) -> Result<(), AwsFault>;
    /// What stands under a key.
    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, AwsFault>;
    /// Writes an object in one request; answers its entity tag.
    async fn put(&self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault>;
    /// Starts a multipart upload; answers its id. Asked once: when the answer is lost, there may be an upload whose id
    /// nobody has.
    async fn create_upload(&self, place: &Place) -> Result<String, StoreFault>;
    /// Writes one part.
    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: &str,
    ) -> Result<Part, StoreFault>;
    /// Makes the object of its parts; answers its entity tag.
    async fn complete_upload(
        &self,
        place: &Place,
        upload: &str,
        parts: &[Part],
        crc64nvme: &str,
    ) -> Result<Option<String>, StoreFault>;
    /// Drops an upload and its parts. One that is gone is dropped already.
    async fn abort_upload(&self, key: &ObjectKey, upload: &str) -> Result<(), AwsFault>;
    /// Ids of all uploads that are open under this very key, whoever started them.
    async fn list_uploads(&self, key: &ObjectKey) -> Result<Vec<String>, AwsFault>;
}
