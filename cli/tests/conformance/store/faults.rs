//! What a bucket says that cannot be used.

use exportpool_consumer::{
    aws::s3::S3Bucket,
    fail::AwsKind,
    ports::{ObjectStore as _, StoreFault},
};

use super::setup::{Bucket, crc, place};
use crate::start::Site;

/// What each request that writes is refused with, and the look.
async fn refusals(port: &S3Bucket) -> [AwsKind; 3] {
    let kind = |fault| match fault {
        StoreFault::Aws(fault) => fault.kind,
        other => panic!("{other:?}"),
    };
    [
        port.look().await.unwrap_err().kind,
        port.put(&place("key"), "body".into(), &crc(b"body")).await.map_err(kind).unwrap_err(),
        port.create_upload(&place("key")).await.map_err(kind).unwrap_err(),
    ]
}

pub(super) async fn a_missing_bucket_is_missing(site: &Site) {
    let port = S3Bucket::new(site.ours.s3.clone(), "absent-bucket".to_owned());
    assert_eq!(refusals(&port).await, [AwsKind::Missing; 3]);
}

pub(super) async fn wrong_credentials_are_denied(site: &Site) {
    let bucket = Bucket::make(site).await;
    let port = S3Bucket::new(site.strangers.s3.clone(), bucket.name.clone());
    assert_eq!(refusals(&port).await, [AwsKind::Denied; 3]);
    let head = port.head(&place("key").key).await;
    assert_eq!(head.map_err(|fault| fault.kind), Err(AwsKind::Denied));
}
