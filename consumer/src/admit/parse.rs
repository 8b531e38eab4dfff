//! A body becomes a job or a task, or a refusal that says what is wrong with it.

use exportpool_contract::{
    Continuation, Destination, ExportApi, JobId, JobMessage, TaskMessage, TaskSpec, key::MAX_KEY_BYTES,
};
use serde::de::DeserializeOwned;

use crate::{
    fail::{Reason, dead_letter::ATTRIBUTE_ROOM},
    message::QueueName,
    ports::MAX_MESSAGE_BYTES,
    spec::{MAX_URL_BYTES, check_characters, check_sendable, check_url, checked, digest, json},
};

/// The most bytes of a job that names an Export API: a continuation has its place and the longest URL beside it, of
/// which JSON makes up to six bytes a byte.
pub const MAX_LISTING_BYTES: usize = MAX_MESSAGE_BYTES - ATTRIBUTE_ROOM - 6 * MAX_URL_BYTES;

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
    let task = &message.task;
    check_url(&format_args!("the task {}", task.task_id), &task.url).map_err(malformed)?;
    check_sendable(&message).map_err(malformed)?;
    Ok(message)
}

fn job(body: &str) -> Result<Job, Refusal> {
    let mut message: JobMessage = read(body)?;
    check_prefix(message.destination.as_ref()).map_err(malformed)?;
    let continues = message.continues.take();
    let digest = digest(&[&json(&message)]);
    let files = match (message.tasks, message.export_api, continues) {
        (Some(tasks), None, None) => Files::Inline(checked(tasks).map_err(malformed)?),
        (None, Some(api), continues) => Files::Pages { api, continues },
        (Some(_), None, Some(_)) => {
            return Err(malformed("only a job with `exportApi` can have `continues`"));
        }
        (None, None, _) => return Err(malformed("the job has neither `tasks` nor `exportApi`")),
        (Some(_), Some(_), _) => {
            return Err(malformed("the job has both `tasks` and `exportApi`; one is allowed"));
        }
    };
    let job = Job { id: message.job_id, files, destination: message.destination, digest };
    job.check_sendable().map_err(malformed)?;
    Ok(job)
}

/// Checks that a prefix leaves room for a key. Before anything is done for each task: its message carries the prefix.
fn check_prefix(destination: Option<&Destination>) -> Result<(), String> {
    let bytes = destination.and_then(|to| to.prefix.as_ref()).map_or(0, String::len);
    if bytes < MAX_KEY_BYTES {
        return Ok(());
    }
    Err(format!(
        "the prefix of the job's destination has {bytes} bytes; an object's whole key has at most {MAX_KEY_BYTES}: \
         shorten the prefix"
    ))
}

impl Job {
    /// The message that carries one of its tasks alone; with the page that listed it.
    pub(super) fn message_of(&self, task: TaskSpec, page: Option<ExportApi>) -> TaskMessage {
        TaskMessage {
            job_id: self.id.clone(),
            task,
            destination: self.destination.clone(),
            attempt: 0,
            enqueued_at: None,
            page,
        }
    }

    /// Its own message, to go on at a page.
    pub(super) fn continuing(&self, at: Continuation) -> JobMessage {
        let export_api = match &self.files {
            Files::Inline(_) => None,
            Files::Pages { api, .. } => Some(api.clone()),
        };
        JobMessage {
            job_id: self.id.clone(),
            tasks: None,
            export_api,
            destination: self.destination.clone(),
            continues: Some(at),
        }
    }

    /// Checks that whatever does not stay here can be sent on.
    fn check_sendable(&self) -> Result<(), String> {
        match &self.files {
            Files::Inline(tasks) => {
                tasks.iter().try_for_each(|task| check_sendable(&self.message_of(task.clone(), None)))
            }
            Files::Pages { api, continues } => {
                check_url(&"`exportApi`", &api.url)?;
                if let Some(at) = continues {
                    check_url(&"`continues`", &at.url)?;
                }
                self.check_continuation(continues.as_ref().map(|at| &*at.url).unwrap_or_default())
            }
        }
    }

    fn check_continuation(&self, url: &str) -> Result<(), String> {
        check_characters(&"the message", &json(&self.continuing(Continuation { page: 0, url: url.into() })))?;
        let bytes = json(&self.continuing(Continuation { page: u64::MAX, url: String::new() })).len();
        if bytes <= MAX_LISTING_BYTES {
            return Ok(());
        }
        Err(format!(
            "the job has {bytes} bytes; at most {MAX_LISTING_BYTES} are allowed with `exportApi`: shorten the name of \
             its credentials"
        ))
    }
}

fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal { reason: Reason::Malformed, detail: detail.into() }
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
    fn a_prefix_as_long_as_a_key_is_refused_before_any_task_is_looked_at() {
        let with = |bytes: usize, url: usize| {
            let (prefix, url) = ("p".repeat(bytes), "u".repeat(url));
            let task = format!(r#"{{"taskId":"t","url":"http://h/{url}"}}"#);
            format!(r#"{{"jobId":"j","tasks":[{task}],"destination":{{"prefix":"{prefix}"}}}}"#)
        };
        assert_eq!(tasks(&with(MAX_KEY_BYTES - 1, 1)), ["t"]);
        let longest_url = 9_000;
        for bytes in [MAX_KEY_BYTES, 600_000] {
            let refusal = refusal(&with(bytes, longest_url));
            assert_eq!(refusal.reason, Reason::Malformed);
            for words in [&format!("has {bytes} bytes"), "at most 1024", "shorten the prefix"] {
                assert!(refusal.detail.contains(words), "{}", refusal.detail);
            }
        }
    }

    /// A job of pages with credentials of a name of so many bytes.
    fn with_credentials(bytes: usize, more: &str) -> String {
        let name = "c".repeat(bytes);
        format!(r#"{{"jobId":"j","exportApi":{{"url":"http://h","credentials":"{name}"}}{more}}}"#)
    }

    #[test]
    fn a_job_of_pages_that_could_not_go_on_as_another_message_is_refused() {
        assert!(parse(QueueName::ExportJobs, &with_credentials(MAX_LISTING_BYTES - 200, "")).is_ok());
        let with = |more: &str| with_credentials(1, more);
        for (body, detail) in [
            (
                with_credentials(MAX_LISTING_BYTES, ""),
                "with `exportApi`: shorten the name of its credentials",
            ),
            (with(r#","destination":{"prefix":"\uffff"}"#), "ffff"),
            (with(r#","continues":{"page":1,"url":"http://h/\ufffe"}"#), "fffe"),
            (with(&format!(r#","continues":{{"page":1,"url":"{}"}}"#, "u".repeat(9_000))), "of `continues`"),
        ] {
            let refusal = refusal(&body);
            assert!(refusal.detail.contains(detail), "{}", refusal.detail);
        }
    }

    #[test]
    fn the_longest_continuation_of_a_job_that_is_taken_fits_into_a_message() {
        let of = |credentials| parse(QueueName::ExportJobs, &with_credentials(credentials, ""));
        let bytes_at = |credentials, url: &str| match of(credentials) {
            Ok(Parsed::Job(job)) => {
                json(&job.continuing(Continuation { page: u64::MAX, url: url.into() })).len()
            }
            other => panic!("{other:?}"),
        };
        let most = MAX_LISTING_BYTES - bytes_at(0, "");
        assert!(bytes_at(most, &"\0".repeat(MAX_URL_BYTES)) <= MAX_MESSAGE_BYTES - ATTRIBUTE_ROOM);
        assert!(of(most + 1).is_err());
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
