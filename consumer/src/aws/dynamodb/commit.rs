//! Settled tasks and their shard's counter, in one transaction. Correctness rests on the conditions: a task moves
//! to `done` once, from whatever it was before, and the counter with it.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{TransactWriteItem, Update},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use exportpool_contract::{
    JobId,
    record::{COUNTER, TaskState, attribute, shard_pk, task_sk},
};

use super::{DynamoLedger, expression, key, number, read_number, read_text, text};
use crate::{
    clock::unix_millis,
    fail::{AwsFault, AwsKind},
    message::Stored,
    ports::{Ending, Recorded, Settling},
};

/// A batch loses or corrects an entry with each failed condition, so this is never reached but by a fault of ours.
const TRIES: usize = 64;

/// An entry of a batch, and what its task is believed to be in.
struct Pending<'a> {
    place: usize,
    settling: &'a Settling,
    prior: TaskState,
}

impl DynamoLedger {
    pub(super) async fn commit_batch(
        &self,
        job: &JobId,
        shard: u16,
        batch: &[Settling],
    ) -> Result<Vec<Recorded>, AwsFault> {
        let pk = shard_pk(job, shard);
        let mut recorded = vec![Recorded::Accepted; batch.len()];
        let mut pending: Vec<_> =
            batch.iter().enumerate().map(|(place, settling)| Pending::new(place, settling)).collect();
        for _ in 0..TRIES {
            if pending.is_empty() {
                return Ok(recorded);
            }
            let Some(failed) = self.try_commit(&pk, &pending).await? else { return Ok(recorded) };
            // From the end, so that the places of the others stay.
            for index in failed.into_iter().rev() {
                if let Some((place, outcome)) = self.recompute(&pk, &mut pending, index).await? {
                    recorded[place] = outcome;
                }
            }
        }
        Err(self.odd("a transaction failed its conditions again and again"))
    }

    /// `None`: committed. Otherwise the entries whose condition failed.
    async fn try_commit(&self, pk: &str, pending: &[Pending<'_>]) -> Result<Option<Vec<usize>>, AwsFault> {
        let mut items = Vec::with_capacity(pending.len() + 1);
        for entry in pending {
            items.push(self.update_task(pk, entry)?);
        }
        items.extend(self.update_counter(pk, pending)?);
        let answer = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        match answer {
            Ok(_) => Ok(None),
            Err(error) => self.failed_conditions(&error).map(Some),
        }
    }

    fn failed_conditions(
        &self,
        error: &SdkError<TransactWriteItemsError, HttpResponse>,
    ) -> Result<Vec<usize>, AwsFault> {
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            return Err(self.fault(error));
        };
        let codes: Vec<_> =
            cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
        let failed =
            codes.iter().enumerate().filter(|(_, code)| **code == "ConditionalCheckFailed").map(|(at, _)| at);
        let failed: Vec<_> = failed.collect();
        if !failed.is_empty() {
            return Ok(failed);
        }
        let code = codes.into_iter().find(|code| *code != "None").unwrap_or("TransactionCanceledException");
        let kind = match code {
            "ValidationError" | "ItemCollectionSizeLimitExceeded" | "AccessDenied" => AwsKind::Rejected,
            _ => AwsKind::Throttled,
        };
        Err(AwsFault { kind, ..self.odd(code) })
    }

    /// Reads what the task is really in: the entry is corrected, or dropped with its outcome.
    async fn recompute(
        &self,
        pk: &str,
        pending: &mut Vec<Pending<'_>>,
        index: usize,
    ) -> Result<Option<(usize, Recorded)>, AwsFault> {
        let Some(entry) = pending.get_mut(index) else { return Ok(None) };
        let item = self.read(pk, &task_sk(&entry.settling.task)).await?.unwrap_or_default();
        let state = read_text(&item, attribute::STATE).and_then(TaskState::parse);
        let newest = read_number(&item, attribute::EPOCH) == Some(entry.settling.claimed.epoch);
        let outcome = match state {
            Some(TaskState::Done) => Recorded::DoneBefore,
            Some(prior) if newest || matches!(entry.settling.ending, Ending::Done { .. }) => {
                entry.prior = prior;
                return Ok(None);
            }
            Some(_) | None => Recorded::Fenced,
        };
        let entry = pending.remove(index);
        Ok(Some((entry.place, outcome)))
    }

