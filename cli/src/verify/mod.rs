//! Compares what a run left behind with what was sent. What "lost" and "doubled" mean:
//!
//! - **lost**: a task neither done nor failed with its dead letter; an invalid message not among the dead letters;
//! - **doubled**: more than one object written under a key, counters that differ from the records, or an object or
//!   a record whose checksum is not the source's.

pub(crate) mod ledger;

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use anyhow::Context;
use exportpool_consumer::{aws::connect, work::store::checksum::Checksum};
use exportpool_contract::record::TaskState;
use futures_util::{StreamExt, stream};

use crate::{
    load::{
        self,
        plan::{Expectation, Expected, Outcome, Planned},
    },
    source,
    target::Target,
};
use ledger::{Counts, Leavings, Table, Uploads};

/// How often the table is looked at while tasks are on their way.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const READS_AT_A_TIME: usize = 16;
/// Problems are counted all, and told so many.
const MAX_TOLD: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) tasks: u64,
    pub(crate) stored: u64,
    pub(crate) failed: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Jobs that are not closed.
    pub(crate) unclosed: u64,
    /// Tasks that failed and should have been stored.
    pub(crate) given_up: u64,
    pub(crate) uploads: Uploads,
    /// Milliseconds from a queue to settled, sorted.
    pub(crate) latencies: Vec<u64>,
    /// When the last task was settled, in milliseconds since the Unix epoch.
    pub(crate) last_settled_at: Option<u64>,
    /// In words.
    pub(crate) problems: Vec<String>,
}

/// How much of a run is settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Tasks that were sent, in jobs that can be read.
    pub(crate) tasks: u64,
    /// Of these, done or failed.
    pub(crate) settled: u64,
    /// Jobs that are not closed.
    pub(crate) open: u64,
}

impl Settled {
    fn of(options: &load::Options, table: &Table) -> Self {
        let mut of = Self::default();
        for planned in load::plan(options) {
            let Expected::Tasks(tasks) = &planned.expected else { continue };
            let state =
                |task: &Expectation| table.tasks.get(&(planned.job_id.clone(), task.task_id.clone()))?.state;
            let ended =
                |task: &&Expectation| matches!(state(task), Some(TaskState::Done | TaskState::Failed));
            of.tasks += tasks.len() as u64;
            of.settled += tasks.iter().filter(ended).count() as u64;
            let closed = table.jobs.get(&planned.job_id).copied().flatten();
            of.open += u64::from(!closed.is_some_and(|state| state.as_str().starts_with("done")));
        }
        of
    }

    /// Everything is.
    pub(crate) const fn is_all(self) -> bool {
        self.settled == self.tasks && self.open == 0
    }
}

/// How much of a run is settled by now.
///
/// # Errors
/// The table does not answer.
pub(crate) async fn settled(target: &Target, options: &load::Options) -> anyhow::Result<Settled> {
    Ok(Settled::of(options, &ledger::table_of(target, &prefix(options)).await?))
}

