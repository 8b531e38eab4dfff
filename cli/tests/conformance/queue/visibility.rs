//! Leases: how long a received message is nobody else's.

use std::time::{Duration, Instant};

use exportpool_consumer::{
    message::{Receipt, Received},
    ports::{Entry, Queue as _},
};
use serde_json::json;

use super::setup::{HIDDEN, NOW, PATIENTLY, Queues, TASKS};
use crate::{start::Site, wait::until};

const SHORT: Duration = Duration::from_secs(1);

pub(super) async fn receives_are_counted(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    for count in 1..=3 {
        let received = queues.receive().await;
        assert_eq!(received.receive_count, count);
        assert_eq!(queues.change(&received, NOW).await, Entry::Accepted);
    }
}

pub(super) async fn a_message_is_hidden_for_as_long_as_the_receive_asked(site: &Site) {
    // The queue itself hides nothing.
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    queues.receive().await;
    assert_eq!(queues.look().await, []);
    assert_eq!(queues.in_flight().await, "1");
}

pub(super) async fn a_message_whose_visibility_ends_comes_again(site: &Site) {
    let queues = Queues::with(site, SHORT, json!(100)).await;
    queues.send(&["body"]).await;
    let (start, first) = (Instant::now(), queues.receive().await);
    let again = queues.receive().await;
    assert_eq!((first.receive_count, again.receive_count), (1, 2));
    assert!(start.elapsed() > SHORT / 2, "it came again after {:?}", start.elapsed());
}

pub(super) async fn an_extended_message_stays_hidden(site: &Site) {
    let queues = Queues::with(site, SHORT * 2, json!(100)).await;
    queues.send(&["body"]).await;
    let received = queues.receive().await;
    assert_eq!(queues.change(&received, HIDDEN).await, Entry::Accepted);
    // Past the end that it had first.
    assert_eq!(queues.port.receive(TASKS, 10, SHORT * 4).await, Ok(vec![]));
    assert_eq!(queues.delete(&received).await, Entry::Accepted);
}

pub(super) async fn a_message_returned_at_once_is_received_at_once(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    let received = queues.receive().await;
    assert_eq!(queues.change(&received, NOW).await, Entry::Accepted);
    let start = Instant::now();
    assert_eq!(queues.receive().await.body, "body");
    assert!(start.elapsed() < PATIENTLY / 2, "it came after {:?}", start.elapsed());
}

pub(super) async fn a_message_returned_with_a_delay_comes_later(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    let received = queues.receive().await;
    let start = Instant::now();
    assert_eq!(queues.change(&received, SHORT * 2).await, Entry::Accepted);
    assert_eq!(queues.receive().await.body, "body");
    assert!(start.elapsed() > SHORT, "it came after {:?}", start.elapsed());
}

pub(super) async fn a_deleted_message_never_comes_again(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    let received = queues.receive().await;
    assert_eq!(queues.delete(&received).await, Entry::Accepted);
    assert_eq!((queues.in_flight().await, queues.visible().await), ("0".into(), "0".into()));
    assert_eq!(queues.port.receive(TASKS, 10, SHORT).await, Ok(vec![]));
}

pub(super) async fn a_message_may_be_deleted_twice(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    let received = queues.receive().await;
    assert_eq!(queues.delete(&received).await, Entry::Accepted);
    assert_eq!(queues.delete(&received).await, Entry::Accepted);
}

/// Ten messages in hand.
async fn ten(queues: &Queues) -> Vec<Received> {
    queues.send(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).await;
    queues.receive_all(10).await
}

/// The fourth of ten is gone, the others are not.
fn only_the_fourth_is_gone(entries: &[Entry]) {
    let expected: Vec<_> = (0..10).map(|n| if n == 3 { Entry::Gone } else { Entry::Accepted }).collect();
    assert_eq!(entries, expected);
}

pub(super) async fn a_dead_receipt_is_gone_and_nine_others_are_changed(site: &Site) {
    let queues = Queues::make(site).await;
    let ten = ten(&queues).await;
    assert_eq!(queues.delete(&ten[3]).await, Entry::Accepted);
    let changes: Vec<_> = ten.iter().map(|message| (message.receipt.clone(), NOW)).collect();
    only_the_fourth_is_gone(&queues.port.change_visibility(TASKS, &changes).await.unwrap());
    let again = queues.receive_all(9).await;
    assert!(again.iter().all(|message| message.receive_count == 2 && message.body != ten[3].body));
}

pub(super) async fn a_made_up_receipt_is_gone_and_nine_others_are_deleted(site: &Site) {
    let queues = Queues::make(site).await;
    let mut receipts: Vec<_> = ten(&queues).await.into_iter().map(|message| message.receipt).collect();
    receipts[3] = Receipt("made up".into());
    only_the_fourth_is_gone(&queues.port.delete(TASKS, &receipts).await.unwrap());
    until("one message in flight", async || (queues.in_flight().await == "1").then_some(())).await;
}

pub(super) async fn a_delete_with_a_stale_receipt_leaves_the_message_to_its_new_holder(site: &Site) {
    let queues = Queues::make(site).await;
    queues.send(&["body"]).await;
    let stale = queues.receive().await;
    assert_eq!(queues.change(&stale, NOW).await, Entry::Accepted);
    let held = queues.receive().await;
    // SQS says yes, and does nothing; to say that it is gone would do as well.
    assert!(matches!(queues.delete(&stale).await, Entry::Accepted | Entry::Gone));
    assert_eq!(queues.change(&held, NOW).await, Entry::Accepted);
    assert_eq!(queues.receive().await.body, "body");
}
