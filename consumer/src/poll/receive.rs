//! One receive. It is never cut off: what SQS sends to a closed connection stays hidden for its visibility timeout.

use std::{rc::Rc, time::Duration};

use tokio::time;

use crate::{
    event::{Event, Receive},
    fail::{AwsFault, AwsKind},
    kill::{self, Point},
    ports::Queue,
    sync::mpsc,
};

/// A queue in flight limit (`OverLimit`) is backpressure: the next try waits this long.
const AFTER_OVER_LIMIT: Duration = Duration::from_secs(1);

/// Receives once and tells what came.
pub(super) async fn receive<Q: Queue>(queue: Rc<Q>, ask: Receive, events: mpsc::UnboundedSender<Event>) {
    let max = u32::try_from(ask.max).unwrap_or(1);
    let event = match queue.receive(ask.queue, max, ask.wait).await {
        Ok(messages) => {
            kill::at_each(Point::Received, messages.len());
            Event::Received { queue: ask.queue, asked: ask.max, messages }
        }
        Err(fault) if is_over_limit(&fault) => {
            time::sleep(AFTER_OVER_LIMIT).await;
            Event::Received { queue: ask.queue, asked: ask.max, messages: Vec::new() }
        }
        Err(fault) => Event::ReceiveFailed { queue: ask.queue, asked: ask.max, fault },
    };
    let _ = events.send(event);
}

fn is_over_limit(fault: &AwsFault) -> bool {
    fault.kind == AwsKind::Throttled && fault.detail.contains("OverLimit")
}
