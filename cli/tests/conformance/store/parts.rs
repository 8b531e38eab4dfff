//! Objects written in parts.

use bytes::Bytes;
use exportpool_consumer::{
    aws::s3::S3Bucket,
    fail::AwsKind,
    ports::{ObjectStore as _, StoreFault},
};
use futures_util::future::join;

use super::setup::{Bucket, PART, Upload, crc, owner, place, two_parts};
use crate::start::Site;

fn is_rejected<T: std::fmt::Debug>(answer: &Result<T, StoreFault>) {
    let rejected = matches!(answer, Err(StoreFault::Aws(fault)) if fault.kind == AwsKind::Rejected);
    assert!(rejected, "{answer:?}");
}

pub(super) async fn an_upload_becomes_an_object_with_its_metadata(site: &Site) {
    let bucket = Bucket::make(site).await;
    let (parts, whole) = two_parts();
    let upload = bucket.upload(&place("large"), &parts).await;
    assert_eq!(bucket.head("large").await, None);
    let etag = bucket.complete(&place("large"), &upload, &whole).await.unwrap();
    let head = bucket.head("large").await.unwrap();
    assert_eq!((head.bytes, head.owner, head.etag), (PART as u64 + 1_000, owner(), etag));
    assert_eq!(bucket.versions("large").await, 1);
    let read = bucket.s3.get_object().bucket(&bucket.name).key("large").send().await.unwrap();
    let bytes = read.body.collect().await.unwrap().into_bytes();
    assert_eq!(crc(&bytes), whole);
}

pub(super) async fn an_upload_of_one_small_part_is_completed(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.upload(&place("small"), &[Bytes::from_static(b"body")]).await;
    bucket.complete(&place("small"), &upload, &crc(b"body")).await.unwrap();
    assert_eq!(bucket.head("small").await.unwrap().bytes, 4);
}

pub(super) async fn a_multipart_object_tells_its_full_checksum(site: &Site) {
    let bucket = Bucket::make(site).await;
    let (parts, whole) = two_parts();
    let upload = bucket.upload(&place("large"), &parts).await;
    bucket.complete(&place("large"), &upload, &whole).await.unwrap();
    assert_eq!(bucket.head("large").await.unwrap().crc64nvme, Some(whole));
}

pub(super) async fn a_completion_where_an_object_stands_is_refused(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.upload(&place("key"), &[Bytes::from_static(b"late")]).await;
    bucket.put(&place("key"), b"first").await.unwrap();
    let refused = bucket.complete(&place("key"), &upload, &crc(b"late")).await;
    assert_eq!(refused, Err(StoreFault::Exists));
    assert_eq!(bucket.head("key").await.unwrap().crc64nvme, Some(crc(b"first")));
    assert_eq!(bucket.port.abort_upload(&place("key").key, &upload.id).await, Ok(()));
    assert_eq!((bucket.open_uploads().await, bucket.versions("key").await), (vec![], 1));
}

pub(super) async fn of_two_uploads_completed_at_once_exactly_one_wins(site: &Site) {
    let bucket = Bucket::make(site).await;
    let place = place("contested");
    let one = bucket.upload(&place, &[Bytes::from_static(b"one")]).await;
    let other = bucket.upload(&place, &[Bytes::from_static(b"other")]).await;
    let (one_crc, other_crc) = (crc(b"one"), crc(b"other"));
    let both =
        join(bucket.complete(&place, &one, &one_crc), bucket.complete(&place, &other, &other_crc)).await;
    let expected = match &both {
        (Ok(_), Err(StoreFault::Exists | StoreFault::Conflict)) => one_crc,
        (Err(StoreFault::Exists | StoreFault::Conflict), Ok(_)) => other_crc,
        _ => panic!("{both:?}"),
    };
    assert_eq!(bucket.versions("contested").await, 1);
    let read = bucket.s3.get_object().bucket(&bucket.name).key("contested").send().await.unwrap();
    assert_eq!(crc(&read.body.collect().await.unwrap().into_bytes()), expected);
}

pub(super) async fn a_part_may_be_sent_again(site: &Site) {
    let bucket = Bucket::make(site).await;
    let place = place("key");
    let mut upload = bucket.upload(&place, &[Bytes::from_static(b"first try")]).await;
    let again = bucket.port.put_part(&place.key, &upload.id, 1, "second".into(), &crc(b"second")).await;
    upload.parts = vec![again.unwrap()];
    bucket.complete(&place, &upload, &crc(b"second")).await.unwrap();
    assert_eq!(bucket.head("key").await.unwrap().bytes, 6);
}

