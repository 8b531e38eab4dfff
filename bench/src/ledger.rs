//! What was recorded of a run. All contenders write the same two times to a task's item.

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use exportpool_contract::{
    environment as name,
    record::{PK, SK, TASK_PREFIX, TaskState, attribute},
};

use crate::{stage::Stage, stats::Stay};

/// A task that is done. Milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The job's id.
    pub(crate) job: String,
    /// When its work began.
    pub(crate) claimed_at: u64,
    /// When it was recorded.
    pub(crate) settled_at: u64,
    /// From the beginning to stored; only exportpool says.
    pub(crate) service: Option<u64>,
}

impl Record {
    /// Its stay on a slot.
    pub(crate) fn stay(&self) -> Stay {
        Stay {
            from: self.claimed_at,
            to: self.service.map_or(self.settled_at, |service| self.claimed_at + service),
        }
    }
}

/// The records of a run, of whose tasks each must be done.
///
/// # Errors
/// The table does not answer, or a task is not done.
pub(crate) async fn records(stage: &Stage, run: &str, tasks: usize) -> anyhow::Result<Vec<Record>> {
    let table = stage.variable(name::DYNAMODB_TABLE)?;
    let (prefix, mut from, mut records) = (format!("tasks#{run}-"), None, Vec::new());
    loop {
        let scan =
            stage.dynamodb.scan().table_name(table).consistent_read(true).set_exclusive_start_key(from);
        let page = scan.send().await.context("the table cannot be read")?;
        let texts = |item: &std::collections::HashMap<String, AttributeValue>, name: &str| {
            item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
        };
        for item in page.items.unwrap_or_default() {
            let job = texts(&item, PK).strip_prefix("tasks#").map(str::to_owned);
            let ours = texts(&item, PK).starts_with(&prefix) && texts(&item, SK).starts_with(TASK_PREFIX);
            if let Some(job) =
                job.filter(|_| ours && texts(&item, attribute::STATE) == TaskState::Done.as_str())
            {
                records.push(read(&item, job).context("a record misses a time")?);
            }
        }
        from = page.last_evaluated_key;
        if from.is_none() {
            break;
        }
    }
    anyhow::ensure!(records.len() == tasks, "{} of {tasks} tasks are done", records.len());
    Ok(records)
}

fn read(item: &std::collections::HashMap<String, AttributeValue>, job: String) -> Option<Record> {
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    Some(Record {
        job,
        claimed_at: number(attribute::CLAIMED_AT)?,
        settled_at: number(attribute::SETTLED_AT)?,
        service: number(attribute::SERVICE_MILLIS),
    })
}

/// When the last of them was recorded.
pub(crate) fn last(records: &[Record]) -> u64 {
    records.iter().map(|record| record.settled_at).max().unwrap_or_default()
}

/// When the first of them was begun.
pub(crate) fn first(records: &[Record]) -> u64 {
    records.iter().map(|record| record.claimed_at).min().unwrap_or_default()
}
