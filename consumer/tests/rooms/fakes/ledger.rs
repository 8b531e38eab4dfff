//! The ledger's rules, as plainly as they can be written.

use std::collections::{BTreeMap, BTreeSet};

use exportpool_consumer::{
    fail::{AwsFault, AwsResource},
    message::Stored,
    ports::{Claim, ClaimAsk, Claimed, Cursor, Ending, JobClaim, JobOpening, Ledger, Recorded, Settling},
};
use exportpool_contract::{
    JobId, TaskId,
    record::{JobState, TaskState, shard_of, shards_for},
};

use super::{Everything, World, flaw::Op, journal::Did};

fn table() -> AwsResource {
    AwsResource::Table("exports".into())
}

/// A job's item.
#[derive(Debug, Clone, Default)]
pub struct JobItem {
    pub epoch: u64,
    pub digest: Option<String>,
    pub total: Option<usize>,
    pub local: usize,
    pub cursor: Cursor,
    pub failures: u32,
    pub shards: u16,
    pub state: Option<JobState>,
}

/// A task's item.
#[derive(Debug, Clone)]
pub struct TaskItem {
    pub state: TaskState,
    pub epoch: u64,
    pub attempts: u32,
    /// The newest claim, until its attempt is given back.
    pub claim: Option<String>,
    pub digest: String,
    pub reason: Option<String>,
    pub upload: Option<String>,
    pub object: Option<Stored>,
    /// Moves to done: never more than one.
    pub moves_to_done: u32,
}

#[derive(Default)]
pub struct Table {
    pub jobs: BTreeMap<JobId, JobItem>,
    pub tasks: BTreeMap<(JobId, TaskId), TaskItem>,
    /// Done and failed of a shard.
    pub counters: BTreeMap<(JobId, u16), (i64, i64)>,
}

