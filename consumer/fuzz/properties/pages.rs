//! Pages of an Export API: refused with a reason in words, or a list of tasks, each once, and a next page that can be
//! asked for.
//!
//! The first line is the page's URL, the rest its body.

use std::collections::HashSet;

use exportpool_consumer::{
    admit::parse::{Parsed, parse},
    fail::{Reason, TaskFault},
    message::QueueName,
    spec::{MAX_URL_BYTES, check_sendable},
    work::fetch::page::{MAX_PAGE_TASKS, parse_page},
};
use exportpool_contract::{JobId, TaskMessage, TaskSpec};

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

/// A listed task is sent to another queue, where it is read as it was meant; one that cannot be is refused before.
fn listed(task: &TaskSpec) {
    assert!(task.url.len() <= MAX_URL_BYTES);
    let message = TaskMessage {
        job_id: JobId::new("j").expect("an id"),
        task: task.clone(),
        destination: None,
        attempt: 0,
        enqueued_at: None,
        page: None,
    };
    let text = serde_json::to_string(&message).expect("a task can be written");
    match (check_sendable(&message), parse(QueueName::DownloadTasks, &text)) {
        (Ok(()), Ok(Parsed::Task(again))) => assert_eq!(again, message),
        (Err(why), Err(_)) => assert!(!why.is_empty(), "refused without a word"),
        (checked, other) => panic!("{text} is {checked:?} and came back as {other:?}"),
    }
}
