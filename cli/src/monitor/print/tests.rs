use serde_json::{Value, json};

use super::*;
use crate::monitor::{fixture, sample::PoolReading};

fn sample() -> Sample {
    Sample {
        at: fixture::at(),
        elapsed: std::time::Duration::ZERO,
        pool: None,
        queues: vec![],
        consumers: vec![],
    }
}

fn printed(form: Form, times: usize) -> String {
    printed_of(form, times, &fixture::view())
}

fn printed_of(form: Form, times: usize, view: &View) -> String {
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, form);
    for _ in 0..times {
        printer.sample(&sample(), view).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn the_table_names_its_columns_once_and_has_a_line_for_everything() {
    let expected = "\
# exportctl monitor · http://127.0.0.1:4566
# q quit  p pause
# 4 SQS requests every 1s = 10.4 million a month
Time      Queue                      Visible In-Flight   Delayed     Total     Rate  Trend     Level
14:03:07  export-jobs                   2345        40         3      2388 ↓ 12.3/s  draining  critical
14:03:07  export-jobs-dlq                  0         0         0         0    = 0/s  steady    ok
14:03:07  download-tasks                 120         0         1       121  ↑ 140/s  filling   warn
14:03:07  download-tasks-dlq               ?         ?         ?         ?        ?  unknown   unknown
14:03:07  ? download-tasks-dlq: nothing answers at http://127.0.0.1:1; start a stand-in with `exportctl aws`, or \
set AWS_ENDPOINT (or --emulator) to where SQS is
14:03:07  consumer 127.0.0.1:3000  working  slots 6/8  waiting 40  done 12.3/s (3204 in all)  failed 0  \
breaker closed  loop delay p99 0.4 ms max 3.1 ms
14:03:07  consumer 127.0.0.1:3001  breaker open  slots 0/8  waiting 0  done - (3204 in all)  failed 7  \
breaker open: s3 exports  loop delay p99 0.4 ms max 3.1 ms
14:03:07  consumer 127.0.0.1:3002  none
";
    assert_eq!(printed(Form::Table, 1), expected);
    assert_eq!(printed(Form::Table, 2).matches("In-Flight").count(), 1);
}

#[test]
fn json_is_a_document_a_line() {
    let text = printed(Form::Json, 2);
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[0]["at"], "2026-01-02T12:03:07.250Z");
}

#[test]
fn a_queue_in_json() {
    let document: Value = serde_json::from_str(&printed(Form::Json, 1)).unwrap();
    let jobs = json!({
        "queue": "export-jobs", "url": "http://127.0.0.1:4566/000000000000/export-jobs", "deadLetters": false,
        "visible": 2345, "inFlight": 40, "delayed": 3, "total": 2388,
        "ratePerSecond": -12.34, "trend": "draining", "level": "critical", "unknown": null,
    });
    assert_eq!(document["queues"][0], jobs);
}

#[test]
fn what_is_not_known_is_null_in_json_and_says_why() {
    let document: Value = serde_json::from_str(&printed(Form::Json, 1)).unwrap();
    let unread = json!({
        "queue": "download-tasks-dlq", "url": "http://127.0.0.1:4566/000000000000/download-tasks-dlq",
        "deadLetters": true, "visible": null, "inFlight": null, "delayed": null, "total": null,
        "ratePerSecond": null, "trend": "unknown", "level": "unknown",
        "unknown": {
            "reason": "unreachable",
            "message": "nothing answers at http://127.0.0.1:1",
            "remedy": fixture::unreachable().remedy(),
        },
    });
    assert_eq!(document["queues"][3], unread);
}

#[test]
fn consumers_in_json() {
    let document: Value = serde_json::from_str(&printed(Form::Json, 1)).unwrap();
    let working = json!({
        "consumer": "127.0.0.1:3000", "url": "http://127.0.0.1:3000/report", "state": "working",
        "version": "0.1.0", "instanceId": "one", "slots": {"busy": 6, "total": 8, "abandoned": 0},
        "waiting": 40, "jobs": 3, "done": 3204, "failed": 0, "donePerSecond": 12.3,
        "breaker": {"open": false, "resource": null}, "loopDelay": {"p99Micros": 412, "maxMicros": 3100},
        "unknown": null,
    });
    assert_eq!(document["consumers"][0], working);
    assert_eq!(document["consumers"][1]["breaker"], json!({"open": true, "resource": "s3 exports"}));
    assert_eq!(document["consumers"][1]["donePerSecond"], Value::Null);
    let none = document["consumers"][2].as_object().unwrap();
    assert_eq!(none["state"], "none");
    let nulls = none.iter().filter(|(_, value)| value.is_null()).count();
    assert_eq!(nulls, working.as_object().unwrap().len() - 3);
}

#[test]
fn a_pool_of_a_cluster_is_told_with_its_decision_and_is_null_where_none_is_watched() {
    let view = View { pool: Some(fixture::export_pool()), ..fixture::view() };
    let line = "14:03:07  pool team/reports asks for 6 pods; 4 there, 3 ready · ScaledOut: from 4 to 6: the backlog · queues as counted 12 s ago\n";
    assert!(printed_of(Form::Table, 1, &view).contains(line));
    let document: Value = serde_json::from_str(&printed_of(Form::Json, 1, &view)).unwrap();
    let pool = json!({
        "pool": "team/reports", "desiredReplicas": 6, "replicas": 4, "readyReplicas": 3,
        "allPods": true, "countedSecondsAgo": 12, "reason": "ScaledOut", "message": "from 4 to 6: the backlog",
    });
    assert_eq!(document["pool"], pool);
    let some = PoolReading { all_pods: false, ..fixture::export_pool() };
    let view = View { pool: Some(some), ..fixture::view() };
    assert!(printed_of(Form::Table, 1, &view).contains("4 there, 3 ready, the first of them asked · "));
    let document: Value = serde_json::from_str(&printed(Form::Json, 1)).unwrap();
    assert_eq!(document["pool"], Value::Null);
}
