//! Looking at a resource until it answers.

use std::time::Duration;

use tokio::{sync::mpsc, time};

use super::AwsFault;
use crate::event::{Event, Resource};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks, after a first pause, until the answer is good, and tells main of each new fault and of the end. Once main has ended nobody wants to
/// know: what never answers must not keep the process from ending.
pub(crate) async fn until_reachable(
    resource: Resource,
    after: Duration,
    events: &mpsc::UnboundedSender<Event>,
    ask: impl AsyncFnMut() -> Result<(), AwsFault>,
) {
    tokio::select! {
        () = events.closed() => {}
        () = look(resource, after, events, ask) => {}
    }
}

async fn look(
    resource: Resource,
    after: Duration,
    events: &mpsc::UnboundedSender<Event>,
    mut ask: impl AsyncFnMut() -> Result<(), AwsFault>,
) {
    time::sleep(after).await;
    let mut pause = FIRST_PAUSE;
    let mut told: Option<AwsFault> = None;
    while let Err(fault) = ask().await {
        if told.as_ref() != Some(&fault) {
            tracing::warn!(kind = fault.kind.reason(), %fault, "not usable: no work is taken until it is");
            let _ = events.send(Event::Unreachable { resource, fault: fault.clone() });
            told = Some(fault);
        }
        time::sleep(pause.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    if told.is_some() {
        tracing::info!(?resource, "reachable again");
    }
    let _ = events.send(Event::Reachable(resource));
}
