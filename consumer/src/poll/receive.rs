//! One receive, and its end at shutdown.

use std::{rc::Rc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time,
};

use crate::{
    fail::{AwsFault, AwsKind},
    place::{Event, intake::Receive},
    ports::Queue,
};

/// At shutdown a poll may still be answered this long. Messages it would have brought later become visible again
/// by themselves.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// A queue in flight limit (`OverLimit`) is backpressure: the next try waits this long.
const AFTER_OVER_LIMIT: Duration = Duration::from_secs(1);

/// Receives once and tells what came.
pub(super) async fn receive<Q: Queue>(
    queue: Rc<Q>,
    ask: Receive,
    stopped: watch::Receiver<bool>,
    events: mpsc::UnboundedSender<Event>,
) {
    let max = u32::try_from(ask.max).unwrap_or(1);
    let answer = tokio::select! {
        answer = queue.receive(ask.queue, max, ask.wait) => answer,
        () = over(stopped) => Ok(Vec::new()),
    };
    let event = match answer {
        Ok(messages) => Event::Received { queue: ask.queue, asked: ask.max, messages },
        Err(fault) if is_over_limit(&fault) => {
            time::sleep(AFTER_OVER_LIMIT).await;
            Event::Received { queue: ask.queue, asked: ask.max, messages: Vec::new() }
        }
        Err(fault) => Event::ReceiveFailed { queue: ask.queue, asked: ask.max, fault },
    };
    let _ = events.send(event);
}

async fn over(mut stopped: watch::Receiver<bool>) {
    // An error means the link itself is gone, which is over too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    time::sleep(LAST_ANSWER).await;
}

fn is_over_limit(fault: &AwsFault) -> bool {
    fault.kind == AwsKind::Throttled && fault.detail.contains("OverLimit")
}
