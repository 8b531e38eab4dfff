//! Live numbers, for Prometheus. Labels are fixed: the pool, and stable words.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::Round;
use crate::api::{ConditionStatus, ExportPool, ExportPoolStatus};

/// Says what each number is.
pub fn describe() {
    describe_gauge!("exportpool_desired_replicas", "Pods that a pool asks for");
    describe_gauge!("exportpool_ready_replicas", "Pods that are ready");
    describe_gauge!("exportpool_backlog_messages", "Messages that wait to be received, by queue");
    describe_gauge!("exportpool_arrival_rate", "Messages a second that arrive, smoothed, by queue");
    describe_gauge!("exportpool_slots_wanted", "Slots for the objective");
    describe_gauge!("exportpool_condition", "1 for a condition that is true, 0 for one that is not, by type");
    describe_counter!("exportpool_decisions_total", "Decisions, by reason");
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
    for condition in &status.conditions {
        let mut labels = labels.clone();
        labels.push(metrics::Label::new("type", condition.type_.clone()));
        let holds = condition.status == ConditionStatus::True;
        gauge!("exportpool_condition", labels).set(f64::from(u8::from(holds)));
    }
    let Some(Ok(verdict)) = round.verdict else { return };
    let Some(inputs) = &verdict.inputs else { return };
    gauge!("exportpool_slots_wanted", labels.clone()).set(inputs.slots);
    let by_queue = [
        ("export-jobs", inputs.backlog.export_jobs, inputs.arrival_rate.export_jobs),
        ("download-tasks", inputs.backlog.download_tasks, inputs.arrival_rate.download_tasks),
    ];
    for (queue, backlog, rate) in by_queue {
        let mut labels = labels.clone();
        labels.push(metrics::Label::new("queue", queue));
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        gauge!("exportpool_backlog_messages", labels.clone()).set(backlog as f64);
        gauge!("exportpool_arrival_rate", labels).set(rate);
    }
}

/// A pool was decided about.
pub fn decided(pool: &ExportPool, reason: &'static str) {
    let mut labels = labels(pool);
    labels.push(metrics::Label::new("reason", reason));
    counter!("exportpool_decisions_total", labels).increment(1);
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
