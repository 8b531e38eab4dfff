//! The tasks of a job that do not stay under its message go to `download-tasks`, in order, page by page. The job's
//! cursor moves over what was sent.

use std::time::Duration;

use exportpool_contract::{Continuation, ExportApi, TaskSpec};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{
    Admitter,
    listing::Listing,
    page::{MAX_JOB_TASKS, Page, Seen},
};
use crate::{
    fail::{AwsFault, TaskFault, dead_letter},
    kill::{self, Point},
    message::Task,
    poll::SendFault,
    ports::{Cursor, JobClaim, Ledger, Outbox, Source},
    spec::task_digest,
    work::fetch::page::invalid,
};

/// Messages sent between two moves of the cursor: after a crash at most so many are sent again.
const CURSOR_STEP: usize = 100;
/// A listing of pages that took so long goes on as another message.
const LISTING_TURN: Duration = Duration::from_secs(60);

/// Why a run stopped before the end of the list.
pub(super) enum Stopped {
    /// By a fault of ours, or because SQS takes no such message.
    Unsent(SendFault),
    /// By the Export API, at a page.
    Api { fault: TaskFault, at: Continuation },
    /// Another delivery has the job.
    Lost,
    /// Its turn is over.
    Over { at: Continuation },
}

impl From<SendFault> for Stopped {
    fn from(fault: SendFault) -> Self {
        Self::Unsent(fault)
    }
}

impl From<AwsFault> for Stopped {
    fn from(fault: AwsFault) -> Self {
        Self::Unsent(fault.into())
    }
}

/// One delivery's way through a job's pages.
pub(super) struct Run<'a> {
    listing: &'a Listing<'a>,
    claim: JobClaim,
    cursor: Cursor,
    seen: Seen,
    over_at: Instant,
    /// Tasks sent.
    pub(super) handed_over: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(listing: &'a Listing<'a>, claim: JobClaim) -> Self {
        let over_at = Instant::now() + LISTING_TURN;
        Self { listing, claim, cursor: claim.cursor, seen: Seen::default(), over_at, handed_over: 0 }
    }

    fn is_over(&self) -> bool {
        self.listing.yielding.is_cancelled() || Instant::now() >= self.over_at
    }

    /// The page is the last one to be sent.
    const fn ends_with(&self, page: &Page) -> bool {
        page.next.is_none() || self.claim.listed
    }

    /// The cursor's place on a page: after its end when the cursor is on a later one.
    fn start_on(&mut self, page: &Page) -> usize {
        if page.number > self.cursor.page {
            self.cursor = Cursor { page: page.number, index: 0, tasks: self.cursor.tasks };
        }
        let index = if page.number == self.cursor.page { self.cursor.index } else { usize::MAX };
        index.min(page.tasks.len())
    }

    /// Of tasks of a page, those that were not listed before.
    fn fresh<'p>(&mut self, page: &Page, tasks: &'p [TaskSpec]) -> Result<Vec<&'p TaskSpec>, Stopped> {
        let Some(api) = &page.api else { return Ok(tasks.iter().collect()) };
        let mut fresh = Vec::with_capacity(tasks.len());
        for spec in tasks {
            let is_new = self.seen.task(spec, &task_digest(spec, true));
            if is_new.map_err(|fault| Stopped::at(api, page.number, fault))? {
                fresh.push(spec);
            }
        }
        Ok(fresh)
    }
}

impl Stopped {
    fn at(api: &ExportApi, page: u64, fault: TaskFault) -> Self {
        Self::Api { fault, at: Continuation { page, url: api.url.clone() } }
    }
}

impl<L: Ledger + 'static, F: Source + 'static> Admitter<L, F> {
    /// Page by page from the cursor to the end.
    pub(super) async fn walk(&self, run: &mut Run<'_>, first: Page) -> Result<(), Stopped> {
        let mut page = first;
        loop {
            if let Some(api) = &page.api {
                run.seen.page(api, page.number).map_err(|fault| Stopped::at(api, page.number, fault))?;
            }
            self.send_page(run, &page).await?;
            kill::at(Point::PageListed);
            let Some(next) = page.next.as_ref().filter(|_| !run.claim.listed) else { return Ok(()) };
            let number = page.number + 1;
            if run.is_over() {
                return Err(Stopped::Over { at: Continuation { page: number, url: next.url.clone() } });
            }
            let read = self.page(run.listing.job, next.clone(), number).await;
            page = read.map_err(|fault| Stopped::at(next, number, fault))?;
        }
    }

    /// Sends what is left of a page.
    async fn send_page(&self, run: &mut Run<'_>, page: &Page) -> Result<(), Stopped> {
        let start = run.start_on(page);
        run.fresh(page, &page.tasks[..start])?;
        for some in page.tasks[start..].chunks(CURSOR_STEP) {
            let fresh = run.fresh(page, some)?;
            run.cursor.tasks += fresh.len();
            if let Some(api) = page.api.as_ref().filter(|_| run.cursor.tasks > MAX_JOB_TASKS) {
                let fault = invalid(format!("the Export API lists more than {MAX_JOB_TASKS} tasks"));
                return Err(Stopped::at(api, page.number, fault));
            }
            let tasks = fresh.into_iter().map(|spec| self.of_job(run.listing, page, spec.clone()));
            run.handed_over += self.send_all(tasks.collect()).await?;
            kill::at(Point::SendAccepted);
            run.cursor.index += some.len();
            self.advance(run, false).await?;
            kill::at(Point::CursorMoved);
        }
        // The total of a job whose tasks were all on its first page was known from the start.
        if run.ends_with(page) && !run.claim.listed {
            self.advance(run, true).await?;
            self.ledger.close(&run.listing.job.id).await?;
        }
        Ok(())
    }

    async fn advance(&self, run: &Run<'_>, end: bool) -> Result<(), Stopped> {
        let moved = self.ledger.advance(&run.listing.job.id, run.claim.epoch, run.cursor, end).await?;
        if moved { Ok(()) } else { Err(Stopped::Lost) }
    }

    /// Answers how many were sent: all.
    async fn send_all(&self, tasks: Vec<Task>) -> Result<usize, SendFault> {
        let sends = tasks
            .iter()
            .map(|task| self.send(Outbox::DownloadTasks, dead_letter::hand_over(task, 0, Duration::ZERO)));
        try_join_all(sends).await.map(|sent| sent.len())
    }
}
