//! Requests for 1,000 tasks, as the counting proxy before the stand-in sees them, and what AWS asks for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time;

use super::{PATIENCE, STOP_PATIENCE, Terms, warm_up};
use crate::{
    contender::Contender,
    front::{Counts, Front},
    ledger,
    load::{Load, Shape, drained},
    say,
    stage::Stage,
};

pub(crate) const NAME: &str = "cost";
const WORKERS: usize = 8;
const TASKS: usize = 1_000;
/// The polls that find the queue empty are no cost of the tasks; late deletes are.
const SETTLE: Duration = Duration::from_millis(300);

/// US dollars in us-east-1, on demand, without free tiers.
pub(crate) mod price {
    /// A request to a standard queue (<https://aws.amazon.com/sqs/pricing/>).
    pub(crate) const SQS: f64 = 0.40 / 1e6;
    /// PUT, COPY, POST, LIST to S3 Standard (<https://aws.amazon.com/s3/pricing/>).
    pub(crate) const S3_WRITE: f64 = 0.005 / 1e3;
    /// GET, HEAD and all others.
    pub(crate) const S3_READ: f64 = 0.0004 / 1e3;
    /// A write request unit of DynamoDB (<https://aws.amazon.com/dynamodb/pricing/on-demand/>).
    pub(crate) const WRITE_UNIT: f64 = 0.625 / 1e6;
    /// A read request unit.
    pub(crate) const READ_UNIT: f64 = 0.125 / 1e6;
    /// When these were looked up.
    pub(crate) const AS_OF: &str = "2026-11";
}

/// 1,000 tasks, in one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) who: Contender,
    /// Tasks a job message; `None`: task messages.
    pub(crate) tasks_a_job: Option<usize>,
    pub(crate) tasks: usize,
    pub(crate) counts: Counts,
}

impl Row {
    /// Sums what `read` says of each kind whose name starts with `service`.
    pub(crate) fn sum(&self, service: &str, read: fn(&crate::front::Asked) -> u64) -> u64 {
        self.counts.iter().filter(|(kind, _)| kind.starts_with(service)).map(|(_, asked)| read(asked)).sum()
    }

    /// Dollars for 1,000 tasks: queues, bucket, table.
    pub(crate) fn dollars(&self) -> [f64; 3] {
        let all = |service| self.sum(service, |asked| asked.requests) as f64;
        let reads = all("S3 Head") + all("S3 other");
        let free = all("S3 Abort");
        let writes = all("S3 ") - reads - free;
        let units = self.sum("DynamoDB ", |asked| asked.writes) as f64 * price::WRITE_UNIT
            + self.sum("DynamoDB ", |asked| asked.half_reads) as f64 / 2.0 * price::READ_UNIT;
        let scale = 1_000.0 / self.tasks as f64;
        [all("SQS ") * price::SQS, writes * price::S3_WRITE + reads * price::S3_READ, units]
            .map(|cost| cost * scale)
    }
}

pub(crate) async fn measure(terms: &Terms) -> anyhow::Result<Vec<Row>> {
    let ours = [Some(1), Some(10), Some(100), None].map(|tasks| (Contender::Exportpool, tasks));
    let others = terms.present(&[Contender::Bare, Contender::Node, Contender::Spring]);
    let mut rows = Vec::new();
    for (who, tasks_a_job) in ours.into_iter().chain(others.into_iter().map(|who| (who, None))) {
        let row = measure_row(terms, who, tasks_a_job).await?;
        let dollars: f64 = row.dollars().iter().sum();
        say(&format!("  {}, {tasks_a_job:?} tasks a job: ${dollars:.5} for 1,000 tasks", who.words()));
        rows.push(row);
    }
    Ok(rows)
}

async fn measure_row(terms: &Terms, who: Contender, tasks_a_job: Option<usize>) -> anyhow::Result<Row> {
    let stage = Stage::set(&terms.ground.programs).await?;
    let front = Front::open(stage.variable(exportpool_contract::environment::AWS_ENDPOINT)?).await?;
    let started = who.start(&terms.ground, &stage, WORKERS, Some(&front.url), &[])?;
    let tasks = terms.of(TASKS, 200);
    let shape = tasks_a_job.map_or(Shape::Tasks, Shape::Jobs);
    let messages = tasks / tasks_a_job.unwrap_or(1);
    for load in [warm_up(2 * WORKERS, shape), Load { run: "run".into(), messages, ..warm_up(0, shape) }] {
        front.take();
        load.send(&stage).await?;
        drained(&stage, PATIENCE).await?;
        ledger::records(&stage, &load.run, load.tasks()).await?;
        time::sleep(SETTLE).await;
    }
    let counts = front.take();
    started.process.stop(STOP_PATIENCE).await;
    stage.strike().await;
    Ok(Row { who, tasks_a_job, tasks, counts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Asked;

    #[test]
    fn dollars_are_for_a_thousand_tasks() {
        let asked = |requests, writes, half_reads| Asked { requests, writes, half_reads };
        let counts = [
            ("SQS ReceiveMessage", asked(10, 0, 0)),
            ("S3 PutObject", asked(100, 0, 0)),
            ("S3 HeadObject", asked(1, 0, 0)),
            ("DynamoDB UpdateItem", asked(200, 200, 0)),
            ("DynamoDB BatchGetItem", asked(4, 0, 16)),
            ("source GET", asked(100, 0, 0)),
        ];
        let counts = counts.map(|(kind, asked)| (kind.to_owned(), asked)).into();
        let row = Row { who: Contender::Node, tasks_a_job: None, tasks: 100, counts };
        let [sqs, s3, dynamodb] = row.dollars();
        assert!((sqs - 100.0 * price::SQS).abs() < 1e-12);
        assert!((s3 - 1_000.0 * price::S3_WRITE - 10.0 * price::S3_READ).abs() < 1e-12);
        assert!((dynamodb - 2_000.0 * price::WRITE_UNIT - 80.0 * price::READ_UNIT).abs() < 1e-12);
    }
}
