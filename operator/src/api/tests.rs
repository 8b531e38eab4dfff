//! What the API server refuses, by the rules in CEL; its own schema is tested on a real one.

use kube::core::cel::{validate_cel, validate_cel_update};
use serde_json::{Value, json};

use super::sample::pool;

/// What is said of a pool that is made so.
fn refusal(change: impl FnOnce(&mut Value)) -> String {
    validate_cel(&pool(change)).map_or_else(|errors| errors.to_string(), |()| "taken".to_owned())
}

/// What is said of a pool that is changed so.
fn refusal_of_change(change: impl FnOnce(&mut Value)) -> String {
    let changed = validate_cel_update(&pool(change), &pool(|_| {}));
    changed.map_or_else(|errors| errors.to_string(), |()| "taken".to_owned())
}

#[test]
fn a_pool_as_in_the_readme_is_taken() {
    assert_eq!(refusal(|_| {}), "taken");
    assert_eq!(refusal_of_change(|_| {}), "taken");
}

#[test]
fn replicas_and_scaling_exclude_each_other_and_one_is_needed() {
    assert!(refusal(|pool| pool["spec"]["replicas"] = json!(3)).contains("not both"));
    assert!(refusal(|pool| pool["spec"]["scaling"] = Value::Null).contains("set either"));
}

#[test]
fn the_least_number_is_not_above_the_largest() {
    let refused = refusal(|pool| pool["spec"]["scaling"] = json!({"minReplicas": 21, "maxReplicas": 20}));
    assert!(refused.contains("minReplicas is above maxReplicas"), "{refused}");
}

#[test]
fn a_url_has_to_be_one_of_a_standard_queue_in_the_pools_region() {
    let with = |url: &str| refusal(|pool| pool["spec"]["queues"]["exportJobs"]["url"] = json!(url));
    assert!(with("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo").contains("FIFO"));
    assert!(with("https://sqs.us-east-1.amazonaws.com/123456789012/jobs").contains("another region"));
    assert_eq!(with("https://eu-west-1.queue.amazonaws.com/123456789012/jobs"), "taken");
    assert_eq!(with("http://localstack.default.svc:4566/000000000000/jobs"), "taken");
    for url in [
        "jobs",
        "ftp://host/123456789012/jobs",
        "https://host/jobs",
        "https://user@host/123456789012/jobs",
        "https://host/123456789012/jobs?x=1",
        "https://host/123456789012/jobs/",
    ] {
        assert!(with(url).contains("no URL of a queue"), "{url}");
    }
}

#[test]
fn both_queues_are_not_one() {
    let same = |pool: &mut Value| {
        let queues = &mut pool["spec"]["queues"];
        queues["downloadTasks"] = queues["exportJobs"].clone();
    };
    assert!(refusal(same).contains("the same queue"));
}

#[test]
fn an_endpoint_needs_credentials_of_its_own() {
    let refused = refusal(|pool| pool["spec"]["aws"]["endpoint"] = json!("http://localstack:4566"));
    assert!(refused.contains("credentialsSecretRef"), "{refused}");
    let wrong = refusal(|pool| {
        pool["spec"]["aws"]["endpoint"] = json!("http://a:b@host/x");
        pool["spec"]["aws"]["credentialsSecretRef"] = json!({"name": "aws"});
    });
    assert!(wrong.contains("no endpoint"), "{wrong}");
}

#[test]
fn queues_storage_and_region_cannot_be_changed() {
    let queues = refusal_of_change(|pool| {
        pool["spec"]["queues"]["exportJobs"]["url"] =
            json!("https://sqs.eu-west-1.amazonaws.com/123456789012/others");
    });
    assert!(queues.contains("queues cannot be changed"), "{queues}");
    let storage = refusal_of_change(|pool| pool["spec"]["storage"]["bucket"] = json!("others"));
    assert!(storage.contains("storage cannot be changed"), "{storage}");
    let region = refusal_of_change(|pool| pool["spec"]["aws"]["region"] = json!("eu-central-1"));
    assert!(region.contains("aws.region cannot be changed"), "{region}");
    assert_eq!(refusal_of_change(|pool| pool["spec"]["image"] = json!("consumer:2")), "taken");
}

#[test]
fn a_name_that_leaves_no_room_for_pods_is_refused() {
    assert!(refusal(|pool| pool["metadata"]["name"] = json!("a".repeat(53))).contains("52 characters"));
    assert_eq!(refusal(|pool| pool["metadata"]["name"] = json!("a".repeat(52))), "taken");
}

/// Otherwise its Service is refused, and nothing of the pool is there.
#[test]
fn a_name_that_no_service_can_have_is_refused() {
    for name in ["2026-reports", "reports.eu", "reports-"] {
        let refused = refusal(|pool| pool["metadata"]["name"] = json!(name));
        assert!(refused.contains("begin with a letter"), "{name}: {refused}");
    }
    assert_eq!(refusal(|pool| pool["metadata"]["name"] = json!("r-2026")), "taken");
}

#[test]
fn more_slots_than_can_be_decided_about_are_refused() {
    let refused = refusal(|pool| pool["spec"]["worker"] = json!({"poolSize": 256, "tasksPerWorker": 64}));
    assert!(refused.contains("above 10000"), "{refused}");
}

#[test]
fn a_fallback_has_replicas_where_they_mean_something() {
    let with = |fallback: Value| refusal(|pool| pool["spec"]["scaling"]["fallback"] = fallback);
    assert!(with(json!({"behavior": "Static"})).contains("belongs to behavior Static"));
    assert!(with(json!({"behavior": "Hold", "replicas": 2})).contains("belongs to behavior Static"));
    assert_eq!(with(json!({"behavior": "Static", "replicas": 2})), "taken");
}
