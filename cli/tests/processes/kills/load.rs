//! Loads that lead a consumer past a point, and what must come of each.

use exportpool_consumer::kill::Point;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    consumer::{Consumer, Environment},
    stand_in::{Queue, StandIn},
    wait::until,
};

/// Two parts.
const LARGE: usize = 6 * 1024 * 1024;
const SMALL: usize = 3_000;
/// More than twice what a job sends between two moves of its cursor.
const WIDE: usize = 260;
/// Files of a page.
const PAGE: usize = 15;

/// What a consumer is given to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Jobs of one file.
    Plain,
    /// A job of many files, most of which overflow to `download-tasks`.
    Split,
    /// A job that an Export API lists, page by page.
    Paged,
    /// Jobs that an Export API lists, slowly, when the consumer is asked to stop: the rest goes on as a message.
    Continued,
    /// Files of several parts.
    Large,
    /// Files that are not there.
    Failing,
    /// Files that come at the second attempt.
    Retried,
    /// Messages that nobody can read.
    Unreadable,
    /// A job that waits for slots when the consumer is asked to stop.
    Stopped,
    /// Files that were not there, failed, came, and whose dead letters are sent again.
    Redriven,
}

/// How a file must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stored(usize),
    Failed,
}

/// A job's id and its files' endings; file `n` is the task `n`.
pub(crate) type Jobs = Vec<(String, Vec<Ending>)>;

impl Load {
    pub(crate) const ALL: [Self; 10] = [
        Self::Plain,
        Self::Split,
        Self::Paged,
        Self::Continued,
        Self::Large,
        Self::Failing,
        Self::Retried,
        Self::Unreadable,
        Self::Stopped,
        Self::Redriven,
    ];

