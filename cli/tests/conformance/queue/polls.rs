//! Long polls.

use std::time::{Duration, Instant};

use exportpool_consumer::ports::Queue as _;
use futures_util::future::{join, join_all};
use tokio::time;

use super::setup::{PATIENTLY, Queues, TASKS};
use crate::start::Site;

pub(super) async fn a_long_poll_answers_when_a_message_comes(site: &Site) {
    let queues = Queues::make(site).await;
    let start = Instant::now();
    let (received, ()) = join(queues.receive(), async {
        // The poll is under way when its request was answered by nobody for a while.
        let underway = queues.port.receive(TASKS, 1, Duration::from_secs(1)).await;
        assert_eq!(underway, Ok(vec![]));
        queues.send(&["body"]).await;
    })
    .await;
    assert_eq!(received.body, "body");
    assert!(start.elapsed() < PATIENTLY * 3 / 4, "it answered after {:?}", start.elapsed());
}

pub(super) async fn long_polls_do_not_hold_each_other_up(site: &Site) {
    let queues = Queues::make(site).await;
    let start = Instant::now();
    let polls = join_all((0..10).map(|_| queues.port.receive(TASKS, 1, PATIENTLY)));
    let sends = async {
        for body in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
            queues.send(&[body]).await;
        }
    };
    let (polled, ()) = join(polls, sends).await;
    assert!(polled.into_iter().all(|poll| poll.unwrap().len() == 1));
    assert!(start.elapsed() < PATIENTLY * 3 / 4, "the last answered after {:?}", start.elapsed());
}

pub(super) async fn an_empty_poll_lasts_as_long_as_asked(site: &Site) {
    let queues = Queues::make(site).await;
    let start = Instant::now();
    assert_eq!(queues.port.receive(TASKS, 10, Duration::from_secs(2)).await, Ok(vec![]));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(1_500) && took < PATIENTLY / 2, "it lasted {took:?}");
}

pub(super) async fn a_poll_that_is_given_up_takes_no_message(site: &Site) {
    let queues = Queues::make(site).await;
    let poll = queues.port.receive(TASKS, 1, PATIENTLY);
    time::timeout(Duration::from_secs(1), poll).await.expect_err("there is nothing to receive");
    // A message that comes in the same instant may be lost on the way, on AWS too: a second later it may not.
    assert_eq!(queues.port.receive(TASKS, 1, Duration::from_secs(1)).await, Ok(vec![]));
    queues.send(&["body"]).await;
    // The poll that was given up would hide it for minutes.
    let received = queues.port.receive(TASKS, 1, PATIENTLY / 2).await.unwrap();
    assert_eq!(received.len(), 1, "somebody else has it");
    assert_eq!(received[0].receive_count, 1);
}
