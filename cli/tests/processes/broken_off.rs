//! Sources whose connections break, and what comes of their bytes.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use aws_sdk_s3::types::{ChecksumMode, ObjectAttributes};
use exportpool_consumer::work::store::checksum::Checksum;
use serde_json::{Value, json};

use crate::{
    consumer::Consumer,
    download,
    stand_in::{BUCKET, Queue, StandIn},
};

const MIB: usize = 1024 * 1024;

async fn send_file(aws: &StandIn, job: &str, query: &str) {
    let task = json!({"taskId": "t", "url": aws.file(&format!("{job}/t"), query)});
    aws.send(Queue::ExportJobs, json!({"jobId": job, "tasks": [task]}).to_string()).await;
}

/// What the file server counted of a job's file.
fn counted(aws: &StandIn, job: &str, what: &str) -> u64 {
    let (_, body) = download::get(&format!("{}/downloads", aws.source())).unwrap();
    let document: Value = serde_json::from_slice(&body).unwrap();
    document["downloads"][format!("{job}/t")][what].as_u64().unwrap()
}

/// The stored object is these bytes; so say the record, HEAD and GetObjectAttributes.
async fn stands(aws: &StandIn, job: &str, wanted: &[u8]) {
    let key = format!("{job}/t");
    assert!(aws.object(&key).await == wanted, "{key} has other bytes");
    let record = aws.table().await.task(job, "t");
    assert_eq!(
        (record.crc64nvme.clone(), record.bytes),
        (Checksum::of(wanted), wanted.len() as u64),
        "{key}"
    );
    let head = aws.s3.head_object().bucket(BUCKET).key(&key).checksum_mode(ChecksumMode::Enabled);
    assert_eq!(head.send().await.unwrap().checksum_crc64_nvme, Some(record.crc64nvme.clone()), "{key}");
    let attributes = aws.s3.get_object_attributes().bucket(BUCKET).key(&key);
    let attributes = attributes.object_attributes(ObjectAttributes::Checksum).send().await.unwrap();
    let checksum = attributes.checksum.and_then(|checksum| checksum.checksum_crc64_nvme);
    assert_eq!(checksum, Some(record.crc64nvme), "{key}");
}

#[tokio::test]
async fn a_file_whose_connection_is_cut_again_and_again_arrives_whole_by_one_upload() {
    let aws = StandIn::start().await;
    let size = format!("size={}", 30 * MIB);
    send_file(&aws, "cut", &format!("{size}&cut={}", 7 * MIB)).await;
    send_file(&aws, "changed", "size=300000&cut=100000&fail-times=1&change-etag-after=1").await;
    send_file(&aws, "weak", "size=300000&cut=100000&fail-times=1&etag=weak").await;
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.drained().await;
    let table = aws.table().await;
    assert_eq!(["cut", "changed", "weak"].map(|job| table.task(job, "t").attempts), [1, 2, 2]);
    let counts =
        ["cut", "changed", "weak"].map(|job| (counted(&aws, job, "asked"), counted(&aws, job, "ranged")));
    assert_eq!(counts, [(5, 4), (3, 1), (2, 0)]);
    assert_eq!(aws.versions().await.values().copied().collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(aws.open_uploads().await, 0);
    let file = |job: &str, query: &str| download::get(&aws.file(&format!("{job}/t"), query)).unwrap().1;
    stands(&aws, "cut", &file("cut", &size)).await;
    stands(&aws, "changed", &file("changed", "size=300000&change-etag-after=0")).await;
    stands(&aws, "weak", &file("weak", "size=300000")).await;
    let head = aws.s3.head_object().bucket(BUCKET).key("cut/t").send().await.unwrap();
    assert!(head.e_tag().unwrap().ends_with("-6\""), "not of six parts: {:?}", head.e_tag());
}

#[tokio::test]
async fn a_gzip_bomb_is_stored_as_the_bytes_that_came_under_the_limit_of_a_file() {
    let aws = StandIn::start().await;
    let query = format!("size={}&gzip-bomb", 200 * MIB);
    send_file(&aws, "bomb", &query).await;
    let _consumer = Consumer::start(&aws.environment(&[("MAX_FILE_BYTES", "1000000")])).await;
    aws.drained().await;
    let (_, bomb) = download::get(&aws.file("bomb/t", &query)).unwrap();
    assert!(bomb.len() < MIB);
    stands(&aws, "bomb", &bomb).await;
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_asked() {
    let aws = StandIn::start().await;
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = aws.environment(&names.map(|name| (name, &*url)));
    send_file(&aws, "direct", "size=5000").await;
    let _consumer = Consumer::start(&environment).await;
    aws.drained().await;
    assert_eq!(aws.table().await.task("direct", "t").state, "done");
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

#[tokio::test]
async fn no_file_is_written_however_large_the_download() {
    let aws = StandIn::start().await;
    let folder = tempfile::tempdir().unwrap();
    let read_only = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    read_only(0o555);
    let path = folder.path().to_str().unwrap();
    let environment = aws.environment(&[("TMPDIR", path), ("HOME", path)]);
    send_file(&aws, "large", &format!("size={}", 12 * MIB)).await;
    send_file(&aws, "unknown", &format!("size={}&no-length", 12 * MIB)).await;
    let consumer = Consumer::start(&environment).await;
    aws.drained().await;
    assert_eq!(["large", "unknown"].map(|job| counted(&aws, job, "completed")), [1, 1]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "also root leaves it empty");
    drop(consumer);
    read_only(0o755);
}
