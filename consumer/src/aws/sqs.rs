//! SQS.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::{
    Client,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use aws_smithy_types::Blob;
use tokio::sync::OnceCell;

use super::{
    fault,
    queue_facts::{Facts, sibling},
};
use crate::{
    clock::unix_millis,
    fail::{AwsFault, AwsKind, AwsResource},
    message::{Attributes, Other, QueueName, Receipt, Received},
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
    dead_letters: [OnceCell<String>; 2],
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
        let dead_letters = dead_letters.map(OnceCell::new_with);
        Self { client, urls, visibility, dead_letters }
    }

    fn url(&self, queue: QueueName) -> &str {
        &self.urls[queue as usize]
    }

    /// All of a queue's attributes: asked for by name, `FifoQueue` is an error on a queue that is none.
    async fn attributes(&self, url: &str, resource: AwsResource) -> Result<Facts, AwsFault> {
        let request = self.client.get_queue_attributes().queue_url(url);
        let answer = request.attribute_names(QueueAttributeName::All).send().await;
        Ok(Facts(answer.map_err(|error| fault::of(resource, &error))?.attributes.unwrap_or_default()))
    }

    /// From the redrive policy, unless it was given. Remembered once it is known.
    async fn dead_letter_url(&self, of: QueueName) -> Result<&str, AwsFault> {
        let found = self.dead_letters[of as usize].get_or_try_init(async || {
            let resource = AwsResource::Outbox(of.as_str().to_owned());
            let facts = self.attributes(self.url(of), resource).await?;
            let arn = facts.redrive_policy().and_then(|policy| policy.dead_letter_target_arn);
            arn.and_then(|arn| sibling(self.url(of), &arn)).ok_or_else(|| no_dead_letters(of))
        });
        found.await.map(String::as_str)
    }

    async fn outbox(&self, to: Outbox) -> Result<(&str, AwsResource), AwsFault> {
        match to {
            Outbox::ExportJobs => Ok((self.url(QueueName::ExportJobs), AwsResource::outbox(to))),
            Outbox::DownloadTasks => Ok((self.url(QueueName::DownloadTasks), AwsResource::outbox(to))),
            Outbox::DeadLetters(of) => {
                let url = self.dead_letter_url(of).await?;
                Ok((url, dead_letter_resource(of, url)))
            }
        }
    }

    /// A queue that is not as we need it is a fault with its remedy: it may be mended while we run.
    fn check(&self, queue: QueueName, facts: &Facts) -> Result<(), AwsFault> {
        let region = self.client.config().region().map(ToString::to_string).unwrap_or_default();
        let wrong = facts.wrong(&region);
        wrong.map_or(Ok(()), |detail| {
            Err(AwsFault { kind: AwsKind::Rejected, resource: AwsResource::queue(queue), detail })
        })
    }

    async fn look_at_dead_letters(&self, of: QueueName) -> Result<(), AwsFault> {
        let url = self.dead_letter_url(of).await?;
        let resource = dead_letter_resource(of, url);
        if self.urls.iter().any(|main| main == url) {
            let detail =
                "its dead-letter queue is a queue that is worked on: messages would go round for ever; set \
                          another RedrivePolicy"
                    .into();
            return Err(AwsFault { kind: AwsKind::Rejected, resource, detail });
        }
        match self.attributes(url, resource).await {
            // To send to it is all we need; whether we may shows when we do.
            Err(fault) if fault.kind == AwsKind::Denied => {
                tracing::warn!(%fault, "a dead-letter queue cannot be looked at: allow sqs:GetQueueAttributes on it");
                Ok(())
            }
            looked => looked.map(drop),
        }
    }
}

fn no_dead_letters(of: QueueName) -> AwsFault {
    let detail = "it has no dead-letter queue: set its RedrivePolicy, or SQS_EXPORT_JOBS_DLQ_URL and \
                  SQS_DOWNLOAD_TASKS_DLQ_URL"
        .into();
    AwsFault { kind: AwsKind::Missing, resource: AwsResource::Outbox(of.as_str().to_owned()), detail }
}

fn dead_letter_resource(of: QueueName, url: &str) -> AwsResource {
    let name = url.rsplit('/').next().unwrap_or(url);
    AwsResource::Outbox(format!("{name} (dead letters of {})", of.as_str()))
}