impl Table {
    pub fn counted(&self, job: &JobId) -> (i64, i64) {
        let counters = self.counters.iter().filter(|((of, _), _)| of == job).map(|(_, counts)| *counts);
        counters.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    pub fn shard(&mut self, job: &JobId, task: &TaskId) -> u16 {
        let item = self.jobs.entry(job.clone()).or_default();
        item.shards = item.shards.max(1);
        shard_of(task, item.shards)
    }

    fn open(&mut self, opening: &JobOpening) -> Option<JobClaim> {
        let item = self.jobs.entry(opening.job.clone()).or_default();
        if item.digest.as_ref().is_some_and(|digest| *digest != opening.digest) {
            return None;
        }
        if item.digest.is_none() {
            item.local = opening.local;
            item.cursor = Cursor { page: 0, index: opening.local, tasks: opening.local };
            item.digest = Some(opening.digest.clone());
        }
        if item.shards == 0 {
            item.shards = shards_for(opening.tasks, opening.more);
        }
        item.epoch += 1;
        if !opening.more {
            item.total = item.total.or(Some(opening.tasks));
        }
        let state = if opening.more { JobState::Listing } else { JobState::Running };
        item.state = item.state.or(Some(state));
        let JobItem { epoch, local, cursor, total, .. } = *item;
        Some(JobClaim { epoch, local, cursor, listed: total.is_some() })
    }

    fn claim(&mut self, ask: &ClaimAsk<'_>) -> Claim {
        self.shard(ask.job, ask.task);
        let new = || TaskItem {
            state: TaskState::Running,
            epoch: 0,
            attempts: 0,
            claim: None,
            digest: ask.digest.into(),
            reason: None,
            upload: None,
            object: None,
            moves_to_done: 0,
        };
        let item = self.tasks.entry((ask.job.clone(), ask.task.clone())).or_insert_with(new);
        if item.digest != ask.digest {
            return Claim::IdReused;
        }
        if item.state == TaskState::Done {
            return Claim::AlreadyDone;
        }
        if item.claim.as_deref() != Some(ask.token) {
            let reopened = item.state == TaskState::Failed && ask.reopens == Some(item.epoch);
            item.attempts = if reopened { 1 } else { item.attempts + 1 };
            item.epoch += 1;
            item.claim = Some(ask.token.into());
        }
        Claim::Granted(Claimed {
            epoch: item.epoch,
            attempts: item.attempts,
            was_failed: item.state == TaskState::Failed,
            open_upload: item.upload.clone(),
        })
    }

    /// The item of a task, in an epoch.
    fn current(&mut self, job: &JobId, task: &TaskId, epoch: u64) -> Option<&mut TaskItem> {
        self.tasks.get_mut(&(job.clone(), task.clone())).filter(|item| item.epoch == epoch)
    }

    fn settle(&mut self, job: &JobId, shard: u16, settling: &Settling) -> Recorded {
        let Some(item) = self.tasks.get_mut(&(job.clone(), settling.task.clone())) else {
            return Recorded::Fenced;
        };
        let (done, failed) = self.counters.entry((job.clone(), shard)).or_default();
        match (&settling.ending, item.state) {
            (_, TaskState::Done) => return Recorded::DoneBefore,
            (Ending::Done { object, .. }, before) => {
                *done += 1;
                *failed -= i64::from(before == TaskState::Failed);
                (item.state, item.object, item.reason) = (TaskState::Done, Some(object.clone()), None);
                item.moves_to_done += 1;
            }
            (Ending::Failed { .. }, _) if item.epoch != settling.claimed.epoch => return Recorded::Fenced,
            (Ending::Failed { reason }, before) => {
                *failed += i64::from(before != TaskState::Failed);
                (item.state, item.reason) = (TaskState::Failed, Some(reason.to_string()));
            }
        }
        item.upload = None;
        Recorded::Accepted
    }

    fn close(&mut self, job: &JobId) -> Option<JobState> {
        let (done, failed) = self.counted(job);
        let item = self.jobs.get_mut(job)?;
        let ending = if failed > 0 { JobState::DoneWithFailures } else { JobState::Done };
        let settled = usize::try_from(done + failed).ok()? >= item.total?;
        if !settled || item.state == Some(ending) {
            return None;
        }
        item.state = Some(ending);
        Some(ending)
    }

    fn close_of_one(&mut self, job: &JobId) -> bool {
        let of_one = |item: &&mut JobItem| item.total == Some(1) && item.state == Some(JobState::Running);
        let Some(item) = self.jobs.get_mut(job).filter(of_one) else { return false };
        item.state = Some(JobState::Done);
        true
    }
}

impl Everything {
    fn commit(&mut self, job: &JobId, shard: u16, batch: &[Settling]) -> Vec<Recorded> {
        let different: BTreeSet<_> = batch.iter().map(|settling| &settling.task).collect();
        let elsewhere = batch.iter().any(|settling| self.table.shard(job, &settling.task) != shard);
        if !(1..=25).contains(&batch.len()) || different.len() != batch.len() || elsewhere {
            self.broken.push(format!("a transaction of {} that is not one shard's", batch.len()));
        }
        let mut recorded = Vec::new();
        for settling in batch {
            let outcome = self.table.settle(job, shard, settling);
            if outcome == Recorded::Accepted {
                let done = matches!(settling.ending, Ending::Done { .. });
                let state = if done { TaskState::Done } else { TaskState::Failed };
                self.journal.push(Did::Settled { task: settling.task.to_string(), state });
            }
            recorded.push(outcome);
        }
        recorded
    }
}

pub struct FakeLedger(pub World);

impl Ledger for FakeLedger {
    async fn look(&self) -> Result<(), AwsFault> {
        self.0.call(Op::LookTable, table()).await?.answer(())
    }

    async fn open_job(&self, opening: &JobOpening) -> Result<Option<JobClaim>, AwsFault> {
        let call = self.0.call(Op::OpenJob, table()).await?;
        let claim = self.0.lock().table.open(opening);
        call.answer(claim)
    }

