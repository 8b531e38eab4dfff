//! A job's item: claimed by each delivery, closed when all its tasks are settled.

use aws_sdk_dynamodb::types::AttributeValue;
use exportpool_contract::{
    JobId, TaskId,
    record::{
        COUNTER, JOB, JobState, SK, TaskState, attribute, job_pk, shard_of, shard_pk, shards_for, task_sk,
    },
};

use super::{DynamoLedger, Item, count, expression, key, number, read_number, read_text, text};
use crate::{
    clock::unix_millis,
    fail::AwsFault,
    ports::{Cursor, JobClaim, JobOpening},
};

const CLOSE: &str = "SET #state = :ending, #closedAt = :now";
/// The most keys of one BatchGetItem.
const MAX_READ: usize = 100;

impl DynamoLedger {
    pub(super) async fn claim_job(&self, opening: &JobOpening) -> Result<Option<JobClaim>, AwsFault> {
        const CONDITION: &str = "attribute_not_exists(#digest) OR #digest = :digest";
        let (total, state) = if opening.more {
            ("", JobState::Listing)
        } else {
            (", #total = if_not_exists(#total, :tasks), #listed = :true", JobState::Running)
        };
        let update = format!(
            "SET #epoch = if_not_exists(#epoch, :zero) + :one, #digest = :digest, \
             #local = if_not_exists(#local, :local), #cursor = if_not_exists(#cursor, :local), \
             #cursorPage = if_not_exists(#cursorPage, :zero), #cursorTasks = if_not_exists(#cursorTasks, :local), \
             #shards = if_not_exists(#shards, :shards), #state = if_not_exists(#state, :state), \
             #createdAt = if_not_exists(#createdAt, :now), #claimedAt = :now, #claimedBy = :me{total}{}",
            self.expiry()
        );
        let mut values = expression::values(
            [
                (":zero", number(0)),
                (":one", number(1)),
                (":digest", text(&opening.digest)),
                (":local", count(opening.local)),
                (":shards", number(shards_for(opening.tasks, opening.more))),
                (":state", text(state.as_str())),
                (":now", number(unix_millis())),
                (":me", text(&self.instance)),
            ],
            self.expires(),
        );
        if !opening.more {
            values.insert(":tasks".into(), count(opening.tasks));
            values.insert(":true".into(), AttributeValue::Bool(true));
        }
        let item = self.update(&job_pk(&opening.job), JOB, &update, Some(CONDITION), values).await?;
        item.map(|item| self.read_claim(&opening.job, &item)).transpose()
    }

    fn read_claim(&self, job: &JobId, item: &Item) -> Result<JobClaim, AwsFault> {
        let read = |name| read_number(item, name).ok_or_else(|| self.odd("a job's item misses a number"));
        let size = |name| read(name).map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        self.known.put(job, u16::try_from(read(attribute::SHARDS)?).unwrap_or(1));
        let cursor = Cursor {
            page: read(attribute::CURSOR_PAGE)?,
            index: size(attribute::CURSOR)?,
            tasks: size(attribute::CURSOR_TASKS)?,
        };
        let listed = item.get(attribute::LISTED).is_some_and(|listed| listed.as_bool() == Ok(&true));
        Ok(JobClaim { epoch: read(attribute::EPOCH)?, local: size(attribute::LOCAL)?, cursor, listed })
    }

    /// The end of a listing is the begin of running, once: should it be written again, because its answer was lost,
    /// then the job may have been closed meanwhile, and stays so.
    pub(super) async fn move_cursor(
        &self,
        job: &JobId,
        epoch: u64,
        cursor: Cursor,
        end: bool,
    ) -> Result<bool, AwsFault> {
        if !end {
            return self.write_cursor(job, epoch, cursor, "", "#epoch = :epoch").await;
        }
        let first = ", #total = :tasks, #listed = :true, #state = :running";
        let listing = "#epoch = :epoch AND #state = :listing";
        if self.write_cursor(job, epoch, cursor, first, listing).await? {
            return Ok(true);
        }
        let again = ", #total = :tasks, #listed = :true";
        self.write_cursor(job, epoch, cursor, again, "#epoch = :epoch").await
    }

    async fn write_cursor(
        &self,
        job: &JobId,
        epoch: u64,
        cursor: Cursor,
        also: &str,
        condition: &str,
    ) -> Result<bool, AwsFault> {
        let update = format!(
            "SET #cursor = :index, #cursorPage = :page, #cursorTasks = :tasks{also} REMOVE #listingFailures"
        );
        let mut values = expression::values(
            [
                (":index", count(cursor.index)),
                (":page", number(cursor.page)),
                (":tasks", count(cursor.tasks)),
                (":epoch", number(epoch)),
            ],
            None,
        );
        // Values that no expression names are refused.
        let used = |name: &str| update.contains(name) || condition.contains(name);
        let others = [
            (":true", AttributeValue::Bool(true)),
            (":running", text(JobState::Running.as_str())),
            (":listing", text(JobState::Listing.as_str())),
        ];
        let others = others.into_iter().filter(|(name, _)| used(name));
        values.extend(others.map(|(name, value)| (name.to_owned(), value)));
        Ok(self.update(&job_pk(job), JOB, &update, Some(condition), values).await?.is_some())
    }