    /// Points at which consumers are killed under this load.
    pub(crate) const fn points(self) -> &'static [Point] {
        match self {
            Self::Plain => &[
                Point::Received,
                Point::JobCreated,
                Point::Claimed,
                Point::ObjectPut,
                Point::Finished,
                Point::Committed,
                Point::DoneRecorded,
                Point::Deleted,
            ],
            Self::Split => &[Point::SendAccepted, Point::CursorMoved],
            Self::Paged => &[Point::PageListed],
            Self::Continued => &[Point::ContinuationSent],
            Self::Large => {
                &[Point::UploadCreated, Point::UploadRecorded, Point::PartStored, Point::UploadCompleted]
            }
            Self::Failing => &[Point::DeadLetterSent, Point::FailedRecorded],
            Self::Retried => &[Point::RetrySent],
            Self::Unreadable => &[Point::MessageRefused],
            Self::Stopped => &[Point::HandedOver],
            Self::Redriven => &[Point::Claimed, Point::ObjectPut, Point::Committed, Point::DoneRecorded],
        }
    }

    /// What its consumers need beside the stand-in's environment.
    pub(crate) fn environment(self, aws: &StandIn) -> Environment {
        let workers = match self {
            Self::Stopped | Self::Continued => "4",
            // One upload at a time: what is open after a kill is of the point, and not of a neighbour.
            Self::Large => "1",
            _ => "2",
        };
        // Kills count as attempts; what is left must be finished, not given up.
        aws.environment(&[
            ("VISIBILITY_SECONDS", "15"),
            ("WORKER_POOL_SIZE", workers),
            ("MAX_ATTEMPTS", "20"),
        ])
    }

    /// Its jobs.
    pub(crate) fn jobs(self) -> Jobs {
        let jobs = |number: usize, files: usize, ending| {
            (0..number).map(|n| (format!("job-{n}"), vec![ending; files])).collect()
        };
        match self {
            Self::Plain | Self::Redriven => jobs(7, 1, Ending::Stored(SMALL)),
            Self::Paged => jobs(1, 6 * PAGE, Ending::Stored(SMALL)),
            Self::Continued => jobs(3, 4 * PAGE, Ending::Stored(SMALL)),
            Self::Split => jobs(1, WIDE, Ending::Stored(SMALL)),
            Self::Large => jobs(3, 1, Ending::Stored(LARGE)),
            Self::Failing => jobs(4, 1, Ending::Failed),
            Self::Retried => jobs(2, 2, Ending::Stored(SMALL)),
            Self::Unreadable => Jobs::new(),
            Self::Stopped => jobs(1, 8, Ending::Stored(SMALL)),
        }
    }

    /// What the file server is asked beside the size.
    const fn faults(self) -> &'static str {
        match self {
            Self::Plain | Self::Split | Self::Large | Self::Unreadable | Self::Paged => "",
            // Each page of the API, that is.
            Self::Continued => "&api-delay=1500",
            Self::Failing => "&status=404",
            Self::Redriven => "&status=404&fail-times=1",
            Self::Retried => "&fail-times=1",
            Self::Stopped => "&delay=1500",
        }
    }

    /// Messages that must be in the dead-letter queue of `export-jobs`, as they are.
    pub(crate) fn unreadable(self) -> Vec<String> {
        let number = if self == Self::Unreadable { 4 } else { 0 };
        (0..number).map(|n| format!("not JSON, number {n}")).collect()
    }

    /// Sends it.
    pub(crate) async fn send(self, aws: &StandIn, normal: &std::path::Path) {
        for (job, endings) in self.jobs() {
            let body = if matches!(self, Self::Paged | Self::Continued) {
                let query = format!("tasks={}&page-size={PAGE}&size={SMALL}{}", endings.len(), self.faults());
                json!({"jobId": job, "exportApi": {"url": format!("{}/api/{job}?{query}", aws.source())}})
            } else {
                let task = |(n, ending): (usize, &Ending)| self.task(aws, &job, n, *ending);
                json!({"jobId": job, "tasks": endings.iter().enumerate().map(task).collect::<Vec<_>>()})
            };
            aws.send(Queue::ExportJobs, body.to_string()).await;
        }
        for body in self.unreadable() {
            aws.send(Queue::ExportJobs, body).await;
        }
        if self == Self::Redriven {
            self.fail_and_redrive(aws, normal).await;
        }
    }

    fn task(self, aws: &StandIn, job: &str, n: usize, ending: Ending) -> Value {
        let size = match ending {
            Ending::Stored(size) => size,
            Ending::Failed => SMALL,
        };
        let url = aws.file(&format!("{job}/{n}"), &format!("size={size}{}", self.faults()));
        json!({"taskId": n.to_string(), "url": url})
    }

    /// A consumer fails all of it; then each dead letter goes back to `download-tasks`, as a redrive does it.
    async fn fail_and_redrive(self, aws: &StandIn, normal: &std::path::Path) {
        let mut consumer = Consumer::start_of(normal, &self.environment(aws)).await;
        aws.drained().await;
        assert_eq!(consumer.stop().await, Some(0));
        let table = aws.table().await;
        assert!(table.tasks.values().all(|record| record.state == "failed"), "{table:?}");
        assert_eq!(aws.redrive(Queue::DownloadTasksDlq, Queue::DownloadTasks).await, self.jobs().len());
    }

    /// Its consumer is asked to stop, and leaves work to the next.
    pub(crate) const fn stops(self) -> bool {
        matches!(self, Self::Stopped | Self::Continued)
    }

    /// Does what the load needs while its consumer runs.
    pub(crate) async fn accompany(self, consumer: &mut Consumer) {
        if !self.stops() {
            return;
        }
        until("a consumer to have what it cannot finish", async || {
            let report = consumer.report();
            let waits = report.slots.busy > 0 && report.gauges.waiting >= 3;
            let lists = report.gauges.unlisted >= 2;
            (if self == Self::Stopped { waits } else { lists }).then_some(())
        })
        .await;
        consumer.process.signal(Signal::SIGTERM);
    }
}
