//! What must hold before a multipart upload is completed, and the crate does not ask. It asks for the parts' order
//! and for 5 MiB of each but the last.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, checksum_combine};
use rustack_s3_core::{RustackS3, error::S3ServiceError};
use rustack_s3_model::{
    error::{S3Error, S3ErrorCode},
    input::CompleteMultipartUploadInput,
    types::CompletedPart,
};

/// A part as it was uploaded.
struct Kept {
    etag: String,
    size: u64,
    /// None when the upload was begun with another algorithm.
    crc: Option<u64>,
}

/// Refuses what S3 refuses; nothing is changed.
pub(super) fn check(provider: &RustackS3, input: &CompleteMultipartUploadInput) -> Result<(), S3Error> {
    let bucket = provider.state().get_bucket(&input.bucket).map_err(S3ServiceError::into_s3_error)?;
    let upload = bucket
        .multipart_uploads
        .get(&input.upload_id)
        .filter(|upload| upload.key == input.key)
        .ok_or_else(|| S3Error::no_such_upload(input.upload_id.clone()))?;
    let listed = input.multipart_upload.as_ref().map_or(&[][..], |upload| &upload.parts);
    if listed.is_empty() {
        return Err(S3Error::malformed_xml("You must specify at least one part"));
    }
    let kept = |number| {
        let part = upload.get_part(number)?;
        let checksum = part.checksum.as_ref().filter(|checksum| checksum.algorithm == "CRC64NVME");
        let crc = checksum.and_then(|checksum| crc(&checksum.value));
        Some(Kept { etag: part.etag.clone(), size: part.size, crc })
    };
    let parts = listed.iter().map(|part| find(part, kept)).collect::<Result<Vec<_>, _>>()?;
    check_size(&parts, input.mpu_object_size)?;
    check_crc(&parts, input.checksum_crc64nvme.as_deref())
}

/// Whether two entity tags are the same, whichever of them is quoted.
pub(super) fn same_tag(one: &str, other: &str) -> bool {
    one.trim_matches('"') == other.trim_matches('"')
}

fn find(listed: &CompletedPart, kept: impl Fn(u32) -> Option<Kept>) -> Result<Kept, S3Error> {
    let number = listed.part_number.and_then(|number| u32::try_from(number).ok());
    let same = |part: &Kept| listed.e_tag.as_deref().is_some_and(|etag| same_tag(etag, &part.etag));
    number.and_then(kept).filter(same).ok_or_else(|| S3Error::new(S3ErrorCode::InvalidPart))
}

fn check_size(parts: &[Kept], declared: Option<i64>) -> Result<(), S3Error> {
    let size = parts.iter().map(|part| part.size).sum::<u64>();
    match declared {
        Some(declared) if u64::try_from(declared) != Ok(size) => {
            let words = format!("The provided 'x-amz-mp-object-size' header value {declared} is not {size}");
            Err(S3Error::with_message(S3ErrorCode::InvalidRequest, words))
        }
        _ => Ok(()),
    }
}

/// The whole object's checksum follows from its parts': no byte is read again.
fn check_crc(parts: &[Kept], declared: Option<&str>) -> Result<(), S3Error> {
    let crcs = parts.iter().map(|part| part.crc.map(|crc| (crc, part.size))).collect::<Option<Vec<_>>>();
    let (Some(declared), Some(crcs)) = (declared, crcs) else { return Ok(()) };
    let combine = |(whole, before), (crc, size)| {
        (checksum_combine(CrcAlgorithm::Crc64Nvme, whole, crc, size), before + size)
    };
    let whole = crcs.into_iter().reduce(combine);
    match whole {
        Some((whole, _)) if STANDARD.encode(whole.to_be_bytes()) != declared => Err(S3Error::with_message(
            S3ErrorCode::BadDigest,
            "The CRC64NVME you specified did not match the calculated checksum.",
        )),
        _ => Ok(()),
    }
}

/// Eight bytes, big-endian, in base64.
fn crc(text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
