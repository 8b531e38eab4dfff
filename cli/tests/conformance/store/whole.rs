//! Objects written in one request.

use std::collections::BTreeMap;

use exportpool_consumer::{
    fail::AwsKind,
    ports::{ObjectStore as _, Place, StoreFault},
};
use futures_util::future::join_all;

use super::setup::{Bucket, crc, owner, place};
use crate::start::Site;

pub(super) async fn an_object_is_put_and_read_back_with_its_metadata_and_checksum(site: &Site) {
    let bucket = Bucket::make(site).await;
    let etag = bucket.put(&place("a/b"), b"body").await.unwrap();
    let head = bucket.head("a/b").await.unwrap();
    assert_eq!((head.bytes, head.owner), (4, owner()));
    assert_eq!((head.crc64nvme, head.etag), (Some(crc(b"body")), etag));
    let stored = bucket.s3.head_object().bucket(&bucket.name).key("a/b").send().await.unwrap();
    let metadata: BTreeMap<_, _> = stored.metadata.unwrap().into_iter().collect();
    let expected =
        [("exportpool-attempt", "2"), ("exportpool-job", "job-1"), ("exportpool-task", "task_1.a")];
    assert!(metadata.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{metadata:?}");
}

pub(super) async fn an_empty_object_is_an_object(site: &Site) {
    let bucket = Bucket::make(site).await;
    bucket.put(&place("empty"), b"").await.unwrap();
    let head = bucket.head("empty").await.unwrap();
    assert_eq!((head.bytes, head.crc64nvme), (0, Some(crc(b""))));
    assert_eq!(bucket.put(&place("empty"), b"").await, Err(StoreFault::Exists));
}

pub(super) async fn a_content_type_is_kept(site: &Site) {
    let bucket = Bucket::make(site).await;
    let place = Place { content_type: Some("text/csv; charset=utf-8".to_owned()), ..place("table.csv") };
    bucket.put(&place, b"a,b").await.unwrap();
    let stored = bucket.s3.head_object().bucket(&bucket.name).key("table.csv").send().await.unwrap();
    assert_eq!(stored.content_type, place.content_type);
}

pub(super) async fn an_absent_object_is_none(site: &Site) {
    let bucket = Bucket::make(site).await;
    assert_eq!(bucket.port.look().await, Ok(()));
    assert_eq!(bucket.head("nobody").await, None);
}

pub(super) async fn a_put_where_an_object_stands_is_refused(site: &Site) {
    let bucket = Bucket::make(site).await;
    bucket.put(&place("key"), b"first").await.unwrap();
    assert_eq!(bucket.put(&place("key"), b"second").await, Err(StoreFault::Exists));
    assert_eq!(bucket.head("key").await.unwrap().crc64nvme, Some(crc(b"first")));
}

pub(super) async fn an_object_may_be_overwritten_when_that_was_asked_for(site: &Site) {
    let bucket = Bucket::make(site).await;
    bucket.put(&place("key"), b"first").await.unwrap();
    let replacing = Place { replaces: bucket.head("key").await.unwrap().etag, ..place("key") };
    bucket.put(&replacing, b"second").await.unwrap();
    assert_eq!(bucket.head("key").await.unwrap().crc64nvme, Some(crc(b"second")));
    assert_eq!(bucket.put(&replacing, b"third").await, Err(StoreFault::Exists), "not what was looked at");
    let nothing = Place { replaces: replacing.replaces, ..place("nothing there") };
    assert_eq!(bucket.put(&nothing, b"fourth").await, Err(StoreFault::Exists));
}

pub(super) async fn of_ten_puts_at_once_exactly_one_wins(site: &Site) {
    let bucket = Bucket::make(site).await;
    let bodies: Vec<_> = (0..10).map(|n| format!("body {n}")).collect();
    let place = place("contested");
    let put = join_all(bodies.iter().map(|body| bucket.put(&place, body.as_bytes()))).await;
    let won: Vec<_> = put.iter().zip(&bodies).filter(|(put, _)| put.is_ok()).map(|(_, body)| body).collect();
    assert_eq!(won.len(), 1, "{put:?}");
    let lost = put.iter().filter_map(|put| put.as_ref().err());
    assert!(lost.clone().all(|fault| matches!(fault, StoreFault::Exists | StoreFault::Conflict)), "{put:?}");
    assert_eq!(bucket.head("contested").await.unwrap().crc64nvme, Some(crc(won[0].as_bytes())));
    assert_eq!(bucket.versions("contested").await, 1);
}

pub(super) async fn each_write_is_a_version(site: &Site) {
    let bucket = Bucket::make(site).await;
    assert_eq!(bucket.versions("key").await, 0);
    bucket.put(&place("key"), b"first").await.unwrap();
    bucket.put(&place("key"), b"refused").await.unwrap_err();
    assert_eq!(bucket.versions("key").await, 1);
    let again = Place { replaces: bucket.head("key").await.unwrap().etag, ..place("key") };
    bucket.put(&again, b"second").await.unwrap();
    assert_eq!(bucket.versions("key").await, 2);
}

pub(super) async fn a_put_with_a_wrong_checksum_is_refused(site: &Site) {
    let bucket = Bucket::make(site).await;
    let refused = bucket.port.put(&place("key"), "body".into(), &crc(b"another")).await.unwrap_err();
    assert!(matches!(&refused, StoreFault::Aws(fault) if fault.kind == AwsKind::Rejected), "{refused:?}");
    assert_eq!(bucket.head("key").await, None);
}

pub(super) async fn odd_keys_are_kept_as_they_are(site: &Site) {
    let bucket = Bucket::make(site).await;
    let long = "k".repeat(1_024);
    let keys = [
        "with space",
        "plus+and&=?#%25;:@$,~*'()!",
        "é/ü/日本/🦀",
        "..a/b../.c",
        "a=b/2026-01-01T00:00",
        &long,
    ];
    for key in keys {
        bucket.put(&place(key), key.as_bytes()).await.unwrap();
        assert_eq!(bucket.head(key).await.unwrap().crc64nvme, Some(crc(key.as_bytes())), "{key}");
    }
    let listed = bucket.s3.list_objects_v2().bucket(&bucket.name).send().await.unwrap();
    let mut listed: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    listed.sort_unstable();
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}
