//! What bucket, table and dead-letter queues hold of a run.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::Message;
use exportpool_consumer::aws::connect;
use exportpool_contract::{
    TaskMessage, attribute as message_attribute,
    record::{COUNTER, JOB, JobState, PK, SK, TASK_PREFIX, TaskState, attribute},
};

use crate::target::Target;

/// A job and one of its tasks, by id.
pub(crate) type TaskName = (String, String);

/// A task's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) state: Option<TaskState>,
    pub(crate) crc64nvme: Option<String>,
    pub(crate) enqueued_at: Option<u64>,
    pub(crate) settled_at: Option<u64>,
}

/// Counters of a job, summed over its shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) failed: u64,
}

/// What the table holds.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) tasks: HashMap<TaskName, Record>,
    pub(crate) counts: HashMap<String, Counts>,
    pub(crate) jobs: HashMap<String, Option<JobState>>,
}

/// What the dead-letter queues hold.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    /// Reasons by task.
    pub(crate) tasks: HashMap<TaskName, Vec<String>>,
    /// Bodies of other messages.
    pub(crate) others: Vec<String>,
}

/// Multipart uploads that nobody completed or aborted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uploads {
    /// With parts: the ledger knew them, and somebody should have aborted them.
    pub(crate) with_parts: u64,
    /// Without any part: a consumer ended between making one and noting it in the ledger. The bucket's rule aborts
    /// these after a day.
    pub(crate) empty: u64,
}

/// Everything a run left behind.
pub(crate) struct Leavings {
    /// Versions of each key, delete markers counted.
    pub(crate) versions: BTreeMap<String, u64>,
    pub(crate) uploads: Uploads,
    pub(crate) table: Table,
    pub(crate) dead_letters: DeadLetters,
}

/// Reads what the run, whose job ids start with `prefix`, left behind.
///
/// # Errors
/// A service that does not answer.
pub(crate) async fn read(target: &Target, prefix: &str) -> anyhow::Result<Leavings> {
    let config = target.access.resolve().await;
    let s3 = connect::s3(&config);
    let sqs = aws_sdk_sqs::Client::new(&config);
    let mut dead_letters = DeadLetters::default();
    for url in [&target.export_jobs_dlq, &target.download_tasks_dlq].into_iter().flatten() {
        read_dead_letters(&sqs, url, &mut dead_letters).await.with_context(|| format!("reading {url}"))?;
    }
    Ok(Leavings {
        versions: versions(&s3, &target.bucket, prefix).await.context("listing the bucket")?,
        uploads: uploads(&s3, &target.bucket, prefix).await.context("listing open uploads")?,
        table: table(&aws_sdk_dynamodb::Client::new(&config), &target.table, prefix)
            .await
            .context("reading the table")?,
        dead_letters,
    })
}

/// Reads what the table holds of the run, whose job ids start with `prefix`.
///
/// # Errors
/// A service that does not answer.
pub(crate) async fn table_of(target: &Target, prefix: &str) -> anyhow::Result<Table> {
    let client = aws_sdk_dynamodb::Client::new(&target.access.resolve().await);
    table(&client, &target.table, prefix).await.context("reading the table")
}

async fn versions(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    prefix: &str,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut versions = BTreeMap::new();
    let (mut key, mut version) = (None, None);
    loop {
        let request = s3.list_object_versions().bucket(bucket).prefix(prefix);
        let page = request.set_key_marker(key).set_version_id_marker(version).send().await?;
        let markers = page.delete_markers.unwrap_or_default().into_iter().filter_map(|marker| marker.key);
        let objects = page.versions.unwrap_or_default().into_iter().filter_map(|version| version.key);
        for name in objects.chain(markers) {
            *versions.entry(name).or_default() += 1;
        }
        if page.is_truncated != Some(true) {
            return Ok(versions);
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
}

async fn uploads(s3: &aws_sdk_s3::Client, bucket: &str, prefix: &str) -> anyhow::Result<Uploads> {
    let page = s3.list_multipart_uploads().bucket(bucket).prefix(prefix).send().await?;
    let mut uploads = Uploads::default();
    for upload in page.uploads.unwrap_or_default() {
        let parts = s3.list_parts().bucket(bucket).set_key(upload.key).set_upload_id(upload.upload_id);
        let parts = parts.send().await?.parts.unwrap_or_default();
        let count = if parts.is_empty() { &mut uploads.empty } else { &mut uploads.with_parts };
        *count += 1;
    }
    Ok(uploads)
}

async fn table(dynamodb: &aws_sdk_dynamodb::Client, name: &str, prefix: &str) -> anyhow::Result<Table> {
    let mut table = Table::default();
    let mut from = None;
    loop {
        let request = dynamodb.scan().table_name(name).consistent_read(true);
        let page = request.set_exclusive_start_key(from).send().await?;
        for item in page.items.unwrap_or_default() {
            table.add(&item, prefix);
        }
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(table);
        }
    }
}

impl Table {
    fn add(&mut self, item: &HashMap<String, AttributeValue>, prefix: &str) {
        let text = |name| item.get(name).and_then(|value: &AttributeValue| value.as_s().ok()).cloned();
        let number = |name| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
        let (Some(pk), Some(sk)) = (text(PK), text(SK)) else { return };
        let Some(job) = pk.split('#').nth(1).filter(|job| job.starts_with(prefix)) else { return };
        let state = text(attribute::STATE).unwrap_or_default();
        if let Some(task) = sk.strip_prefix(TASK_PREFIX) {
            let record = Record {
                state: TaskState::parse(&state),
                crc64nvme: text(attribute::CRC64NVME),
                enqueued_at: number(attribute::ENQUEUED_AT),
                settled_at: number(attribute::SETTLED_AT),
            };
            self.tasks.insert((job.to_owned(), task.to_owned()), record);
        } else if sk == COUNTER {
            let counts = self.counts.entry(job.to_owned()).or_default();
            counts.done += number(attribute::DONE).unwrap_or_default();
            counts.failed += number(attribute::FAILED).unwrap_or_default();
        } else if sk == JOB {
            self.jobs.insert(job.to_owned(), JobState::parse(&state));
        }
    }
}

/// Reads dead letters without deleting them: they become visible again.
async fn read_dead_letters(
    sqs: &aws_sdk_sqs::Client,
    url: &str,
    into: &mut DeadLetters,
) -> anyhow::Result<()> {
    const HIDDEN_SECONDS: i32 = 60;
    loop {
        let request = sqs.receive_message().queue_url(url).max_number_of_messages(10);
        let page = request.visibility_timeout(HIDDEN_SECONDS).message_attribute_names("All").send().await?;
        let messages = page.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            into.add(message);
        }
    }
}

impl DeadLetters {
    fn add(&mut self, message: Message) {
        let body = message.body.unwrap_or_default();
        let attributes = message.message_attributes.unwrap_or_default();
        let reason = attributes.get(message_attribute::REASON).and_then(|value| value.string_value.clone());
        match serde_json::from_str::<TaskMessage>(&body) {
            Ok(task) => {
                let name = (task.job_id.to_string(), task.task.task_id.to_string());
                self.tasks.entry(name).or_default().push(reason.unwrap_or_default());
            }
            Err(_) => self.others.push(body),
        }
    }
}
