//! The requests of one task, with the expressions of the consumer's own.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    time::Instant,
};

use anyhow::Context as _;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, TransactWriteItem, Update};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use bytes::Bytes;
use exportpool_consumer::{aws::connect, spec::task_digest, work::store::checksum::Checksum};
use exportpool_contract::{
    JobId, TaskId, TaskMessage, environment as name,
    record::{COUNTER, JOB, PK, SK, job_pk, shard_pk, task_sk},
};

use crate::{load::unix_millis, stage::own_access};

const CLAIM: &str = "SET #epoch = if_not_exists(#epoch, :zero) + :one, \
    #attempts = if_not_exists(#attempts, :zero) + :one, #url = :url, #state = if_not_exists(#state, :running), \
    #digest = :digest, #claim = :claim, #claimedBy = :me, #claimedAt = :now, #enqueuedAt = if_not_exists(#enqueuedAt, :enqueued)";
const UNLESS_DONE: &str = "(attribute_not_exists(#state) OR #state <> :done) \
    AND (attribute_not_exists(#digest) OR #digest = :digest) \
    AND (attribute_not_exists(#claim) OR #claim <> :claim)";
const DONE: &str = "SET #state = :state, #key = :key, #bytes = :bytes, #serviceMillis = :service, \
    #settledAt = :now, #crc64nvme = :crc, #etag = :etag REMOVE #uploadId, #reason";
const COUNT: &str = "ADD #done :done, #failed :failed";
const MAKE_JOB: &str =
    "SET #shards = if_not_exists(#shards, :one), #createdAt = if_not_exists(#createdAt, :now)";

type Item = HashMap<String, AttributeValue>;

/// A message and its task.
pub(super) struct Work {
    pub(super) task: TaskMessage,
    pub(super) receipt: String,
}

/// A task whose object stands in the bucket.
pub(super) struct Stored {
    pub(super) job: String,
    pub(super) receipt: String,
    task: TaskId,
    key: String,
    bytes: usize,
    crc: String,
    etag: String,
    service: u64,
}

/// Clients, one of each: there is one runtime.
pub(super) struct Means {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    http: reqwest::Client,
    queue: String,
    bucket: String,
    table: String,
    known: RefCell<HashSet<JobId>>,
}

