//! Messages on their way in.

use std::collections::HashMap;

use rustack_sqs_core::message::{md5_of_body, md5_of_message_attributes};
use rustack_sqs_model::{
    error::{SqsError, SqsErrorCode},
    input::{SendMessageBatchInput, SendMessageInput},
    output::{SendMessageBatchOutput, SendMessageOutput},
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};

use super::{Inner, batch, carry, invalid, queue::LARGEST, sort_out, within};

/// The digests that a client compares with its own, of the message as it was sent.
struct Digests {
    body: String,
    attributes: Option<String>,
}

impl Digests {
    fn of(body: &str, attributes: &HashMap<String, MessageAttributeValue>) -> Self {
        Self { body: md5_of_body(body), attributes: md5_of_message_attributes(attributes) }
    }
}

impl Inner {
    pub(super) async fn send(&self, mut input: SendMessageInput) -> Result<SendMessageOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        let limit = self.sizes.of(&input.queue_url);
        check(&input.message_body, &input.message_attributes, input.delay_seconds, limit)?;
        let digests = Digests::of(&input.message_body, &input.message_attributes);
        let group = group(&mut input.message_group_id, &input.queue_url);
        carry::load(&mut input.message_body, group, &mut input.message_attributes);
        let mut output = self.provider.send_message(input).await?;
        output.md5_of_message_body = Some(digests.body);
        output.md5_of_message_attributes = digests.attributes;
        Ok(output)
    }

    pub(super) async fn send_batch(
        &self,
        mut input: SendMessageBatchInput,
    ) -> Result<SendMessageBatchOutput, SqsError> {
        self.exists(&input.queue_url).await?;
        batch(input.entries.iter().map(|entry| entry.id.as_str()))?;
        if input.entries.iter().map(weight).sum::<usize>() > LARGEST {
            let words = format!("Batch requests cannot be longer than {LARGEST} bytes.");
            return Err(SqsError::new(SqsErrorCode::BatchRequestTooLong, words));
        }
        let limit = self.sizes.of(&input.queue_url);
        let refused = sort_out(
            &mut input.entries,
            |entry| &entry.id,
            |entry| check(&entry.message_body, &entry.message_attributes, entry.delay_seconds, limit),
        );
        let digests = load_all(&mut input);
        let mut output = SendMessageBatchOutput::default();
        if !input.entries.is_empty() {
            output = self.provider.send_message_batch(input).await?;
        }
        restore(&mut output, digests);
        output.failed.extend(refused);
        Ok(output)
    }
}

fn load_all(input: &mut SendMessageBatchInput) -> HashMap<String, Digests> {
    let url = &input.queue_url;
    let load = |entry: &mut SendMessageBatchRequestEntry| {
        let digests = Digests::of(&entry.message_body, &entry.message_attributes);
        let group = group(&mut entry.message_group_id, url);
        carry::load(&mut entry.message_body, group, &mut entry.message_attributes);
        (entry.id.clone(), digests)
    };
    input.entries.iter_mut().map(load).collect()
}

fn restore(output: &mut SendMessageBatchOutput, mut digests: HashMap<String, Digests>) {
    for entry in &mut output.successful {
        if let Some(digests) = digests.remove(&entry.id) {
            entry.md5_of_message_body = digests.body;
            entry.md5_of_message_attributes = digests.attributes;
        }
    }
}

/// The group, taken off the request unless the queue is FIFO: the crate refuses it on standard queues.
fn group(group: &mut Option<String>, url: &str) -> Option<String> {
    if url.ends_with(".fifo") { None } else { group.take() }
}

fn weight(entry: &SendMessageBatchRequestEntry) -> usize {
    size(&entry.message_body, &entry.message_attributes)
}

/// Attributes count towards a message's size: names, types and values.
fn size(body: &str, attributes: &HashMap<String, MessageAttributeValue>) -> usize {
    let one = |(name, value): (&String, &MessageAttributeValue)| {
        let text = value.string_value.as_ref().map_or(0, String::len);
        let bytes = value.binary_value.as_ref().map_or(0, Vec::len);
        name.len() + value.data_type.len() + text + bytes
    };
    body.len() + attributes.iter().map(one).sum::<usize>()
}

/// The rules for one message, of which the crate knows an empty body.
fn check(
    body: &str,
    attributes: &HashMap<String, MessageAttributeValue>,
    delay: Option<i32>,
    limit: usize,
) -> Result<(), SqsError> {
    within("DelaySeconds", delay, 0..=900)?;
    if size(body, attributes) > limit {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        )));
    }
    if attributes.len() > 10 {
        let count = attributes.len();
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [10]."
        )));
    }
    if let Some((name, _)) = attributes.iter().find(|(_, value)| is_empty(value)) {
        return Err(invalid(format!("The message attribute '{name}' must contain a non-empty value.")));
    }
    match body.chars().find(|&character| !is_allowed(character)) {
        Some(bad) => {
            Err(invalid(format!("Invalid binary character '{}' in the message body.", bad.escape_unicode())))
        }
        None => Ok(()),
    }
}

fn is_empty(value: &MessageAttributeValue) -> bool {
    let text = value.string_value.as_ref().is_some_and(|text| !text.is_empty());
    let bytes = value.binary_value.as_ref().is_some_and(|bytes| !bytes.is_empty());
    !text && !bytes
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