    async fn advance(&self, job: &JobId, epoch: u64, cursor: Cursor, end: bool) -> Result<bool, AwsFault> {
        let call = self.0.call(Op::Advance, table()).await?;
        let mut world = self.0.lock();
        let item = world.table.jobs.get_mut(job).filter(|item| item.epoch == epoch);
        let Some(item) = item else { return call.answer(false) };
        (item.cursor, item.failures) = (cursor, 0);
        if end {
            item.total = Some(cursor.tasks);
            item.state = item.state.filter(|state| *state != JobState::Listing).or(Some(JobState::Running));
        }
        world.journal.push(Did::Advanced { job: job.to_string(), cursor });
        call.answer(true)
    }

    async fn listing_failed(&self, job: &JobId) -> Result<u32, AwsFault> {
        let call = self.0.call(Op::ListingFailed, table()).await?;
        let mut world = self.0.lock();
        let item = world.table.jobs.entry(job.clone()).or_default();
        item.failures += 1;
        call.answer(item.failures)
    }

    async fn settled(&self, job: &JobId, tasks: &[TaskId]) -> Result<Vec<bool>, AwsFault> {
        let call = self.0.call(Op::Settled, table()).await?;
        let table = &self.0.lock().table;
        let state = |task: &TaskId| table.tasks.get(&(job.clone(), task.clone())).map(|item| item.state);
        call.answer(tasks.iter().map(|task| state(task).is_some_and(|s| s != TaskState::Running)).collect())
    }

    async fn claim(&self, ask: &ClaimAsk<'_>) -> Result<Claim, AwsFault> {
        let call = self.0.call(Op::Claim, table()).await?;
        let mut world = self.0.lock();
        let claim = world.table.claim(ask);
        if let Claim::Granted(claimed) = &claim {
            world.journal.push(Did::Claimed { task: ask.task.to_string(), attempts: claimed.attempts });
        }
        call.answer(claim)
    }

    async fn note_upload(
        &self,
        job: &JobId,
        task: &TaskId,
        epoch: u64,
        upload: &str,
    ) -> Result<bool, AwsFault> {
        let call = self.0.call(Op::NoteUpload, table()).await?;
        let mut world = self.0.lock();
        let item = world.table.current(job, task, epoch).filter(|item| item.state != TaskState::Done);
        let Some(item) = item else { return call.answer(false) };
        item.upload = Some(upload.into());
        call.answer(true)
    }

    async fn give_back(&self, job: &JobId, task: &TaskId, token: &str) -> Result<(), AwsFault> {
        let call = self.0.call(Op::GiveBack, table()).await?;
        let mut world = self.0.lock();
        let item = world.table.tasks.get_mut(&(job.clone(), task.clone()));
        if let Some(item) = item.filter(|item| item.claim.as_deref() == Some(token)) {
            item.attempts -= 1;
            item.claim = None;
            world.journal.push(Did::GaveBack { task: task.to_string() });
        }
        call.answer(())
    }

    async fn shard(&self, job: &JobId, task: &TaskId) -> Result<u16, AwsFault> {
        let call = self.0.call(Op::Shard, table()).await?;
        let shard = self.0.lock().table.shard(job, task);
        call.answer(shard)
    }

    async fn commit(&self, job: &JobId, shard: u16, batch: &[Settling]) -> Result<Vec<Recorded>, AwsFault> {
        let call = self.0.call(Op::Commit, table()).await?;
        let recorded = self.0.lock().commit(job, shard, batch);
        call.answer(recorded)
    }

    async fn close(&self, job: &JobId) -> Result<(), AwsFault> {
        let call = self.0.call(Op::Close, table()).await?;
        let mut world = self.0.lock();
        if let Some(state) = world.table.close(job) {
            world.journal.push(Did::Closed { job: job.to_string(), state });
        }
        call.answer(())
    }

    async fn close_of_one(&self, job: &JobId) -> Result<bool, AwsFault> {
        let call = self.0.call(Op::Close, table()).await?;
        let mut world = self.0.lock();
        let closed = world.table.close_of_one(job);
        if closed {
            world.journal.push(Did::Closed { job: job.to_string(), state: JobState::Done });
        }
        call.answer(closed)
    }
}
