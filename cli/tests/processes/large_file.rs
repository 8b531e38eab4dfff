//! Files larger than a part.

use exportpool_consumer::work::store::checksum::Checksum;

use crate::{
    consumer::Consumer,
    download,
    stand_in::{BUCKET, Queue, StandIn},
};

const SIZE: usize = 12 * 1024 * 1024 + 17;

#[tokio::test]
async fn a_large_file_goes_by_multipart_and_is_stored_once() {
    let aws = StandIn::start().await;
    let [known, unknown] = ["", "&no-length"].map(|fault| format!("size={SIZE}{fault}"));
    aws.send_job("known", 1, &known).await;
    aws.send_job("unknown", 1, &unknown).await;
    let cut = serde_json::json!({"jobId": "cut", "tasks": [
        {"taskId": "0", "url": aws.file("cut/0", &format!("size={SIZE}&truncate&etag=weak&fail-times=1"))}]});
    aws.send(Queue::ExportJobs, cut.to_string()).await;
    let _consumer = Consumer::start(&aws.environment(&[])).await;
    aws.drained().await;
    let (table, versions) = (aws.table().await, aws.versions().await);
    assert_eq!(versions.values().copied().collect::<Vec<_>>(), [1, 1, 1], "{versions:?}");
    for job in ["known", "unknown", "cut"] {
        let key = format!("{job}/0");
        let wanted = download::get(&aws.file(&key, &known)).unwrap().1;
        assert_eq!(wanted.len(), SIZE);
        assert!(aws.object(&key).await == wanted, "{key} has other bytes");
        let record = table.task(job, "0");
        assert_eq!((record.state.as_str(), record.crc64nvme), ("done", Checksum::of(&wanted)), "{key}");
        let head = aws.s3.head_object().bucket(BUCKET).key(&key).send().await.unwrap();
        assert!(head.e_tag().unwrap().ends_with("-3\""), "not of three parts: {:?}", head.e_tag());
    }
    assert_eq!(table.task("cut", "0").attempts, 2);
    assert_eq!(aws.open_uploads().await, 0);
}