    fn update_task(&self, pk: &str, entry: &Pending<'_>) -> Result<TransactWriteItem, AwsFault> {
        let (update, condition) = entry.expressions();
        let update = format!("{update}{} REMOVE #uploadId{}", self.expiry(), entry.also_removed());
        let built = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(pk, &task_sk(&entry.settling.task))))
            .set_expression_attribute_names(Some(expression::names(&[&update, condition])))
            .set_expression_attribute_values(Some(entry.values(self.expires())))
            .update_expression(update)
            .condition_expression(condition)
            .build();
        self.item(built)
    }

    /// `None` when no count changes: failures of tasks that had failed before.
    fn update_counter(
        &self,
        pk: &str,
        pending: &[Pending<'_>],
    ) -> Result<Option<TransactWriteItem>, AwsFault> {
        let (done, failed) =
            pending.iter().map(Pending::counts).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if (done, failed) == (0, 0) {
            return Ok(None);
        }
        let set = if self.ttl.is_some() { "SET #expiresAt = :expires " } else { "" };
        let update = format!("{set}ADD #done :done, #failed :failed");
        let values = [(":done", number(done)), (":failed", number(failed))];
        let built = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(pk, COUNTER)))
            .set_expression_attribute_names(Some(expression::names(&[&update])))
            .set_expression_attribute_values(Some(expression::values(values, self.expires())))
            .update_expression(update)
            .build();
        self.item(built).map(Some)
    }

    fn item(&self, built: Result<Update, impl std::fmt::Display>) -> Result<TransactWriteItem, AwsFault> {
        let update = built.map_err(|error| self.odd(&error.to_string()))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

impl<'a> Pending<'a> {
    fn new(place: usize, settling: &'a Settling) -> Self {
        let prior = if settling.claimed.was_failed { TaskState::Failed } else { TaskState::Running };
        Self { place, settling, prior }
    }

    /// Changes of (done, failed).
    fn counts(&self) -> (i64, i64) {
        match (&self.settling.ending, self.prior) {
            (Ending::Done { .. }, TaskState::Failed) => (1, -1),
            (Ending::Done { .. }, _) => (1, 0),
            (Ending::Failed { .. }, TaskState::Failed) => (0, 0),
            (Ending::Failed { .. }, _) => (0, 1),
        }
    }

    /// `done` is accepted from any epoch, `failed` only from the newest.
    fn expressions(&self) -> (String, &'static str) {
        match &self.settling.ending {
            Ending::Done { object, .. } => {
                let crc = if object.crc64nvme.is_some() { ", #crc64nvme = :crc" } else { "" };
                let etag = if object.etag.is_some() { ", #etag = :etag" } else { "" };
                let set = "SET #state = :state, #key = :key, #bytes = :bytes, #serviceMillis = :service, #settledAt = :now";
                (format!("{set}{crc}{etag}"), "#state = :prior")
            }
            Ending::Failed { .. } => (
                "SET #state = :state, #reason = :reason, #settledAt = :now".into(),
                "#state = :prior AND #epoch = :epoch",
            ),
        }
    }

    const fn also_removed(&self) -> &'static str {
        match self.settling.ending {
            Ending::Done { .. } => ", #reason",
            Ending::Failed { .. } => "",
        }
    }

    fn values(
        &self,
        expires: Option<(String, aws_sdk_dynamodb::types::AttributeValue)>,
    ) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
        let mut values = expression::values(
            [(":prior", text(self.prior.as_str())), (":now", number(unix_millis()))],
            expires,
        );
        let mut put = |name: &str, value| values.insert(name.to_owned(), value);
        match &self.settling.ending {
            Ending::Done { object, service } => {
                let Stored { key, bytes, crc64nvme, etag, .. } = object;
                put(":state", text(TaskState::Done.as_str()));
                put(":key", text(key.as_str()));
                put(":bytes", number(*bytes));
                put(":service", number(u64::try_from(service.as_millis()).unwrap_or(u64::MAX)));
                crc64nvme.as_ref().map(|crc| put(":crc", text(crc)));
                etag.as_ref().map(|etag| put(":etag", text(etag)));
            }
            Ending::Failed { reason } => {
                put(":state", text(TaskState::Failed.as_str()));
                put(":reason", text(reason.as_str()));
                put(":epoch", number(self.settling.claimed.epoch));
            }
        }
        values
    }
}
