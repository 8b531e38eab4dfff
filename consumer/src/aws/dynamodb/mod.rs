//! DynamoDB: the ledger. The layout of the table is in [`exportpool_contract::record`].

mod claim;
mod commit;
mod expression;
mod job;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, KeySchemaElement, ReturnValue},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use exportpool_contract::{
    JobId, TaskId,
    record::{self, PK, SK},
};

use super::fault;
use crate::{
    clock::unix_millis,
    fail::{AwsFault, AwsKind, AwsResource},
    ports::{Claim, ClaimAsk, Cursor, JobClaim, JobOpening, Ledger, Recorded, Settling},
};

type Item = HashMap<String, AttributeValue>;

/// Jobs whose shards are remembered.
const MAX_KNOWN_JOBS: usize = 10_000;

/// Shards of jobs, shared by the threads of a pod. They never change once a job's item is made.
#[derive(Debug, Clone, Default)]
pub struct KnownShards(Arc<Mutex<HashMap<JobId, u16>>>);

impl KnownShards {
    fn get(&self, job: &JobId) -> Option<u16> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(job).copied()
    }

    fn put(&self, job: &JobId, shards: u16) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN_JOBS {
            known.clear();
        }
        known.insert(job.clone(), shards);
    }
}

/// The table.
#[derive(Debug)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    instance: String,
    ttl: Option<Duration>,
    known: KnownShards,
}

impl DynamoLedger {
    /// A table by name. Claims are marked with the instance; records expire after `ttl`.
    #[must_use]
    pub const fn new(
        client: Client,
        table: String,
        instance: String,
        ttl: Option<Duration>,
        known: KnownShards,
    ) -> Self {
        Self { client, table, instance, ttl, known }
    }

    fn resource(&self) -> AwsResource {
        AwsResource::Table(self.table.clone())
    }

    fn fault<E>(&self, error: &SdkError<E, HttpResponse>) -> AwsFault
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        fault::of(self.resource(), error)
    }

    fn odd(&self, detail: &str) -> AwsFault {
        AwsFault { kind: AwsKind::Failed, resource: self.resource(), detail: detail.to_owned() }
    }

    /// `, #expiresAt = :expires` when records expire.
    const fn expiry(&self) -> &'static str {
        if self.ttl.is_some() { ", #expiresAt = :expires" } else { "" }
    }

    fn expires(&self) -> Option<(String, AttributeValue)> {
        let at = unix_millis() / 1_000 + self.ttl?.as_secs();
        Some((":expires".into(), number(at)))
    }

    /// Changes an item and answers it as it is then; `None` when the condition did not hold.
    async fn update(
        &self,
        pk: &str,
        sk: &str,
        update: &str,
        condition: Option<&str>,
        values: Item,
    ) -> Result<Option<Item>, AwsFault> {
        let request = self.client.update_item().table_name(&self.table).set_key(Some(key(pk, sk)));
        let answer = request
            .set_expression_attribute_names(Some(expression::names(&[update, condition.unwrap_or_default()])))
            .set_expression_attribute_values(Some(values))
            .update_expression(update)
            .set_condition_expression(condition.map(str::to_owned))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(self.fault(&error)),
        }
    }

    async fn read(&self, pk: &str, sk: &str) -> Result<Option<Item>, AwsFault> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let answer = request.set_key(Some(key(pk, sk))).send().await.map_err(|error| self.fault(&error))?;
        Ok(answer.item)
    }

    /// Reads up to 100 items, consistently.
    async fn read_all(&self, keys: Vec<Item>) -> Result<Vec<Item>, AwsFault> {
        let wanted = aws_sdk_dynamodb::types::KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .map_err(|error| self.odd(&error.to_string()))?;
        let answer = self.client.batch_get_item().request_items(&self.table, wanted).send().await;
        let answer = answer.map_err(|error| self.fault(&error))?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(AwsFault { kind: AwsKind::Throttled, ..self.odd("keys left unprocessed") });
        }
        Ok(answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default())
    }
}

impl Ledger for DynamoLedger {
    async fn look(&self) -> Result<(), AwsFault> {
        let answer = self.client.describe_table().table_name(&self.table).send().await;
        let table = answer.map_err(|error| self.fault(&error))?.table;
        let keys = table.and_then(|table| table.key_schema).unwrap_or_default();
        let names: Vec<_> = keys.iter().map(KeySchemaElement::attribute_name).collect();
        if names == [PK, SK] {
            return Ok(());
        }
        let detail =
            format!("its keys are {names:?}; a partition key {PK:?} and a sort key {SK:?} are needed");
        Err(AwsFault { kind: AwsKind::Rejected, resource: self.resource(), detail })
    }

    async fn open_job(&self, opening: &JobOpening) -> Result<Option<JobClaim>, AwsFault> {
        self.claim_job(opening).await
    }

    async fn advance(&self, job: &JobId, epoch: u64, cursor: Cursor, end: bool) -> Result<bool, AwsFault> {
        self.move_cursor(job, epoch, cursor, end).await
    }

    async fn listing_failed(&self, job: &JobId) -> Result<u32, AwsFault> {
        self.count_listing_failure(job).await
    }

    async fn settled(&self, job: &JobId, tasks: &[TaskId]) -> Result<Vec<bool>, AwsFault> {
        self.settled_of(job, tasks).await
    }

    async fn claim(&self, ask: &ClaimAsk<'_>) -> Result<Claim, AwsFault> {
        self.claim_task(ask).await
    }

    async fn note_upload(
        &self,
        job: &JobId,
        task: &TaskId,
        epoch: u64,
        upload: &str,
    ) -> Result<bool, AwsFault> {
        self.remember_upload(job, task, epoch, upload).await
    }

    async fn give_back(&self, job: &JobId, task: &TaskId, token: &str) -> Result<(), AwsFault> {
        self.give_attempt_back(job, task, token).await
    }

    async fn shard(&self, job: &JobId, task: &TaskId) -> Result<u16, AwsFault> {
        Ok(record::shard_of(task, self.shards(job).await?))
    }

    async fn commit(&self, job: &JobId, shard: u16, batch: &[Settling]) -> Result<Vec<Recorded>, AwsFault> {
        self.commit_batch(job, shard, batch).await
    }

    async fn close(&self, job: &JobId) -> Result<(), AwsFault> {
        self.close_if_settled(job).await
    }

    async fn close_of_one(&self, job: &JobId) -> Result<bool, AwsFault> {
        self.close_job_of_one(job).await
    }
}

fn is_refused(error: &SdkError<UpdateItemError, HttpResponse>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn key(pk: &str, sk: &str) -> Item {
    [(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))].into()
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A count of things in memory.
fn count(value: usize) -> AttributeValue {
    number(value as u64)
}

fn read_number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn read_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
