//! What is sent, and comes back.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use exportpool_consumer::{
    fail::AwsKind,
    message::QueueName,
    ports::{Entry, Outbox, Outgoing, Queue as _},
};

use super::setup::{PATIENTLY, Queues, TASKS, message, with_attributes};
use crate::start::Site;

/// The largest message, and the largest batch.
const MIB: usize = 1 << 20;

pub(super) async fn a_message_comes_back_as_it_was_sent(site: &Site) {
    let queues = Queues::make(site).await;
    let sent = with_attributes(r#"{"jobId":"j","tasks":[]}"#);
    let sent_after = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    assert_eq!(
        queues.port.send(Outbox::DownloadTasks, std::slice::from_ref(&sent)).await,
        Ok(vec![Entry::Accepted])
    );
    let received = queues.receive().await;
    assert_eq!((received.body, received.attributes), (sent.body, sent.attributes));
    assert_eq!((received.receive_count, received.group), (1, None));
    // A second of grace: some round.
    let sent_at = u128::from(received.sent_at.expect("a time of sending"));
    assert!(sent_at + 1_000 >= sent_after && sent_at <= sent_after + 60_000, "{sent_at} beside {sent_after}");
}

pub(super) async fn a_group_on_a_standard_queue_comes_back(site: &Site) {
    let queues = Queues::make(site).await;
    let sent = Outgoing { group: Some("tenant-1".into()), ..message("body") };
    assert_eq!(queues.port.send(Outbox::DownloadTasks, &[sent]).await, Ok(vec![Entry::Accepted]));
    let received = queues.receive().await;
    assert_eq!(received.group.as_deref(), Some("tenant-1"));
    assert_eq!(received.attributes, [].into());
}

pub(super) async fn odd_characters_come_back_as_they_were_sent(site: &Site) {
    let queues = Queues::make(site).await;
    let body =
        "\ttab\nline\r\nreturn \"quotes\" <&amp;> 100% +plus \\ \u{7f} é \u{2028} \u{fffd} 🦀 \u{10ffff}";
    queues.send(&[body]).await;
    assert_eq!(queues.receive().await.body, body);
}

pub(super) async fn a_character_that_sqs_forbids_is_refused(site: &Site) {
    let queues = Queues::make(site).await;
    match queues.port.send(Outbox::DownloadTasks, &[message("a\u{1}b"), message("fine")]).await {
        // The batch, or the entry alone: the message is not taken with another body.
        Err(fault) => assert_eq!(fault.kind, AwsKind::Rejected),
        Ok(entries) => {
            assert!(matches!(entries[0], Entry::Refused(_)), "{entries:?}");
            assert_eq!(entries[1], Entry::Accepted);
        }
    }
    assert!(queues.look().await.iter().all(|received| received.body == "fine"));
}

pub(super) async fn a_message_goes_to_the_queue_that_was_meant(site: &Site) {
    let queues = Queues::make(site).await;
    let sent = queues.port.send(Outbox::ExportJobs, &[message("go on listing")]).await;
    assert_eq!(sent, Ok(vec![Entry::Accepted]));
    assert_eq!(queues.look().await, []);
    let received = queues.port.receive(QueueName::ExportJobs, 10, PATIENTLY).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, "go on listing");
}

pub(super) async fn a_delayed_message_comes_later(site: &Site) {
    let queues = Queues::make(site).await;
    let sent = Outgoing { delay: Duration::from_secs(2), ..message("later") };
    let start = Instant::now();
    assert_eq!(queues.port.send(Outbox::DownloadTasks, &[sent]).await, Ok(vec![Entry::Accepted]));
    assert_eq!(queues.receive().await.body, "later");
    assert!(start.elapsed() > Duration::from_secs(1), "it came after {:?}", start.elapsed());
}

pub(super) async fn ten_messages_are_one_batch(site: &Site) {
    let queues = Queues::make(site).await;
    let bodies = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    queues.send(&bodies).await;
    let received: BTreeSet<_> =
        queues.receive_all(10).await.into_iter().map(|message| message.body).collect();
    assert!(received.iter().eq(bodies), "{received:?}");
}

pub(super) async fn eleven_messages_are_refused(site: &Site) {
    let queues = Queues::make(site).await;
    let eleven = vec![message("one of too many"); 11];
    let refused = queues.port.send(Outbox::DownloadTasks, &eleven).await.unwrap_err();
    assert_eq!(refused.kind, AwsKind::Rejected, "{refused}");
    assert_eq!(queues.look().await, []);
}

pub(super) async fn a_message_of_one_mebibyte_comes_back_whole(site: &Site) {
    let queues = Queues::make(site).await;
    let sent = with_attributes("");
    let body = "x".repeat(MIB - sent.bytes());
    let sent = Outgoing { body: body.clone(), ..sent };
    assert_eq!(queues.port.send(Outbox::DownloadTasks, &[sent]).await, Ok(vec![Entry::Accepted]));
    assert_eq!(queues.receive().await.body, body);
}

pub(super) async fn a_batch_of_more_than_one_mebibyte_is_refused(site: &Site) {
    let queues = Queues::make(site).await;
    let half = message("x".repeat(MIB / 2 + 1));
    let refused = queues.port.send(Outbox::DownloadTasks, &[half.clone(), half]).await.unwrap_err();
    assert_eq!(refused.kind, AwsKind::Rejected, "{refused}");
    assert_eq!(queues.port.receive(TASKS, 10, Duration::ZERO).await, Ok(vec![]));
}
