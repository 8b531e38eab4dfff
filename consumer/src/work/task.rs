//! One task from claim to object.

use std::{
    cell::RefCell,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use exportpool_contract::ObjectKey;
use exportpool_profile::record::Step;
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    budget::Budget,
    clock::within,
    fetch::{
        connect::{self, Connected},
        credentials::Credentials,
        page,
        request::request,
        timed::Timed,
    },
    store::{Outcome, Standing, Uploader, sweep_done},
};
use crate::{
    event::WorkResult,
    fail::{AwsFault, AwsKind, AwsResource, Reason, TaskFault},
    kill::{self, Point},
    message::{Stored, Task, TaskNo},
    observe::operations::Operations,
    ports::{Claim, ClaimAsk, Claimed, Ledger, ObjectStore, Owner, Place, Request, Source, SourceHead},
    spec::{public_url, task_digest},
};

/// An upload that is not aborted within this is left to the next claimant.
const ABORT_TIMEOUT: Duration = Duration::from_secs(5);

/// As long as a message is kept that has not begun.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Downloads within one attempt: another write of the key makes the next one necessary.
const DOWNLOADS: usize = 3;

/// What a worker needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct TaskRules {
    /// Put before every key.
    pub prefix: Option<String>,
    /// Longest run of one task, without what it waits for a host's place or for memory.
    pub timeout: Duration,
    /// Who waited for so long gives way: the message goes to others, and the attempt back.
    pub longest_wait: Duration,
    /// Starts of a task before it is given up.
    pub max_attempts: u32,
    /// Largest file.
    pub max_file_bytes: u64,
}

/// Runs tasks on a worker, with the worker's clients.
#[derive(Debug)]
pub struct TaskRunner<S, L, F> {
    /// Where objects go.
    pub store: S,
    /// Where claims are.
    pub ledger: L,
    /// Where files come from.
    pub source: F,
    /// For pages of Export APIs that are read again.
    pub credentials: Credentials,
    /// Memory.
    pub budget: Budget,
    /// Limits.
    pub rules: TaskRules,
    /// The consumer, in the tokens of its claims.
    pub instance: Arc<str>,
    /// Told what is done for a task, while that is profiled.
    pub operations: Operations,
}

/// What must be known of a task when it is stopped from outside.
#[derive(Default)]
struct Traces {
    claimed: RefCell<Option<Claimed>>,
    place: RefCell<Option<Place>>,
    open_upload: RefCell<Option<String>>,
}

/// How a run of a task ended.
#[derive(Debug)]
enum TaskEnd<T> {
    /// By itself.
    Returned(T),
    /// It worked for longer than it may.
    Overdue,
    /// It was told to stop, or waited for too long for what others have.
    Stopped,
}

impl<S: ObjectStore, L: Ledger, F: Source> TaskRunner<S, L, F> {
    /// Works on a task until its object stands in the bucket, it fails, its time is over, or it is cancelled. An
    /// upload is never left open knowingly.
    pub async fn run(&self, task: &Task, cancel: &CancellationToken) -> WorkResult {
        let traces = Traces::default();
        let begun = Instant::now();
        let ended = {
            // A future is copied into each other one that it is given to, and this one is large.
            let work = pin!(self.export(task, &traces));
            tokio::select! {
                biased;
                () = cancel.cancelled() => TaskEnd::Stopped,
                ended = self.in_time(work) => ended,
            }
        };
        let overdue = matches!(ended, TaskEnd::Overdue);
        let claimed = traces.claimed.borrow().clone();
        let result = self.result(ended, claimed.clone(), begun.elapsed());
        let last = self.is_last(&result);
        match self.close_uploads(task, &traces, overdue && last).await {
            // Nobody would claim the task after this to abort its upload.
            Err(fault) if last => WorkResult::Faulted { claimed, fault },
            _ => result,
        }
    }

