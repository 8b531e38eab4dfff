//! A versioned bucket, for one case alone.

use aws_sdk_s3::{
    Client,
    types::{BucketVersioningStatus, VersioningConfiguration},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use exportpool_consumer::{
    aws::s3::S3Bucket,
    ports::{Head, ObjectStore as _, Owner, Part, Place, StoreFault},
};
use exportpool_contract::{JobId, ObjectKey, TaskId};

use crate::start::Site;

/// The smallest part but the last.
pub(super) const PART: usize = 5 << 20;

pub(super) struct Bucket {
    /// The product's adapter.
    pub(super) port: S3Bucket,
    pub(super) s3: Client,
    pub(super) name: String,
}

impl Bucket {
    pub(super) async fn make(site: &Site) -> Self {
        let (s3, name) = (site.ours.s3.clone(), site.name("bucket"));
        s3.create_bucket().bucket(&name).send().await.expect("a bucket");
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let versioned = s3.put_bucket_versioning().bucket(&name).versioning_configuration(enabled);
        versioned.send().await.expect("versions");
        Self { port: S3Bucket::new(s3.clone(), name.clone()), s3, name }
    }

    pub(super) async fn put(&self, place: &Place, body: &[u8]) -> Result<Option<String>, StoreFault> {
        self.port.put(place, Bytes::copy_from_slice(body), &crc(body)).await
    }

    pub(super) async fn head(&self, key: &str) -> Option<Head> {
        self.port.head(&ObjectKey::new(key).unwrap()).await.unwrap()
    }

    /// Successful writes of a key.
    pub(super) async fn versions(&self, key: &str) -> usize {
        let listed = self.s3.list_object_versions().bucket(&self.name).prefix(key).send().await.unwrap();
        listed.versions().iter().filter(|version| version.key() == Some(key)).count()
    }

    /// Uploads neither completed nor aborted.
    pub(super) async fn open_uploads(&self) -> Vec<String> {
        let listed = self.s3.list_multipart_uploads().bucket(&self.name).send().await.unwrap();
        listed.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.upload_id).collect()
    }

    /// Starts an upload and writes its parts.
    pub(super) async fn upload(&self, place: &Place, bodies: &[Bytes]) -> Upload {
        let mut upload = Upload { id: self.port.create_upload(place).await.unwrap(), parts: Vec::new() };
        for (body, number) in bodies.iter().zip(1..) {
            let part = self.port.put_part(&place.key, &upload.id, number, body.clone(), &crc(body)).await;
            upload.parts.push(part.unwrap());
        }
        upload
    }

    pub(super) async fn complete(
        &self,
        place: &Place,
        upload: &Upload,
        crc: &str,
    ) -> Result<Option<String>, StoreFault> {
        self.port.complete_upload(place, &upload.id, &upload.parts, crc).await
    }
}

/// An upload, and its parts so far.
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) parts: Vec<Part>,
}

/// Under `key`, by the second attempt at a task, where nothing stands yet.
pub(super) fn place(key: &str) -> Place {
    Place {
        key: ObjectKey::new(key).unwrap(),
        owner: Owner {
            job: JobId::new("job-1").unwrap(),
            task: TaskId::new("task_1.a").unwrap(),
            attempt: 2,
        },
        content_type: None,
        replaces: None,
    }
}

/// What metadata name as the owner.
pub(super) fn owner() -> Option<(String, String)> {
    Some(("job-1".to_owned(), "task_1.a".to_owned()))
}

pub(super) fn crc(bytes: &[u8]) -> String {
    STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes())
}

/// Two parts, the second a small one, and the checksum of the whole.
pub(super) fn two_parts() -> ([Bytes; 2], String) {
    let whole: Vec<u8> = (0..PART + 1_000).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (first, second) = whole.split_at(PART);
    ([Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)], crc(&whole))
}
