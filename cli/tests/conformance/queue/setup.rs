//! Two queues with their dead-letter queues, for one case alone.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, QueueAttributeName as Name},
};
use exportpool_consumer::{
    aws::sqs::SqsQueues,
    message::{QueueName, Received},
    ports::{Entry, Outbox, Outgoing, Queue as _},
};
use serde_json::{Value, json};

use crate::{start::Site, wait::until};

/// Longer than a case takes.
pub(super) const HIDDEN: Duration = Duration::from_secs(300);
pub(super) const NOW: Duration = Duration::ZERO;
/// A poll that ends as soon as there is a message.
pub(super) const PATIENTLY: Duration = Duration::from_secs(20);
/// The queue that most cases use.
pub(super) const TASKS: QueueName = QueueName::DownloadTasks;

pub(super) struct Queues {
    /// The product's adapter.
    pub(super) port: SqsQueues,
    pub(super) sqs: Client,
    pub(super) urls: [String; 2],
    /// Of `download-tasks`.
    pub(super) dead_letters: String,
}

impl Queues {
    pub(super) async fn make(site: &Site) -> Self {
        Self::with(site, HIDDEN, json!(100)).await
    }

    /// Messages are hidden for `visibility` at receive, and dead after `receives`.
    pub(super) async fn with(site: &Site, visibility: Duration, receives: Value) -> Self {
        let sqs = site.ours.sqs.clone();
        let (jobs, dead_letters) =
            (make(&sqs, &site.name("jobs"), []).await, make(&sqs, &site.name("dead"), []).await);
        let arn = attribute(&sqs, &dead_letters, Name::QueueArn).await;
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": receives}).to_string();
        let tasks = make(&sqs, &site.name("tasks"), [(Name::RedrivePolicy, policy)]).await;
        let urls = [jobs, tasks];
        let port = SqsQueues::new(sqs.clone(), urls.clone(), [None, None], visibility);
        Self { port, sqs, urls, dead_letters }
    }

    pub(super) async fn send(&self, bodies: &[&str]) {
        let messages: Vec<_> = bodies.iter().map(|body| message(*body)).collect();
        let entries = self.port.send(Outbox::DownloadTasks, &messages).await.unwrap();
        assert_eq!(entries, vec![Entry::Accepted; bodies.len()]);
    }

    /// The message that comes, and no other.
    pub(super) async fn receive(&self) -> Received {
        let mut received = self.port.receive(TASKS, 10, PATIENTLY).await.unwrap();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    /// What is there now.
    pub(super) async fn look(&self) -> Vec<Received> {
        self.port.receive(TASKS, 10, NOW).await.unwrap()
    }

    /// So many messages, in as many receives as it takes.
    pub(super) async fn receive_all(&self, count: usize) -> Vec<Received> {
        let mut all = Vec::new();
        until("every message", async || {
            all.extend(self.port.receive(TASKS, 10, Duration::from_secs(1)).await.unwrap());
            (all.len() >= count).then_some(())
        })
        .await;
        assert_eq!(all.len(), count);
        all
    }

    pub(super) async fn change(&self, message: &Received, visibility: Duration) -> Entry {
        let changes = [(message.receipt.clone(), visibility)];
        self.port.change_visibility(TASKS, &changes).await.unwrap().remove(0)
    }

    pub(super) async fn delete(&self, message: &Received) -> Entry {
        self.port.delete(TASKS, std::slice::from_ref(&message.receipt)).await.unwrap().remove(0)
    }

    /// Messages in flight.
    pub(super) async fn in_flight(&self) -> String {
        let name = Name::ApproximateNumberOfMessagesNotVisible;
        attribute(&self.sqs, &self.urls[TASKS as usize], name).await
    }

    /// Messages that can be received.
    pub(super) async fn visible(&self) -> String {
        attribute(&self.sqs, &self.urls[TASKS as usize], Name::ApproximateNumberOfMessages).await
    }

    /// What lies in the dead-letter queue, once something does.
    pub(super) async fn dead_letter(&self) -> Received {
        let urls = [self.dead_letters.clone(), self.dead_letters.clone()];
        let dead = SqsQueues::new(self.sqs.clone(), urls, [None, None], HIDDEN);
        dead.receive(TASKS, 1, PATIENTLY).await.unwrap().pop().expect("a dead letter")
    }
}

pub(super) fn message(body: impl Into<String>) -> Outgoing {
    Outgoing { body: body.into(), attributes: [].into(), group: None, delay: NOW }
}

pub(super) fn with_attributes(body: &str) -> Outgoing {
    let attributes =
        [("enqueuedAt", "1700000000000"), ("traceparent", "00-ab-cd-01"), ("reason", "tooLarge: é")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Outgoing { attributes, ..message(body) }
}

pub(super) async fn make<const N: usize>(
    sqs: &Client,
    name: &str,
    attributes: [(QueueAttributeName, String); N],
) -> String {
    // A receive that does not say how long a message is hidden hides it not at all.
    let mut all = HashMap::from([(Name::VisibilityTimeout, "0".to_owned())]);
    all.extend(attributes);
    let made = sqs.create_queue().queue_name(name).set_attributes(Some(all)).send().await;
    made.expect("a queue").queue_url.unwrap()
}

async fn attribute(sqs: &Client, url: &str, name: QueueAttributeName) -> String {
    let asked = sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone()).send().await;
    asked.unwrap().attributes.unwrap()[&name].clone()
}
