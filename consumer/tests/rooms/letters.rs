//! Bodies of messages.

use serde_json::{Value, json};

/// The URL of a task that has none of its own.
pub fn url(job: &str, task: &str) -> String {
    format!("http://files.test/{job}/{task}")
}

fn spec(job: &str, task: &str) -> Value {
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
