//! What is put into a dead-letter queue: the message, why it was given up, and for a task the epoch in which it
//! failed, so that redriving it reopens the task.

use std::time::Duration;

use exportpool_contract::{JobMessage, attribute};

use super::Reason;
use crate::{
    message::{Attributes, Received, Task},
    ports::{Claimed, MAX_MESSAGE_BYTES, Outgoing, is_carried},
    spec::json,
};

/// Room in a message beside a body of ours, in bytes: for the attributes of a hand-over, a retry and a dead letter.
pub const ATTRIBUTE_ROOM: usize = 4 * 1024;

/// SQS takes ten attributes a message
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>).
const MAX_ATTRIBUTES: usize = 10;
const MAX_DETAIL_CHARS: usize = 300;

/// The dead letter of a message that cannot be read: its own bytes and attributes, and why.
#[must_use]
pub fn of_message(message: &Received, reason: Reason, detail: &str) -> Outgoing {
    let mut attributes = why(reason, detail);
    for (name, other) in message.attributes.others() {
        if attributes.count() < MAX_ATTRIBUTES && !attributes.contains_key(name) {
            attributes.keep(name.clone(), other.clone());
        }
    }
    for (name, value) in message.attributes.iter() {
        if attributes.count() < MAX_ATTRIBUTES {
            attributes.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    let letter = Outgoing {
        body: message.body.clone(),
        attributes,
        group: message.group.clone(),
        delay: Duration::ZERO,
    };
    within_limit(letter)
}

/// The dead letter of a task: a task message that can be redriven as it is.
#[must_use]
pub fn of_task(task: &Task, claimed: Option<&Claimed>, reason: Reason, detail: &str) -> Outgoing {
    let attempt = claimed.map_or(0, |claimed| claimed.attempts);
    let mut attributes = carried(task);
    attributes.append(&mut why(reason, detail));
    attributes.insert(attribute::ATTEMPT.into(), attempt.to_string());
    if let Some(claimed) = claimed {
        attributes.insert(attribute::EPOCH.into(), claimed.epoch.to_string());
    }
    within_limit(of(task, attempt, attributes, Duration::ZERO))
}

/// The message by which a task goes to `download-tasks`.
#[must_use]
pub fn hand_over(task: &Task, attempt: u32, delay: Duration) -> Outgoing {
    let mut attributes = carried(task);
    attributes.insert(attribute::ATTEMPT.into(), attempt.to_string());
    of(task, attempt, attributes, delay)
}

fn of(task: &Task, attempt: u32, attributes: Attributes, delay: Duration) -> Outgoing {
    let body = json(&task.to_message(attempt));
    Outgoing { body, attributes, group: Some(task.group.clone()), delay }
}

/// The message by which the rest of a job's listing goes on. It carries what the job's own message carried.
#[must_use]
pub fn continuation(job: &JobMessage, from: &Received, delay: Duration) -> Outgoing {
    let enqueued = from.enqueued_at().map(|at| (attribute::ENQUEUED_AT.to_owned(), at.to_string()));
    let trace = from.traceparent().map(|trace| (attribute::TRACEPARENT.to_owned(), trace.to_owned()));
    Outgoing {
        body: json(job),
        attributes: enqueued.into_iter().chain(trace).collect(),
        group: Some(from.group.clone().unwrap_or_else(|| job.job_id.to_string())),
        delay,
    }
}

/// The same message as a dead letter.
#[must_use]
pub fn with_reason(mut message: Outgoing, reason: Reason, detail: &str) -> Outgoing {
    message.attributes.append(&mut why(reason, detail));
    within_limit(message)
}

fn carried(task: &Task) -> Attributes {
    let enqueued = task.enqueued_at.map(|at| (attribute::ENQUEUED_AT.to_owned(), at.to_string()));
    let trace = task.traceparent.clone().map(|trace| (attribute::TRACEPARENT.to_owned(), trace));
    enqueued.into_iter().chain(trace).collect()
}

fn why(reason: Reason, detail: &str) -> Attributes {
    let detail: String =
        detail.chars().filter(|c| !c.is_control() && is_carried(*c)).take(MAX_DETAIL_CHARS).collect();
    let detail = if detail.is_empty() { reason.to_string() } else { detail };
    [(attribute::REASON.to_owned(), reason.to_string()), (attribute::DETAIL.to_owned(), detail)].into()
}

/// A body of nearly 1 MiB leaves no room for attributes. Kept as long as there is room: the epoch, without which a
/// redrive does not reopen a task, and the reason; then the epoch; then nothing but the body.
fn within_limit(mut letter: Outgoing) -> Outgoing {
    for kept in [&[attribute::EPOCH, attribute::REASON][..], &[attribute::EPOCH], &[]] {
        if letter.bytes() > MAX_MESSAGE_BYTES {
            let texts = letter.attributes.iter().filter(|(name, _)| kept.contains(&name.as_str()));
            letter.attributes = texts.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }
    letter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        message::{MAX_TRACEPARENT_BYTES, Other},
        place::fixture::{self, received},
    };

    #[test]
    fn a_malformed_message_keeps_its_bytes_and_attributes() {
        let message = Received {
            body: "{not json".into(),
            attributes: (0..12).map(|n| (format!("a{n:02}"), "v".into())).collect(),
            ..fixture::received(1)
        };
        let letter = of_message(&message, Reason::Malformed, "expected\nvalue");
        assert_eq!(letter.body, "{not json");
        assert_eq!(letter.attributes["reason"], "malformed");
        assert_eq!(letter.attributes["detail"], "expectedvalue");
        assert_eq!(letter.attributes.len(), MAX_ATTRIBUTES);
    }

    #[test]
    fn attributes_that_are_no_texts_are_carried_as_they_are() {
        let other = |data_type: &str, value: &'static [u8]| Other {
            data_type: data_type.into(),
            value: value.into(),
        };
        let mut message = received(1);
        message.attributes.keep("thumb".into(), other("Binary.png", b"\x89PNG\0"));
        message.attributes.keep("size".into(), other("Number", b"12"));
        let letter = of_message(&message, Reason::Malformed, "why");
        assert_eq!(letter.attributes.others(), message.attributes.others());
        assert_eq!((letter.attributes["reason"].as_str(), letter.attributes.count()), ("malformed", 4));
        assert!(letter.bytes() > "Binary.png".len() + "Number".len() + 5 + 2);
    }

    #[test]
    fn a_body_of_a_mebibyte_still_fits_into_the_dead_letter_queue() {
        for (spare, kept) in [(0, 0), (20, 0), (21, 1), (2_000, 2)] {
            let message = Received { body: "x".repeat(MAX_MESSAGE_BYTES - spare), ..fixture::received(1) };
            let letter = of_message(&message, Reason::Malformed, "why");
            assert!(letter.bytes() <= MAX_MESSAGE_BYTES);
            assert_eq!(letter.attributes.count(), kept, "{spare} bytes are left");
        }
    }

    #[test]
    fn a_dead_letter_without_room_keeps_the_epoch_before_the_reason_and_the_reason_before_all_else() {
        let claimed = Claimed { epoch: 7, attempts: 5, was_failed: false, open_upload: None };
        let names = |spare: usize| {
            let mut task = Task { enqueued_at: Some(42), ..fixture::task("j", 1, 1) };
            task.spec.key = Some(String::new());
            let rest = json(&task.to_message(5)).len();
            task.spec.key = Some("k".repeat(MAX_MESSAGE_BYTES - rest - spare));
            let letter = of_task(&task, Some(&claimed), Reason::SourceFailed, "500");
            assert!(letter.bytes() <= MAX_MESSAGE_BYTES, "{}", letter.bytes());
            letter.attributes.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let found = [0, 12, 35, 36, 200].map(names);
        assert_eq!(found, ["", "epoch", "epoch", "epoch reason", "attempt detail enqueuedAt epoch reason"]);
    }

    #[test]
    fn what_is_added_to_the_body_of_a_task_has_its_room() {
        let claimed = Claimed { epoch: u64::MAX, attempts: u32::MAX, was_failed: false, open_upload: None };
        let task = Task {
            enqueued_at: Some(u64::MAX),
            traceparent: Some("t".repeat(MAX_TRACEPARENT_BYTES)),
            ..fixture::task("j", 1, 1)
        };
        for reason in Reason::ALL {
            let letter = of_task(&task, Some(&claimed), *reason, &"\u{10ffff}".repeat(1_000));
            assert!(letter.bytes() - letter.body.len() <= ATTRIBUTE_ROOM, "{reason}");
        }
    }

    #[test]
    fn what_sqs_takes_in_no_attribute_is_left_out_of_the_detail() {
        let letter = of_task(&fixture::task("j", 1, 1), None, Reason::InvalidKey, "\u{fffe}w\0h\u{ffff}y");
        assert_eq!(letter.attributes["detail"], "why");
    }

    #[test]
    fn the_dead_letter_of_a_task_can_be_redriven() {
        let claimed = Claimed { epoch: 7, attempts: 5, was_failed: false, open_upload: None };
        let task = Task { enqueued_at: Some(42), ..fixture::task("j", 1, 1) };
        let letter = of_task(&task, Some(&claimed), Reason::SourceFailed, "500");
        assert_eq!((letter.attributes["epoch"].as_str(), letter.attributes["attempt"].as_str()), ("7", "5"));
        assert_eq!(letter.attributes["enqueuedAt"], "42");
        let message: exportpool_contract::TaskMessage = serde_json::from_str(&letter.body).unwrap();
        assert_eq!((message.task, message.attempt), (task.spec, 5));
    }
}
