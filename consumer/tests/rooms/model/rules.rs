//! The ledger's rules, as a state and what each call makes of it. It knows no table: a job's counts are what its
//! tasks are in.

use std::collections::BTreeMap;

use exportpool_consumer::ports::{Claim, Claimed, Cursor, Ending, JobClaim, JobOpening, Recorded, Settling};
use exportpool_contract::{
    JobId, TaskId,
    record::{JobState, TaskState, shard_of, shards_for},
};

use super::calls::{Answer, Call};

/// A job, as anyone may see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) epoch: u64,
    pub(crate) digest: Option<String>,
    pub(crate) total: Option<u64>,
    pub(crate) local: usize,
    pub(crate) cursor: Cursor,
    pub(crate) failures: u32,
    pub(crate) state: Option<JobState>,
    /// 0 before anyone asked.
    pub(crate) shards: u16,
}

/// A task, as anyone may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) state: TaskState,
    pub(crate) epoch: u64,
    pub(crate) attempts: i64,
    /// The newest claim, until its attempt is given back.
    pub(crate) claim: Option<String>,
    pub(crate) digest: String,
    pub(crate) reason: Option<String>,
    pub(crate) upload: Option<String>,
    pub(crate) bytes: Option<u64>,
}

/// Everything that is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) tasks: BTreeMap<(JobId, TaskId), Task>,
    /// Done and failed of each shard that has any.
    pub(crate) counters: BTreeMap<(JobId, u16), (i64, i64)>,
}

/// The state by the rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) tasks: BTreeMap<(JobId, TaskId), Task>,
}

impl Model {
    /// What the call does, and what it answers.
    pub(crate) fn apply(&mut self, call: &Call) -> Answer {
        match call {
            Call::Open(opening) => Answer::Opened(self.open(opening)),
            Call::Advance { job, epoch, cursor, end } => {
                Answer::Held(self.advance(job, *epoch, *cursor, *end))
            }
            Call::ListingFailed(job) => {
                let job = self.jobs.entry(job.clone()).or_default();
                job.failures += 1;
                Answer::Count(job.failures)
            }
            Call::Settled { job, tasks } => {
                Answer::Settled(tasks.iter().map(|t| self.is_settled(job, t)).collect())
            }
            Call::Claim { job, task, token, digest, reopens } => {
                Answer::Claimed(self.claim(job, task, token, digest, *reopens))
            }
            Call::NoteUpload { job, task, epoch, upload } => {
                let running = self.current(job, task, *epoch).filter(|task| task.state != TaskState::Done);
                let held = running.map(|task| task.upload = Some(upload.clone()));
                Answer::Held(held.is_some())
            }
            Call::GiveBack { job, task, token } => {
                let task = self.tasks.get_mut(&(job.clone(), task.clone()));
                if let Some(task) = task.filter(|task| task.claim.as_ref() == Some(token)) {
                    (task.attempts, task.claim) = (task.attempts - 1, None);
                }
                Answer::Nothing
            }
            Call::Commit { job, batch } => {
                Answer::Recorded(batch.iter().map(|s| self.settle(job, s)).collect())
            }
            Call::Close(job) => {
                self.close(job);
                Answer::Nothing
            }
        }
    }

    /// The first definition stands; each delivery has an epoch; the total is known when nothing more is to be listed.
    fn open(&mut self, opening: &JobOpening) -> Option<JobClaim> {
        let job = self.jobs.entry(opening.job.clone()).or_default();
        if job.digest.as_ref().is_some_and(|digest| *digest != opening.digest) {
            return None;
        }
        if job.digest.is_none() {
            job.digest = Some(opening.digest.clone());
            job.local = opening.local;
            job.cursor = Cursor { page: 0, index: opening.local, tasks: opening.local };
        }
        if job.shards == 0 {
            job.shards = shards_for(opening.tasks, opening.more);
        }
        if !opening.more {
            job.total.get_or_insert(opening.tasks as u64);
        }
        let first = if opening.more { JobState::Listing } else { JobState::Running };
        job.state.get_or_insert(first);
        job.epoch += 1;
        let listed = job.total.is_some();
        Some(JobClaim { epoch: job.epoch, local: job.local, cursor: job.cursor, listed })
    }

    /// Only the newest delivery moves the cursor. The end of a listing never opens a job again.
    fn advance(&mut self, job: &JobId, epoch: u64, cursor: Cursor, end: bool) -> bool {
        let Some(job) = self.jobs.get_mut(job).filter(|job| job.epoch == epoch) else { return false };
        (job.cursor, job.failures) = (cursor, 0);
        if end {
            job.total = Some(cursor.tasks as u64);
            if job.state == Some(JobState::Listing) {
                job.state = Some(JobState::Running);
            }
        }
        true
    }

    fn is_settled(&self, job: &JobId, task: &TaskId) -> bool {
        let task = self.tasks.get(&(job.clone(), task.clone()));
        task.is_some_and(|task| task.state != TaskState::Running)
    }

