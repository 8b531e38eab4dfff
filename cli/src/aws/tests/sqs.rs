//! Messages: sent, received, settled.

use std::time::Duration;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    SendMessageBatchResultEntry,
};
use futures_util::future::join_all;
use rustack_sqs_core::message::md5_of_body;
use tokio::time::{self, Instant};

use crate::aws::testing::{Fixture, until};

/// The largest message of SQS.
const MIB: usize = 1_048_576;

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

impl Fixture {
    async fn send(&self, body: &str) {
        self.sqs.send_message().queue_url(&self.target.export_jobs).message_body(body).send().await.unwrap();
    }

    /// Everything that a message can tell, waiting for one up to `wait` seconds.
    async fn receive(&self, wait: i32, visibility: i32) -> Vec<Message> {
        let request =
            self.sqs.receive_message().queue_url(&self.target.export_jobs).max_number_of_messages(10);
        let request = request.wait_time_seconds(wait).visibility_timeout(visibility);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
    }

    async fn count(&self, name: QueueAttributeName) -> String {
        let request = self.sqs.get_queue_attributes().queue_url(&self.target.export_jobs);
        let found = request.attribute_names(name.clone()).send().await.unwrap();
        found.attributes.unwrap()[&name].clone()
    }
}

fn system(message: &Message, name: &MessageSystemAttributeName) -> Option<String> {
    message.attributes.as_ref()?.get(name).cloned()
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_sent() {
    let aws = Fixture::start().await;
    let request = aws.sqs.send_message().queue_url(&aws.target.export_jobs).message_body("body");
    let request = request.message_attributes("traceparent", text("00-1-2-01")).message_group_id("tenant-1");
    let sent = request.send().await.unwrap();
    let message = aws.receive(0, 30).await.pop().unwrap();
    assert_eq!(message.body(), Some("body"));
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    assert_eq!(message.md5_of_message_attributes, sent.md5_of_message_attributes);
    let attributes = message.message_attributes.clone().unwrap();
    assert_eq!(attributes.keys().collect::<Vec<_>>(), ["traceparent"]);
    assert_eq!(attributes["traceparent"].string_value(), Some("00-1-2-01"));
    assert_eq!(system(&message, &MessageSystemAttributeName::MessageGroupId).as_deref(), Some("tenant-1"));
    assert!(system(&message, &MessageSystemAttributeName::SentTimestamp).is_some());
}

#[tokio::test]
async fn attributes_come_only_when_asked_for() {
    let aws = Fixture::start().await;
    let request = aws.sqs.send_message().queue_url(&aws.target.export_jobs).message_body("body");
    let request = request.message_group_id("g").message_attributes("a.one", text("1"));
    request.message_attributes("b", text("2")).send().await.unwrap();
    let ask = async |name: Option<&str>| {
        let request = aws.sqs.receive_message().queue_url(&aws.target.export_jobs).visibility_timeout(0);
        let request = request.set_message_attribute_names(name.map(|name| vec![name.to_owned()]));
        let message = request.send().await.unwrap().messages.unwrap().pop().unwrap();
        assert_eq!(message.attributes, None);
        message.message_attributes.map(|attributes| attributes.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(ask(None).await, None);
    assert_eq!(ask(Some("b")).await, Some(vec!["b".to_owned()]));
    assert_eq!(ask(Some("a.*")).await, Some(vec!["a.one".to_owned()]));
}

#[tokio::test]
async fn a_message_may_have_one_mebibyte() {
    let aws = Fixture::start().await;
    let body = "x".repeat(MIB);
    let request = || aws.sqs.send_message().queue_url(&aws.target.export_jobs);
    let sent = request().message_body(&body).send().await.unwrap();
    assert_eq!(sent.md5_of_message_body, Some(md5_of_body(&body)));
    let message = aws.receive(0, 30).await.pop().unwrap();
    assert_eq!(message.body(), Some(&*body));
    assert_eq!(message.md5_of_body, sent.md5_of_message_body);
    let refused = request().message_body(body + "x").send().await.unwrap_err();
    assert_eq!(refused.into_service_error().meta().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn receives_are_counted_and_a_message_is_hidden_while_in_flight() {
    let aws = Fixture::start().await;
    aws.send("body").await;
    for count in ["1", "2", "3"] {
        let message = aws.receive(0, 30).await.pop().unwrap();
        assert_eq!(
            system(&message, &MessageSystemAttributeName::ApproximateReceiveCount).as_deref(),
            Some(count)
        );
        assert_eq!(aws.receive(0, 30).await, []);
        assert_eq!(aws.count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "1");
        let request = aws.sqs.change_message_visibility().queue_url(&aws.target.export_jobs);
        let request = request.receipt_handle(message.receipt_handle.unwrap()).visibility_timeout(0);
        request.send().await.unwrap();
    }
    assert_eq!(aws.count(QueueAttributeName::ApproximateNumberOfMessages).await, "1");
}

#[tokio::test]
async fn a_message_is_redelivered_when_its_visibility_ends() {
    let aws = Fixture::start().await;
    aws.send("body").await;
    let first = aws.receive(0, 1).await.pop().unwrap();
    let again = aws.receive(20, 30).await.pop().unwrap();
    assert_eq!(first.message_id, again.message_id);
    let settle = |message: Message| {
        let request = aws.sqs.delete_message().queue_url(&aws.target.export_jobs);
        request.receipt_handle(message.receipt_handle.unwrap()).send()
    };
    // Taken, as on AWS, and without effect.
    settle(first).await.unwrap();
    assert_eq!(aws.count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "1");
    settle(again).await.unwrap();
    assert_eq!(aws.count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await, "0");
}

#[tokio::test]
async fn a_delayed_message_comes_later() {
    let aws = Fixture::start().await;
    let request = aws.sqs.send_message().queue_url(&aws.target.export_jobs).message_body("later");
    request.delay_seconds(1).send().await.unwrap();
    let start = Instant::now();
    assert_eq!(aws.receive(0, 30).await, []);
    assert_eq!(aws.count(QueueAttributeName::ApproximateNumberOfMessagesDelayed).await, "1");
    assert_eq!(aws.receive(20, 30).await.len(), 1);
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn long_polls_and_sends_do_not_hold_each_other_up() {
    let aws = Fixture::start().await;
    let polls =
        join_all((0..40).map(|_| {
            aws.sqs.receive_message().queue_url(&aws.target.export_jobs).wait_time_seconds(20).send()
        }));
    let sends = async {
        for n in 0..40 {
            aws.send(&n.to_string()).await;
        }
    };
    let both = async { futures_util::join!(polls, sends).0 };
    let received = time::timeout(Duration::from_secs(10), both).await.expect("nobody waits for the others");
    let bodies =
        received.into_iter().map(|poll| poll.unwrap().messages.unwrap().pop().unwrap().body.unwrap());
    assert_eq!(bodies.collect::<std::collections::HashSet<_>>().len(), 40);
}

#[tokio::test]
async fn a_poll_that_is_given_up_takes_no_message() {
    let aws = Fixture::start().await;
    let poll = aws.receive(20, 30);
    time::timeout(Duration::from_millis(200), poll).await.expect_err("nothing to receive");
    aws.send("body").await;
    let received = until(async || aws.receive(0, 30).await.pop()).await;
    assert_eq!(received.body(), Some("body"));
}

#[tokio::test]
async fn a_batch_fails_by_entry() {
    let aws = Fixture::start().await;
    let request = aws.sqs.send_message_batch().queue_url(&aws.target.export_jobs);
    let late = SendMessageBatchRequestEntry::builder().id("late").message_body("x").delay_seconds(901);
    let sent =
        request.entries(entry("good", "1")).entries(late.build().unwrap()).entries(entry("bad", "\u{1}"));
    let sent = sent.send().await.unwrap();
    assert_eq!(sent.successful().iter().map(SendMessageBatchResultEntry::id).collect::<Vec<_>>(), ["good"]);
    assert_eq!(sent.failed().iter().map(BatchResultErrorEntry::id).collect::<Vec<_>>(), ["late", "bad"]);
    assert!(
        sent.failed().iter().all(|entry| entry.sender_fault() && entry.code() == "InvalidParameterValue")
    );
    assert_eq!(aws.receive(0, 30).await.len(), 1);
}

#[tokio::test]
async fn a_batch_has_at_most_ten_entries_and_one_mebibyte() {
    let aws = Fixture::start().await;
    let send = async |entries| {
        let request = aws.sqs.send_message_batch().queue_url(&aws.target.export_jobs);
        let sent = request.set_entries(Some(entries)).send().await;
        sent.map(|sent| sent.successful.len()).map_err(SdkError::into_service_error)
    };
    let ten = || (0..10).map(|n| entry(&n.to_string(), "body")).collect::<Vec<_>>();
    assert_eq!(send(ten()).await.unwrap(), 10);
    let eleven = [ten(), vec![entry("10", "body")]].concat();
    assert!(send(eleven).await.unwrap_err().is_too_many_entries_in_batch_request());
    let large = vec![entry("a", &"x".repeat(MIB / 2)), entry("b", &"x".repeat(MIB / 2))];
    assert_eq!(send(large.clone()).await.unwrap(), 2);
    let larger = [large, vec![entry("c", "x")]].concat();
    assert!(send(larger).await.unwrap_err().is_batch_request_too_long());
    assert!(
        send(vec![entry("a", "x"), entry("a", "x")]).await.unwrap_err().is_batch_entry_ids_not_distinct()
    );
}

#[tokio::test]
async fn one_dead_handle_fails_alone() {
    let aws = Fixture::start().await;
    for body in ["a", "b"] {
        aws.send(body).await;
    }
    let handles = until(async || {
        let messages = aws.receive(0, 30).await;
        let handles = messages.into_iter().map(|message| message.receipt_handle.unwrap()).collect::<Vec<_>>();
        (handles.len() == 2).then_some(handles)
    })
    .await;
    let request = aws.sqs.delete_message().queue_url(&aws.target.export_jobs);
    request.receipt_handle(&handles[0]).send().await.unwrap();

    let change = |(id, handle): (usize, &String)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
        entry.receipt_handle(handle).visibility_timeout(60).build().unwrap()
    };
    let entries = handles.iter().enumerate().map(change).collect();
    let request = aws.sqs.change_message_visibility_batch().queue_url(&aws.target.export_jobs);
    let changed = request.set_entries(Some(entries)).send().await.unwrap();
    assert_eq!(changed.failed()[0].id(), "0");
    assert_eq!(changed.successful()[0].id(), "1");

    let delete = |(id, handle): (usize, &str)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
        entry.receipt_handle(handle).build().unwrap()
    };
    let entries = [handles[1].as_str(), "garbage"].into_iter().enumerate().map(delete).collect();
    let request = aws.sqs.delete_message_batch().queue_url(&aws.target.export_jobs);
    let deleted = request.set_entries(Some(entries)).send().await.unwrap();
    assert_eq!(deleted.successful()[0].id(), "0");
    assert_eq!((deleted.failed()[0].id(), deleted.failed()[0].code()), ("1", "ReceiptHandleIsInvalid"));
}

#[tokio::test]
async fn errors_have_the_types_of_the_sdk() {
    let aws = Fixture::start().await;
    aws.send("body").await;
    let handle = aws.receive(0, 30).await.pop().unwrap().receipt_handle.unwrap();
    let delete = |handle: &str| {
        aws.sqs.delete_message().queue_url(&aws.target.export_jobs).receipt_handle(handle).send()
    };
    assert!(delete("garbage").await.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
    delete(&handle).await.unwrap();
    let request = aws.sqs.change_message_visibility().queue_url(&aws.target.export_jobs);
    let changed = request.receipt_handle(&handle).visibility_timeout(1).send().await;
    assert!(changed.unwrap_err().into_service_error().is_message_not_inflight());
    let absent = format!("{}/000000000000/absent", aws.stand_in.endpoint());
    let received = aws.sqs.receive_message().queue_url(&absent).send().await;
    assert!(received.unwrap_err().into_service_error().is_queue_does_not_exist());
    let request = aws.sqs.delete_message().queue_url(&absent).receipt_handle("garbage");
    assert!(request.send().await.unwrap_err().into_service_error().is_queue_does_not_exist());
    let entry = DeleteMessageBatchRequestEntry::builder().id("0").receipt_handle("garbage").build().unwrap();
    let deleted = aws.sqs.delete_message_batch().queue_url(&absent).entries(entry).send().await;
    assert!(deleted.unwrap_err().into_service_error().is_queue_does_not_exist());
    let long =
        aws.sqs.receive_message().queue_url(&aws.target.export_jobs).wait_time_seconds(21).send().await;
    assert_eq!(long.unwrap_err().into_service_error().meta().code(), Some("InvalidParameterValue"));
}
