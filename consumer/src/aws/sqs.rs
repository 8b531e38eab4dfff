//! SQS.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::fault;
use crate::{
    fail::{AwsFault, AwsKind},
    message::{Attributes, QueueName, Receipt, Received},
    observe::http::unix_millis,
    ports::{Entry, Outbox, Outgoing, Queue, QueueFacts},
};

/// SQS takes a delay of at most 15 minutes, and a visibility timeout of at most 12 hours.
const MAX_DELAY_SECONDS: u64 = 900;
const MAX_VISIBILITY_SECONDS: u64 = 43_200;

/// The queues.
#[derive(Debug)]
pub struct SqsQueues {
    client: Client,
    urls: [String; 2],
    visibility: Duration,
    dead_letters: [OnceCell<Option<String>>; 2],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: Option<String>,
    max_receive_count: Option<serde_json::Value>,
}

impl SqsQueues {
    /// Queues by URL, in the order of [`QueueName::ALL`]; dead-letter queues that are not given are read from the
    /// redrive policies.
    #[must_use]
    pub fn new(
        client: Client,
        urls: [String; 2],
        dead_letters: [Option<String>; 2],
        visibility: Duration,
    ) -> Self {
        let dead_letters =
            dead_letters.map(|url| url.map_or_else(OnceCell::new, |url| OnceCell::new_with(Some(Some(url)))));
        Self { client, urls, visibility, dead_letters }
    }

    fn url(&self, queue: QueueName) -> &str {
        &self.urls[queue as usize]
    }

    async fn redrive(&self, queue: QueueName) -> Result<Option<RedrivePolicy>, AwsFault> {
        let request = self.client.get_queue_attributes().queue_url(self.url(queue));
        let answer = request.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let answer = answer.map_err(|error| fault::of(&resource(queue), &error))?;
        let policy = answer.attributes.unwrap_or_default().remove(&QueueAttributeName::RedrivePolicy);
        Ok(policy.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn dead_letter_url(&self, queue: QueueName) -> Result<Option<String>, AwsFault> {
        let found = self.dead_letters[queue as usize].get_or_try_init(async || {
            let policy = self.redrive(queue).await?;
            let arn = policy.and_then(|policy| policy.dead_letter_target_arn);
            Ok(arn.and_then(|arn| sibling(self.url(queue), &arn)))
        });
        found.await.cloned()
    }

    async fn outbox(&self, to: Outbox) -> Result<String, AwsFault> {
        match to {
            Outbox::ExportJobs => Ok(self.url(QueueName::ExportJobs).to_owned()),
            Outbox::DownloadTasks => Ok(self.url(QueueName::DownloadTasks).to_owned()),
            Outbox::DeadLetters(of) => self.dead_letter_url(of).await?.ok_or_else(|| AwsFault {
                kind: AwsKind::Missing,
                resource: resource(of),
                detail: "it has no dead-letter queue: set its RedrivePolicy, or SQS_EXPORT_JOBS_DLQ_URL and \
                         SQS_DOWNLOAD_TASKS_DLQ_URL"
                    .into(),
            }),
        }
    }
}

impl Queue for SqsQueues {
    async fn look(&self, queue: QueueName) -> Result<QueueFacts, AwsFault> {
        let policy = self.redrive(queue).await?;
        let count = policy.as_ref().and_then(|policy| policy.max_receive_count.as_ref()).and_then(number);
        let given = self.dead_letters[queue as usize].get().is_some_and(Option::is_some);
        let in_policy = policy.is_some_and(|policy| policy.dead_letter_target_arn.is_some());
        Ok(QueueFacts { max_receive_count: count, has_dead_letters: given || in_policy })
    }

    async fn receive(&self, queue: QueueName, max: u32, wait: Duration) -> Result<Vec<Received>, AwsFault> {
        let request = self.client.receive_message().queue_url(self.url(queue));
        let answer = request
            .max_number_of_messages(whole(u64::from(max)))
            .wait_time_seconds(whole(wait.as_secs()))
            .visibility_timeout(whole(self.visibility.as_secs()))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| fault::of(&resource(queue), &error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(received).collect())
    }

    async fn change_visibility(
        &self,
        queue: QueueName,
        changes: &[(Receipt, Duration)],
    ) -> Result<Vec<Entry>, AwsFault> {
        let entries = changes.iter().enumerate().map(|(index, (receipt, visibility))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&*receipt.0)
                .visibility_timeout(whole(visibility.as_secs().min(MAX_VISIBILITY_SECONDS)))
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| rejected(queue, &error))?;
        let request = self.client.change_message_visibility_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of(&resource(queue), &error))?;
        Ok(by_index(changes.len(), answer.failed, unsettled))
    }

    async fn delete(&self, queue: QueueName, receipts: &[Receipt]) -> Result<Vec<Entry>, AwsFault> {
        let entries = receipts.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&*receipt.0)
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| rejected(queue, &error))?;
        let request = self.client.delete_message_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of(&resource(queue), &error))?;
        Ok(by_index(receipts.len(), answer.failed, unsettled))
    }

    async fn send(&self, to: Outbox, messages: &[Outgoing]) -> Result<Vec<Entry>, AwsFault> {
        let url = self.outbox(to).await?;
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| rejected(QueueName::DownloadTasks, &error))?;
        let answer = self.client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of("queue to send to", &error))?;
        Ok(by_index(messages.len(), answer.failed, unsent))
    }
}

