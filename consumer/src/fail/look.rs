//! Looking at a resource until it answers.

use std::time::Duration;

use tokio::time;

use super::AwsFault;
use crate::{
    event::{Event, Resource},
    sync::mpsc,
};

/// How long to wait before a resource is tried again that failed so many times before, from 0: 250 ms, doubling up to
/// 5 s.
pub(super) fn pause(failed_before: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(5);
    FIRST.saturating_mul(1 << failed_before.min(8)).min(LONGEST)
}

/// Asks, after a first pause, until the answer is good, and tells main of each new fault and of the end. Once main has
/// ended nobody wants to know: what never answers must not keep the process from ending.
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
    let mut failed_before = 0;
    let mut told: Option<AwsFault> = None;
    while let Err(fault) = ask().await {
        if told.as_ref() != Some(&fault) {
            tracing::warn!(kind = fault.kind.reason(), %fault, "not usable: no work is taken until it is");
            let _ = events.send(Event::Unreachable { resource, fault: fault.clone() });
            told = Some(fault);
        }
        time::sleep(pause(failed_before).mul_f64(0.75 + 0.5 * fastrand::f64())).await;
        failed_before = failed_before.saturating_add(1);
    }
    if told.is_some() {
        tracing::info!(?resource, "reachable again");
    }
    let _ = events.send(Event::Reachable(resource));
}
