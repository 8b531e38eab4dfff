//! A body becomes a job or a task, or a refusal that says what is wrong with it.

use std::collections::HashMap;

use exportpool_contract::{
    Continuation, Destination, ExportApi, JobId, JobMessage, TaskId, TaskMessage, TaskSpec,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::{fail::Reason, message::QueueName, work::fetch::request::public_url};

/// The longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Its files.
    pub files: Files,
    /// Where they go.
    pub destination: Option<Destination>,
    /// Digest of the definition.
    pub digest: String,
}

/// Where a job's files are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// In its message, each once.
    Inline(Vec<TaskSpec>),
    /// On the pages of an Export API.
    Pages {
        /// The first page.
        api: ExportApi,
        /// Another delivery left off here.
        continues: Option<Continuation>,
    },
}

/// A body that can be worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// From `export-jobs`.
    Job(Job),
    /// From `download-tasks`.
    Task(TaskMessage),
}

/// Why a message cannot be worked on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refusal {
    /// The stable word.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

/// Reads a body by its queue.
///
/// # Errors
/// [`Refusal`]: such a message never succeeds.
pub fn parse(queue: QueueName, body: &str) -> Result<Parsed, Refusal> {
    match queue {
        QueueName::ExportJobs => job(body).map(Parsed::Job),
        QueueName::DownloadTasks => task(body).map(Parsed::Task),
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    serde_json::from_str(body).map_err(|error| malformed(error.to_string()))
}

fn task(body: &str) -> Result<TaskMessage, Refusal> {
    let message: TaskMessage = read(body)?;
    check_sendable(&serde_json::to_string(&message).unwrap_or_default())?;
    check_url(&message.task).map(|()| message)
}

fn job(body: &str) -> Result<Job, Refusal> {
    let mut message: JobMessage = read(body)?;
    let continues = message.continues.take();
    let text = serde_json::to_string(&message).unwrap_or_default();
    check_sendable(&text)?;
    let digest = digest(&[&text]);
    let files = match (message.tasks, message.export_api, continues) {
        (Some(tasks), None, None) => Files::Inline(checked(tasks)?),
        (None, Some(api), continues) => Files::Pages { api: checked_api(api)?, continues },
        (Some(_), None, Some(_)) => {
            return Err(malformed("only a job with `exportApi` can have `continues`"));
        }
        (None, None, _) => return Err(malformed("the job has neither `tasks` nor `exportApi`")),
        (Some(_), Some(_), _) => {
            return Err(malformed("the job has both `tasks` and `exportApi`; one is allowed"));
        }
    };
    Ok(Job { id: message.job_id, files, destination: message.destination, digest })
}

/// Tasks that can be recorded and sent on, each once.
///
/// # Errors
/// [`Refusal`] names the task.
pub(super) fn checked(tasks: Vec<TaskSpec>) -> Result<Vec<TaskSpec>, Refusal> {
    tasks.iter().try_for_each(check_url)?;
    unique(tasks)
}

fn checked_api(api: ExportApi) -> Result<ExportApi, Refusal> {
    if api.url.len() > MAX_URL_BYTES {
        let bytes = api.url.len();
        let detail = format!("the URL of `exportApi` has {bytes} bytes; at most {MAX_URL_BYTES} are allowed");
        return Err(malformed(detail));
    }
    Ok(api)
}

/// What a message says is sent on, to `download-tasks` or a dead-letter queue. Of the characters that SQS refuses
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>), JSON escapes all but
/// these.
pub(super) fn check_sendable(text: &str) -> Result<(), Refusal> {
    match text.chars().find(|c| matches!(c, '\u{fffe}' | '\u{ffff}')) {
        None => Ok(()),
        Some(c) => {
            Err(malformed(format!("the message holds {}, which SQS does not carry", c.escape_unicode())))
        }
    }
}

/// A record has room for 400 KB, and no server takes URLs of that length.
fn check_url(task: &TaskSpec) -> Result<(), Refusal> {
    if task.url.len() <= MAX_URL_BYTES {
        return Ok(());
    }
    let (id, bytes) = (&task.task_id, task.url.len());
    Err(malformed(format!("the URL of the task {id} has {bytes} bytes; at most {MAX_URL_BYTES} are allowed")))
}

/// A task listed twice counts once if both say the same.
fn unique(tasks: Vec<TaskSpec>) -> Result<Vec<TaskSpec>, Refusal> {
    let mut seen: HashMap<TaskId, usize> = HashMap::with_capacity(tasks.len());
    let mut kept: Vec<TaskSpec> = Vec::with_capacity(tasks.len());
    for task in tasks {
        match seen.get(&task.task_id) {
            None => {
                seen.insert(task.task_id.clone(), kept.len());
                kept.push(task);
            }
            Some(first) if kept[*first] == task => {}
            Some(_) => {
                return Err(malformed(format!("the task {} is listed twice, differently", task.task_id)));
            }
        }
    }
    Ok(kept)
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal { reason: Reason::Malformed, detail: detail.into() }
}

