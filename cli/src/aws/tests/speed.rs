//! Measurements for docs/decisions/0001-aws-stand-in.md, not checks:
//! `cargo test --release -p exportctl aws::tests::speed -- --ignored --nocapture --test-threads 1`

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::aws::testing::Fixture;

const MESSAGES: u32 = 20_000;
const OBJECTS: u32 = 10_000;

fn told(what: &str, count: u32, took: Duration) {
    println!("{what}: {:.0} a second ({count} in {took:.2?})", f64::from(count) / took.as_secs_f64());
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

async fn send_ten(aws: &Fixture, first: u32) {
    let entry = |n: u32| {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_group_id("group");
        entry.message_body(format!("{{\"jobId\":\"{n}\",\"tasks\":[]}}")).build().unwrap()
    };
    let request = aws.sqs.send_message_batch().queue_url(&aws.target.export_jobs);
    request.set_entries(Some((first..first + 10).map(entry).collect())).send().await.unwrap();
}

async fn receive_and_delete(aws: &Fixture) -> u32 {
    let url = &aws.target.export_jobs;
    let received = aws.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap();
    let entry = |(n, message): (usize, aws_sdk_sqs::types::Message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
        entry.receipt_handle(message.receipt_handle.unwrap()).build().unwrap()
    };
    let entries =
        received.messages.unwrap_or_default().into_iter().enumerate().map(entry).collect::<Vec<_>>();
    let count = u32::try_from(entries.len()).unwrap();
    if count > 0 {
        aws.sqs.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await.unwrap();
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn messages() {
    let aws = &Fixture::start().await;
    let start = Instant::now();
    stream::iter((0..MESSAGES).step_by(10)).for_each_concurrent(16, |first| send_ten(aws, first)).await;
    told("sent in batches of 10", MESSAGES, start.elapsed());
    let start = Instant::now();
    let drain = |_| async { while receive_and_delete(aws).await > 0 {} };
    stream::iter(0..16).for_each_concurrent(16, drain).await;
    told("received and deleted in batches of 10", MESSAGES, start.elapsed());
    let start = Instant::now();
    let one = |n: u32| async move {
        let request = aws.sqs.send_message().queue_url(&aws.target.export_jobs).message_body(n.to_string());
        request.send().await.unwrap();
    };
    stream::iter(0..MESSAGES / 4).for_each_concurrent(16, one).await;
    told("sent one by one", MESSAGES / 4, start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn objects() {
    let aws = &Fixture::start().await;
    let start = Instant::now();
    let one = |n: u32| async move {
        let request = aws.s3.put_object().bucket("exports").key(format!("k/{n}")).if_none_match("*");
        request.body(ByteStream::from_static(&[7; 1_024])).send().await.unwrap();
    };
    stream::iter(0..OBJECTS).for_each_concurrent(16, one).await;
    told("objects of 1 KiB", OBJECTS, start.elapsed());
    println!("resident: {} MiB", resident_mib());
    let start = Instant::now();
    let body = bytes::Bytes::from(vec![7; 64 << 20]);
    for n in 0..16 {
        let request = aws.s3.put_object().bucket("exports").key(format!("large/{n}"));
        request.body(ByteStream::from(body.clone())).send().await.unwrap();
    }
    told("MiB in objects of 64 MiB", 16 * 64, start.elapsed());
    println!("resident: {} MiB", resident_mib());
}
