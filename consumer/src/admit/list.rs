//! A job is split once: its first tasks stay under its message, all others go in order to `download-tasks`, so that
//! other pods can help. A cursor in the job's item says how far that came; a redelivery goes on from there.
//!
//! A job that names an Export API is the same, page by page. After a minute, or when told to, the pages go on as a
//! message of their own, so that no listing holds a pod.

use std::time::Duration;

use exportpool_contract::{Continuation, ExportApi, TaskSpec};

use super::{
    Admitter, Refusal,
    hand_over::{Run, Stopped},
    listing::Listing,
    page::{Page, of_page},
    parse::{Files, Job},
};
use crate::{
    event::Event,
    fail::{AwsFault, Reason, TaskFault, dead_letter, retry_delay},
    kill::{self, Point},
    message::{Carrier, QueueName, Task},
    poll::SendFault,
    ports::{Cursor, JobClaim, JobOpening, Ledger, MAX_MESSAGE_BYTES, Outbox, Source},
    spec::check_sendable,
    work::fetch::{page, request::parse_url},
};

impl<L: Ledger + 'static, F: Source + 'static> Admitter<L, F> {
    /// Admits a job: its first tasks here, the others to `download-tasks`.
    pub(super) async fn list(&self, listing: &Listing<'_>) -> Result<(), SendFault> {
        let first = match self.first_page(listing.job).await {
            Ok(page) => page,
            Err(TaskFault::Ours(fault)) => return Err(fault.into()),
            Err(fault) => return self.put_off(listing, fault).await,
        };
        let Some(claim) = self.ledger.open_job(&opening(listing, &first)).await? else {
            let refusal = Refusal::id_reused(&listing.job.id);
            return self.refuse(listing.lease, QueueName::ExportJobs, listing.message, &refusal).await;
        };
        kill::at(Point::JobCreated);
        let tasks = self.local_tasks(listing, &claim, &first).await?;
        let complete = is_complete(&claim, &first);
        if complete && tasks.is_empty() {
            self.ledger.close(&listing.job.id).await?;
        }
        let listed = if claim.listed { first.tasks.len() } else { tasks.len() };
        self.tell(Event::Admitted { lease: listing.lease, tasks, listed, complete });
        if complete { Ok(()) } else { self.hand_over_rest(listing, first, claim).await }
    }

    async fn first_page(&self, job: &Job) -> Result<Page, TaskFault> {
        match &job.files {
            Files::Inline(tasks) => Ok(Page { number: 0, api: None, tasks: tasks.clone(), next: None }),
            Files::Pages { api, continues: None } => self.page(job, api.clone(), 0).await,
            Files::Pages { api, continues: Some(Continuation { page, url }) } => {
                let api = ExportApi { url: url.clone(), credentials: api.credentials.clone() };
                self.page(job, api, *page).await
            }
        }
    }

    /// A page of an Export API, of tasks that can be sent on. Credentials must be for the origin of the first.
    pub(super) async fn page(&self, job: &Job, api: ExportApi, number: u64) -> Result<Page, TaskFault> {
        if number == 0 {
            self.credentials.check(api.credentials.as_deref(), &parse_url(&api.url)?)?;
        }
        let read = page::read(&self.source, &self.credentials, &api).await;
        let checked = read.and_then(|(tasks, next)| {
            let check = |task: &TaskSpec| check_sendable(&job.message_of(task.clone(), Some(api.clone())));
            tasks.iter().try_for_each(check).map_err(page::invalid)?;
            Ok((tasks, next))
        });
        let (tasks, next) = checked.map_err(|fault| of_page(&api, number, fault))?;
        Ok(Page { number, api: Some(api), tasks, next })
    }

    /// The tasks under the job's message that nobody has settled yet.
    async fn local_tasks(
        &self,
        listing: &Listing<'_>,
        claim: &JobClaim,
        first: &Page,
    ) -> Result<Vec<Task>, AwsFault> {
        if listing.is_continued() {
            return Ok(Vec::new());
        }
        let local = &first.tasks[..claim.local.min(first.tasks.len())];
        let task = |spec: &TaskSpec| self.of_job(listing, first, spec.clone());
        if claim.epoch == 1 {
            return Ok(local.iter().map(task).collect());
        }
        let ids: Vec<_> = local.iter().map(|task| task.task_id.clone()).collect();
        let settled = self.ledger.settled(&listing.job.id, &ids).await?;
        Ok(local.iter().zip(settled).filter(|(_, settled)| !settled).map(|(spec, _)| task(spec)).collect())
    }

    /// Hands over what does not stay here, and says how that ended.
    async fn hand_over_rest(
        &self,
        listing: &Listing<'_>,
        first: Page,
        claim: JobClaim,
    ) -> Result<(), SendFault> {
        let mut run = Run::new(listing, claim);
        let lease = listing.lease;
        let rest = match self.walk(&mut run, first).await {
            Ok(()) => Ok(Rest::HandedOver),
            Err(Stopped::Unsent(fault)) => Err(fault),
            Err(Stopped::Lost) => {
                self.tell(Event::JobLost { lease });
                return Ok(());
            }
            Err(Stopped::Over { at }) => self.go_on_later(listing, at, Duration::ZERO).await,
            Err(Stopped::Api { fault, at }) => self.failed_at(listing, &fault, at).await,
        };
        let rest = match rest {
            Err(SendFault::Refused(why)) => self.give_up(listing, &why).await?,
            rest => rest?,
        };
        let (continued, given_up) = (rest == Rest::Continues, rest == Rest::GivenUp);
        let handed_over = run.handed_over;
        let listed = if claim.listed { 0 } else { handed_over };
        self.tell(Event::Split { lease, listed, handed_over, continued, given_up });
        Ok(())
    }

