//! Reads the queues and the consumers' reports, once for each sample: the only room of the monitor that does I/O
//! with the world outside the terminal. Of SQS it uses GetQueueAttributes and nothing else. Of a pool on a cluster it
//! reads what the operator says, and each pod through the API server.

pub(crate) mod dead_letter;
mod forward;
mod pool;
mod queues;
mod reports;
mod unreadable;

use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Local};
use exportpool_contract::report::PodReport;

pub(crate) use pool::ClusterPool;
pub(crate) use queues::Queues;
pub(crate) use reports::{Address, DEFAULT_CONSUMER, NotAConsumer, Reports};
pub(crate) use unreadable::Unreadable;

use crate::target::Target;

/// What was read at one time.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// When, by the wall clock.
    pub(crate) at: DateTime<FixedOffset>,
    /// When, since the sampler was made: monotonic, rates are computed with it.
    pub(crate) elapsed: Duration,
    /// The pool that is watched, if one is and it could be read.
    pub(crate) pool: Option<PoolReading>,
    /// Each queue followed by its dead-letter queue; of a pool its two queues.
    pub(crate) queues: Vec<QueueReading>,
    /// The consumers, in the order they were named; of a pool its pods, by name.
    pub(crate) consumers: Vec<ConsumerReading>,
}

/// What an ExportPool says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PoolReading {
    /// Its namespace and its name.
    pub(crate) pool: String,
    /// Pods that it asks for.
    pub(crate) desired: u64,
    /// Pods that there are.
    pub(crate) present: u64,
    /// Of these, ready ones.
    pub(crate) ready: u64,
    /// Each pod is among the consumers; else the first of them are.
    pub(crate) all_pods: bool,
    /// For how long the queues' numbers are as they are: the operator writes them now and then.
    pub(crate) counted: Option<Duration>,
    /// The last decision in a word, and in a sentence; none was made yet.
    pub(crate) decision: Option<(String, String)>,
}

/// What was read of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueReading {
    /// The queue's name.
    pub(crate) queue: String,
    /// Its URL, when it is known.
    pub(crate) url: Option<String>,
    /// Whether it takes the dead letters of another queue.
    pub(crate) dead_letters: bool,
    /// How many messages are on it.
    pub(crate) depth: Result<Depth, Unreadable>,
}

/// How many messages are on a queue, as SQS approximates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// May be received now.
    pub(crate) visible: u64,
    /// Received and neither deleted nor visible again.
    pub(crate) in_flight: u64,
    /// Not yet due.
    pub(crate) delayed: u64,
}

impl Depth {
    /// All messages on the queue.
    pub(crate) fn total(&self) -> u64 {
        self.visible.saturating_add(self.in_flight).saturating_add(self.delayed)
    }
}

/// What was read of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerReading {
    /// The consumer, as host and port.
    pub(crate) consumer: String,
    /// Where its report is.
    pub(crate) url: String,
    /// Nobody named it: that it is not there is no fault.
    pub(crate) optional: bool,
    /// Its report.
    pub(crate) report: Result<PodReport, Unreadable>,
}

/// Reads samples.
pub(crate) struct Sampler {
    source: Source,
    since: Instant,
}

enum Source {
    Named { queues: Box<Queues>, reports: Reports },
    Cluster(Box<ClusterPool>),
}

impl Sampler {
    /// Reads the queues of `target` and the reports of the consumers at `addresses`. Nothing is sent yet.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub(crate) async fn new(target: &Target, addresses: Vec<Address>) -> anyhow::Result<Self> {
        let (queues, reports) = (Box::new(Queues::new(target).await), Reports::new(addresses)?);
        Ok(Self { source: Source::Named { queues, reports }, since: Instant::now() })
    }

    /// Reads a pool of a cluster and its pods.
    pub(crate) fn of_pool(pool: ClusterPool) -> Self {
        Self { source: Source::Cluster(Box::new(pool)), since: Instant::now() }
    }

    /// Reads everything once, at the same time. Takes 3 s at most for queues, 1 s for reports; of a pool what the API
    /// server needs, seconds where it or pods do not answer.
    pub(crate) async fn read(&mut self) -> Sample {
        let (at, elapsed) = (Local::now().fixed_offset(), self.since.elapsed());
        let (pool, queues, consumers) = match &mut self.source {
            Source::Named { queues, reports } => {
                let (queues, consumers) = tokio::join!(queues.read(), reports.read());
                (None, queues, consumers)
            }
            Source::Cluster(pool) => pool.read().await,
        };
        Sample { at, elapsed, pool, queues, consumers }
    }
}
