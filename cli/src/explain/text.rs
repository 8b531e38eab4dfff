//! The decision in words and numbers. Pure.

use std::fmt::Write as _;

use anyhow::bail;
use chrono::{DateTime, Utc};
use exportpool_operator::api::{ConditionStatus, ExportPool, ExportPoolStatus, LastDecision};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Conditions that are well when they are false, or not there.
const WELL_IF_FALSE: [&str; 5] =
    ["Stalled", "Reconciling", "ReplicasContested", "PoolContested", "CostContested"];

/// Why a pool has as many pods as it has.
///
/// # Errors
/// Nothing was decided yet.
pub(super) fn explain(pool: &ExportPool, now: DateTime<Utc>) -> anyhow::Result<String> {
    let Some(status) = &pool.status else {
        bail!(
            "nothing is known of {} yet: no operator looks after it. Is one installed, does it watch this namespace, and \
             is it of the same class (spec.class)? kubectl get pods -A -l app.kubernetes.io/name=exportpool-operator",
            name(pool)
        )
    };
    let mut told = headline(pool, status);
    if let Some(decision) = &status.last_decision {
        let _ =
            write!(told, "\n{}: {} (since {})", decision.reason, decision.message, ago(&decision.time, now));
        told += &numbers(pool, decision, status.counted_at.as_ref().map(|at| ago(at, now)));
    }
    told += &not_well(status);
    if let Some(advice) = status.last_decision.as_ref().and_then(|decision| advice(pool, &decision.reason)) {
        let _ = write!(told, "\n\nwhat would change it\n  {advice}");
    }
    Ok(told)
}

fn name(pool: &ExportPool) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}/{}", text(&pool.metadata.namespace), text(&pool.metadata.name))
}

fn headline(pool: &ExportPool, status: &ExportPoolStatus) -> String {
    let ExportPoolStatus { desired_replicas: desired, replicas, ready_replicas: ready, .. } = status;
    let pods = if *desired == 1 { "pod" } else { "pods" };
    format!("{} asks for {desired} {pods}; {replicas} there, {ready} ready", name(pool))
}

/// For how long something is so.
fn ago(time: &Time, now: DateTime<Utc>) -> String {
    let seconds = now.timestamp().saturating_sub(time.0.as_second()).max(0).unsigned_abs();
    humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string()
}

fn input<'a>(decision: &'a LastDecision, name: &str) -> Option<&'a str> {
    decision.inputs.iter().find(|input| input.name == name).map(|input| input.value.as_str())
}

/// The numbers, in the order in which they lead to one another.
fn numbers(pool: &ExportPool, decision: &LastDecision, counted: Option<String>) -> String {
    if decision.inputs.is_empty() {
        return "\n\nThere are no numbers: a queue could not be read.".to_owned();
    }
    let of = |name| input(decision, name).unwrap_or("unknown");
    let worker = &pool.spec.worker;
    let slots = i64::from(worker.pool_size) * i64::from(worker.tasks_per_worker);
    let busy = pool.spec.scaling.as_ref().map_or(80, |scaling| scaling.target_utilization_percent);
    let lines = [
        (
            "backlog",
            format!(
                "{} jobs, {} tasks wait to be received",
                of("backlogExportJobs"),
                of("backlogDownloadTasks")
            ),
        ),
        ("in hand", format!("{} tasks at work, {} waiting in pods", of("busy"), of("waiting"))),
        ("arrivals", format!("{} jobs/s, {} tasks/s", of("arrivalsExportJobs"), of("arrivalsDownloadTasks"))),
        ("cost", cost(decision)),
        (
            "time",
            match input(decision, "podStartSeconds").filter(|start| *start != "unknown") {
                Some(start) => {
                    format!("{} s to drain, after the start of pods ({start} s)", of("drainSeconds"))
                }
                None => format!(
                    "{} s to drain; how long pods take to start is not learned yet",
                    of("drainSeconds")
                ),
            },
        ),
        ("slots", format!("{}: arrivals at {busy} % busy, and the backlog over that time", of("slots"))),
        (
            "pods",
            format!(
                "{} for the objective, of {slots} slots each; {} until now",
                of("wanted"),
                of("replicas")
            ),
        ),
        ("reports", format!("{} of {} pods that were asked", of("reportsRead"), of("reportsAsked"))),
    ];
    // They are written now and then alone.
    let counted = counted.map_or_else(String::new, |ago| format!(", as counted {ago} ago"));
    lines.iter().fold(format!("\n\nhow it came to that{counted}"), |mut told, (name, line)| {
        let _ = write!(told, "\n  {name:<9} {line}");
        told
    })
}

