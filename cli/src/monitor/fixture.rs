//! A view with every kind of row, for the tests of `draw` and `print`.

use std::time::Duration;

use chrono::{DateTime, FixedOffset};

use super::{
    sample::{Depth, PoolReading, Unreadable},
    trend,
    view::{Breaker, ConsumerRow, Level, Pool, Presence, QueueRow, Thresholds, View},
};

pub(crate) fn at() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339("2026-01-02T14:03:07.250+02:00").unwrap()
}

/// A queue that drains, its empty dead-letter queue, one that fills, and one that cannot be read.
pub(crate) fn view() -> View {
    View {
        at: at(),
        headline: "exportctl monitor · http://127.0.0.1:4566".into(),
        pool: None,
        queues: vec![
            queue("export-jobs", [2_345, 40, 3], Some(-12.34), Level::Critical),
            queue("export-jobs-dlq", [0, 0, 0], Some(0.0), Level::Ok),
            queue("download-tasks", [120, 0, 1], Some(140.0), Level::Warn),
            unread("download-tasks-dlq", unreachable()),
        ],
        consumers: vec![
            consumer("127.0.0.1:3000", Presence::Here(Box::new(pool()))),
            consumer("127.0.0.1:3001", Presence::Here(Box::new(broken()))),
            consumer("127.0.0.1:3002", Presence::None),
        ],
        thresholds: Thresholds { warn: 100, critical: 1000 },
        footer: vec!["q quit  p pause".into(), "4 SQS requests every 1s = 10.4 million a month".into()],
        colour: true,
    }
}

pub(crate) fn export_pool() -> PoolReading {
    PoolReading {
        pool: "team/reports".into(),
        desired: 6,
        present: 4,
        ready: 3,
        all_pods: true,
        counted: Some(std::time::Duration::from_secs(12)),
        decision: Some(("ScaledOut".into(), "from 4 to 6: the backlog".into())),
    }
}

pub(crate) fn unreachable() -> Unreadable {
    Unreadable::Unreachable { endpoint: "http://127.0.0.1:1".into() }
}

pub(crate) fn queue(name: &str, counts: [u64; 3], rate: Option<f64>, level: Level) -> QueueRow {
    let [visible, in_flight, delayed] = counts;
    QueueRow {
        queue: name.into(),
        url: Some(format!("http://127.0.0.1:4566/000000000000/{name}")),
        dead_letters: name.ends_with("-dlq"),
        depth: Ok(Depth { visible, in_flight, delayed }),
        rate,
        trend: trend::trend(rate),
        level,
    }
}

pub(crate) fn unread(name: &str, why: Unreadable) -> QueueRow {
    QueueRow { depth: Err(why), ..queue(name, [0, 0, 0], None, Level::Unknown) }
}

pub(crate) fn consumer(name: &str, state: Presence) -> ConsumerRow {
    ConsumerRow { consumer: name.into(), url: format!("http://{name}/report"), state }
}

pub(crate) fn pool() -> Pool {
    Pool {
        version: "0.1.0".into(),
        instance_id: "one".into(),
        draining: false,
        breaker: Breaker::Closed,
        busy: 6,
        total: 8,
        abandoned: 0,
        waiting: 40,
        jobs: 3,
        done: 3_204,
        failed: 0,
        done_per_second: Some(12.3),
        loop_p99: Duration::from_micros(412),
        loop_max: Duration::from_micros(3_100),
    }
}

pub(crate) fn broken() -> Pool {
    let breaker = Breaker::Open(Some("s3 exports".into()));
    Pool { breaker, busy: 0, waiting: 0, failed: 7, done_per_second: None, ..pool() }
}
