//! A body becomes a job or a task, or a refusal that says what is wrong with it.

use std::collections::HashMap;

use exportpool_contract::{Destination, JobId, JobMessage, TaskId, TaskMessage, TaskSpec};
use sha2::{Digest, Sha256};

use crate::{fail::Reason, message::QueueName};

/// A job that lists its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Its files, each once.
    pub tasks: Vec<TaskSpec>,
    /// Where they go.
    pub destination: Option<Destination>,
    /// Digest of the definition.
    pub digest: String,
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
        QueueName::DownloadTasks => {
            serde_json::from_str(body).map(Parsed::Task).map_err(|e| malformed(e.to_string()))
        }
    }
}

fn job(body: &str) -> Result<Job, Refusal> {
    let message: JobMessage = serde_json::from_str(body).map_err(|error| malformed(error.to_string()))?;
    let digest = digest(&[&serde_json::to_string(&message).unwrap_or_default()]);
    let tasks = match (message.tasks, message.export_api) {
        (Some(tasks), None) => unique(tasks)?,
        (None, None) => return Err(malformed("the job has neither `tasks` nor `exportApi`")),
        (Some(_), Some(_)) => {
            return Err(malformed("the job has both `tasks` and `exportApi`; one is allowed"));
        }
        (None, Some(_)) => {
            let detail = "jobs with `exportApi` are not supported by this version; list the files in `tasks`";
            return Err(Refusal { reason: Reason::Unsupported, detail: detail.into() });
        }
    };
    Ok(Job { id: message.job_id, tasks, destination: message.destination, digest })
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

/// Digest of a task: its URL and its key.
#[must_use]
pub fn task_digest(task: &TaskSpec) -> String {
    digest(&[&task.url, task.key.as_deref().unwrap_or_default()])
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
            Parsed::Job(job) => job.tasks.into_iter().map(|task| task.task_id.to_string()).collect(),
            Parsed::Task(_) => unreachable!(),
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
        ] {
            let refusal = refusal(body);
            assert_eq!(refusal.reason, Reason::Malformed, "{body}");
            assert!(refusal.detail.contains(detail), "{body}: {}", refusal.detail);
        }
        assert_eq!(refusal(r#"{"jobId":"j","exportApi":{"url":"http://h"}}"#).reason, Reason::Unsupported);
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
            [task("u", None), task("uk", None), task("u", Some("k"))].map(|task| task_digest(&task));
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
        assert_eq!(digests[0].len(), 64);
    }
}