fn cost(decision: &LastDecision) -> String {
    let of = |name| input(decision, name).filter(|value| *value != "unknown");
    match (of("secondsPerExportJob"), of("secondsPerDownloadTask")) {
        (Some(job), Some(task)) => {
            let size = of("tasksPerJob").unwrap_or("1");
            format!("a job takes {job} s of a slot ({size} tasks), a task {task} s")
        }
        _ => "not learned yet: one task a slot".to_owned(),
    }
}

fn not_well(status: &ExportPoolStatus) -> String {
    let bad = status.conditions.iter().filter(|condition| {
        let well = if WELL_IF_FALSE.contains(&condition.type_.as_str()) {
            ConditionStatus::False
        } else {
            ConditionStatus::True
        };
        condition.status != well
    });
    bad.fold(String::new(), |mut told, condition| {
        let head = if told.is_empty() { "\n\nnot well" } else { "" };
        // Ready says again what is in its way.
        if told.contains(&condition.message) {
            let _ = write!(told, "\n  {} is {:?} ({})", condition.type_, condition.status, condition.reason);
            return told;
        }
        let _ = write!(
            told,
            "{head}\n  {} is {:?} ({}): {}",
            condition.type_, condition.status, condition.reason, condition.message
        );
        told
    })
}

/// What people can do about a decision, if anything.
fn advice(pool: &ExportPool, reason: &str) -> Option<String> {
    let scaling = pool.spec.scaling.as_ref();
    let max = scaling.map_or(0, |scaling| scaling.max_replicas);
    let drain = scaling.map_or(0, |scaling| scaling.drain_time_seconds);
    let advice = match reason {
        "AtMax" => {
            format!("a larger scaling.maxReplicas ({max}), or more time: scaling.drainTimeSeconds ({drain})")
        }
        "AtMin" => "a smaller scaling.minReplicas".to_owned(),
        "Fixed" => "another spec.replicas (kubectl scale), or spec.scaling in its place".to_owned(),
        "Paused" => "taking scaling.paused away".to_owned(),
        "Observing" => "scaling.mode: Enforce".to_owned(),
        "Overridden" => "taking scaling.override away, or its time".to_owned(),
        "Scheduled" => "the schedule in scaling.schedules".to_owned(),
        "HeldStabilizing" => "time: pods go once fewer suffice for the whole window, at a lower utilization than they come at; \
                              or a smaller scaling.scaleIn.stabilizationSeconds"
            .to_owned(),
        "HeldAboveZero" => "time; or a smaller scaling.activation.keepAliveSeconds".to_owned(),
        "HeldUnknown" | "FallenBack" => "queues that can be read: see above".to_owned(),
        "HeldUnreadable" => "pods whose port 3000 the operator can reach: see above".to_owned(),
        "HeldFailing" => "sources that answer: look at the reasons in the consumers' /metrics".to_owned(),
        "HeldUnavailable" => {
            "queues, bucket and table that answer: the pods' /ready names which do not".to_owned()
        }
        "HeldNoGain" => {
            "what limits the pods together: the sources, the network, or a limit per host".to_owned()
        }
        "WaitingForDrain" => {
            "time: terminating pods finish their work; or terminationPolicy: Ignore".to_owned()
        }
        "Drained" => "nothing: the pool can be deleted".to_owned(),
        _ => return None,
    };
    Some(advice)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pool(status: impl Into<Value>) -> ExportPool {
        let queue =
            |name: &str| json!({"url": format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}")});
        serde_json::from_value(json!({
            "apiVersion": "exportpool.dev/v1alpha1",
            "kind": "ExportPool",
            "metadata": {"name": "reports", "namespace": "team"},
            "spec": {
                "image": "consumer:1",
                "queues": {"exportJobs": queue("a"), "downloadTasks": queue("b")},
                "storage": {"bucket": "exports", "table": "exports"},
                "aws": {"region": "eu-west-1"},
                "scaling": {"maxReplicas": 20},
            },
            "status": status.into(),
        }))
        .unwrap()
    }

    fn explained(status: impl Into<Value>) -> String {
        let now = DateTime::from_timestamp(1_795_608_090, 0).unwrap();
        explain(&pool(status), now).unwrap()
    }

    fn decision(reason: &str, inputs: &[(&str, &str)]) -> Value {
        let inputs: Vec<_> =
            inputs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"reason": reason, "message": "the work asks for 34, maxReplicas is 20", "time": "2026-11-25T12:00:00Z", "inputs": inputs})
    }

    #[test]
    fn a_pool_at_its_largest_says_what_the_work_asks_for_and_what_would_change_it() {
        let inputs = [
            ("backlogExportJobs", "412"),
            ("busy", "80"),
            ("arrivalsExportJobs", "25.30"),
            ("secondsPerExportJob", "0.410"),
            ("secondsPerDownloadTask", "0.400"),
            ("tasksPerJob", "1.00"),
            ("slots", "134.2"),
            ("wanted", "34"),
            ("replicas", "20"),
            ("drainSeconds", "55.9"),
        ];
        let told = explained(json!({
            "desiredReplicas": 20, "replicas": 20, "readyReplicas": 19, "lastDecision": decision("AtMax", &inputs),
            "countedAt": "2026-11-25T12:01:10Z",
        }));
        for part in [
            "team/reports asks for 20 pods; 20 there, 19 ready",
            "AtMax: the work asks for 34, maxReplicas is 20 (since 1m 30s)",
            "how it came to that, as counted 20s ago\n",
            "412 jobs",
            "55.9 s to drain; how long pods take to start is not learned yet",
            "25.30 jobs/s",
            "a job takes 0.410 s of a slot",
            "134.2: arrivals at 80 % busy",
            "34 for the objective, of 4 slots each; 20 until now",
            "a larger scaling.maxReplicas (20)",
        ] {
            assert!(told.contains(part), "{part:?} is not in:\n{told}");
        }
        assert!(!told.contains("not well"), "{told}");
    }

    #[test]
    fn what_is_not_well_is_told_with_its_remedy() {
        let condition = |type_: &str, status: &str, message: &str| json!({"type": type_, "status": status, "reason": "Why", "message": message, "lastTransitionTime": "2026-11-25T12:00:00Z"});
        let told = explained(json!({
            "desiredReplicas": 1,
            "lastDecision": decision("HeldUnknown", &[]),
            "conditions": [
                condition("Ready", "False", "the queue is denied"),
                condition("QueuesReadable", "False", "the queue is denied"),
                condition("Stalled", "True", "rename it"),
                condition("ScalingActive", "True", "fine"),
            ],
        }));
        assert!(told.contains("asks for 1 pod;") && told.contains("There are no numbers"), "{told}");
        assert!(told.contains("Ready is False (Why): the queue is denied"), "{told}");
        assert!(told.contains("QueuesReadable is False (Why)\n"), "said once: {told}");
        assert!(told.contains("Stalled is True (Why): rename it") && !told.contains("fine"), "{told}");
    }

    #[test]
    fn a_pool_that_nobody_looks_after_says_where_to_look() {
        let told = explain(&pool(Value::Null), Utc::now()).unwrap_err().to_string();
        assert!(told.contains("no operator looks after it") && told.contains("team/reports"), "{told}");
    }
}
