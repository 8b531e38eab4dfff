//! The dead-letter queue.

use exportpool_consumer::{
    aws::sqs::SqsQueues,
    fail::AwsKind,
    message::QueueName,
    ports::{Entry, Outbox, Queue as _, QueueFacts},
};
use serde_json::json;

use super::setup::{HIDDEN, NOW, Queues, TASKS, make, message, with_attributes};
use crate::start::Site;

pub(super) async fn a_message_received_too_often_goes_to_the_dead_letter_queue(site: &Site) {
    let queues = Queues::with(site, HIDDEN, json!(2)).await;
    let sent = with_attributes("body");
    queues.port.send(Outbox::DownloadTasks, std::slice::from_ref(&sent)).await.unwrap();
    for _ in 0..2 {
        let received = queues.receive().await;
        assert_eq!(queues.change(&received, NOW).await, Entry::Accepted);
    }
    assert_eq!(queues.look().await, []);
    let dead = queues.dead_letter().await;
    assert_eq!((dead.body, dead.attributes), (sent.body, sent.attributes));
}

pub(super) async fn a_dead_letter_queue_is_found_in_the_redrive_policy(site: &Site) {
    let queues = Queues::make(site).await;
    let facts = QueueFacts { max_receive_count: Some(100) };
    assert_eq!(queues.port.look(TASKS).await, Ok(facts));
    let sent = with_attributes("dead");
    let entries = queues.port.send(Outbox::DeadLetters(TASKS), std::slice::from_ref(&sent)).await;
    assert_eq!(entries, Ok(vec![Entry::Accepted]));
    let dead = queues.dead_letter().await;
    assert_eq!((dead.body, dead.attributes), (sent.body, sent.attributes));
}

pub(super) async fn a_receive_count_written_as_a_string_is_taken(site: &Site) {
    let queues = Queues::with(site, HIDDEN, json!("7")).await;
    let facts = QueueFacts { max_receive_count: Some(7) };
    assert_eq!(queues.port.look(TASKS).await, Ok(facts));
}

pub(super) async fn a_queue_without_dead_letters_says_so(site: &Site) {
    let url = make(&site.ours.sqs, &site.name("alone"), []).await;
    let port = SqsQueues::new(site.ours.sqs.clone(), [url.clone(), url], [None, None], HIDDEN);
    let looked = port.look(QueueName::ExportJobs).await;
    assert_eq!(looked.map_err(|fault| fault.kind), Err(AwsKind::Missing));
    let sent = port.send(Outbox::DeadLetters(QueueName::ExportJobs), &[message("dead")]).await;
    assert_eq!(sent.map_err(|fault| fault.kind), Err(AwsKind::Missing));
}