    fn result(
        &self,
        ended: TaskEnd<Result<Option<Stored>, TaskFault>>,
        claimed: Option<Claimed>,
        service: Duration,
    ) -> WorkResult {
        match (ended, claimed) {
            (TaskEnd::Returned(Ok(Some(object))), Some(claimed)) => {
                WorkResult::Stored { claimed, object, service }
            }
            (TaskEnd::Returned(Ok(_)), _) => WorkResult::AlreadyDone,
            (TaskEnd::Returned(Err(fault)), claimed) => WorkResult::Faulted { claimed, fault },
            (TaskEnd::Overdue, claimed) => WorkResult::Faulted { claimed, fault: self.overdue() },
            (TaskEnd::Stopped, claimed) => WorkResult::Cancelled { claimed },
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> TaskEnd<T> {
        let TaskRules { timeout, longest_wait, .. } = self.rules;
        match time::timeout(timeout + longest_wait, within(timeout, work)).await {
            Ok(Some(returned)) => TaskEnd::Returned(returned),
            Ok(None) => TaskEnd::Overdue,
            Err(_) => TaskEnd::Stopped,
        }
    }

    /// The task is not started again after this.
    fn is_last(&self, result: &WorkResult) -> bool {
        match result {
            WorkResult::Stored { .. } | WorkResult::Faulted { fault: TaskFault::Final { .. }, .. } => true,
            WorkResult::Faulted { claimed: Some(claimed), fault: TaskFault::Retry { .. } } => {
                claimed.attempts >= self.rules.max_attempts
            }
            _ => false,
        }
    }

    fn overdue(&self) -> TaskFault {
        let detail = format!("not done within TASK_TIMEOUT_SECONDS={}", self.rules.timeout.as_secs());
        TaskFault::retry(Reason::TaskTimeout, detail)
    }

    /// `None`: done before.
    async fn export(&self, task: &Task, traces: &Traces) -> Result<Option<Stored>, TaskFault> {
        let claim = pin!(self.claim(task));
        let Some(claimed) = self.operations.step(task.no, Step::Claim, claim).await? else {
            return self.tidy(task).await.map(|()| None);
        };
        *traces.claimed.borrow_mut() = Some(claimed.clone());
        kill::at_await(Point::Claimed).await;
        let (place, request) = self.check(task, &claimed)?;
        *traces.place.borrow_mut() = Some(place.clone());
        self.store_from_source(task, place, &request, &claimed, traces).await.map(Some)
    }

    /// The task was done before: what a crashed claim of it left open is of no use.
    async fn tidy(&self, task: &Task) -> Result<(), TaskFault> {
        match self.key(task) {
            Ok(key) => Ok(sweep_done(&self.store, &key).await?),
            Err(_) => Ok(()),
        }
    }

    async fn claim(&self, task: &Task) -> Result<Option<Claimed>, TaskFault> {
        let (digest, url) = (task_digest(&task.spec, task.page.is_some()), public_url(&task.spec.url));
        let token = task.claim_token(&self.instance);
        let ask = ClaimAsk {
            job: &task.job,
            task: task.id(),
            token: &token,
            digest: &digest,
            url: &url,
            enqueued_at: task.enqueued_at,
            reopens: task.reopens,
        };
        match self.ledger.claim(&ask).await? {
            Claim::Granted(claimed) => Ok(Some(claimed)),
            Claim::AlreadyDone => Ok(None),
            Claim::IdReused => {
                let detail =
                    format!("the task {} of {} stands there with another URL or key", task.id(), task.job);
                Err(TaskFault::last(Reason::IdReused, detail))
            }
        }
    }

    fn check(&self, task: &Task, claimed: &Claimed) -> Result<(Place, Request), TaskFault> {
        let request = request(&task.spec.url, &task.spec.headers)?;
        let key = self.key(task)?;
        let owner = Owner { job: task.job.clone(), task: task.id().clone(), attempt: claimed.attempts };
        Ok((Place { key, owner, content_type: None, replaces: None }, request))
    }

    fn key(&self, task: &Task) -> Result<ObjectKey, TaskFault> {
        let job_prefix = task.destination.as_ref().and_then(|destination| destination.prefix.as_deref());
        let prefixes = [self.rules.prefix.as_deref(), job_prefix];
        ObjectKey::of_task(prefixes, task.spec.key.as_deref(), &task.job, task.id())
            .map_err(|error| TaskFault::last(Reason::InvalidKey, error.to_string()))
    }

    fn uploader<'a>(&'a self, task: &Task, traces: &'a Traces) -> Uploader<'a, S, L> {
        Uploader {
            store: &self.store,
            ledger: &self.ledger,
            budget: &self.budget,
            max_bytes: self.rules.max_file_bytes,
            overwrite: task.spec.overwrite,
            open_upload: &traces.open_upload,
        }
    }

    async fn store_from_source(
        &self,
        task: &Task,
        mut place: Place,
        request: &Request,
        claimed: &Claimed,
        traces: &Traces,
    ) -> Result<Stored, TaskFault> {
        let uploader = self.uploader(task, traces);
        // Also of a task that is to be given up: nobody claims it after this to abort its uploads.
        if let Some(upload) = &claimed.open_upload {
            self.store.abort_upload(&place.key, upload).await?;
        }
        if claimed.epoch > 1 {
            uploader.sweep(&place, claimed.epoch).await?;
        }
        // The first claim of a task leaves this to the condition of its write, unless it is to replace something.
        if claimed.epoch > 1 || task.spec.overwrite {
            match uploader.standing(&place).await? {
                Standing::Ours(object) => return Ok(object),
                Standing::Another { etag } if task.spec.overwrite => place.replaces = etag,
                Standing::Another { .. } | Standing::Nothing => {}
            }
        }
        // After the look: the last attempt may have stored it, and have been kept from recording it.
        if claimed.attempts > self.rules.max_attempts {
            let detail =
                format!("started {} times, MAX_ATTEMPTS={}", claimed.attempts - 1, self.rules.max_attempts);
            return Err(TaskFault::last(Reason::AttemptsExhausted, detail));
        }
        self.download(&uploader, (task, request), place, claimed.epoch).await
    }

    async fn download(
        &self,
        uploader: &Uploader<'_, S, L>,
        (task, request): (&Task, &Request),
        mut place: Place,
        epoch: u64,
    ) -> Result<Stored, TaskFault> {
        let mut memory = None;
        for _ in 0..DOWNLOADS {
            let (head, body) = self.first_byte(task, request).await?;
            place.content_type.clone_from(&head.content_type);
            let body = Timed::new(body);
            let (began, ended) = (Instant::now(), body.ended());
            let outcome = uploader.store(&place, epoch, (&head, body), &mut memory).await;
            self.told(task.no, began, ended.get(), outcome.is_err());
            if let Outcome::Stored(object) = outcome? {
                return Ok(object);
            }
            self.drop_upload(&place, uploader.open_upload).await?;
        }
        Err(TaskFault::retry(Reason::WriteConflict, format!("others write {} all the time", place.key)))
    }

    /// Asks for the file, and tells how long its source took: to be connected, if it had to be, and to answer.
    async fn first_byte(&self, task: &Task, request: &Request) -> Result<(SourceHead, F::Body), TaskFault> {
        let asked = Instant::now();
        let (fetched, connected) = connect::noted(pin!(self.fetch(task, request))).await;
        let (failed, now) = (fetched.is_err(), Instant::now());
        if let Some(Connected { from, to, failed }) = connected {
            self.operations.worked(task.no, Step::Connect, from, to, failed);
        }
        self.operations.worked(
            task.no,
            Step::FirstByte,
            connected.map_or(asked, |made| made.to),
            now,
            failed,
        );
        fetched
    }

    /// The body came until `ended`, and was stored meanwhile and after it.
    fn told(&self, no: TaskNo, began: Instant, ended: Option<Instant>, failed: bool) {
        let now = Instant::now();
        self.operations.worked(no, Step::Body, began, ended.unwrap_or(now), failed && ended.is_none());
        if let Some(ended) = ended {
            self.operations.worked(no, Step::Store, ended, now, failed);
        }
    }

    /// Aborts an upload that came to nothing, before another one is recorded in its place.
    async fn drop_upload(&self, place: &Place, open: &RefCell<Option<String>>) -> Result<(), TaskFault> {
        let upload = open.borrow().clone();
        if let Some(upload) = upload {
            self.store.abort_upload(&place.key, &upload).await?;
            open.take();
        }
        Ok(())
    }

    /// Asks for the file. A presigned URL that has expired is read anew from the page that listed it, once.
    async fn fetch(&self, task: &Task, first: &Request) -> Result<(SourceHead, F::Body), TaskFault> {
        let expired = match (self.source.fetch(first).await, &task.page) {
            (Err(fault), Some(page)) if fault.reason() == Reason::SourceForbidden.as_str() => (fault, page),
            (fetched, _) => return fetched,
        };
        let (fault, page) = expired;
        let (tasks, _) = page::read(&self.source, &self.credentials, page).await?;
        let Some(anew) = tasks.into_iter().find(|listed| listed.task_id == *task.id()) else {
            return Err(fault);
        };
        self.source.fetch(&request(&anew.url, &anew.headers)?).await
    }

    /// Aborts the upload that is known to be open. After a last attempt whose time was over, also what only the bucket
    /// knows: that attempt may have been cut off before it was told the id, and no claim comes that would ask.
    async fn close_uploads(&self, task: &Task, traces: &Traces, unknown_too: bool) -> Result<(), TaskFault> {
        let upload = traces.open_upload.take();
        let (Some(place), Some(claimed)) = (traces.place.take(), traces.claimed.take()) else {
            return Ok(());
        };
        let close = async {
            if let Some(upload) = upload {
                self.store.abort_upload(&place.key, &upload).await?;
            }
            if unknown_too {
                self.uploader(task, traces).sweep(&place, claimed.epoch).await?;
            }
            Ok(())
        };
        let closed = time::timeout(ABORT_TIMEOUT, close).await;
        let closed = closed.unwrap_or_else(|_| Err(not_in_time(&place.key).into()));
        if let Err(fault) = &closed {
            let key = place.key.as_str();
            tracing::warn!(key, %fault, "an upload may be open: the next attempt aborts it");
        }
        closed
    }
}

fn not_in_time(key: &ObjectKey) -> AwsFault {
    let detail = format!("an upload of {key} was not aborted within {} s", ABORT_TIMEOUT.as_secs());
    AwsFault { kind: AwsKind::Unreachable, resource: AwsResource::Bucket(String::new()), detail }
}
