//! Writes sample after sample to standard output, for pipes and logs.

use std::io::{self, Write};

use tokio::time::{MissedTickBehavior, interval};

use super::{Plan, derive::History, print::Printer, sample::Sampler, stop::Stop};

/// Writes a sample each interval until told to stop, or until nobody reads any more.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) async fn follow<W: Write>(
    sampler: &mut Sampler,
    plan: &Plan,
    printer: Printer<W>,
) -> io::Result<()> {
    let mut stop = Stop::listen()?;
    tokio::select! {
        outcome = write_all(sampler, plan, printer) => unless_closed(outcome),
        () = stop.wait() => Ok(()),
    }
}

async fn write_all<W: Write>(sampler: &mut Sampler, plan: &Plan, mut printer: Printer<W>) -> io::Result<()> {
    let mut history = History::default();
    let mut due = interval(plan.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let sample = sampler.read().await;
        history.push(sample.clone());
        printer.sample(&sample, &plan.view(sample.at, &history))?;
    }
}

/// A reader that went away, such as `head`, has what it wanted.
pub(crate) fn unless_closed(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
