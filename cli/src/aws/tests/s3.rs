//! Objects in one piece.

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, ObjectVersion},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, checksum};
use futures_util::future::join_all;

use crate::aws::testing::{Fixture, plain_http};

/// As the consumer records it.
pub(super) fn crc(bytes: &[u8]) -> String {
    STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes())
}

impl Fixture {
    pub(super) async fn versions(&self, key: &str) -> Vec<ObjectVersion> {
        let listed = self.s3.list_object_versions().bucket("exports").prefix(key).send().await.unwrap();
        listed.versions.unwrap_or_default()
    }

    async fn put_new(&self, key: &str, body: &'static [u8]) -> Result<(), u16> {
        let request = self.s3.put_object().bucket("exports").key(key).if_none_match("*");
        let put = request.body(ByteStream::from_static(body)).send().await;
        put.map(drop).map_err(|error| {
            assert_eq!(error.raw_response().unwrap().status().as_u16(), 412);
            let code = error.into_service_error().meta().code().map(str::to_owned);
            if code.as_deref() == Some("PreconditionFailed") { 412 } else { 0 }
        })
    }
}

#[tokio::test]
async fn a_key_is_written_once() {
    let aws = Fixture::start().await;
    aws.put_new("a/b", b"first").await.unwrap();
    assert_eq!(aws.put_new("a/b", b"second").await, Err(412));
    let object = aws.s3.get_object().bucket("exports").key("a/b").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "first");
    aws.s3.delete_object().bucket("exports").key("a/b").send().await.unwrap();
    aws.put_new("a/b", b"third").await.expect("a delete marker is no object");
    assert_eq!(aws.versions("a/b").await.len(), 2);
}

#[tokio::test]
async fn of_many_writers_of_a_key_one_wins() {
    let aws = Fixture::start().await;
    let put = join_all((0..30).map(|_| aws.put_new("k", b"body"))).await;
    assert_eq!(put.iter().filter(|put| put.is_ok()).count(), 1, "{put:?}");
    assert_eq!(aws.versions("k").await.len(), 1);
}

#[tokio::test]
async fn the_checksum_is_read_back() {
    let aws = Fixture::start().await;
    let body = b"123456789";
    let put = || aws.s3.put_object().bucket("exports").body(ByteStream::from_static(body));
    let named = put().checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    named.key("computed").metadata("job", "j-1").send().await.unwrap();
    put().checksum_crc64_nvme(crc(body)).key("given").metadata("job", "j-1").send().await.unwrap();
    for key in ["computed", "given"] {
        let request = aws.s3.head_object().bucket("exports").key(key).checksum_mode(ChecksumMode::Enabled);
        let head = request.send().await.unwrap();
        assert_eq!(head.checksum_crc64_nvme(), Some(&*crc(body)));
        assert_eq!(head.checksum_crc32(), None);
        assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
        assert_eq!(head.content_length(), Some(9));
        assert_eq!(head.metadata().unwrap()["job"], "j-1");
        assert!(head.version_id().is_some());
    }
}

#[tokio::test]
async fn an_object_without_a_checksum_gets_crc64nvme() {
    let aws = Fixture::start().await;
    // No SDK: it would send one of its own.
    let url = format!("{}/exports/plain", aws.stand_in.endpoint());
    let put = plain_http().put(url).body("body").send().await.unwrap();
    assert_eq!(put.status(), 200);
    let request = aws.s3.head_object().bucket("exports").key("plain").checksum_mode(ChecksumMode::Enabled);
    assert_eq!(request.send().await.unwrap().checksum_crc64_nvme(), Some(&*crc(b"body")));
}

#[tokio::test]
async fn a_wrong_checksum_is_refused() {
    let aws = Fixture::start().await;
    let request = aws.s3.put_object().bucket("exports").key("k").body(ByteStream::from_static(b"body"));
    let put = request.checksum_crc64_nvme(crc(b"other")).send().await.unwrap_err();
    assert_eq!(put.into_service_error().meta().code(), Some("BadDigest"));
    assert_eq!(aws.versions("k").await, []);
}

#[tokio::test]
async fn what_is_absent_has_the_errors_of_the_sdk() {
    let aws = Fixture::start().await;
    let head = aws.s3.head_object().bucket("exports").key("absent").send().await.unwrap_err();
    assert!(head.into_service_error().is_not_found());
    let get = aws.s3.get_object().bucket("exports").key("absent").send().await.unwrap_err();
    assert!(get.into_service_error().is_no_such_key());
    let put = aws.s3.put_object().bucket("absent").key("k").send().await.unwrap_err();
    assert_eq!(put.into_service_error().meta().code(), Some("NoSuchBucket"));
}

#[tokio::test]
async fn a_range_is_read() {
    let aws = Fixture::start().await;
    aws.put_new("k", b"0123456789").await.unwrap();
    let request = aws.s3.get_object().bucket("exports").key("k").range("bytes=2-4");
    let read = request.send().await.unwrap();
    assert_eq!(read.content_range(), Some("bytes 2-4/10"));
    assert_eq!(read.body.collect().await.unwrap().into_bytes(), "234");
    let url = format!("{}/exports/k", aws.stand_in.endpoint());
    let raw = plain_http().get(url).header("range", "bytes=9-").send().await.unwrap();
    assert_eq!(raw.status(), 206);
}

#[tokio::test]
async fn keys_may_hold_any_character() {
    let aws = Fixture::start().await;
    let keys = ["a b+c", "q?x=1&y", "ü/ß#1", "100%25", "..dots", "<&>\"'"];
    for key in keys {
        aws.put_new(key, b"body").await.unwrap();
        aws.s3.head_object().bucket("exports").key(key).send().await.unwrap();
    }
    let listed = aws.s3.list_objects_v2().bucket("exports").send().await.unwrap();
    let mut found = listed.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>();
    found.sort_unstable();
    let mut expected = keys;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_listing_comes_in_pages() {
    let aws = Fixture::start().await;
    let keys = (0..25).map(|n| format!("p/{n:02}")).collect::<Vec<_>>();
    for key in &keys {
        aws.put_new(key, b"").await.unwrap();
    }
    aws.put_new("q/1", b"").await.unwrap();
    let mut pages =
        aws.s3.list_objects_v2().bucket("exports").prefix("p/").max_keys(10).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    assert_eq!(found, keys);
    let (mut versions, mut key, mut version) = (0, None, None);
    loop {
        let request = aws.s3.list_object_versions().bucket("exports").max_keys(10);
        let page = request.set_key_marker(key).set_version_id_marker(version).send().await.unwrap();
        versions += page.versions().len();
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(versions, 26);
}