/// Digest of a task: its URL and its key. An Export API may presign URLs, each time anew: of what it lists, the URL
/// without its query counts.
#[must_use]
pub fn task_digest(task: &TaskSpec, presigned: bool) -> String {
    let key = task.key.as_deref().unwrap_or_default();
    if presigned { digest(&[&public_url(&task.url), key]) } else { digest(&[&task.url, key]) }
}

/// SHA-256 of texts, each ended by a byte that no JSON text holds, in hexadecimal.
fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> Refusal {
        parse(QueueName::ExportJobs, body).unwrap_err()
    }

    fn tasks(body: &str) -> Vec<String> {
        match parse(QueueName::ExportJobs, body).unwrap() {
            Parsed::Job(Job { files: Files::Inline(tasks), .. }) => {
                tasks.into_iter().map(|task| task.task_id.to_string()).collect()
            }
            other => panic!("no tasks in {other:?}"),
        }
    }

    #[test]
    fn bodies_that_are_no_jobs_are_refused_with_the_place() {
        for (body, detail) in [
            ("{not json", "line 1 column 2"),
            ("", "EOF"),
            ("[]", "invalid length 0"),
            (r#"{"tasks":[]}"#, "missing field `jobId`"),
            (r#"{"jobId":"j","tasks":[{"url":"http://h"}]}"#, "missing field `taskId`"),
            (r#"{"jobId":"j","tasks":"x"}"#, "invalid type: string"),
            (r#"{"jobId":"a/b","tasks":[]}"#, "allowed are"),
            (r#"{"jobId":"j","tasks":[{"taskId":"..","url":"http://h"}]}"#, "path step"),
            (r#"{"jobId":"j"}"#, "neither"),
            (r#"{"jobId":"j","tasks":[],"exportApi":{"url":"http://h"}}"#, "both"),
            (
                r#"{"jobId":"j","tasks":[],"continues":{"page":1,"url":"http://h"}}"#,
                "only a job with `exportApi`",
            ),
        ] {
            let refusal = refusal(body);
            assert_eq!(refusal.reason, Reason::Malformed, "{body}");
            assert!(refusal.detail.contains(detail), "{body}: {}", refusal.detail);
        }
    }

    #[test]
    fn what_could_be_neither_recorded_nor_sent_on_is_refused() {
        let with = |url: &str| format!(r#"{{"jobId":"j","tasks":[{{"taskId":"t","url":"{url}"}}]}}"#);
        assert!(refusal(&with(&format!("http://h/{}", "x".repeat(9_000)))).detail.contains("at most 8192"));
        assert!(refusal(&with(r"http://h/\uffff")).detail.contains("ffff"));
        let alone = r#"{"jobId":"j","taskId":"t","url":"http://h/\ufffe"}"#;
        assert!(parse(QueueName::DownloadTasks, alone).is_err());
        assert_eq!(tasks(&with(r"http://h/\u0000")), ["t"], "escaped on its way");
    }

    #[test]
    fn a_task_listed_twice_counts_once_or_is_refused() {
        let twice =
            |second| format!(r#"{{"jobId":"j","tasks":[{{"taskId":"t","url":"http://a"}},{second}]}}"#);
        assert_eq!(tasks(&twice(r#"{"taskId":"t","url":"http://a"}"#)), ["t"]);
        assert!(refusal(&twice(r#"{"taskId":"t","url":"http://b"}"#)).detail.contains("listed twice"));
    }

    #[test]
    fn a_job_of_no_tasks_is_a_job() {
        assert!(tasks(r#"{"jobId":"j","tasks":[]}"#).is_empty());
    }

    #[test]
    fn digests_tell_definitions_apart() {
        let task = |url: &str, key: Option<&str>| TaskSpec {
            task_id: TaskId::new("t").unwrap(),
            url: url.into(),
            key: key.map(Into::into),
            headers: [].into(),
            overwrite: false,
        };
        let digests =
            [task("u", None), task("uk", None), task("u", Some("k"))].map(|task| task_digest(&task, false));
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
        assert_eq!(digests[0].len(), 64);
        let signed = ["http://h/f?sig=1", "http://h/f?sig=2"].map(|url| task(url, None));
        assert_eq!(task_digest(&signed[0], true), task_digest(&signed[1], true));
        assert_ne!(task_digest(&signed[0], false), task_digest(&signed[1], false));
    }

    #[test]
    fn a_continued_job_is_the_same_job() {
        let digest = |continues| {
            let body = format!(r#"{{"jobId":"j","exportApi":{{"url":"http://h"}}{continues}}}"#);
            match parse(QueueName::ExportJobs, &body).unwrap() {
                Parsed::Job(job) => job.digest,
                Parsed::Task(_) => unreachable!(),
            }
        };
        assert_eq!(digest(""), digest(r#","continues":{"page":7,"url":"http://h?page=7"}"#));
    }
}