impl Queue for SqsQueues {
    async fn look(&self, queue: QueueName) -> Result<QueueFacts, AwsFault> {
        let facts = self.attributes(self.url(queue), AwsResource::queue(queue)).await?;
        self.check(queue, &facts)?;
        self.look_at_dead_letters(queue).await?;
        let policy = facts.redrive_policy();
        Ok(QueueFacts { max_receive_count: policy.and_then(|policy| policy.max_receive_count()) })
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
            .map_err(|error| fault::of(AwsResource::queue(queue), &error))?;
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
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| rejected(AwsResource::queue(queue), &error))?;
        let request = self.client.change_message_visibility_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of(AwsResource::queue(queue), &error))?;
        Ok(by_index(changes.len(), answer.failed, unsettled))
    }

    async fn delete(&self, queue: QueueName, receipts: &[Receipt]) -> Result<Vec<Entry>, AwsFault> {
        let entries = receipts.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&*receipt.0)
                .build()
        });
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| rejected(AwsResource::queue(queue), &error))?;
        let request = self.client.delete_message_batch().queue_url(self.url(queue));
        let answer = request.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of(AwsResource::queue(queue), &error))?;
        Ok(by_index(receipts.len(), answer.failed, unsettled))
    }

    async fn send(&self, to: Outbox, messages: &[Outgoing]) -> Result<Vec<Entry>, AwsFault> {
        let (url, resource) = self.outbox(to).await?;
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let entries = entries.collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|error| rejected(resource.clone(), &error))?;
        let answer = self.client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| fault::of(resource, &error))?;
        Ok(by_index(messages.len(), answer.failed, unsent))
    }
}

fn rejected(resource: AwsResource, error: &dyn std::error::Error) -> AwsFault {
    AwsFault { kind: AwsKind::Rejected, resource, detail: error.to_string() }
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
    for (name, value) in message.attributes.iter() {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
        entry = entry.message_attributes(name, value);
    }
    for (name, other) in message.attributes.others() {
        entry = entry.message_attributes(name, as_it_came(other)?);
    }
    entry.build()
}

fn as_it_came(
    other: &Other,
) -> Result<MessageAttributeValue, aws_smithy_types::error::operation::BuildError> {
    let value = MessageAttributeValue::builder().data_type(&other.data_type);
    if other.is_binary() {
        return value.binary_value(Blob::new(other.value.to_vec())).build();
    }
    value.string_value(String::from_utf8_lossy(&other.value)).build()
}

fn attributes(of: HashMap<String, MessageAttributeValue>) -> Attributes {
    let mut attributes = Attributes::new();
    for (name, value) in of {
        match (value.string_value, value.binary_value) {
            (Some(text), _) if value.data_type == "String" => {
                attributes.insert(name, text);
            }
            (Some(text), _) => {
                attributes.keep(name, Other { data_type: value.data_type, value: text.into() });
            }
            (None, Some(bytes)) => {
                attributes.keep(name, Other { data_type: value.data_type, value: bytes.into_inner().into() });
            }
            (None, None) => {}
        }
    }
    attributes
}

fn received(message: Message) -> Option<Received> {
    let system = message.attributes.unwrap_or_default();
    let count = |name| system.get(&name).and_then(|text| text.parse::<u64>().ok());
    let receives = count(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    Some(Received {
        receipt: Receipt(message.receipt_handle?.into()),
        body: message.body.unwrap_or_default(),
        receive_count: u32::try_from(receives).unwrap_or(u32::MAX),
        sent_at: count(MessageSystemAttributeName::SentTimestamp),
        received_at: Some(unix_millis()),
        group: system.get(&MessageSystemAttributeName::MessageGroupId).cloned(),
        attributes: attributes(message.message_attributes.unwrap_or_default()),
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

fn whole(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn attributes_that_only_fifo_queues_know_do_no_harm() {
        let message = Message::builder()
            .receipt_handle("r")
            .body("{}")
            .attributes(MessageSystemAttributeName::MessageDeduplicationId, "d")
            .attributes(MessageSystemAttributeName::SequenceNumber, "18849496460467696128")
            .attributes(MessageSystemAttributeName::MessageGroupId, "g")
            .build();
        let received = received(message).unwrap();
        assert_eq!((received.group.as_deref(), received.receive_count), (Some("g"), 1));
        assert_eq!(received.attributes.count(), 0);
    }

    #[test]
    fn every_kind_of_attribute_goes_out_as_it_came_in() {
        let value = |data_type: &str| MessageAttributeValue::builder().data_type(data_type);
        let sent: HashMap<_, _> = [
            ("text", value("String").string_value("t")),
            ("labelled", value("String.x").string_value("l")),
            ("number", value("Number").string_value("1.5")),
            ("binary", value("Binary.gzip").binary_value(Blob::new([0, 255]))),
        ]
        .map(|(name, value)| (name.to_owned(), value.build().unwrap()))
        .into();
        let outgoing = Outgoing {
            body: "b".into(),
            attributes: attributes(sent.clone()),
            group: None,
            delay: Duration::ZERO,
        };
        assert_eq!(outgoing.attributes["text"], "t");
        assert_eq!(entry(0, &outgoing).unwrap().message_attributes.unwrap(), sent);
    }
}
