//! A table, for one case alone.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        TableStatus,
    },
};
use exportpool_consumer::{
    aws::dynamodb::{DynamoLedger, KnownShards},
    fail::{AwsKind, Reason},
    message::Stored,
    ports::{Claim, ClaimAsk, Claimed, Ending, JobClaim, JobOpening, Ledger as _, Recorded, Settling},
};
use exportpool_contract::{
    JobId, ObjectKey, TaskId,
    record::{COUNTER, JOB, PK, SK, attribute, job_pk, shard_pk, task_sk},
};

use crate::{start::Site, wait::until};

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) struct Table {
    /// The product's adapter.
    pub(super) port: DynamoLedger,
    pub(super) dynamodb: Client,
    pub(super) name: String,
}

impl Table {
    pub(super) async fn make(site: &Site) -> Self {
        Self::with_expiry(site, None).await
    }

    pub(super) async fn with_expiry(site: &Site, ttl: Option<Duration>) -> Self {
        let (dynamodb, name) = (site.ours.dynamodb.clone(), site.name("table"));
        make(&dynamodb, &name, &[(PK, KeyType::Hash), (SK, KeyType::Range)]).await;
        let port = port(&dynamodb, &name, ttl);
        Self { port, dynamodb, name }
    }

    /// A second pod on the same table.
    pub(super) fn another(&self) -> DynamoLedger {
        port(&self.dynamodb, &self.name, None)
    }

    pub(super) async fn open(&self, total: usize) -> Option<JobClaim> {
        self.port.open_job(&opening(total)).await.unwrap()
    }

    /// Claims a task that can be claimed.
    pub(super) async fn claim(&self, name: &str) -> Claimed {
        match self.ask(name, "digest", None).await {
            Claim::Granted(claimed) => claimed,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(super) async fn ask(&self, name: &str, digest: &str, reopens: Option<u64>) -> Claim {
        self.ask_as(&fastrand::u64(..).to_string(), name, digest, reopens).await
    }

    /// Claims by a token: each start of a task has its own.
    pub(super) async fn ask_as(&self, token: &str, name: &str, digest: &str, reopens: Option<u64>) -> Claim {
        let (job, task) = (job(), task(name));
        let (url, enqueued_at) = ("https://a/b", Some(7));
        let ask = ClaimAsk { job: &job, task: &task, digest, url, enqueued_at, reopens, token };
        self.port.claim(&ask).await.unwrap()
    }

    /// Settles tasks of shard 0.
    pub(super) async fn commit(&self, batch: &[Settling]) -> Vec<Recorded> {
        self.port.commit(&job(), 0, batch).await.unwrap()
    }

    pub(super) async fn item(&self, pk: &str, sk: &str) -> Item {
        let key =
            [(PK, pk), (SK, sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let request = self.dynamodb.get_item().table_name(&self.name).consistent_read(true);
        request.set_key(Some(key.into())).send().await.unwrap().item.unwrap_or_default()
    }

    /// A task of shard 0, as it is recorded.
    pub(super) async fn task(&self, name: &str) -> Item {
        self.item(&shard_pk(&job(), 0), &task_sk(&task(name))).await
    }

    pub(super) async fn job(&self) -> Item {
        self.item(&job_pk(&job()), JOB).await
    }

    /// (done, failed) of a shard's counter.
    pub(super) async fn counts_of(&self, shard: u16) -> (u64, u64) {
        let item = self.item(&shard_pk(&job(), shard), COUNTER).await;
        let read = |name| number(&item, name).unwrap_or_default();
        (read(attribute::DONE), read(attribute::FAILED))
    }

    pub(super) async fn counts(&self) -> (u64, u64) {
        self.counts_of(0).await
    }

    /// Claims a task and settles it.
    pub(super) async fn settle(&self, name: &str, ending: fn(&str, &Claimed) -> Settling) -> Recorded {
        let claimed = self.claim(name).await;
        let shard = self.port.shard(&job(), &task(name)).await.unwrap();
        let recorded = self.port.commit(&job(), shard, &[ending(name, &claimed)]).await.unwrap();
        recorded[0]
    }
}

pub(super) fn port(dynamodb: &Client, table: &str, ttl: Option<Duration>) -> DynamoLedger {
    DynamoLedger::new(dynamodb.clone(), table.to_owned(), "pod-1".to_owned(), ttl, KnownShards::default())
}

pub(super) fn job() -> JobId {
    JobId::new("job-1").unwrap()
}

pub(super) fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// A job that lists its tasks itself, two of which stay under its message.
pub(super) fn opening(tasks: usize) -> JobOpening {
    JobOpening { job: job(), digest: "digest".to_owned(), tasks, more: false, local: 2 }
}

pub(super) fn done(name: &str, claimed: &Claimed) -> Settling {
    let object = Stored {
        key: ObjectKey::new(format!("job-1/{name}")).unwrap(),
        bytes: 1_024,
        crc64nvme: Some("AAAAAAAAAAA=".to_owned()),
        etag: Some("\"etag\"".to_owned()),
        adopted: false,
    };
    let ending = Ending::Done { object, service: Duration::from_millis(250) };
    Settling { task: task(name), claimed: claimed.clone(), ending, only: false }
}

pub(super) fn failed(name: &str, claimed: &Claimed) -> Settling {
    let ending = Ending::Failed { reason: Reason::SourceRefused };
    Settling { task: task(name), claimed: claimed.clone(), ending, only: false }
}

pub(super) fn number(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(super) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Conflicts and throttling pass: the same again, as the committer does it.
pub(super) async fn patiently(port: &DynamoLedger, batch: &[Settling]) -> Vec<Recorded> {
    until("a commit without a conflict", async || match port.commit(&job(), 0, batch).await {
        Ok(recorded) => Some(recorded),
        Err(fault) if fault.kind == AwsKind::Throttled => None,
        Err(fault) => panic!("{fault}"),
    })
    .await
}

pub(super) async fn make(dynamodb: &Client, name: &str, keys: &[(&str, KeyType)]) {
    let mut request = dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in keys {
        let key = KeySchemaElement::builder().attribute_name(*attribute).key_type(kind.clone());
        let text = AttributeDefinition::builder().attribute_name(*attribute);
        let text = text.attribute_type(ScalarAttributeType::S);
        request = request.key_schema(key.build().unwrap()).attribute_definitions(text.build().unwrap());
    }
    request.send().await.expect("a table");
    until("a table to be active", async || {
        let table = dynamodb.describe_table().table_name(name).send().await.unwrap().table.unwrap();
        (table.table_status == Some(TableStatus::Active)).then_some(())
    })
    .await;
}