fn resource(queue: QueueName) -> String {
    format!("queue {}", queue.as_str())
}

fn rejected(queue: QueueName, error: &dyn std::error::Error) -> AwsFault {
    AwsFault { kind: AwsKind::Rejected, resource: resource(queue), detail: error.to_string() }
}

fn entry(
    index: usize,
    message: &Outgoing,
) -> Result<SendMessageBatchRequestEntry, aws_smithy_types::error::operation::BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .set_message_group_id(message.group.clone());
    if !message.delay.is_zero() {
        entry = entry.delay_seconds(whole(message.delay.as_secs().min(MAX_DELAY_SECONDS)));
    }
    for (name, value) in &message.attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
        entry = entry.message_attributes(name, value);
    }
    entry.build()
}

fn received(message: Message) -> Option<Received> {
    let system = message.attributes.unwrap_or_default();
    let count = |name| system.get(&name).and_then(|text| text.parse::<u64>().ok());
    let attributes: Attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    let receives = count(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    Some(Received {
        receipt: Receipt(message.receipt_handle?.into()),
        body: message.body.unwrap_or_default(),
        receive_count: u32::try_from(receives).unwrap_or(u32::MAX),
        sent_at: count(MessageSystemAttributeName::SentTimestamp),
        received_at: Some(unix_millis()),
        group: system.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
        attributes,
    })
}

/// Entries are named by their place in the batch; those that are not in `failed` are accepted.
fn by_index(
    count: usize,
    failed: Vec<BatchResultErrorEntry>,
    read: fn(&BatchResultErrorEntry) -> Entry,
) -> Vec<Entry> {
    let mut entries = vec![Entry::Accepted; count];
    for failure in failed {
        let place = failure.id.parse().ok().and_then(|index: usize| entries.get_mut(index));
        if let Some(place) = place {
            *place = read(&failure);
        }
    }
    entries
}

/// Why a message was not extended, returned or deleted.
fn unsettled(failure: &BatchResultErrorEntry) -> Entry {
    // LocalStack names them as exceptions.
    let code = failure.code.trim_end_matches("Exception");
    let gone = ["MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"];
    if gone.iter().any(|gone| code.ends_with(gone)) { Entry::Gone } else { unsent(failure) }
}

/// Why a message was not sent. None of it is ever gone: an invalid value is one of what was sent.
fn unsent(failure: &BatchResultErrorEntry) -> Entry {
    let detail = format!("{}: {}", failure.code, failure.message.as_deref().unwrap_or_default());
    if failure.sender_fault { Entry::Refused(detail) } else { Entry::Failed(detail) }
}

fn number(value: &serde_json::Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}

/// The URL of a queue in the same account and region, by its ARN (`arn:aws:sqs:<region>:<account>:<name>`).
fn sibling(url: &str, arn: &str) -> Option<String> {
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next()?, parts.next()?);
    let mut url = url::Url::parse(url).ok()?;
    url.set_path(&format!("/{account}/{name}"));
    Some(url.into())
}

fn whole(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_is_a_sibling() {
        let url = sibling("http://127.0.0.1:4566/000000000000/a", "arn:aws:sqs:us-east-1:000000000000:a-dlq");
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:4566/000000000000/a-dlq"));
    }

    fn failed(id: &str, code: &str, sender: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code(code).sender_fault(sender).build().unwrap()
    }

    #[test]
    fn each_entry_of_a_batch_has_its_own_fate() {
        let failed = vec![failed("1", "InternalError", false), failed("3", "ReceiptHandleIsInvalid", true)];
        assert_eq!(
            by_index(4, failed, unsettled),
            [Entry::Accepted, Entry::Failed("InternalError: ".into()), Entry::Accepted, Entry::Gone]
        );
    }

    #[test]
    fn an_exception_is_what_its_code_is() {
        let failed = vec![failed("0", "InvalidParameterValueException", false)];
        assert_eq!(by_index(1, failed, unsettled), [Entry::Gone]);
    }

    #[test]
    fn an_invalid_value_is_refused_when_it_was_sent_and_gone_when_it_was_a_receipt() {
        let failed = vec![failed("0", "InvalidParameterValue", true)];
        let refused = Entry::Refused("InvalidParameterValue: ".into());
        assert_eq!(by_index(1, failed.clone(), unsent), [refused]);
        assert_eq!(by_index(1, failed, unsettled), [Entry::Gone]);
    }

    #[test]
    fn the_receive_count_of_a_policy_may_be_a_string() {
        for text in [r#"{"maxReceiveCount":"100"}"#, r#"{"maxReceiveCount":100}"#] {
            let policy: RedrivePolicy = serde_json::from_str(text).unwrap();
            assert_eq!(policy.max_receive_count.as_ref().and_then(number), Some(100));
        }
    }
}
