//! A plan is sent at its pace, several requests at a time.

use std::time::Duration;

use aws_sdk_sqs::Client;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    batch::Batches,
    deliver::{Courier, Delivered},
    error::{NotSent, Refused},
    pace::Pace,
    plan::Planned,
};

/// Requests under way at a time: enough to hide the round trips, few enough that a stop is quick.
const IN_FLIGHT: usize = 8;
/// Refused messages kept with their reasons; more are only counted.
const MAX_REFUSED_KEPT: usize = 1_000;

/// What SQS took of a plan.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Accepted {
    /// Messages.
    pub(crate) messages: u64,
    /// Tasks in them.
    pub(crate) tasks: u64,
    /// Bytes of them, attributes counted.
    pub(crate) bytes: u64,
    /// Time since the start.
    pub(crate) elapsed: Duration,
    /// Messages that SQS refused for good.
    pub(crate) refused: u64,
    /// The first 1,000 of these.
    pub(crate) refusals: Vec<Refused>,
    /// Why the plan was not sent to its end.
    pub(crate) stopped: Option<Stopped>,
}

/// Why sending stopped before the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stopped {
    /// Somebody asked for it.
    Interrupted,
    /// It could not go on.
    Failed(NotSent),
}

impl Accepted {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64().max(1e-3)
    }

    fn add(&mut self, delivered: Delivered, elapsed: Duration) {
        self.messages += delivered.messages;
        self.tasks += delivered.tasks;
        self.bytes += delivered.bytes;
        self.elapsed = elapsed;
        self.refused += delivered.refused.len() as u64;
        let room = MAX_REFUSED_KEPT.saturating_sub(self.refusals.len());
        self.refusals.extend(delivered.refused.into_iter().take(room));
        if let (Some(error), None | Some(Stopped::Interrupted)) = (delivered.error, &self.stopped) {
            self.stopped = Some(Stopped::Failed(error));
        }
    }
}

/// Sends `planned` to `queue_url`, each message when it is due. Cancel `stop` to send no more: requests under way
/// are awaited, what they leave open is not tried again. `progress` is called after each request.
///
/// Each message is sent at least once: an answer that is lost makes a second copy, with the same job id.
pub(crate) async fn send(
    client: &Client,
    queue_url: &str,
    planned: impl Iterator<Item = Planned>,
    pace: Pace,
    stop: &CancellationToken,
    progress: impl FnMut(&Accepted),
) -> Accepted {
    carry(&Courier::new(client, queue_url, stop), planned, pace, progress).await
}

pub(super) async fn carry(
    courier: &Courier<'_>,
    planned: impl Iterator<Item = Planned>,
    pace: Pace,
    mut progress: impl FnMut(&Accepted),
) -> Accepted {
    let (started, mut accepted) = (Instant::now(), Accepted::default());
    let (mut batches, mut flying) = (Batches::new(planned), FuturesUnordered::new());
    loop {
        let open = accepted.stopped.is_none();
        let next = if open && flying.len() < IN_FLIGHT { batches.upcoming() } else { None };
        if next.is_none() && flying.is_empty() {
            accepted.elapsed = started.elapsed();
            return accepted;
        }
        tokio::select! {
            biased;
            () = courier.stop().cancelled(), if open => accepted.stopped = Some(Stopped::Interrupted),
            Some(delivered) = flying.next() => {
                accepted.add(delivered, started.elapsed());
                progress(&accepted);
            }
            () = sleep_until(started + pace.due(next.unwrap_or_default())), if next.is_some() => {
                let now = started.elapsed();
                flying.push(courier.deliver(batches.take(|n| pace.due(n) <= now)));
            }
        }
    }
}
