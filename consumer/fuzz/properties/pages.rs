//! Pages of an Export API: refused with a reason in words, or a list of tasks, each once, and a next page that can be
//! asked for.
//!
//! The first line is the page's URL, the rest its body.

use std::collections::HashSet;

use exportpool_consumer::{
    admit::{
        page::{MAX_PAGE_TASKS, parse_page},
        parse::{MAX_URL_BYTES, Parsed, parse},
    },
    fail::{Reason, TaskFault},
    message::QueueName,
};
use exportpool_contract::TaskSpec;

/// Holds for every page.
pub(crate) fn hold(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let url = String::from_utf8_lossy(&data[..end]);
    match parse_page(&url, data.get(end + 1..).unwrap_or_default()) {
        Ok((tasks, next)) => {
            assert!(tasks.len() <= MAX_PAGE_TASKS);
            let names: HashSet<_> = tasks.iter().map(|task| &task.task_id).collect();
            assert_eq!(names.len(), tasks.len(), "each task once");
            tasks.iter().for_each(listed);
            assert!(next.is_none_or(|next| next.as_str().len() <= MAX_URL_BYTES));
        }
        Err(TaskFault::Final { reason, detail }) => {
            assert!(matches!(reason, Reason::ExportApiInvalid) && !detail.is_empty(), "{reason}: {detail}");
        }
        Err(fault) => panic!("{fault:?}: a page that was read is not read again"),
    }
}

/// A listed task is sent to another queue, where it is read as it was meant.
fn listed(task: &TaskSpec) {
    assert!(task.url.len() <= MAX_URL_BYTES);
    let mut message = serde_json::to_value(task).expect("a task can be written");
    message["jobId"] = "j".into();
    match parse(QueueName::DownloadTasks, &message.to_string()) {
        Ok(Parsed::Task(again)) => assert_eq!(again.task, *task),
        other => panic!("{message} came back as {other:?}"),
    }
}
