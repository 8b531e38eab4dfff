//! Live numbers, for Prometheus. Labels are fixed: the pool, and stable words.

use exportpool_contract::report::ByQueue;
use exportpool_scaling::Inputs;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{Round, conditions::TYPES};
use crate::api::{Condition, ConditionStatus, ExportPool, ExportPoolStatus};

/// Says what each number is.
pub fn describe() {
    describe_gauge!("exportpool_desired_replicas", "Pods that a pool asks for");
    describe_gauge!("exportpool_ready_replicas", "Pods that are ready");
    describe_gauge!(
        "exportpool_backlog_messages",
        "Messages that wait to be received, by queue; NaN while it cannot be read"
    );
    describe_gauge!("exportpool_arrival_rate", "Messages a second that arrive, smoothed, by queue");
    describe_gauge!("exportpool_slots_wanted", "Slots for the objective");
    describe_gauge!("exportpool_condition", "1 for a condition that is true, 0 for one that is not, by type");
    describe_counter!("exportpool_decisions_total", "Decisions, by reason");
    describe_counter!("exportpool_sqs_requests_total", "Requests to SQS, by result");
    describe_counter!("exportpool_applies_total", "Children written to the API server, by kind");
    describe_counter!("exportpool_status_writes_total", "Statuses written to the API server");
    describe_counter!("exportpool_apply_faults_total", "Writes that failed, by reason");
    describe_counter!(
        "exportpool_victim_misses_total",
        "Pods told to go first that were not seen marked in time"
    );
    describe_gauge!("exportpool_leader", "1 while this process leads");
    describe_histogram!("exportpool_reconcile_seconds", "Time of one reconcile");
}

/// Tells the numbers of a round.
pub fn tell(round: &Round<'_>, status: &ExportPoolStatus) {
    let labels = labels(round.pool);
    gauge!("exportpool_desired_replicas", labels.clone()).set(f64::from(status.desired_replicas));
    gauge!("exportpool_ready_replicas", labels.clone()).set(f64::from(status.ready_replicas));
    for type_ in TYPES {
        let mut labels = labels.clone();
        labels.push(metrics::Label::new("type", type_));
        let is_true = |it: &Condition| it.type_ == type_ && it.status == ConditionStatus::True;
        let holds = status.conditions.iter().any(is_true);
        gauge!("exportpool_condition", labels).set(f64::from(u8::from(holds)));
    }
    let verdict = round.verdict.and_then(|verdict| verdict.as_ref().ok());
    let inputs = verdict.and_then(|verdict| verdict.inputs.as_ref());
    // An old number would look like a queue that stands still.
    gauge!("exportpool_slots_wanted", labels.clone()).set(inputs.map_or(f64::NAN, |inputs| inputs.slots));
    by_queue("export-jobs", &labels, inputs, |of| of.export_jobs, |of| of.export_jobs);
    by_queue("download-tasks", &labels, inputs, |of| of.download_tasks, |of| of.download_tasks);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn by_queue(
    queue: &'static str,
    labels: &[metrics::Label],
    inputs: Option<&Inputs>,
    messages: fn(&ByQueue<u64>) -> u64,
    rate: fn(&ByQueue<f64>) -> f64,
) {
    let mut labels = labels.to_vec();
    labels.push(metrics::Label::new("queue", queue));
    let backlog = inputs.map_or(f64::NAN, |inputs| messages(&inputs.backlog) as f64);
    gauge!("exportpool_backlog_messages", labels.clone()).set(backlog);
    gauge!("exportpool_arrival_rate", labels)
        .set(inputs.map_or(f64::NAN, |inputs| rate(&inputs.arrival_rate)));
}

/// A pool was decided about.
pub fn decided(reason: &'static str) {
    counter!("exportpool_decisions_total", "reason" => reason).increment(1);
}

/// A child was written, or could not be.
pub fn applied(kind: &str, written: Result<(), &'static str>) {
    match written {
        Ok(()) => counter!("exportpool_applies_total", "kind" => kind.to_owned()).increment(1),
        Err(reason) => counter!("exportpool_apply_faults_total", "reason" => reason).increment(1),
    }
}

/// A reconcile took so long.
pub fn reconciled(seconds: f64) {
    histogram!("exportpool_reconcile_seconds").record(seconds);
}

fn labels(pool: &ExportPool) -> Vec<metrics::Label> {
    let metadata = &pool.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        metrics::Label::new("namespace", text(&metadata.namespace)),
        metrics::Label::new("pool", text(&metadata.name)),
    ]
}
