//! Pools that cannot be, and what is said of them. Others are not affected, and nothing that cannot be read takes pods away.

use serde_json::{Value, json};

use crate::{kubectl, pool::Pool, scaling::fast, stand_in::StandIn, team::Team};

/// Refused by the API server with these words.
#[track_caller]
fn refused(good: &Value, words: &str, change: impl FnOnce(&mut Value)) {
    let mut bad = good.clone();
    change(&mut bad["spec"]);
    let said = kubectl::refused(&bad);
    assert!(said.contains(words), "{words:?} is not in: {said}");
}

#[test]
fn what_cannot_be_is_refused_with_the_remedy() {
    let team = Team::new("refused");
    let aws = StandIn::start(&team);
    let good = Pool::object(&team, &aws, &fast(2));
    refused(&good, "minReplicas is above maxReplicas", |spec| spec["scaling"]["minReplicas"] = json!(3));
    refused(&good, "spec.worker.poolSize", |spec| spec["worker"]["poolSize"] = json!(0));
    refused(&good, "spec.worker.taskTimeoutSeconds", |spec| spec["worker"]["taskTimeoutSeconds"] = json!(-1));
    refused(&good, "spec.scaling.maxReplicas", |spec| spec["scaling"]["maxReplicas"] = json!(10_000));
    refused(&good, "no URL of a queue", |spec| spec["queues"]["exportJobs"]["url"] = json!("export-jobs"));
    refused(&good, "FIFO", |spec| {
        spec["queues"]["exportJobs"]["url"] = json!("https://x/123456789012/a.fifo");
    });
    refused(&good, "another region", |spec| {
        spec["queues"]["exportJobs"]["url"] = json!("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs");
    });
    refused(&good, "not both", |spec| spec["replicas"] = json!(1));
    refused(&good, "maxReplcas", |spec| spec["scaling"]["maxReplcas"] = json!(1));
    refused(&good, "credentialsSecretRef", |spec| {
        spec["aws"].as_object_mut().unwrap().remove("credentialsSecretRef");
    });
    Pool::apply(&team, &good);
    refused(&good, "storage cannot be changed", |spec| spec["storage"]["bucket"] = json!("others"));
    refused(&good, "queues cannot be changed", |spec| {
        spec["queues"]["exportJobs"]["url"] = json!("http://aws:4566/000000000000/others");
    });
}

#[test]
fn queues_that_cannot_be_read_are_told_with_the_remedy_and_take_no_pod_away() {
    let team = Team::new("unread");
    let aws = StandIn::start(&team);
    let pool = Pool::of_one(&team, &aws, &fast(3));
    pool.has("QueuesReadable", "True", "Read");

    pool.change(&json!({"aws": {"credentialsSecretRef": {"name": "nowhere"}}}));
    let told = pool.has("QueuesReadable", "False", "SecretMissing");
    assert!(told["message"].as_str().unwrap().contains("nowhere"), "{told}");
    pool.has("ScalingActive", "False", "HeldUnknown");
    assert_eq!(pool.replicas(), Some(1));

    kubectl::apply(&json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "nowhere", "namespace": team.namespace},
        "stringData": {"AWS_ACCESS_KEY_ID": "test"},
    }));
    let told = pool.has("QueuesReadable", "False", "SecretKeyMissing");
    assert!(told["message"].as_str().unwrap().contains("AWS_SECRET_ACCESS_KEY"), "{told}");

    pool.change(
        &json!({"aws": {"credentialsSecretRef": {"name": "aws"}, "endpoint": "http://nobody.invalid:1"}}),
    );
    pool.has("QueuesReadable", "False", "Unreachable");
    assert_eq!(pool.replicas(), Some(1));

    pool.change(&json!({"aws": {"endpoint": aws.endpoint()}}));
    pool.has("QueuesReadable", "True", "Read");
    let warned = team
        .events("pool")
        .iter()
        .any(|event| event["type"] == "Warning" && event["reason"] == "SecretMissing");
    assert!(warned, "{:?}", team.events("pool"));
}

#[test]
fn a_queue_that_is_not_there_is_named() {
    let team = Team::new("noqueue");
    let aws = StandIn::start(&team);
    let mut object = Pool::object(&team, &aws, &fast(2));
    object["spec"]["queues"]["downloadTasks"]["url"] =
        json!(format!("{}/000000000000/nobodys", aws.endpoint()));
    let told = Pool::apply(&team, &object).has("QueuesReadable", "False", "NotFound");
    assert!(told["message"].as_str().unwrap().contains("downloadTasks"), "{told}");
}

#[test]
fn a_child_that_somebody_else_made_is_not_touched() {
    let team = Team::new("conflict");
    let aws = StandIn::start(&team);
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "pool", "namespace": team.namespace},
        "spec": {"selector": {"app": "mine"}, "ports": [{"port": 80}]},
    });
    kubectl::apply(&service);
    let pool = Pool::apply(&team, &Pool::object(&team, &aws, &fast(2)));
    let told = pool.has("Stalled", "True", "NameConflict");
    assert!(told["message"].as_str().unwrap().contains("Service \"pool\""), "{told}");
    assert_eq!(kubectl::get("service", &team.namespace, "pool")["spec"]["selector"]["app"], "mine");
    kubectl::ok(&["delete", "service", "pool", "-n", &team.namespace]);
    pool.has("Ready", "True", "ScaledToZero");
}

#[test]
fn a_template_that_loosens_or_misspells_something_is_told_and_the_pods_stay() {
    let team = Team::new("template");
    let aws = StandIn::start(&team);
    let pool = Pool::of_one(&team, &aws, &fast(2));
    let before = kubectl::get("deployment", &team.namespace, "pool")["spec"]["template"].clone();
    pool.change(&json!({"template": {"spec": {"hostNetwork": true}}}));
    let told = pool.has("Stalled", "True", "InvalidTemplate");
    assert!(told["message"].as_str().unwrap().contains("spec.hostNetwork"), "{told}");
    pool.change(&json!({"template": {"spec": {"hostNetwork": null, "nodeSelecter": {"a": "b"}}}}));
    let told = pool.has("Stalled", "True", "Refused");
    assert!(told["message"].as_str().unwrap().contains("nodeSelecter"), "{told}");
    assert_eq!(kubectl::get("deployment", &team.namespace, "pool")["spec"]["template"], before);
    pool.change(&json!({"template": null}));
    pool.is_well();
}