/// Waits until everything of a run is settled, or the patience is over, and compares.
///
/// # Errors
/// A service that does not answer.
pub(crate) async fn when_settled(
    target: &Target,
    options: &load::Options,
    patience: Duration,
    mut tell: impl FnMut(Settled),
) -> anyhow::Result<Findings> {
    let (begun, prefix) = (Instant::now(), prefix(options));
    loop {
        let settled = settled(target, options).await?;
        tell(settled);
        if settled.is_all() || begun.elapsed() >= patience {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    verify(target, options, &ledger::read(target, &prefix).await?).await
}

/// What the ids of a run's jobs begin with.
pub(crate) fn prefix(options: &load::Options) -> String {
    format!("{}-{}-", options.prefix, options.run)
}

/// Compares.
///
/// # Errors
/// A service that does not answer.
pub(crate) async fn verify(
    target: &Target,
    options: &load::Options,
    left: &Leavings,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut stored = Vec::new();
    for planned in load::plan(options) {
        findings.check(&planned, left, &mut stored);
    }
    findings.check_objects(target, stored).await?;
    findings.uploads = left.uploads;
    let open = left.uploads.with_parts + left.uploads.empty;
    if open > 0 {
        findings.note(format!("{open} multipart uploads are left open"));
    }
    findings.latencies.sort_unstable();
    Ok(findings)
}

impl Findings {
    /// Whether each promise was kept.
    pub(crate) fn hold(&self) -> bool {
        let open = self.uploads.with_parts + self.uploads.empty;
        self.lost + self.doubled + self.unclosed + self.given_up + open == 0
    }

    fn note(&mut self, problem: String) {
        if self.problems.len() < MAX_TOLD {
            self.problems.push(problem);
        }
    }

    fn lose(&mut self, what: &str) {
        self.lost += 1;
        self.note(format!("lost: {what}"));
    }

    fn double(&mut self, what: &str) {
        self.doubled += 1;
        self.note(format!("doubled: {what}"));
    }

    fn check(&mut self, planned: &Planned, left: &Leavings, stored: &mut Vec<Expectation>) {
        match &planned.expected {
            Expected::Invalid(_) => {
                if left.dead_letters.others.contains(&planned.body) {
                    self.dead_lettered += 1;
                } else {
                    self.lose(&format!(
                        "the invalid message of {} is not among the dead letters",
                        planned.job_id
                    ));
                }
            }
            Expected::Tasks(tasks) => {
                let mut counted = Counts::default();
                for task in tasks {
                    self.check_task(&planned.job_id, task, left, stored, &mut counted);
                }
                self.check_job(&planned.job_id, counted, left);
            }
        }
    }

    fn check_task(
        &mut self,
        job: &str,
        task: &Expectation,
        left: &Leavings,
        stored: &mut Vec<Expectation>,
        counted: &mut Counts,
    ) {
        self.tasks += 1;
        let name = (job.to_owned(), task.task_id.clone());
        let record = left.table.tasks.get(&name);
        let dead = left.dead_letters.tasks.contains_key(&name);
        self.dead_lettered += u64::from(dead);
        match record.and_then(|record| record.state) {
            Some(TaskState::Done) => {
                counted.done += 1;
                self.stored += 1;
                let wanted = source::checksum(&task.key, task.size);
                if record.and_then(|record| record.crc64nvme.as_ref()) != Some(&wanted) {
                    self.double(&format!("the record of {} has another checksum than the source", task.key));
                }
                match left.versions.get(&task.key) {
                    Some(1) => stored.push(task.clone()),
                    Some(versions) => self.double(&format!("{} was written {versions} times", task.key)),
                    None => self.lose(&format!("{} is recorded as done and is not in the bucket", task.key)),
                }
            }
            Some(TaskState::Failed) if dead => {
                counted.failed += 1;
                self.failed += 1;
                if left.versions.contains_key(&task.key) {
                    self.double(&format!("{} is recorded as failed and stands in the bucket", task.key));
                }
                if matches!(task.outcome, Outcome::Stored | Outcome::Flaky) {
                    self.given_up += 1;
                    self.note(format!("{} failed and should have been stored", task.key));
                }
            }
            state => {
                counted.failed += u64::from(state == Some(TaskState::Failed));
                self.lose(&format!("{} is neither done nor a dead letter ({state:?})", task.key));
            }
        }
        if let Some((from, to)) = record.and_then(|record| record.enqueued_at.zip(record.settled_at)) {
            self.latencies.push(to.saturating_sub(from));
            self.last_settled_at = self.last_settled_at.max(Some(to));
        }
    }

    fn check_job(&mut self, job: &str, counted: Counts, left: &Leavings) {
        let counters = left.table.counts.get(job).copied().unwrap_or_default();
        if counters != counted {
            self.double(&format!("the counters of {job} say {counters:?}, its records {counted:?}"));
        }
        let closed = left.table.jobs.get(job).copied().flatten();
        if !closed.is_some_and(|state| state.as_str().starts_with("done")) {
            self.unclosed += 1;
            self.note(format!("{job} is not closed ({closed:?})"));
        }
    }

    /// Reads every object and compares it with the source.
    async fn check_objects(&mut self, target: &Target, stored: Vec<Expectation>) -> anyhow::Result<()> {
        let s3 = connect::s3(&target.access.resolve().await);
        let keys: HashSet<_> = stored.iter().map(|task| task.key.clone()).collect();
        debug_assert_eq!(keys.len(), stored.len(), "each key is of one task");
        let reads = stream::iter(stored).map(|task| {
            let request = s3.get_object().bucket(&target.bucket).key(&task.key);
            async move {
                let mut body = request.send().await.with_context(|| format!("reading {}", task.key))?.body;
                let mut checksum = Checksum::default();
                while let Some(chunk) = body.next().await {
                    checksum.update(&chunk.with_context(|| format!("reading {}", task.key))?);
                }
                anyhow::Ok((checksum.base64() == source::checksum(&task.key, task.size), task))
            }
        });
        let mut reads = reads.buffer_unordered(READS_AT_A_TIME);
        while let Some(read) = reads.next().await {
            let (same, task) = read?;
            if !same {
                self.double(&format!("{} is not what the source sends", task.key));
            }
        }
        Ok(())
    }
}
