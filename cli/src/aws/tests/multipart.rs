//! Objects in parts.

use std::time::Duration;

use aws_sdk_s3::{
    operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use futures_util::future::join_all;
use tokio::time;

use super::s3::crc;
use crate::aws::testing::Fixture;

const PART: usize = 5 << 20;

/// An upload of one key, and its parts so far.
struct Upload<'a> {
    aws: &'a Fixture,
    key: &'a str,
    id: String,
    parts: Vec<CompletedPart>,
}

impl<'a> Upload<'a> {
    async fn begin(aws: &'a Fixture, key: &'a str) -> Self {
        let request = aws.s3.create_multipart_upload().bucket("exports").key(key).metadata("job", "j-1");
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
        let begun = request.checksum_type(ChecksumType::FullObject).send().await.unwrap();
        Self { aws, key, id: begun.upload_id.unwrap(), parts: Vec::new() }
    }

    async fn add(&mut self, bytes: &[u8]) {
        let number = i32::try_from(self.parts.len()).unwrap() + 1;
        let request = self.aws.s3.upload_part().bucket("exports").key(self.key).upload_id(&self.id);
        let request = request.part_number(number).checksum_crc64_nvme(crc(bytes));
        let added = request.body(ByteStream::from(bytes.to_vec())).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number).e_tag(added.e_tag.unwrap());
        self.parts.push(part.checksum_crc64_nvme(crc(bytes)).build());
    }

    async fn complete(&self, whole: &str) -> Result<CompleteMultipartUploadOutput, String> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let request =
            self.aws.s3.complete_multipart_upload().bucket("exports").key(self.key).upload_id(&self.id);
        let request = request.multipart_upload(parts).if_none_match("*").checksum_crc64_nvme(whole);
        let done = request.checksum_type(ChecksumType::FullObject).send().await;
        done.map_err(|error| error.into_service_error().meta().code().unwrap_or_default().to_owned())
    }

    async fn is_open(&self) -> bool {
        let request = self.aws.s3.list_parts().bucket("exports").key(self.key).upload_id(&self.id);
        request.send().await.is_ok()
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

#[tokio::test]
async fn parts_become_an_object_with_the_checksum_of_the_whole() {
    let aws = Fixture::start().await;
    let body = bytes(2 * PART + 3);
    let mut upload = Upload::begin(&aws, "k").await;
    for part in body.chunks(PART) {
        upload.add(part).await;
    }
    let done = upload.complete(&crc(&body)).await.unwrap();
    assert_eq!(done.checksum_crc64_nvme(), Some(&*crc(&body)));
    let request = aws.s3.head_object().bucket("exports").key("k").checksum_mode(ChecksumMode::Enabled);
    let head = request.send().await.unwrap();
    assert_eq!(head.checksum_crc64_nvme(), Some(&*crc(&body)));
    assert_eq!((head.checksum_type(), head.checksum_crc32()), (Some(&ChecksumType::FullObject), None));
    assert_eq!(head.metadata().unwrap()["job"], "j-1");
    let read = aws.s3.get_object().bucket("exports").key("k").send().await.unwrap();
    assert!(read.body.collect().await.unwrap().into_bytes() == body);
    assert!(!upload.is_open().await);
}

#[tokio::test]
async fn a_key_that_is_written_is_not_completed_over() {
    let aws = Fixture::start().await;
    let mut upload = Upload::begin(&aws, "k").await;
    upload.add(b"second").await;
    aws.s3
        .put_object()
        .bucket("exports")
        .key("k")
        .body(ByteStream::from_static(b"first"))
        .send()
        .await
        .unwrap();
    assert_eq!(upload.complete(&crc(b"second")).await.unwrap_err(), "PreconditionFailed");
    assert!(upload.is_open().await, "it can still be aborted");
    assert_eq!(aws.versions("k").await.len(), 1);
}

#[tokio::test]
async fn of_many_completions_of_a_key_one_wins() {
    let aws = Fixture::start().await;
    let mut uploads = Vec::new();
    for _ in 0..10 {
        let mut upload = Upload::begin(&aws, "k").await;
        upload.add(b"body").await;
        uploads.push(upload);
    }
    let whole = crc(b"body");
    let done = join_all(uploads.iter().map(|upload| upload.complete(&whole))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    assert_eq!(aws.versions("k").await.len(), 1);
}

#[tokio::test]
async fn a_completion_that_does_not_add_up_is_refused_and_can_be_mended() {
    let aws = Fixture::start().await;
    let body = bytes(PART + 1);
    let mut upload = Upload::begin(&aws, "k").await;
    for part in body.chunks(PART) {
        upload.add(part).await;
    }
    assert_eq!(upload.complete(&crc(b"other")).await.unwrap_err(), "BadDigest");
    let parts = std::mem::take(&mut upload.parts);
    assert_eq!(upload.complete(&crc(&body)).await.unwrap_err(), "MalformedXML");
    upload.parts = vec![CompletedPart::builder().part_number(1).e_tag("\"other\"").build()];
    assert_eq!(upload.complete(&crc(&body)).await.unwrap_err(), "InvalidPart");
    upload.parts = parts.iter().rev().cloned().collect();
    assert_eq!(upload.complete(&crc(&body)).await.unwrap_err(), "BadDigest");
    upload.parts = parts;
    upload.complete(&crc(&body)).await.unwrap();
}

#[tokio::test]
async fn a_small_part_is_refused_unless_it_is_the_last() {
    let aws = Fixture::start().await;
    let mut upload = Upload::begin(&aws, "k").await;
    upload.add(b"small").await;
    upload.add(b"last").await;
    assert_eq!(upload.complete(&crc(b"smalllast")).await.unwrap_err(), "EntityTooSmall");
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let aws = Fixture::start().await;
    let mut upload = Upload::begin(&aws, "k").await;
    upload.add(b"body").await;
    let open = aws.s3.list_multipart_uploads().bucket("exports").send().await.unwrap();
    assert_eq!(open.uploads()[0].upload_id(), Some(&*upload.id));
    let request = aws.s3.abort_multipart_upload().bucket("exports").key("k").upload_id(&upload.id);
    request.send().await.unwrap();
    assert_eq!(upload.complete(&crc(b"body")).await.unwrap_err(), "NoSuchUpload");
    assert_eq!(aws.s3.list_multipart_uploads().bucket("exports").send().await.unwrap().uploads(), []);
}

#[tokio::test]
async fn parts_are_added_while_others_are_completed() {
    let aws = Fixture::start().await;
    let body = bytes(PART + 1_000);
    let whole = crc(&body);
    let one = async |n: usize| {
        let key = format!("k-{n}");
        for _ in 0..3 {
            let mut upload = Upload::begin(&aws, &key).await;
            for part in body.chunks(PART) {
                upload.add(part).await;
            }
            let _ = upload.complete(&whole).await;
        }
    };
    let all = join_all((0..8).map(one));
    time::timeout(Duration::from_secs(60), all).await.expect("the runtime is not blocked");
}

#[tokio::test]
async fn open_uploads_are_listed_page_by_page() {
    let aws = Fixture::start().await;
    let mut begun = Vec::new();
    for key in ["b", "a", "b", "b", "a/c"] {
        begun.push((key.to_owned(), Upload::begin(&aws, key).await.id));
    }
    let (mut listed, mut key, mut upload) = (Vec::new(), None, None);
    for more in [true, true, false] {
        let request = aws.s3.list_multipart_uploads().bucket("exports").max_uploads(2);
        let page = request.set_key_marker(key).set_upload_id_marker(upload).send().await.unwrap();
        assert_eq!(page.is_truncated, Some(more));
        (key, upload) = (page.next_key_marker.clone(), page.next_upload_id_marker.clone());
        let uploads = page.uploads.unwrap_or_default().into_iter();
        listed.extend(uploads.map(|one| (one.key.unwrap(), one.upload_id.unwrap())));
    }
    // By key, and those of a key as they were begun.
    begun.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(listed, begun);
}