    /// SQS takes a message of the job under no circumstances: the job's own goes to the dead letters. Redriven, it goes
    /// on where this delivery came to.
    async fn give_up(&self, listing: &Listing<'_>, why: &str) -> Result<Rest, SendFault> {
        let reason = match listing.job.files {
            Files::Inline(_) => Reason::Malformed,
            Files::Pages { .. } => Reason::ExportApiInvalid,
        };
        let detail = format!(
            "SQS refuses a message of the job ({why}): have MaximumMessageSize of both queues at {MAX_MESSAGE_BYTES}"
        );
        self.send_dead_letter(QueueName::ExportJobs, listing.message, &Refusal { reason, detail }).await?;
        Ok(Rest::GivenUp)
    }

    async fn go_on_later(
        &self,
        listing: &Listing<'_>,
        at: Continuation,
        delay: Duration,
    ) -> Result<Rest, SendFault> {
        let job = listing.job.continuing(at);
        self.send(Outbox::ExportJobs, dead_letter::continuation(&job, listing.message, delay)).await?;
        kill::at(Point::ContinuationSent);
        Ok(Rest::Continues)
    }

    /// An Export API failed at a page after the first: the rest of the job comes again, or is given up. Answers
    /// whether it is given up.
    async fn failed_at(
        &self,
        listing: &Listing<'_>,
        fault: &TaskFault,
        at: Continuation,
    ) -> Result<Rest, SendFault> {
        match self.verdict(listing, fault).await? {
            Verdict::Again(delay) => self.go_on_later(listing, at, delay).await,
            Verdict::GivenUp(refusal) => {
                let letter =
                    dead_letter::continuation(&listing.job.continuing(at), listing.message, Duration::ZERO);
                let letter = dead_letter::with_reason(letter, refusal.reason, &refusal.detail);
                self.send(Outbox::DeadLetters(QueueName::ExportJobs), letter).await?;
                Ok(Rest::GivenUp)
            }
        }
    }

    /// An Export API failed at the first page of this message: the message comes again, or is given up.
    async fn put_off(&self, listing: &Listing<'_>, fault: TaskFault) -> Result<(), SendFault> {
        match self.verdict(listing, &fault).await? {
            Verdict::Again(delay) => {
                self.tell(Event::AdmitLater { came_through: true, lease: listing.lease, delay });
                Ok(())
            }
            Verdict::GivenUp(refusal) => {
                self.refuse(listing.lease, QueueName::ExportJobs, listing.message, &refusal).await
            }
        }
    }

    async fn verdict(&self, listing: &Listing<'_>, fault: &TaskFault) -> Result<Verdict, AwsFault> {
        let job = listing.job.id.as_str();
        match fault {
            TaskFault::Ours(fault) => Err(fault.clone()),
            TaskFault::Final { reason, detail } => {
                Ok(Verdict::GivenUp(Refusal { reason: *reason, detail: detail.clone() }))
            }
            TaskFault::Fenced => Ok(Verdict::Again(Duration::ZERO)),
            TaskFault::Retry { reason, detail, after } => {
                let failures = self.ledger.listing_failed(&listing.job.id).await?;
                // A redriven dead letter starts counting anew.
                if failures.is_multiple_of(self.max_attempts) {
                    let detail = format!("{detail} (listing failed {failures} times)");
                    return Ok(Verdict::GivenUp(Refusal { reason: *reason, detail }));
                }
                let delay = retry_delay(failures, *after, fastrand::f64());
                tracing::info!(job, failures, %fault, again_in_millis = delay.as_millis(), "listing put off");
                Ok(Verdict::Again(delay))
            }
        }
    }

    pub(super) fn of_job(&self, listing: &Listing<'_>, page: &Page, spec: TaskSpec) -> Task {
        let carried = listing.job.message_of(spec, page.api.clone());
        let only = page.tasks.len() == 1 && page.next.is_none() && !listing.is_continued();
        Task { reopens: None, only, ..self.task(listing.lease, Carrier::Job, listing.message, carried) }
    }
}

/// What became of what does not stay here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    HandedOver,
    Continues,
    GivenUp,
}

/// What comes of a listing that failed.
enum Verdict {
    Again(Duration),
    GivenUp(Refusal),
}

fn opening(listing: &Listing<'_>, first: &Page) -> JobOpening {
    let tasks = first.tasks.len();
    JobOpening {
        job: listing.job.id.clone(),
        digest: listing.job.digest.clone(),
        tasks,
        // A continued listing ends with its last page, also when that is its first.
        more: first.next.is_some() || listing.is_continued(),
        local: if listing.is_continued() { 0 } else { listing.local.min(tasks) },
    }
}

/// Nothing of the job is left to be handed over.
fn is_complete(claim: &JobClaim, first: &Page) -> bool {
    let Cursor { page, index, .. } = claim.cursor;
    claim.listed && (page > first.number || (page == first.number && index >= first.tasks.len()))
}
