//! S3.

use aws_sdk_s3::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::SdkError,
    operation::list_multipart_uploads::ListMultipartUploadsOutput,
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
/// The most uploads of one list.
const MAX_UPLOADS: i32 = 1_000;

/// The bucket.
#[derive(Debug)]
pub struct S3Bucket {
    client: Client,
    bucket: String,
    uploads_a_page: i32,
}

impl S3Bucket {
    /// A bucket by name.
    #[must_use]
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket, uploads_a_page: MAX_UPLOADS }
    }

    /// The same bucket, which lists so many uploads a request; S3's own most is 1,000.
    #[must_use]
    pub fn with_uploads_a_page(self, uploads: i32) -> Self {
        Self { uploads_a_page: uploads.clamp(1, MAX_UPLOADS), ..self }
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
        let length = head.content_length.and_then(|length| u64::try_from(length).ok());
        let bytes = length.ok_or_else(|| self.without("Content-Length"))?;
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
            .customize()
            // Asked again by the SDK, there would be two, and one of them nobody's.
            .config_override(Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(|error| self.write_fault(&error))?;
        answer.upload_id.ok_or_else(|| self.without("UploadId").into())
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
        let etag = answer.e_tag.ok_or_else(|| StoreFault::Aws(self.without("ETag")))?;
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

    async fn list_uploads(&self, key: &ObjectKey) -> Result<Vec<String>, AwsFault> {
        let mut open = Vec::new();
        let mut next = Some(Marker::default());
        while let Some(marker) = next {
            let page = self.page_of_uploads(key, &marker).await?;
            next = next_marker(&page, key);
            if next.as_ref() == Some(&marker) {
                return Err(self.odd(AwsKind::Rejected, "the list of uploads does not go on"));
            }
            let ours = page.uploads.unwrap_or_default().into_iter();
            let ids = ours.filter(|upload| upload.key.as_deref() == Some(key.as_str()));
            open.extend(ids.filter_map(|upload| upload.upload_id));
        }
        Ok(open)
    }
}

/// Where a list of uploads goes on: behind this key's upload of this id.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marker {
    key: Option<String>,
    upload: Option<String>,
}

/// Uploads are listed by key, and a key comes before all that it begins
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>).
fn next_marker(page: &ListMultipartUploadsOutput, key: &ObjectKey) -> Option<Marker> {
    let marker = Marker { key: page.next_key_marker.clone(), upload: page.next_upload_id_marker.clone() };
    let goes_on = page.is_truncated == Some(true) && marker.key.as_deref() == Some(key.as_str());
    goes_on.then_some(marker)
}

impl S3Bucket {
    async fn page_of_uploads(
        &self,
        key: &ObjectKey,
        behind: &Marker,
    ) -> Result<ListMultipartUploadsOutput, AwsFault> {
        let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(key.as_str());
        let request = request.max_uploads(self.uploads_a_page).set_key_marker(behind.key.clone());
        let answer = request.set_upload_id_marker(behind.upload.clone()).send().await;
        answer.map_err(|error| self.fault(&error))
    }

    fn without(&self, field: &str) -> AwsFault {
        self.odd(AwsKind::Failed, &format!("the answer has no {field}"))
    }

    fn odd(&self, kind: AwsKind, detail: &str) -> AwsFault {
        AwsFault { kind, resource: self.resource(), detail: detail.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::aws::connect::{Access, AccessKey, s3};

    /// A bucket at a server that answers one request, with these lines.
    async fn answering(lines: &'static str) -> S3Bucket {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(lines.as_bytes()).await.unwrap();
        });
        let key = Some(AccessKey { id: "id".into(), secret: "secret".into(), session_token: None });
        let access = Access { region: "eu-central-1".into(), endpoint, key };
        S3Bucket::new(s3(&access.resolve().await), "exports".into())
    }

    #[tokio::test]
    async fn an_object_whose_length_is_not_told_is_a_fault_and_no_empty_object() {
        let key = ObjectKey::new("key").unwrap();
        let bucket = answering("HTTP/1.1 200 OK\r\nETag: \"e\"\r\n\r\n").await;
        let fault = bucket.head(&key).await.unwrap_err();
        assert_eq!((fault.kind, &*fault.detail), (AwsKind::Failed, "the answer has no Content-Length"));
        let bucket = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n").await;
        assert_eq!(bucket.head(&key).await.unwrap().unwrap().bytes, 0);
    }
}
