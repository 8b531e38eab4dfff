//! A job is split once: its first tasks stay under its message, all others go in order to `download-tasks`, so
//! that other pods can help. A cursor in the job's item says how far that came; a redelivery goes on from there.

use exportpool_contract::{TaskMessage, TaskSpec};
use futures_util::future::try_join_all;

use super::{Desk, Refusal, parse::Job};
use crate::{
    event::Event,
    fail::{AwsFault, dead_letter},
    message::{Carrier, LeaseId, QueueName, Received, Task},
    ports::{JobClaim, JobOpening, Ledger, Outbox},
};

use std::time::Duration;

/// Messages sent between two moves of the cursor: after a crash at most so many are sent again.
const CURSOR_STEP: usize = 100;

impl<L: Ledger + 'static> Desk<L> {
    pub(super) async fn split(
        &self,
        lease: LeaseId,
        message: &Received,
        job: &Job,
        local: usize,
    ) -> Result<(), AwsFault> {
        let total = job.tasks.len();
        let opening =
            JobOpening { job: job.id.clone(), digest: job.digest.clone(), total, local: local.min(total) };
        let Some(claim) = self.ledger.open_job(&opening).await? else {
            return self.refuse(lease, QueueName::ExportJobs, message, &Refusal::id_reused(&job.id)).await;
        };
        let cursor = claim.cursor.min(total);
        let stay = self.unsettled(job, &claim).await?;
        let tasks: Vec<_> = stay.into_iter().map(|spec| self.of_job(lease, message, job, spec)).collect();
        let complete = cursor == total;
        if complete && tasks.is_empty() {
            self.ledger.close(&job.id).await?;
        }
        self.tell(Event::Admitted { lease, tasks, listed: total, complete });
        if !complete {
            self.hand_over(lease, message, job, claim.epoch, cursor).await?;
        }
        Ok(())
    }

    /// The tasks under the job's message that nobody has settled yet.
    async fn unsettled(&self, job: &Job, claim: &JobClaim) -> Result<Vec<TaskSpec>, AwsFault> {
        let local = &job.tasks[..claim.local.min(job.tasks.len())];
        if claim.epoch == 1 {
            return Ok(local.to_vec());
        }
        let ids: Vec<_> = local.iter().map(|task| task.task_id.clone()).collect();
        let settled = self.ledger.settled(&job.id, &ids).await?;
        Ok(local.iter().zip(settled).filter(|(_, settled)| !settled).map(|(task, _)| task.clone()).collect())
    }

    async fn hand_over(
        &self,
        lease: LeaseId,
        message: &Received,
        job: &Job,
        epoch: u64,
        from: usize,
    ) -> Result<(), AwsFault> {
        let mut cursor = from;
        while cursor < job.tasks.len() {
            let until = (cursor + CURSOR_STEP).min(job.tasks.len());
            let sends = job.tasks[cursor..until].iter().map(|spec| {
                let task = self.of_job(lease, message, job, spec.clone());
                self.send(Outbox::DownloadTasks, dead_letter::hand_over(&task, 0, Duration::ZERO))
            });
            try_join_all(sends).await?;
            cursor = until;
            if !self.ledger.advance(&job.id, epoch, cursor).await? {
                self.tell(Event::JobLost { lease });
                return Ok(());
            }
        }
        self.tell(Event::Split { lease, handed_over: job.tasks.len() - from });
        Ok(())
    }

    fn of_job(&self, lease: LeaseId, message: &Received, job: &Job, spec: TaskSpec) -> Task {
        let carried = TaskMessage {
            job_id: job.id.clone(),
            task: spec,
            destination: job.destination.clone(),
            attempt: 0,
            enqueued_at: None,
        };
        Task { reopens: None, ..self.task(lease, Carrier::Job, message, carried) }
    }
}
