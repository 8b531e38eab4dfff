//! Bodies of messages: whatever is read is either refused with a reason in words, or can be worked on, recorded and
//! sent on.

use std::collections::HashSet;

use exportpool_consumer::{
    admit::parse::{Files, Job, Parsed, parse},
    fail::{Reason, dead_letter},
    message::{Attributes, QueueName, Receipt, Received},
    spec::{MAX_TASK_BYTES, MAX_URL_BYTES, task_digest},
};
use exportpool_contract::{JobId, ObjectKey, TaskMessage, TaskSpec};

const PREFIX: &str = "pre/fix";
const MIB: usize = 1024 * 1024;

/// Holds for every body.
pub(crate) fn hold(data: &[u8]) {
    let body = String::from_utf8_lossy(data);
    for queue in QueueName::ALL {
        match parse(queue, &body) {
            Ok(Parsed::Job(job)) => {
                assert_eq!(job.digest.len(), 64);
                let prefix = job.destination.as_ref().and_then(|to| to.prefix.as_deref());
                match &job.files {
                    Files::Inline(tasks) => {
                        let names: HashSet<_> = tasks.iter().map(|task| &task.task_id).collect();
                        assert_eq!(names.len(), tasks.len(), "each task once");
                        for task in tasks {
                            task_holds(&job.id, prefix, task);
                            sent_on(&message_of(&job, task));
                        }
                    }
                    Files::Pages { api, continues } => {
                        let urls = [Some(&api.url), continues.as_ref().map(|at| &at.url)];
                        assert!(urls.into_iter().flatten().all(|url| url.len() <= MAX_URL_BYTES));
                    }
                }
            }
            Ok(Parsed::Task(task)) => {
                let prefix = task.destination.as_ref().and_then(|to| to.prefix.as_deref());
                task_holds(&task.job_id, prefix, &task.task);
                sent_on(&task);
            }
            Err(refusal) => refused(&body, refusal.reason, &refusal.detail),
        }
    }
}

fn task_holds(job: &JobId, prefix: Option<&str>, task: &TaskSpec) {
    assert!(task.url.len() <= MAX_URL_BYTES);
    assert!([true, false].iter().all(|is| task_digest(task, *is).len() == 64));
    let key = ObjectKey::of_task([Some(PREFIX), prefix], task.key.as_deref(), job, &task.task_id);
    let Ok(key) = key else { return };
    let key = key.as_str();
    assert!(key.starts_with("pre/fix/") && key.len() <= 1_024, "{key:?} leaves the service's prefix");
    assert!(key.split('/').all(|step| !matches!(step, "" | "." | "..")), "{key:?} climbs");
}

/// As it is handed over.
fn message_of(job: &Job, task: &TaskSpec) -> TaskMessage {
    TaskMessage {
        job_id: job.id.clone(),
        task: task.clone(),
        destination: job.destination.clone(),
        attempt: 0,
        enqueued_at: Some(u64::MAX),
        page: None,
    }
}

/// What goes to another queue is read there as it was meant.
fn sent_on(task: &TaskMessage) {
    let text = serde_json::to_string(task).expect("a task message can be written");
    let carried = text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..));
    assert!(carried && text.len() <= MAX_TASK_BYTES, "SQS would refuse {text:?}");
    match parse(QueueName::DownloadTasks, &text) {
        Ok(Parsed::Task(again)) => assert_eq!(again, *task),
        other => panic!("{text:?} came back as {other:?}"),
    }
}

fn refused(body: &str, reason: Reason, detail: &str) {
    assert!(matches!(reason, Reason::Malformed | Reason::InvalidUrl | Reason::InvalidKey), "{reason}");
    assert!(!detail.is_empty(), "refused without a word");
    let message = Received {
        receipt: Receipt("r".into()),
        body: body.to_owned(),
        receive_count: 1,
        sent_at: None,
        received_at: None,
        group: None,
        attributes: Attributes::new(),
    };
    let letter = dead_letter::of_message(&message, reason, detail);
    assert!(letter.body == body, "a dead letter has the original bytes");
    assert!(letter.bytes() <= MIB.max(body.len()) && letter.attributes.len() <= 10);
    assert!(
        letter.attributes.values().all(|value| !value.is_empty() && !value.chars().any(char::is_control))
    );
}
