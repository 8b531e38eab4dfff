//! Writes of a key, one at a time, each under its condition.

use std::sync::Arc;

use rustack_s3_core::{checksums::ChecksumAlgorithm, error::S3ServiceError, storage::StagedUpload};
use rustack_s3_model::{
    error::{S3Error, S3ErrorCode},
    input::{
        AbortMultipartUploadInput, CompleteMultipartUploadInput, CopyObjectInput, DeleteObjectInput,
        PutObjectInput, UploadPartCopyInput, UploadPartInput,
    },
    output::{
        AbortMultipartUploadOutput, CompleteMultipartUploadOutput, CopyObjectOutput, DeleteObjectOutput,
        PutObjectOutput, UploadPartCopyOutput, UploadPartOutput,
    },
};

use super::{Inner, complete};

impl Inner {
    pub(super) async fn put(
        &self,
        mut input: PutObjectInput,
        upload: Arc<StagedUpload>,
    ) -> Result<PutObjectOutput, S3Error> {
        let _writer = self.keys.lock(&input.bucket, &input.key).await;
        let conditions = Conditions::of(&input.if_none_match, &input.if_match);
        self.check(&input.bucket, &input.key, conditions)?;
        if !has_checksum(&input) {
            // As S3 does since December 2024; the crate would take CRC32.
            let checksum =
                upload.checksum(ChecksumAlgorithm::Crc64Nvme).map_err(S3ServiceError::into_s3_error)?;
            input.checksum_crc64nvme = Some(checksum.to_owned());
        }
        self.provider.handle_put_object_staged(input, upload).await
    }

    pub(super) async fn complete(
        &self,
        input: CompleteMultipartUploadInput,
    ) -> Result<CompleteMultipartUploadOutput, S3Error> {
        let _writer = self.keys.lock(&input.bucket, &input.key).await;
        let _alone = self.uploads.write().await;
        complete::check(&self.provider, &input)?;
        self.check(&input.bucket, &input.key, Conditions::of(&input.if_none_match, &input.if_match))?;
        self.provider.handle_complete_multipart_upload(input).await
    }

    pub(super) async fn copy(&self, input: CopyObjectInput) -> Result<CopyObjectOutput, S3Error> {
        let _writer = self.keys.lock(&input.bucket, &input.key).await;
        self.provider.handle_copy_object(input).await
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> Result<DeleteObjectOutput, S3Error> {
        let _writer = self.keys.lock(&input.bucket, &input.key).await;
        self.provider.handle_delete_object(input).await
    }

    pub(super) async fn add_part(
        &self,
        input: UploadPartInput,
        upload: Arc<StagedUpload>,
    ) -> Result<UploadPartOutput, S3Error> {
        let _shared = self.uploads.read().await;
        self.provider.handle_upload_part_staged(input, upload).await
    }

    pub(super) async fn copy_part(
        &self,
        input: UploadPartCopyInput,
    ) -> Result<UploadPartCopyOutput, S3Error> {
        let _shared = self.uploads.read().await;
        self.provider.handle_upload_part_copy(input).await
    }

    pub(super) async fn abort(
        &self,
        input: AbortMultipartUploadInput,
    ) -> Result<AbortMultipartUploadOutput, S3Error> {
        let _alone = self.uploads.write().await;
        self.provider.handle_abort_multipart_upload(input).await
    }

    /// Holds the conditions of a write against the object that is there; a delete marker is no object.
    fn check(&self, bucket: &str, key: &str, conditions: Conditions<'_>) -> Result<(), S3Error> {
        if conditions.is_none() {
            return Ok(());
        }
        let bucket = self.provider.state().get_bucket(bucket).map_err(S3ServiceError::into_s3_error)?;
        let present = bucket.objects.read().get(key).map(|object| object.etag.clone());
        conditions.check(present.as_deref())
    }
}

/// What a write asks of the object that is there.
#[derive(Debug, Clone, Copy)]
struct Conditions<'a> {
    none_match: Option<&'a str>,
    matches: Option<&'a str>,
}

impl<'a> Conditions<'a> {
    fn of(none_match: &'a Option<String>, matches: &'a Option<String>) -> Self {
        Self { none_match: none_match.as_deref(), matches: matches.as_deref() }
    }

    fn is_none(self) -> bool {
        self.none_match.is_none() && self.matches.is_none()
    }

    fn check(self, present: Option<&str>) -> Result<(), S3Error> {
        match (self.none_match, self.matches, present) {
            (Some("*"), _, Some(_)) => Err(S3Error::new(S3ErrorCode::PreconditionFailed)),
            (Some("*") | None, None, _) => Ok(()),
            // S3 knows no other value here either.
            (Some(other), _, _) if other != "*" => Err(S3Error::not_implemented("If-None-Match with a tag")),
            (_, Some(_), None) => Err(S3Error::new(S3ErrorCode::NoSuchKey)),
            (_, Some(wanted), Some(etag)) if complete::same_tag(wanted, etag) => Ok(()),
            _ => Err(S3Error::new(S3ErrorCode::PreconditionFailed)),
        }
    }
}

fn has_checksum(input: &PutObjectInput) -> bool {
    [
        &input.checksum_crc32,
        &input.checksum_crc32c,
        &input.checksum_crc64nvme,
        &input.checksum_sha1,
        &input.checksum_sha256,
    ]
    .iter()
    .any(|checksum| checksum.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_held_against_what_is_there() {
        let check = |none_match, matches, present| {
            let conditions = Conditions { none_match, matches };
            conditions.check(present).map_err(|error| error.status_code.as_u16())
        };
        assert_eq!(check(Some("*"), None, None), Ok(()));
        assert_eq!(check(Some("*"), None, Some("\"a\"")), Err(412));
        assert_eq!(check(None, Some("\"a\""), Some("\"a\"")), Ok(()));
        assert_eq!(check(None, Some("a"), Some("\"b\"")), Err(412));
        assert_eq!(check(None, Some("a"), None), Err(404));
        assert_eq!(check(Some("\"a\""), None, None), Err(501));
    }
}
