//! A task's item: claimed by each delivery that starts it.

use exportpool_contract::{
    JobId, TaskId,
    record::{TaskState, attribute, shard_of, shard_pk, task_sk},
};

use super::{DynamoLedger, Item, expression, number, read_number, read_text, text};
use crate::{
    clock::unix_millis,
    fail::AwsFault,
    ports::{Claim, ClaimAsk, Claimed},
};

/// A refused claim is read and asked for again, should the item have changed between.
const TRIES: usize = 5;

impl DynamoLedger {
    pub(super) async fn claim_task(&self, ask: &ClaimAsk<'_>) -> Result<Claim, AwsFault> {
        let pk = self.task_pk(ask.job, ask.task).await?;
        let sk = task_sk(ask.task);
        let mut reopens = ask.reopens;
        for _ in 0..TRIES {
            if let Some(item) = self.try_claim(&pk, &sk, ask, reopens).await? {
                return self.granted(&item).map(Claim::Granted);
            }
            let item = self.read(&pk, &sk).await?.unwrap_or_default();
            if read_text(&item, attribute::DIGEST).is_some_and(|digest| digest != ask.digest) {
                return Ok(Claim::IdReused);
            }
            if read_text(&item, attribute::STATE) == Some(TaskState::Done.as_str()) {
                return Ok(Claim::AlreadyDone);
            }
            // It was made before, and its answer was lost.
            if read_text(&item, attribute::CLAIM) == Some(ask.token) {
                return self.granted(&item).map(Claim::Granted);
            }
            // A dead letter of an older failure: an ordinary delivery.
            reopens = None;
        }
        Err(self.odd("a claim was refused and then not, again and again"))
    }

    async fn task_pk(&self, job: &JobId, task: &TaskId) -> Result<String, AwsFault> {
        Ok(shard_pk(job, shard_of(task, self.shards(job).await?)))
    }

    /// `None`: the condition failed.
    async fn try_claim(
        &self,
        pk: &str,
        sk: &str,
        ask: &ClaimAsk<'_>,
        reopens: Option<u64>,
    ) -> Result<Option<Item>, AwsFault> {
        // A redriven dead letter starts counting anew.
        let (attempts, reopened) = match reopens {
            Some(_) => (":one", " AND #state = :failed AND #epoch = :reopens"),
            None => ("if_not_exists(#attempts, :zero) + :one", ""),
        };
        let enqueued = if ask.enqueued_at.is_some() {
            ", #enqueuedAt = if_not_exists(#enqueuedAt, :enqueued)"
        } else {
            ""
        };
        let update = format!(
            "SET #epoch = if_not_exists(#epoch, :zero) + :one, #attempts = {attempts}, #url = :url, \
             #state = if_not_exists(#state, :running), #digest = :digest, #claim = :claim, #claimedBy = :me, \
             #claimedAt = :now{enqueued}{}",
            self.expiry()
        );
        let condition = format!(
            "(attribute_not_exists(#state) OR #state <> :done) \
             AND (attribute_not_exists(#digest) OR #digest = :digest) \
             AND (attribute_not_exists(#claim) OR #claim <> :claim){reopened}"
        );
        let mut values = expression::values(
            [
                (":zero", number(0)),
                (":one", number(1)),
                (":digest", text(ask.digest)),
                (":url", text(ask.url)),
                (":running", text(TaskState::Running.as_str())),
                (":done", text(TaskState::Done.as_str())),
                (":claim", text(ask.token)),
                (":me", text(&self.instance)),
                (":now", number(unix_millis())),
            ],
            self.expires(),
        );
        if let Some(at) = ask.enqueued_at {
            values.insert(":enqueued".into(), number(at));
        }
        if let Some(epoch) = reopens {
            values.insert(":failed".into(), text(TaskState::Failed.as_str()));
            values.insert(":reopens".into(), number(epoch));
        }
        self.update(pk, sk, &update, Some(&condition), values).await
    }

    fn granted(&self, item: &Item) -> Result<Claimed, AwsFault> {
        let read = |name| read_number(item, name).ok_or_else(|| self.odd("a task's item misses a number"));
        Ok(Claimed {
            epoch: read(attribute::EPOCH)?,
            attempts: u32::try_from(read(attribute::ATTEMPTS)?).unwrap_or(u32::MAX),
            was_failed: read_text(item, attribute::STATE) == Some(TaskState::Failed.as_str()),
            open_upload: read_text(item, attribute::UPLOAD_ID).map(str::to_owned),
        })
    }

    pub(super) async fn remember_upload(
        &self,
        job: &JobId,
        task: &TaskId,
        epoch: u64,
        upload: &str,
    ) -> Result<bool, AwsFault> {
        let pk = self.task_pk(job, task).await?;
        let values =
            [(":upload", text(upload)), (":epoch", number(epoch)), (":done", text(TaskState::Done.as_str()))];
        // Nobody claims a task that is done to abort its upload.
        let condition = "#epoch = :epoch AND #state <> :done";
        let values = expression::values(values, None);
        let update = "SET #uploadId = :upload";
        Ok(self.update(&pk, &task_sk(task), update, Some(condition), values).await?.is_some())
    }

    pub(super) async fn give_attempt_back(
        &self,
        job: &JobId,
        task: &TaskId,
        token: &str,
    ) -> Result<(), AwsFault> {
        let pk = self.task_pk(job, task).await?;
        let values = expression::values([(":one", number(1)), (":claim", text(token))], None);
        // Refused: it was given back before, or somebody else has the task, and counts.
        let update = "SET #attempts = #attempts - :one REMOVE #claim";
        self.update(&pk, &task_sk(task), update, Some("#claim = :claim"), values).await.map(drop)
    }
}
