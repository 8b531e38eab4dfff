//! Prometheus metrics, from the pod report: the same numbers under one set of names, with labels of fixed values.

use exportpool_contract::{
    PodReport,
    report::{LoopDelay, QueueCounters},
};
use metrics::{Label, Recorder, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

/// The text at `/metrics`.
#[must_use]
pub fn render(report: &PodReport) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder as &dyn Recorder, || {
        gauges(report);
        instance(report);
        queue("export-jobs", &report.queues.export_jobs);
        queue("download-tasks", &report.queues.download_tasks);
    });
    handle.render()
}

/// Prometheus numbers are floats; counts beyond 2^53 lose their last digits, which no rate notices.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn gauge(name: &'static str, value: u64) {
    metrics::gauge!(name).set(value as f64);
}

fn gauges(report: &PodReport) {
    gauge("exportpool_slots", report.slots.total);
    gauge("exportpool_slots_busy", report.slots.busy);
    gauge("exportpool_workers_abandoned", report.slots.abandoned);
    gauge("exportpool_tasks_waiting", report.gauges.waiting);
    gauge("exportpool_jobs_unlisted", report.gauges.unlisted);
    gauge("exportpool_retries_scheduled", report.gauges.scheduled_retries);
    gauge("exportpool_jobs_in_hand", report.gauges.jobs);
    gauge("exportpool_breaker_open", u64::from(report.breaker.open));
    gauge("exportpool_draining", u64::from(report.draining));
    for (loop_of, delay, run_queue) in [
        ("main", report.loop_delay, report.run_queue_delay),
        ("workers", report.worker_loop_delay, report.worker_run_queue_delay),
    ] {
        delays("exportpool_loop_delay", loop_of, delay);
        if let Some(delay) = run_queue {
            delays("exportpool_run_queue_delay", loop_of, delay);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds up to a minute")]
fn delays(name: &str, loop_of: &'static str, delay: LoopDelay) {
    for (quantile, micros) in [("p999", delay.p999_micros), ("max", delay.max_micros)] {
        let name = format!("{name}_{quantile}_microseconds");
        metrics::gauge!(name, "loop" => loop_of).set(micros as f64);
    }
}

fn instance(report: &PodReport) {
    let counters = &report.counters;
    metrics::counter!("exportpool_tasks_listed_total").absolute(counters.tasks_listed);
    metrics::counter!("exportpool_tasks_handed_over_total").absolute(counters.handed_over);
    metrics::counter!("exportpool_dead_letters_total").absolute(counters.dead_lettered);
    metrics::counter!("exportpool_leases_lost_total").absolute(counters.leases_lost);
    metrics::counter!("exportpool_stored_bytes_total").absolute(counters.bytes);
    metrics::counter!("exportpool_workers_restarted_total").absolute(counters.workers_restarted);
    for (reason, count) in &counters.source_errors {
        metrics::counter!("exportpool_source_errors_total", "reason" => reason.clone()).absolute(*count);
    }
    for (reason, count) in &counters.aws_errors {
        metrics::counter!("exportpool_aws_errors_total", "reason" => reason.clone()).absolute(*count);
    }
}

fn queue(name: &'static str, counters: &QueueCounters) {
    let of = || vec![Label::from_static_parts("queue", name)];
    metrics::counter!("exportpool_messages_received_total", of()).absolute(counters.received);
    metrics::counter!("exportpool_messages_redelivered_total", of()).absolute(counters.redelivered);
    metrics::counter!("exportpool_receives_empty_total", of()).absolute(counters.empty);
    metrics::counter!("exportpool_receives_failed_total", of()).absolute(counters.failed_receives);
    metrics::counter!("exportpool_busy_slot_milliseconds_total", of()).absolute(counters.busy_slot_millis);
    metrics::counter!("exportpool_service_milliseconds_total", of()).absolute(counters.service_millis);
    let settled = counters.settled;
    for (how, count) in [
        ("done", settled.done),
        ("failed", settled.failed),
        ("retried", settled.retried),
        ("returned", settled.returned),
        ("fenced", settled.fenced),
    ] {
        let labels = vec![Label::from_static_parts("queue", name), Label::from_static_parts("how", how)];
        metrics::counter!("exportpool_tasks_settled_total", labels).absolute(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_under_their_names() {
        let mut report = PodReport::default();
        report.queues.download_tasks.settled.done = 7;
        report.counters.source_errors.insert("truncated".into(), 3);
        report.worker_loop_delay.max_micros = 17;
        let text = render(&report);
        assert!(
            text.contains("exportpool_tasks_settled_total{queue=\"download-tasks\",how=\"done\"} 7"),
            "{text}"
        );
        assert!(text.contains("exportpool_loop_delay_max_microseconds{loop=\"workers\"} 17"), "{text}");
        assert!(text.contains("exportpool_source_errors_total{reason=\"truncated\"} 3"), "{text}");
    }
}