pub(super) async fn undersized_parts_are_refused(site: &Site) {
    let bucket = Bucket::make(site).await;
    let parts = [Bytes::from_static(b"too "), Bytes::from_static(b"small")];
    let upload = bucket.upload(&place("key"), &parts).await;
    let refused = bucket.complete(&place("key"), &upload, &crc(b"too small")).await;
    assert!(refused.as_ref().is_err_and(|fault| fault.to_string().contains("EntityTooSmall")), "{refused:?}");
    is_rejected(&refused);
    assert_eq!(bucket.head("key").await, None);
}

pub(super) async fn a_part_with_a_wrong_checksum_is_refused(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.port.create_upload(&place("key")).await.unwrap();
    let key = place("key").key;
    is_rejected(&bucket.port.put_part(&key, &upload, 1, "body".into(), &crc(b"another")).await);
}

pub(super) async fn a_completion_with_a_wrong_checksum_is_refused_and_one_with_the_right_taken(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.upload(&place("key"), &[Bytes::from_static(b"body")]).await;
    is_rejected(&bucket.complete(&place("key"), &upload, &crc(b"another")).await);
    assert_eq!(bucket.head("key").await, None);
    bucket.complete(&place("key"), &upload, &crc(b"body")).await.unwrap();
    assert_eq!(bucket.head("key").await.unwrap().bytes, 4);
}

pub(super) async fn a_completion_sent_again_leaves_one_object(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.upload(&place("key"), &[Bytes::from_static(b"body")]).await;
    bucket.complete(&place("key"), &upload, &crc(b"body")).await.unwrap();
    // The answer was lost. S3 may repeat it, or say what it found: each leads to the object.
    let again = bucket.complete(&place("key"), &upload, &crc(b"body")).await;
    assert!(matches!(again, Ok(_) | Err(StoreFault::Exists | StoreFault::Conflict)), "{again:?}");
    assert_eq!((bucket.versions("key").await, bucket.head("key").await.unwrap().owner), (1, owner()));
}

/// An upload with one part, aborted.
async fn aborted(bucket: &Bucket) -> Upload {
    let upload = bucket.upload(&place("key"), &[Bytes::from_static(b"body")]).await;
    assert_eq!(bucket.port.abort_upload(&place("key").key, &upload.id).await, Ok(()));
    upload
}

pub(super) async fn an_aborted_upload_is_gone_and_may_be_aborted_again(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = aborted(&bucket).await;
    assert_eq!(bucket.open_uploads().await, [""; 0]);
    assert_eq!(bucket.port.abort_upload(&place("key").key, &upload.id).await, Ok(()));
}

pub(super) async fn a_part_after_the_abort_is_a_conflict(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = aborted(&bucket).await;
    let part = bucket.port.put_part(&place("key").key, &upload.id, 2, "late".into(), &crc(b"late")).await;
    assert_eq!(part, Err(StoreFault::Conflict));
}

pub(super) async fn a_completion_after_the_abort_is_a_conflict(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = aborted(&bucket).await;
    let completed = bucket.complete(&place("key"), &upload, &crc(b"body")).await;
    assert_eq!(completed, Err(StoreFault::Conflict));
    assert_eq!(bucket.head("key").await, None);
}

pub(super) async fn an_open_upload_is_listed_until_it_ends(site: &Site) {
    let bucket = Bucket::make(site).await;
    let upload = bucket.upload(&place("key"), &[Bytes::from_static(b"body")]).await;
    assert_eq!(bucket.open_uploads().await, std::slice::from_ref(&upload.id));
    bucket.complete(&place("key"), &upload, &crc(b"body")).await.unwrap();
    assert_eq!(bucket.open_uploads().await, [""; 0]);
}

pub(super) async fn open_uploads_of_a_key_are_listed_page_by_page_and_no_others(site: &Site) {
    let bucket = Bucket::make(site).await;
    let key = "a b/é+c&d";
    let mut begun = Vec::new();
    for n in 0..5 {
        for other in ["a b/é", "a b/é+c&d/e", "a b/é+c&dd"].iter().take(n) {
            bucket.port.create_upload(&place(other)).await.unwrap();
        }
        begun.push(bucket.port.create_upload(&place(key)).await.unwrap());
    }
    begun.sort_unstable();
    for uploads in [1_000, 2] {
        let port = S3Bucket::new(bucket.s3.clone(), bucket.name.clone()).with_uploads_a_page(uploads);
        let mut listed = port.list_uploads(&place(key).key).await.unwrap();
        listed.sort_unstable();
        assert_eq!(listed, begun, "{uploads} a page");
    }
    let nothing = bucket.port.list_uploads(&place("a").key).await;
    assert_eq!(nothing, Ok(Vec::new()), "it begins other keys, and is none of them");
}
