//! The JSON document of a sample. Its schema is stable: fields are added, never renamed, and none is ever left out;
//! what is not known is null.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use exportpool_contract::report;
use serde::Serialize;

use crate::monitor::{
    sample::{Depth, PoolReading, Unreadable},
    view::{Breaker, ConsumerRow, Pool, Presence, QueueRow, View},
};

/// One sample.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    /// When it was taken: RFC 3339, UTC, milliseconds.
    at: String,
    pool: Option<ExportPool<'a>>,
    queues: Vec<Queue<'a>>,
    consumers: Vec<Consumer<'a>>,
}

/// What `--pool` names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportPool<'a> {
    /// Its namespace and its name.
    pool: &'a str,
    desired_replicas: u64,
    replicas: u64,
    ready_replicas: u64,
    /// Each pod is among the consumers; else the first of them are.
    all_pods: bool,
    /// The age of the queues' numbers.
    counted_seconds_ago: Option<u64>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue<'a> {
    queue: &'a str,
    url: Option<&'a str>,
    dead_letters: bool,
    visible: Option<u64>,
    in_flight: Option<u64>,
    delayed: Option<u64>,
    total: Option<u64>,
    /// Below 0 it drains.
    rate_per_second: Option<f64>,
    /// `draining`, `filling`, `steady`, `unknown`.
    trend: &'static str,
    /// `ok`, `warn`, `critical`, `unknown`.
    level: &'static str,
    unknown: Option<Unknown>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumer<'a> {
    consumer: &'a str,
    url: &'a str,
    /// `working`, `idle`, `draining`, `starting`, `breaker open`, `none`, `unknown`.
    state: &'static str,
    version: Option<&'a str>,
    instance_id: Option<&'a str>,
    slots: Option<Slots>,
    waiting: Option<u64>,
    jobs: Option<u64>,
    done: Option<u64>,
    failed: Option<u64>,
    done_per_second: Option<f64>,
    breaker: Option<Open<'a>>,
    loop_delay: Option<LoopDelay>,
    unknown: Option<Unknown>,
}

#[derive(Debug, Serialize)]
struct Slots {
    busy: u64,
    total: u64,
    abandoned: u64,
}

#[derive(Debug, Serialize)]
struct Open<'a> {
    open: bool,
    resource: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoopDelay {
    p99_micros: u128,
    max_micros: u128,
}

#[derive(Debug, Serialize)]
struct Unknown {
    /// A stable word.
    reason: &'static str,
    message: String,
    remedy: Cow<'static, str>,
}

/// The document of `view`, sampled at `at`.
pub(crate) fn document(at: DateTime<FixedOffset>, view: &View) -> Document<'_> {
    Document {
        at: at.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Millis, true),
        pool: view.pool.as_ref().map(export_pool),
        queues: view.queues.iter().map(queue).collect(),
        consumers: view.consumers.iter().map(consumer).collect(),
    }
}

fn export_pool(pool: &PoolReading) -> ExportPool<'_> {
    ExportPool {
        pool: &pool.pool,
        desired_replicas: pool.desired,
        replicas: pool.present,
        ready_replicas: pool.ready,
        all_pods: pool.all_pods,
        counted_seconds_ago: pool.counted.map(|ago| ago.as_secs()),
        reason: pool.decision.as_ref().map(|(reason, _)| reason.as_str()),
        message: pool.decision.as_ref().map(|(_, message)| message.as_str()),
    }
}

fn queue(row: &QueueRow) -> Queue<'_> {
    let depth = row.depth.as_ref().ok();
    Queue {
        queue: &row.queue,
        url: row.url.as_deref(),
        dead_letters: row.dead_letters,
        visible: depth.map(|depth| depth.visible),
        in_flight: depth.map(|depth| depth.in_flight),
        delayed: depth.map(|depth| depth.delayed),
        total: depth.map(Depth::total),
        rate_per_second: row.rate.map(thousandths),
        trend: row.trend.word(),
        level: row.level.word(),
        unknown: row.depth.as_ref().err().map(unknown),
    }
}

fn consumer(row: &ConsumerRow) -> Consumer<'_> {
    let (pool, why) = match &row.state {
        Presence::None => (None, None),
        Presence::Unknown(why) => (None, Some(why)),
        Presence::Here(pool) => (Some(pool.as_ref()), None),
    };
    Consumer {
        consumer: &row.consumer,
        url: &row.url,
        state: row.state.word(),
        version: pool.map(|pool| pool.version.as_str()),
        instance_id: pool.map(|pool| pool.instance_id.as_str()),
        slots: pool.map(|pool| Slots { busy: pool.busy, total: pool.total, abandoned: pool.abandoned }),
        waiting: pool.map(|pool| pool.waiting),
        jobs: pool.map(|pool| pool.jobs),
        done: pool.map(|pool| pool.done),
        failed: pool.map(|pool| pool.failed),
        done_per_second: pool.and_then(|pool| pool.done_per_second).map(thousandths),
        breaker: pool.map(breaker),
        loop_delay: pool.map(loop_delay),
        unknown: why.map(unknown),
    }
}

fn breaker(pool: &Pool) -> Open<'_> {
    match &pool.breaker {
        Breaker::Closed => Open { open: false, resource: None },
        Breaker::Starting => Open { open: true, resource: Some(report::Breaker::STARTING) },
        Breaker::Open(resource) => Open { open: true, resource: resource.as_deref() },
    }
}

fn loop_delay(pool: &Pool) -> LoopDelay {
    LoopDelay { p99_micros: pool.loop_p99.as_micros(), max_micros: pool.loop_max.as_micros() }
}

fn unknown(why: &Unreadable) -> Unknown {
    Unknown { reason: why.reason(), message: why.to_string(), remedy: why.remedy() }
}

fn thousandths(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}
