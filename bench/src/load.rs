//! Sends messages, and waits until they are worked off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use exportpool_contract::environment as name;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;
use tokio::time::{self, Instant};

use crate::stage::Stage;

/// SQS takes ten messages a request.
const BATCH: usize = 10;
const REQUESTS_AT_A_TIME: usize = 4;
/// Rarely enough that nobody notices, often enough that CPU time is read soon after the last message.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Task messages come from large jobs: so many of them belong to one.
pub(crate) const TASKS_OF_A_JOB: usize = 100;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    /// Names its jobs: what is in the table is told apart by it.
    pub(crate) run: String,
    /// How many messages.
    pub(crate) messages: usize,
    /// Of what kind.
    pub(crate) shape: Shape,
    /// Bytes of each file.
    pub(crate) bytes: u64,
    /// How long the source takes to answer.
    pub(crate) delay: Duration,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One task, on `download-tasks`.
    Tasks,
    /// A job of so many tasks, on `export-jobs`.
    Jobs(usize),
}

impl Load {
    /// Files to export.
    pub(crate) const fn tasks(&self) -> usize {
        match self.shape {
            Shape::Tasks => self.messages,
            Shape::Jobs(tasks) => self.messages * tasks,
        }
    }

    const fn queue(&self) -> &'static str {
        match self.shape {
            Shape::Tasks => name::SQS_DOWNLOAD_TASKS_URL,
            Shape::Jobs(_) => name::SQS_EXPORT_JOBS_URL,
        }
    }

    /// A message as anyone would write it.
    fn body(&self, index: usize, source: &str) -> String {
        match self.shape {
            Shape::Tasks => {
                let mut task = self.task(index, source);
                task["jobId"] = self.job(index / TASKS_OF_A_JOB).into();
                task.to_string()
            }
            Shape::Jobs(tasks) => {
                let tasks: Vec<_> = (0..tasks).map(|task| self.task(task, source)).collect();
                json!({"jobId": self.job(index), "tasks": tasks}).to_string()
            }
        }
    }

    fn job(&self, index: usize) -> String {
        format!("{}-{index}", self.run)
    }

    fn task(&self, index: usize, source: &str) -> serde_json::Value {
        let (bytes, delay) = (self.bytes, self.delay.as_millis());
        json!({"taskId": format!("t{index}"), "url": format!("{source}/{}-{index}?size={bytes}&delay={delay}", self.run)})
    }

    /// Sends all, as fast as SQS takes them.
    ///
    /// # Errors
    /// SQS refuses a message.
    pub(crate) async fn send(&self, stage: &Stage) -> anyhow::Result<()> {
        let (url, source) = (stage.variable(self.queue())?, stage.source()?);
        let bodies: Vec<_> = (0..self.messages).map(|index| self.body(index, &source)).collect();
        let batches = bodies.chunks(BATCH).map(|bodies| send_batch(&stage.sqs, url, bodies));
        stream::iter(batches).buffer_unordered(REQUESTS_AT_A_TIME).try_collect().await
    }
}

async fn send_batch(sqs: &aws_sdk_sqs::Client, url: &str, bodies: &[String]) -> anyhow::Result<()> {
    let entries = bodies.iter().enumerate().map(|(index, body)| {
        SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build()
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let answer = sqs.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await?;
    anyhow::ensure!(answer.failed.is_empty(), "SQS refused a message: {:?}", answer.failed);
    Ok(())
}

/// Waits until both queues are empty: nothing waits, nothing is in flight.
///
/// # Errors
/// That took longer than `patience`.
pub(crate) async fn drained(stage: &Stage, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let mut left = 0;
        for queue in [name::SQS_EXPORT_JOBS_URL, name::SQS_DOWNLOAD_TASKS_URL] {
            left += depth(stage, queue).await?;
        }
        if left == 0 {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{left} messages are left after {patience:?}");
        time::sleep(LOOK_EVERY).await;
    }
}

async fn depth(stage: &Stage, queue: &str) -> anyhow::Result<u64> {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let request = stage.sqs.get_queue_attributes().queue_url(stage.variable(queue)?);
    let answer = request.set_attribute_names(Some(names.to_vec())).send().await?;
    let attributes = answer.attributes.context("no attributes")?;
    names.iter().map(|name| Ok(attributes.get(name).context("a count is missing")?.parse::<u64>()?)).sum()
}

/// Milliseconds since the Unix epoch, as in the table.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use exportpool_contract::{JobMessage, TaskMessage};

    use super::*;

    fn load(shape: Shape) -> Load {
        Load { run: "r".into(), messages: 250, shape, bytes: 1_024, delay: Duration::from_millis(400) }
    }

    #[test]
    fn task_messages_belong_to_jobs_of_a_hundred() {
        let body = load(Shape::Tasks).body(100, "http://127.0.0.1:1/files");
        let task: TaskMessage = serde_json::from_str(&body).unwrap();
        assert_eq!((task.job_id.as_str(), task.task.task_id.as_str()), ("r-1", "t100"));
        assert_eq!(task.task.url, "http://127.0.0.1:1/files/r-100?size=1024&delay=400");
    }

    #[test]
    fn a_job_message_lists_its_tasks() {
        let jobs = load(Shape::Jobs(10));
        let job: JobMessage = serde_json::from_str(&jobs.body(3, "http://h")).unwrap();
        assert_eq!((job.job_id.as_str(), job.tasks.unwrap().len(), jobs.tasks()), ("r-3", 10, 2_500));
    }
}