    pub(super) async fn count_listing_failure(&self, job: &JobId) -> Result<u32, AwsFault> {
        let update = format!(
            "SET #listingFailures = if_not_exists(#listingFailures, :zero) + :one, \
             #createdAt = if_not_exists(#createdAt, :now){}",
            self.expiry()
        );
        let values = expression::values(
            [(":zero", number(0)), (":one", number(1)), (":now", number(unix_millis()))],
            self.expires(),
        );
        let item = self.update(&job_pk(job), JOB, &update, None, values).await?.unwrap_or_default();
        let failures = read_number(&item, attribute::LISTING_FAILURES).unwrap_or(1);
        Ok(u32::try_from(failures).unwrap_or(u32::MAX))
    }

    /// How many shards a job has. A task may come before its job: then the job's item is made, without a total.
    pub(super) async fn shards(&self, job: &JobId) -> Result<u16, AwsFault> {
        if let Some(shards) = self.known.get(job) {
            return Ok(shards);
        }
        let item = match self.read(&job_pk(job), JOB).await? {
            Some(item) if item.contains_key(attribute::SHARDS) => item,
            _ => self.make_job(job).await?,
        };
        let shards = read_number(&item, attribute::SHARDS).and_then(|number| u16::try_from(number).ok());
        let shards = shards.ok_or_else(|| self.odd("a job's item has no shards"))?;
        self.known.put(job, shards);
        Ok(shards)
    }

    async fn make_job(&self, job: &JobId) -> Result<Item, AwsFault> {
        let update = format!(
            "SET #shards = if_not_exists(#shards, :one), #createdAt = if_not_exists(#createdAt, :now){}",
            self.expiry()
        );
        let values =
            expression::values([(":one", number(1)), (":now", number(unix_millis()))], self.expires());
        Ok(self.update(&job_pk(job), JOB, &update, None, values).await?.unwrap_or_default())
    }

    pub(super) async fn settled_of(&self, job: &JobId, tasks: &[TaskId]) -> Result<Vec<bool>, AwsFault> {
        let shards = self.shards(job).await?;
        let mut settled = std::collections::HashSet::new();
        for some in tasks.chunks(MAX_READ) {
            let keys = some.iter().map(|task| key(&shard_pk(job, shard_of(task, shards)), &task_sk(task)));
            for item in self.read_all(keys.collect()).await? {
                let state = read_text(&item, attribute::STATE).and_then(TaskState::parse);
                if matches!(state, Some(TaskState::Done | TaskState::Failed)) {
                    settled.extend(read_text(&item, SK).map(str::to_owned));
                }
            }
        }
        Ok(tasks.iter().map(|task| settled.contains(&task_sk(task))).collect())
    }

    /// What is settled between the reading of the counters and the writing changes how a job is closed, and whoever
    /// settled it may have looked before this write: who writes looks again.
    pub(super) async fn close_if_settled(&self, job: &JobId) -> Result<(), AwsFault> {
        while self.close_as_counted(job).await? {}
        Ok(())
    }

    /// What is done stays so, and a job that others closed is left alone: nobody needs to look again.
    pub(super) async fn close_job_of_one(&self, job: &JobId) -> Result<bool, AwsFault> {
        let values = [
            (":ending", text(JobState::Done.as_str())),
            (":now", number(unix_millis())),
            (":one", number(1)),
            (":running", text(JobState::Running.as_str())),
        ];
        let of_one = Some("#total = :one AND #state = :running");
        let values = expression::values(values, None);
        Ok(self.update(&job_pk(job), JOB, CLOSE, of_one, values).await?.is_some())
    }

    /// `true`: written as it was counted a moment ago.
    async fn close_as_counted(&self, job: &JobId) -> Result<bool, AwsFault> {
        let shards = self.shards(job).await?;
        let counters = (0..shards).map(|shard| key(&shard_pk(job, shard), COUNTER));
        let items = self.read_all(std::iter::once(key(&job_pk(job), JOB)).chain(counters).collect()).await?;
        let sum = |name| items.iter().filter_map(|item| read_number(item, name)).sum::<u64>();
        let Some(item) = items.iter().find(|item| read_text(item, SK) == Some(JOB)) else { return Ok(false) };
        let (done, failed) = (sum(attribute::DONE), sum(attribute::FAILED));
        let Some(total) = read_number(item, attribute::TOTAL) else { return Ok(false) };
        let ending = if failed > 0 { JobState::DoneWithFailures } else { JobState::Done };
        let state = read_text(item, attribute::STATE).and_then(JobState::parse);
        if done + failed < total || state == Some(ending) {
            return Ok(false);
        }
        self.end_job(job, ending).await
    }

    async fn end_job(&self, job: &JobId, ending: JobState) -> Result<bool, AwsFault> {
        let values = [(":ending", text(ending.as_str())), (":now", number(unix_millis()))];
        let values = expression::values(values, None);
        // Refused: somebody closed it just now.
        Ok(self.update(&job_pk(job), JOB, CLOSE, Some("#state <> :ending"), values).await?.is_some())
    }
}
