//! Bodies of messages.

use serde_json::{Value, json};

/// The URL of a task that has none of its own.
pub fn url(job: &str, task: &str) -> String {
    format!("http://files.test/{job}/{task}")
}

pub fn spec(job: &str, task: &str) -> Value {
    json!({ "taskId": task, "url": url(job, task) })
}

/// A job of tasks `t0`, `t1` and so on.
pub fn job(job: &str, tasks: usize) -> String {
    let tasks: Vec<_> = (0..tasks).map(|n| spec(job, &format!("t{n}"))).collect();
    json!({ "jobId": job, "tasks": tasks }).to_string()
}

/// A task message.
pub fn task(job: &str, task: &str) -> String {
    task_from(job, task, &url(job, task))
}

/// A task message with a URL.
pub fn task_from(job: &str, task: &str, url: &str) -> String {
    json!({ "jobId": job, "taskId": task, "url": url }).to_string()
}

/// The URL of an Export API's page.
pub fn page_url(job: &str, page: usize) -> String {
    format!("http://api.test/{job}?page={page}")
}

/// A job that an Export API lists.
pub fn job_of_pages(job: &str) -> String {
    json!({ "jobId": job, "exportApi": { "url": page_url(job, 0) } }).to_string()
}

/// A page of tasks, and the number of the next one.
pub fn page(job: &str, tasks: impl IntoIterator<Item = usize>, next: Option<usize>) -> String {
    let tasks: Vec<_> = tasks.into_iter().map(|n| spec(job, &format!("t{n}"))).collect();
    json!({ "tasks": tasks, "next": next.map(|page| page_url(job, page)) }).to_string()
}

/// A task message that may replace what stands under its key.
pub fn overwriting_task(job: &str, task: &str) -> String {
    json!({ "jobId": job, "taskId": task, "url": url(job, task), "overwrite": true }).to_string()
}
