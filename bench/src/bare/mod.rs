//! The bare loop: what the consumer asks of AWS for each message, asked by a loop and nothing else.
//!
//! Same SDK, same TLS, same HTTP client for downloads, same requests with the same conditions, same batches: ten
//! messages a receive and a delete, up to 25 tasks and their counter a transaction, one transaction a job at a time.
//! What it has not: threads, leases that are extended, fairness, retries, dead letters, limits, reports, logs, a
//! drain. It is what one would write first, in one afternoon, on one runtime.

mod commit;
mod requests;

use std::{process::ExitCode, rc::Rc, thread, time::Duration};

use exportpool_contract::TaskMessage;
use exportpool_contract::environment as name;
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use commit::Committer;
use requests::{Means, Work};

const DEFAULT_SLOTS: usize = 4;
/// Receives at a time.
const POLLS: usize = 2;
const BATCH: usize = 10;
/// Deletes wait this long for company, as the consumer's do.
const LINGER: Duration = Duration::from_millis(20);

/// Works until it is killed: there is nothing to drain.
///
/// # Errors
/// The environment is not a consumer's.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    work_off(slots(), POLLS).await
}

/// The same loop on a thread for each slot, with a runtime, clients and connections of its own: what it costs that
/// tasks are on different threads, without what the pool does besides.
///
/// # Errors
/// The environment is not a consumer's.
pub(crate) fn run_on_threads() -> anyhow::Result<ExitCode> {
    let one = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(tokio::task::LocalSet::new().run_until(work_off(1, 1)))
    };
    let threads: Vec<_> = (0..slots()).map(|_| thread::spawn(one)).collect();
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    Ok(ExitCode::SUCCESS)
}

fn slots() -> usize {
    let slots = std::env::var(name::WORKER_POOL_SIZE).ok().and_then(|text| text.parse().ok());
    slots.unwrap_or(DEFAULT_SLOTS)
}

async fn work_off(slots: usize, polls: usize) -> anyhow::Result<ExitCode> {
    let means = Rc::new(Means::from_environment().await?);
    let (deletes, to_delete) = mpsc::unbounded_channel();
    let committer = Committer::new(Rc::clone(&means), deletes);
    let (waiting, tasks) = async_line(slots);
    for _ in 0..polls {
        tokio::task::spawn_local(receive(Rc::clone(&means), waiting.clone()));
    }
    for _ in 0..slots {
        tokio::task::spawn_local(work(Rc::clone(&means), Rc::clone(&tasks), committer.clone()));
    }
    delete(&means, to_delete).await;
    Ok(ExitCode::SUCCESS)
}

type Tasks = Rc<tokio::sync::Mutex<mpsc::Receiver<Work>>>;

/// One task waits a slot, as in the consumer.
fn async_line(slots: usize) -> (mpsc::Sender<Work>, Tasks) {
    let (waiting, tasks) = mpsc::channel(slots);
    (waiting, Rc::new(tokio::sync::Mutex::new(tasks)))
}

async fn receive(means: Rc<Means>, waiting: mpsc::Sender<Work>) {
    loop {
        for message in means.receive().await.unwrap_or_default() {
            let (Some(body), Some(receipt)) = (message.body, message.receipt_handle) else { continue };
            let Ok(task) = serde_json::from_str::<TaskMessage>(&body) else { continue };
            let _ = waiting.send(Work { task, receipt }).await;
        }
    }
}

async fn work(means: Rc<Means>, tasks: Tasks, committer: Committer) {
    loop {
        let next = tasks.lock().await.recv().await;
        let Some(work) = next else { return };
        // A failure leaves the message to its visibility timeout.
        if let Ok(stored) = means.export(work).await {
            committer.settle(stored);
        }
    }
}

/// Deletes in batches, each on its way while the next is gathered.
async fn delete(means: &Rc<Means>, mut receipts: mpsc::UnboundedReceiver<String>) {
    while let Some(first) = receipts.recv().await {
        let mut batch = vec![first];
        let until = Instant::now() + LINGER;
        while batch.len() < BATCH {
            match time::timeout_at(until, receipts.recv()).await {
                Ok(Some(receipt)) => batch.push(receipt),
                _ => break,
            }
        }
        let means = Rc::clone(means);
        tokio::task::spawn_local(async move { means.delete(&batch).await });
    }
}
