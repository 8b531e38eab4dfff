//! The bodies of the messages on `export-jobs` and `download-tasks`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JobId, TaskId};

/// Request headers of a download, by name. Only names on the consumer's allow-list are sent.
pub type Headers = BTreeMap<String, String>;

/// A job, the body of a message on `export-jobs`: it lists its files, or names an Export API that does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobMessage {
    /// The job's name. The same id with another definition is refused as `idReused`.
    pub job_id: JobId,
    /// The files. Not together with `exportApi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<TaskSpec>>,
    /// Where to list the files instead. Not together with `tasks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_api: Option<ExportApi>,
    /// Where the files go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// Set by a consumer that had to leave off in the middle of an Export API's pages: where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Continuation>,
}

/// One file of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskSpec {
    /// The task's name, unique within its job.
    pub task_id: TaskId,
    /// What to download: `http` or `https`.
    pub url: String,
    /// The object's key under the prefix; by default `<jobId>/<taskId>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: Headers,
    /// Whether an object that stands under the key may be replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
}

/// A URL that answers [`ExportPage`]s.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ExportApi {
    /// The page's: the first one's in a job.
    pub url: String,
    /// The name of credentials that the consumer knows; they are never in a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// What an Export API answers to a GET: one page of a job's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportPage {
    /// The files, at most 1,000.
    pub tasks: Vec<TaskSpec>,
    /// The next page, absolute or relative to this one; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Where a listing goes on. The ledger knows how far the job came; a message knows the page's whole URL, which no
/// record holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Continuation {
    /// The page's number, from 0.
    pub page: u64,
    /// The page's URL.
    pub url: String,
}

/// Where a job's objects go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Destination {
    /// Put between the service's prefix and the key of each task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// One task, the body of a message on `download-tasks`: overflow and retries of jobs travel here, and anyone
/// may send one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskMessage {
    /// The job it belongs to.
    pub job_id: JobId,
    /// The file.
    #[serde(flatten)]
    pub task: TaskSpec,
    /// Where the file goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// How often the task had been started when this was sent. For people: the ledger counts.
    #[serde(default)]
    pub attempt: u32,
    /// When the work was first put on a queue, in milliseconds since the Unix epoch: the age survives a hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enqueued_at: Option<u64>,
    /// The page of an Export API that listed it: a presigned URL that has expired is read there anew, and its query is
    /// no part of the task's definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<ExportApi>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_as_the_design_writes_it() {
        let job: JobMessage = serde_json::from_str(
            r#"{"jobId":"j1","tasks":[{"taskId":"t1","url":"https://h/f"}],"destination":{"prefix":"p"}}"#,
        )
        .unwrap();
        let tasks = job.tasks.unwrap();
        assert_eq!((tasks.len(), tasks[0].task_id.as_str(), tasks[0].overwrite), (1, "t1", false));
    }

    #[test]
    fn a_task_message_is_flat() {
        let text = r#"{"jobId":"j","taskId":"t","url":"http://h/","attempt":2}"#;
        let task: TaskMessage = serde_json::from_str(text).unwrap();
        assert_eq!(task.attempt, 2);
        assert_eq!(serde_json::to_string(&task).unwrap(), text);
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let error = serde_json::from_str::<JobMessage>(r#"{"jobId":7}"#).unwrap_err().to_string();
        assert!(error.contains("integer `7`") && error.contains("column"), "{error}");
    }
}
