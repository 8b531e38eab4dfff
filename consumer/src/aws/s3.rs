//! S3.

use aws_sdk_s3::{
    Client,
    error::SdkError,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use exportpool_contract::ObjectKey;

use super::fault;
use crate::{
    fail::{AwsFault, AwsKind, AwsResource},
    ports::{Head, ObjectStore, Part, Place, StoreFault},
};

const JOB: &str = "exportpool-job";
const TASK: &str = "exportpool-task";
const ATTEMPT: &str = "exportpool-attempt";

/// The bucket.
#[derive(Debug)]
pub struct S3Bucket {
    client: Client,
    bucket: String,
}

impl S3Bucket {
    /// A bucket by name.
    #[must_use]
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    fn resource(&self) -> AwsResource {
        AwsResource::Bucket(self.bucket.clone())
    }

    fn fault<E>(&self, error: &SdkError<E, HttpResponse>) -> AwsFault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        fault::of(self.resource(), error)
    }

    /// 412, and 404 of an object that was to be replaced: something else stands there. 409 and an upload that is gone: a
    /// concurrent write.
    fn write_fault<E>(&self, error: &SdkError<E, HttpResponse>) -> StoreFault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match (fault::status(error), fault::code(error)) {
            (Some(412), _) | (_, Some("NoSuchKey")) => StoreFault::Exists,
            (Some(409), _) | (_, Some("NoSuchUpload")) => StoreFault::Conflict,
            _ => StoreFault::Aws(self.fault(error)),
        }
    }
}

fn metadata(place: &Place) -> [(&'static str, String); 3] {
    let owner = &place.owner;
    [(JOB, owner.job.to_string()), (TASK, owner.task.to_string()), (ATTEMPT, owner.attempt.to_string())]
}

/// `If-None-Match: *`, unless there is something to replace.
fn only_if_absent(place: &Place) -> Option<String> {
    place.replaces.is_none().then(|| "*".to_owned())
}

/// Of a whole object; a checksum of its parts' checksums ends with their number.
fn of_whole_object(crc64nvme: &str) -> bool {
    !crc64nvme.contains('-')
}

impl ObjectStore for S3Bucket {
    async fn look(&self) -> Result<(), AwsFault> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.fault(&error))
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, AwsFault> {
        let request = self.client.head_object().bucket(&self.bucket).key(key.as_str());
        let head = match request.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(head) => head,
            Err(error) if fault::status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.fault(&error)),
        };
        let metadata = head.metadata.unwrap_or_default();
        let owner = metadata.get(JOB).cloned().zip(metadata.get(TASK).cloned());
        let bytes = head.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
        Ok(Some(Head {
            bytes,
            crc64nvme: head.checksum_crc64_nvme.filter(|crc| of_whole_object(crc)),
            etag: head.e_tag,
            owner,
        }))
    }

    async fn put(&self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault> {
        let mut request = self.client.put_object().bucket(&self.bucket).key(place.key.as_str());
        for (name, value) in metadata(place) {
            request = request.metadata(name, value);
        }
        let answer = request
            .set_content_type(place.content_type.clone())
            .set_if_none_match(only_if_absent(place))
            .set_if_match(place.replaces.clone())
            .checksum_crc64_nvme(crc64nvme)
            .body(ByteStream::from(body))
            .send()
            .await;
        answer.map(|answer| answer.e_tag).map_err(|error| self.write_fault(&error))
    }

    async fn create_upload(&self, place: &Place) -> Result<String, StoreFault> {
        let mut request = self.client.create_multipart_upload().bucket(&self.bucket).key(place.key.as_str());
        for (name, value) in metadata(place) {
            request = request.metadata(name, value);
        }
        let answer = request
            .set_content_type(place.content_type.clone())
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(|error| self.write_fault(&error))?;
        answer.upload_id.ok_or_else(|| self.without("UploadId"))
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: &str,
    ) -> Result<Part, StoreFault> {
        let request = self.client.upload_part().bucket(&self.bucket).key(key.as_str()).upload_id(upload);
        let answer = request
            .part_number(number)
            .checksum_crc64_nvme(crc64nvme)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| self.write_fault(&error))?;
        let etag = answer.e_tag.ok_or_else(|| self.without("ETag"))?;
        Ok(Part { number, etag, crc64nvme: crc64nvme.to_owned() })
    }

    async fn complete_upload(
        &self,
        place: &Place,
        upload: &str,
        parts: &[Part],
        crc64nvme: &str,
    ) -> Result<Option<String>, StoreFault> {
        let parts = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.etag)
                .checksum_crc64_nvme(&part.crc64nvme)
                .build()
        });
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(place.key.as_str());
        let answer = request
            .upload_id(upload)
            .set_if_none_match(only_if_absent(place))
            .set_if_match(place.replaces.clone())
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(crc64nvme)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .send()
            .await;
        answer.map(|answer| answer.e_tag).map_err(|error| self.write_fault(&error))
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &str) -> Result<(), AwsFault> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key.as_str());
        match request.upload_id(upload).send().await {
            Err(error) if fault::code(&error) != Some("NoSuchUpload") => Err(self.fault(&error)),
            _ => Ok(()),
        }
    }
}

impl S3Bucket {
    fn without(&self, field: &str) -> StoreFault {
        let detail = format!("the answer has no {field}");
        StoreFault::Aws(AwsFault { kind: AwsKind::Failed, resource: self.resource(), detail })
    }
}
