//! What a task is, wherever it was listed: its bounds, what makes it the same task, and what it weighs as a message.

use std::collections::HashMap;

use exportpool_contract::{TaskId, TaskMessage, TaskSpec};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    fail::dead_letter::ATTRIBUTE_ROOM,
    ports::{MAX_MESSAGE_BYTES, is_carried},
};

/// The longest URL, in bytes: a record has room for 400 KB, and no server takes URLs of that length.
pub const MAX_URL_BYTES: usize = 8 * 1024;
/// The largest body of a task's message, in bytes: its retries and its dead letter fit into SQS as well.
pub const MAX_TASK_BYTES: usize = MAX_MESSAGE_BYTES - ATTRIBUTE_ROOM;

/// Listed tasks, each once: a task that is listed twice counts once if both say the same.
///
/// # Errors
/// Names the task, in words: its URL is too long, or it is listed twice, differently.
pub fn checked(tasks: Vec<TaskSpec>) -> Result<Vec<TaskSpec>, String> {
    let mut seen: HashMap<TaskId, usize> = HashMap::with_capacity(tasks.len());
    let mut kept: Vec<TaskSpec> = Vec::with_capacity(tasks.len());
    for task in tasks {
        check_url(&format_args!("the task {}", task.task_id), &task.url)?;
        match seen.get(&task.task_id) {
            None => {
                seen.insert(task.task_id.clone(), kept.len());
                kept.push(task);
            }
            Some(first) if kept[*first] == task => {}
            Some(_) => return Err(format!("the task {} is listed twice, differently", task.task_id)),
        }
    }
    Ok(kept)
}

/// Checks the length of a URL.
///
/// # Errors
/// Says `whose` it is, in words.
pub fn check_url(whose: &dyn std::fmt::Display, url: &str) -> Result<(), String> {
    if url.len() <= MAX_URL_BYTES {
        return Ok(());
    }
    Err(format!("the URL of {whose} has {} bytes; at most {MAX_URL_BYTES} are allowed", url.len()))
}

/// Checks that a task can be handed over, sent again and put into the dead-letter queue. The answer is the same for a
/// message and for each that is made of it later.
///
/// # Errors
/// Names the task, the limit and the remedy, in words.
pub fn check_sendable(message: &TaskMessage) -> Result<(), String> {
    // As long as it gets on its way.
    let longest = TaskMessage { attempt: u32::MAX, enqueued_at: Some(u64::MAX), ..message.clone() };
    let (id, text) = (&message.task.task_id, json(&longest));
    check_characters(&format_args!("the task {id}"), &text)?;
    if text.len() <= MAX_TASK_BYTES {
        return Ok(());
    }
    Err(format!(
        "the task {id} makes a message of {} bytes; at most {MAX_TASK_BYTES} are allowed: shorten its key, its \
         headers, or the prefix of the job's destination",
        text.len()
    ))
}

/// Of the characters that SQS refuses, JSON escapes all but two.
///
/// # Errors
/// Names the character, in words.
pub fn check_characters(whose: &dyn std::fmt::Display, json: &str) -> Result<(), String> {
    let refused = json.chars().find(|character| !is_carried(*character));
    refused.map_or(Ok(()), |character| {
        Err(format!("{whose} holds {}, which SQS does not carry", character.escape_unicode()))
    })
}

/// What goes into a message's body.
pub fn json(message: &impl Serialize) -> String {
    // Messages are strings and numbers: writing them cannot fail.
    serde_json::to_string(message).unwrap_or_default()
}

/// Digest of a task: its URL and its key. An Export API may presign URLs, each time anew: of what it lists, the URL
/// without its query counts.
#[must_use]
pub fn task_digest(task: &TaskSpec, presigned: bool) -> String {
    let key = task.key.as_deref().unwrap_or_default();
    if presigned { digest(&[&public_url(&task.url), key]) } else { digest(&[&task.url, key]) }
}

/// SHA-256 of texts, each ended by a byte that no JSON text holds, in hexadecimal.
#[must_use]
pub fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A URL as it may be written down: without query, fragment and user info.
#[must_use]
pub fn public_url(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return "(not a URL)".into() };
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for URLs without a host, which have no user info.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(url: &str, key: Option<&str>) -> TaskSpec {
        TaskSpec {
            task_id: TaskId::new("t").unwrap(),
            url: url.into(),
            key: key.map(Into::into),
            headers: [].into(),
            overwrite: false,
        }
    }

    #[test]
    fn digests_tell_definitions_apart() {
        let digests =
            [task("u", None), task("uk", None), task("u", Some("k"))].map(|task| task_digest(&task, false));
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
        assert_eq!(digests[0].len(), 64);
        let signed = ["http://h/f?sig=1", "http://h/f?sig=2"].map(|url| task(url, None));
        assert_eq!(task_digest(&signed[0], true), task_digest(&signed[1], true));
        assert_ne!(task_digest(&signed[0], false), task_digest(&signed[1], false));
    }

    #[test]
    fn a_url_is_written_down_without_secrets() {
        assert_eq!(public_url("https://me:pw@h/f?X-Amz-Signature=s#x"), "https://h/f");
        assert_eq!(public_url("::"), "(not a URL)");
    }

    #[test]
    fn whether_a_task_can_be_sent_on_does_not_change_on_its_way() {
        let of = |key: usize| TaskMessage {
            job_id: exportpool_contract::JobId::new("j").unwrap(),
            task: task("http://h/", Some(&"k".repeat(key))),
            destination: None,
            attempt: 0,
            enqueued_at: None,
            page: None,
        };
        let longest = |message| TaskMessage { attempt: u32::MAX, enqueued_at: Some(u64::MAX), ..message };
        let most = MAX_TASK_BYTES - json(&longest(of(0))).len();
        assert!(check_sendable(&of(most)).is_ok() && check_sendable(&longest(of(most))).is_ok());
        assert!(check_sendable(&of(most + 1)).is_err() && check_sendable(&longest(of(most + 1))).is_err());
    }
}
