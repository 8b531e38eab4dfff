//! One request's worth of messages, until each is accepted or refused.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_sqs::{
    Client,
    operation::send_message_batch::SendMessageBatchOutput,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use exportpool_contract::attribute;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    batch::bytes,
    error::{NotSent, Refused},
    plan::Planned,
};

/// Waits between attempts: 0.1 s doubled to 5 s, each lengthened by chance up to twofold, ten of them. About a
/// minute: a stand-in that restarts, or a queue that throttles, is waited for.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(10)
    .with_jitter();

/// What became of a request's messages.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Messages accepted.
    pub(super) messages: u64,
    /// Tasks in them.
    pub(super) tasks: u64,
    /// Bytes of them, as SQS counts.
    pub(super) bytes: u64,
    /// Messages refused for good.
    pub(super) refused: Vec<Refused>,
    /// Why the others were not sent, and no further ones can be.
    pub(super) error: Option<NotSent>,
}

/// Takes messages to a queue, and learns on the way what it takes.
pub(super) struct Courier<'a> {
    client: &'a Client,
    queue_url: &'a str,
    stop: &'a CancellationToken,
    backoff: ExponentialBuilder,
    /// The queue takes a message group: fair queues do, older stand-ins refuse it on a standard queue.
    grouped: AtomicBool,
    /// The queue answered once: when it is silent now, that may pass.
    reached: AtomicBool,
}

/// Why a message was not taken this time.
struct Failure {
    code: String,
    message: String,
    /// It would be the same another time.
    last: bool,
}

impl<'a> Courier<'a> {
    /// Once `stop` is cancelled, requests under way are awaited and nothing is tried again.
    pub(super) fn new(client: &'a Client, queue_url: &'a str, stop: &'a CancellationToken) -> Self {
        let (grouped, reached) = (AtomicBool::new(true), AtomicBool::new(false));
        Self { client, queue_url, stop, backoff: BACKOFF, grouped, reached }
    }

    #[cfg(test)]
    pub(super) fn with_backoff(self, backoff: ExponentialBuilder) -> Self {
        Self { backoff, ..self }
    }

    /// Cancelled when nothing more is to be sent.
    pub(super) fn stop(&self) -> &CancellationToken {
        self.stop
    }

    /// Sends a batch; what SQS could not take for a while is tried again, what it never will is not.
    pub(super) async fn deliver(&self, batch: Vec<Planned>) -> Delivered {
        let (mut delivered, mut pending) = (Delivered::default(), batch);
        let (mut waits, enqueued_at) = (self.backoff.build(), now_millis());
        while !pending.is_empty() {
            let grouped = self.grouped.load(Ordering::Relaxed);
            let round = self.attempt(&pending, &enqueued_at, grouped).await;
            let regroup = grouped && refuses_groups(&round);
            if regroup {
                self.grouped.store(false, Ordering::Relaxed);
            }
            let wait = if regroup { Some(Duration::ZERO) } else { waits.next() };
            pending = match round {
                Ok(answers) => delivered.sort(pending, answers, wait.is_none(), regroup),
                Err(error) if regroup || (wait.is_some() && self.may_pass(&error)) => pending,
                Err(error) => return Delivered { error: Some(error), ..delivered },
            };
            if !pending.is_empty()
                && self.stop.run_until_cancelled(sleep(wait.unwrap_or_default())).await.is_none()
            {
                return delivered;
            }
        }
        delivered
    }

    /// One request: for each message why it was not taken, if it was not.
    async fn attempt(
        &self,
        pending: &[Planned],
        enqueued_at: &str,
        grouped: bool,
    ) -> Result<Vec<Option<Failure>>, NotSent> {
        let entries =
            pending.iter().enumerate().map(|(index, message)| entry(index, message, enqueued_at, grouped));
        let entries = entries.collect::<Result<_, _>>().map_err(|error| self.unusable(&error))?;
        let request = self.client.send_message_batch().queue_url(self.queue_url).set_entries(Some(entries));
        let answer = request.send().await.map_err(|error| NotSent::new(self.queue_url, &error))?;
        self.reached.store(true, Ordering::Relaxed);
        Ok((0..pending.len()).map(|index| failure(&answer, &index.to_string())).collect())
    }

    fn may_pass(&self, error: &NotSent) -> bool {
        error.passes()
            && (self.reached.load(Ordering::Relaxed) || !matches!(error, NotSent::Unreachable { .. }))
    }

    fn unusable(&self, error: &aws_sdk_sqs::error::BuildError) -> NotSent {
        NotSent::Unusable { queue_url: self.queue_url.to_owned(), detail: error.to_string() }
    }
}

impl Delivered {
    /// Counts what was taken and what never will be; the rest comes back, to be tried again.
    fn sort(
        &mut self,
        messages: Vec<Planned>,
        answers: Vec<Option<Failure>>,
        out_of_time: bool,
        regroup: bool,
    ) -> Vec<Planned> {
        let mut again = Vec::new();
        for (message, answer) in messages.into_iter().zip(answers) {
            match answer {
                None => self.accept(&message),
                Some(failure) if regroup && failure.is_about_groups() => again.push(message),
                Some(failure) if failure.last || out_of_time => self.refuse(message, failure),
                Some(_) => again.push(message),
            }
        }
        again
    }

    fn accept(&mut self, message: &Planned) {
        self.messages += 1;
        self.tasks += message.tasks();
        self.bytes += bytes(message) as u64;
    }

    fn refuse(&mut self, message: Planned, failure: Failure) {
        let Failure { code, message: words, .. } = failure;
        self.refused.push(Refused { job_id: message.job_id, code, message: words });
    }
}

impl Failure {
    fn is_about_groups(&self) -> bool {
        self.message.contains("MessageGroupId")
    }
}

fn refuses_groups(round: &Result<Vec<Option<Failure>>, NotSent>) -> bool {
    match round {
        Ok(answers) => answers.iter().flatten().any(Failure::is_about_groups),
        Err(NotSent::Denied { message, .. }) => message.contains("MessageGroupId"),
        Err(_) => false,
    }
}

/// Only what SQS lists as taken is taken.
fn failure(answer: &SendMessageBatchOutput, id: &str) -> Option<Failure> {
    if let Some(failed) = answer.failed().iter().find(|failed| failed.id() == id) {
        let message = failed.message().unwrap_or_default().to_owned();
        return Some(Failure { code: failed.code().to_owned(), message, last: failed.sender_fault() });
    }
    let taken = answer.successful().iter().any(|taken| taken.id() == id);
    let silence = || Failure {
        code: "NotAnswered".to_owned(),
        message: "the answer does not mention the message".to_owned(),
        last: false,
    };
    (!taken).then(silence)
}

fn entry(
    index: usize,
    message: &Planned,
    enqueued_at: &str,
    grouped: bool,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let number = MessageAttributeValue::builder().data_type("Number").string_value(enqueued_at).build()?;
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(&message.body)
        .message_attributes(attribute::ENQUEUED_AT, number)
        .set_message_group_id(grouped.then(|| message.group().to_owned()))
        .build()
}

/// Milliseconds since the Unix epoch, as text.
fn now_millis() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}