impl Means {
    pub(super) async fn from_environment() -> anyhow::Result<Self> {
        let config = own_access()?.resolve().await;
        let read = |name: &str| std::env::var(name).with_context(|| format!("{name} is missing"));
        Ok(Self {
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: connect::s3(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            http: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            queue: read(name::SQS_DOWNLOAD_TASKS_URL)?,
            bucket: read(name::S3_BUCKET)?,
            table: read(name::DYNAMODB_TABLE)?,
            known: RefCell::default(),
        })
    }

    pub(super) async fn receive(&self) -> anyhow::Result<Vec<Message>> {
        let request = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let request = request.wait_time_seconds(20).visibility_timeout(60);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        Ok(request.message_attribute_names("All").send().await?.messages.unwrap_or_default())
    }

    pub(super) async fn delete(&self, receipts: &[String]) -> anyhow::Result<()> {
        let entries = receipts.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(receipt).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        self.sqs.delete_message_batch().queue_url(&self.queue).set_entries(Some(entries)).send().await?;
        Ok(())
    }

    /// Claim, download, checksum, put.
    pub(super) async fn export(&self, work: Work) -> anyhow::Result<Stored> {
        let begun = Instant::now();
        let TaskMessage { job_id, task, .. } = &work.task;
        self.know(job_id).await?;
        self.claim(&work.task).await?;
        let response = self.http.get(&task.url).send().await?.error_for_status()?;
        let kind =
            response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await?;
        let (key, crc) = (format!("{job_id}/{}", task.task_id), Checksum::of(&body));
        let bytes = body.len();
        let etag = self.put(&key, kind, &work.task, body, &crc).await?;
        let service = u64::try_from(begun.elapsed().as_millis())?;
        let (job, task) = (job_id.to_string(), task.task_id.clone());
        Ok(Stored { job, receipt: work.receipt, task, key, bytes, crc, etag, service })
    }

    /// The shards of a job are read once, and its item made.
    async fn know(&self, job: &JobId) -> anyhow::Result<()> {
        if !self.known.borrow_mut().insert(job.clone()) {
            return Ok(());
        }
        let key = key(&job_pk(job), JOB);
        self.dynamodb
            .get_item()
            .table_name(&self.table)
            .consistent_read(true)
            .set_key(Some(key))
            .send()
            .await?;
        self.update(&job_pk(job), JOB, MAKE_JOB, None, [(":one", number(1)), (":now", now())]).await
    }

    async fn claim(&self, message: &TaskMessage) -> anyhow::Result<()> {
        let task = &message.task;
        let url = task.url.split('?').next().unwrap_or_default();
        let values = [
            (":zero", number(0)),
            (":one", number(1)),
            (":digest", text(task_digest(task, false))),
            (":url", text(url)),
            (":running", text("running")),
            (":done", text("done")),
            (":claim", text(format!("bare#{}", fastrand::u64(..)))),
            (":me", text("bare")),
            (":now", now()),
            (":enqueued", now()),
        ];
        self.update(&shard_pk(&message.job_id, 0), &task_sk(&task.task_id), CLAIM, Some(UNLESS_DONE), values)
            .await
    }

    async fn update<const N: usize>(
        &self,
        pk: &str,
        sk: &str,
        update: &str,
        condition: Option<&str>,
        values: [(&str, AttributeValue); N],
    ) -> anyhow::Result<()> {
        let request = self.dynamodb.update_item().table_name(&self.table).set_key(Some(key(pk, sk)));
        let request = request
            .set_expression_attribute_names(Some(names(&[update, condition.unwrap_or_default()])))
            .set_expression_attribute_values(Some(owned(values)))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .return_values(ReturnValue::AllNew);
        request.send().await?;
        Ok(())
    }

    async fn put(
        &self,
        key: &str,
        kind: Option<String>,
        message: &TaskMessage,
        body: Bytes,
        crc: &str,
    ) -> anyhow::Result<String> {
        let request = self.s3.put_object().bucket(&self.bucket).key(key).set_content_type(kind);
        let request = request
            .metadata("exportpool-job", message.job_id.to_string())
            .metadata("exportpool-task", message.task.task_id.to_string())
            .metadata("exportpool-attempt", "1")
            .if_none_match("*")
            .checksum_crc64_nvme(crc)
            .body(ByteStream::from(body));
        Ok(request.send().await?.e_tag.unwrap_or_default())
    }

    /// Tasks and their counter, in one transaction.
    pub(super) async fn commit(&self, job: &str, batch: &[Stored]) -> anyhow::Result<()> {
        let pk = shard_pk(&JobId::new(job)?, 0);
        let mut items = Vec::with_capacity(batch.len() + 1);
        for stored in batch {
            let values = owned([
                (":prior", text("running")),
                (":state", text("done")),
                (":key", text(&stored.key)),
                (":bytes", number(stored.bytes as u64)),
                (":service", number(stored.service)),
                (":now", now()),
                (":crc", text(&stored.crc)),
                (":etag", text(&stored.etag)),
            ]);
            items.push(self.item(&pk, &task_sk(&stored.task), DONE, Some("#state = :prior"), values)?);
        }
        let values = owned([(":done", number(batch.len() as u64)), (":failed", number(0))]);
        items.push(self.item(&pk, COUNTER, COUNT, None, values)?);
        self.dynamodb.transact_write_items().set_transact_items(Some(items)).send().await?;
        Ok(())
    }

    fn item(
        &self,
        pk: &str,
        sk: &str,
        update: &str,
        condition: Option<&str>,
        values: Item,
    ) -> anyhow::Result<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(pk, sk)))
            .set_expression_attribute_names(Some(names(&[update, condition.unwrap_or_default()])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Reads the job and its counter, consistently: the last task would close the job.
    pub(super) async fn look_whether_complete(&self, job: &str) -> anyhow::Result<()> {
        let job = JobId::new(job)?;
        let keys = vec![key(&job_pk(&job), JOB), key(&shard_pk(&job, 0), COUNTER)];
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()?;
        self.dynamodb.batch_get_item().request_items(&self.table, wanted).send().await?;
        Ok(())
    }
}

/// Each `#name` stands for the attribute of that name.
fn names(expressions: &[&str]) -> HashMap<String, String> {
    let words = expressions.iter().flat_map(|text| text.split(|c: char| !(c.is_alphanumeric() || c == '#')));
    words.filter_map(|word| Some((word.to_owned(), word.strip_prefix('#')?.to_owned()))).collect()
}

fn owned<const N: usize>(values: [(&str, AttributeValue); N]) -> Item {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn key(pk: &str, sk: &str) -> Item {
    owned([(PK, text(pk)), (SK, text(sk))])
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn now() -> AttributeValue {
    number(unix_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_expression() {
        let names = names(&["SET #a = if_not_exists(#a, :zero), #bC = :x", "#d <> :y"]);
        let mut keys: Vec<_> = names.into_iter().collect();
        keys.sort();
        let pair = |name: &str| (format!("#{name}"), name.to_owned());
        assert_eq!(keys, [pair("a"), pair("bC"), pair("d")]);
    }
}