    /// Epoch and attempts, one more, unless it is done or another task. A redriven dead letter of the newest failure
    /// counts anew.
    fn claim(
        &mut self,
        job: &JobId,
        task: &TaskId,
        token: &str,
        digest: &str,
        reopens: Option<u64>,
    ) -> Claim {
        let of = self.jobs.entry(job.clone()).or_default();
        of.shards = of.shards.max(1);
        let task = self.tasks.entry((job.clone(), task.clone())).or_insert_with(|| Task {
            state: TaskState::Running,
            epoch: 0,
            attempts: 0,
            claim: None,
            digest: digest.to_owned(),
            reason: None,
            upload: None,
            bytes: None,
        });
        if task.digest != digest {
            return Claim::IdReused;
        }
        if task.state == TaskState::Done {
            return Claim::AlreadyDone;
        }
        let was_failed = task.state == TaskState::Failed;
        if task.claim.as_deref() != Some(token) {
            let anew = was_failed && reopens == Some(task.epoch);
            task.attempts = if anew { 1 } else { task.attempts + 1 };
            task.epoch += 1;
            task.claim = Some(token.to_owned());
        }
        Claim::Granted(Claimed {
            epoch: task.epoch,
            attempts: u32::try_from(task.attempts).unwrap_or_default(),
            was_failed,
            open_upload: task.upload.clone(),
        })
    }

    fn current(&mut self, job: &JobId, task: &TaskId, epoch: u64) -> Option<&mut Task> {
        self.tasks.get_mut(&(job.clone(), task.clone())).filter(|task| task.epoch == epoch)
    }

    /// Done once, from any epoch, also over failed. Failed only from the newest epoch, and not over done.
    fn settle(&mut self, job: &JobId, settling: &Settling) -> Recorded {
        let task = self.tasks.get_mut(&(job.clone(), settling.task.clone()));
        let Some(task) = task else { return Recorded::Fenced };
        if task.state == TaskState::Done {
            return Recorded::DoneBefore;
        }
        match &settling.ending {
            Ending::Done { object, .. } => {
                (task.state, task.reason, task.bytes) = (TaskState::Done, None, Some(object.bytes));
            }
            Ending::Failed { .. } if task.epoch != settling.claimed.epoch => return Recorded::Fenced,
            Ending::Failed { reason } => {
                (task.state, task.reason) = (TaskState::Failed, Some(reason.to_string()));
            }
        }
        task.upload = None;
        Recorded::Accepted
    }

    /// Closed when all is listed and settled; what failed and is done later changes how it is closed.
    fn close(&mut self, job: &JobId) {
        let (done, failed) = self.counts(job);
        let Some(item) = self.jobs.get_mut(job) else { return };
        let Some(total) = item.total else { return };
        if done + failed >= i64::try_from(total).unwrap() {
            let ending = if failed > 0 { JobState::DoneWithFailures } else { JobState::Done };
            item.state = Some(ending);
        }
    }

    fn counts(&self, job: &JobId) -> (i64, i64) {
        let counters = self.counters();
        let of = counters.iter().filter(|((of, _), _)| of == job);
        of.fold((0, 0), |sum, (_, counted)| (sum.0 + counted.0, sum.1 + counted.1))
    }

    fn counters(&self) -> BTreeMap<(JobId, u16), (i64, i64)> {
        let mut counters: BTreeMap<_, (i64, i64)> = BTreeMap::new();
        for ((job, task), item) in self.tasks.iter().filter(|(_, item)| item.state != TaskState::Running) {
            let counted = counters.entry((job.clone(), shard_of(task, self.jobs[job].shards))).or_default();
            counted.0 += i64::from(item.state == TaskState::Done);
            counted.1 += i64::from(item.state == TaskState::Failed);
        }
        counters
    }

    /// What must be written down.
    pub(crate) fn view(&self) -> View {
        View { jobs: self.jobs.clone(), tasks: self.tasks.clone(), counters: self.counters() }
    }
}

impl View {
    /// What holds whatever came before, by what is written down alone.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (id, job) in &self.jobs {
            let tasks = || self.tasks.iter().filter(|((of, _), _)| of == id).map(|(_, task)| task.state);
            let count = |state| i64::try_from(tasks().filter(|of| *of == state).count()).unwrap();
            let counters = self.counters.iter().filter(|((of, _), _)| of == id);
            let counted = counters.fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
            let records = (count(TaskState::Done), count(TaskState::Failed));
            if counted != records {
                return Err(format!("{id} counts {counted:?} and has {records:?}"));
            }
            let closed = matches!(job.state, Some(JobState::Done | JobState::DoneWithFailures));
            let settled = u64::try_from(records.0 + records.1).unwrap();
            if closed && job.total.is_none_or(|total| settled < total) {
                return Err(format!("{id} is closed with {settled} settled of {:?}", job.total));
            }
        }
        Ok(())
    }

    /// Done is for good; only the attempts of starts beside it may still be given back.
    pub(crate) fn check_after(&self, before: &Self) -> Result<(), String> {
        let done = before.tasks.iter().filter(|(_, task)| task.state == TaskState::Done);
        let changed = |now: Option<&Task>, task: &Task| {
            now.is_none_or(|now| {
                Task { attempts: task.attempts, claim: task.claim.clone(), ..now.clone() } != *task
            })
        };
        match done.into_iter().find(|(name, task)| changed(self.tasks.get(*name), task)) {
            None => self.check(),
            Some((name, _)) => Err(format!("{name:?} was done, and changed")),
        }
    }
}
