//! What is rendered, and what cannot be.

use insta::assert_yaml_snapshot;
use serde_json::{Value, json};

use super::{Rendered, Served, render};
use crate::api::ExportPool;

fn pool(change: impl FnOnce(&mut Value)) -> ExportPool {
    let mut pool = json!({
        "apiVersion": "exportpool.dev/v1alpha1",
        "kind": "ExportPool",
        "metadata": {"name": "reports", "namespace": "team", "uid": "0c7c2b0e-0000-4000-8000-000000000001"},
        "spec": {
            "image": "ghcr.io/exportpool/consumer:0.1.0",
            "queues": {
                "exportJobs": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs"},
                "downloadTasks": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/download-tasks"},
            },
            "storage": {"bucket": "exports", "table": "exports"},
            "aws": {"region": "eu-west-1"},
            "scaling": {"maxReplicas": 20},
        },
    });
    change(&mut pool);
    serde_json::from_value(pool).unwrap()
}

fn full(pool: &mut Value) {
    let spec = &mut pool["spec"];
    spec["worker"] = json!({"poolSize": 8, "tasksPerWorker": 2, "taskTimeoutSeconds": 600});
    spec["storage"]["prefix"] = json!("exports/2026");
    spec["aws"]["endpoint"] = json!("http://localstack:4566");
    spec["aws"]["credentialsSecretRef"] = json!({"name": "aws"});
    spec["allowedNetworks"] = json!(["10.0.0.0/8", "fd00::/8"]);
    spec["serviceAccount"] =
        json!({"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}});
    spec["template"] = json!({
        "metadata": {"labels": {"team": "reports"}, "annotations": {"example.com/a": "b"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
            "tolerations": [{"key": "spot", "operator": "Exists"}],
            "containers": [
                {
                    "name": "worker",
                    "env": [{"name": "MAX_ATTEMPTS", "value": "3"}],
                    "resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi", "cpu": "2"}},
                },
                {"name": "proxy", "image": "proxy:1"},
            ],
        },
    });
}

fn rendered(change: impl FnOnce(&mut Value)) -> Rendered {
    render(&pool(change), Served { pod_monitors: true }).unwrap()
}

fn refused(template: Value) -> String {
    render(&pool(|pool| pool["spec"]["template"] = template), Served::default()).unwrap_err().to_string()
}

/// The bytes of an old spec do not change in a minor release: each change of this is a rollout of every pool there is.
#[test]
fn a_small_pool_is_rendered_as_ever() {
    let rendered = rendered(|_| {});
    assert_yaml_snapshot!("small", rendered.deployment_with(3).object);
}

#[test]
fn a_pool_that_says_everything_is_rendered_as_ever() {
    let rendered = rendered(full);
    assert_yaml_snapshot!("full", rendered.deployment_with(0).object);
    let others: Vec<_> = rendered.children.iter().map(|child| &child.object).collect();
    assert_yaml_snapshot!("full-others", others);
}

#[test]
fn a_pod_monitor_is_there_where_it_is_served_and_an_account_where_none_is_named() {
    let kinds = |change: fn(&mut Value), pod_monitors| {
        let rendered = render(&pool(change), Served { pod_monitors }).unwrap();
        rendered.children.iter().map(|child| child.resource.kind.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(|_| {}, false), ["ServiceAccount", "PodDisruptionBudget", "Service"]);
    let named = |pool: &mut Value| pool["spec"]["serviceAccount"] = json!({"name": "mine"});
    assert_eq!(kinds(named, true), ["PodDisruptionBudget", "Service", "PodMonitor"]);
}

#[test]
fn the_consumer_plans_with_less_time_than_the_kubelet_gives() {
    let deployment = rendered(full).deployment_with(1).object;
    let pod = &deployment["spec"]["template"]["spec"];
    let environment = pod["containers"][0]["env"].as_array().unwrap();
    let grace = environment.iter().find(|variable| variable["name"] == "SHUTDOWN_GRACE_SECONDS").unwrap();
    assert_eq!(
        (pod["terminationGracePeriodSeconds"].as_u64(), grace["value"].as_str()),
        (Some(650), Some("645"))
    );
    assert_eq!(deployment["spec"]["progressDeadlineSeconds"], 1250);
}

#[test]
fn what_keeps_pods_safe_cannot_be_set_and_all_of_it_is_told_at_once() {
    let said = refused(json!({
        "metadata": {"labels": {"exportpool.dev/pool": "other", "app.kubernetes.io/name": "x"}},
        "spec": {
            "hostNetwork": true,
            "securityContext": {"runAsUser": 0},
            "serviceAccountName": "admin",
            "terminationGracePeriodSeconds": 1,
            "volumes": [{"name": "tmp", "hostPath": {"path": "/"}}],
            "containers": [
                {
                    "name": "worker",
                    "image": "other",
                    "securityContext": {"privileged": true},
                    "env": [{"name": "S3_BUCKET", "value": "others"}],
                    "volumeMounts": [{"name": "x", "mountPath": "/tmp"}],
                },
                {"image": "nameless"},
            ],
        },
    }));
    for path in [
        "metadata.labels[exportpool.dev/pool]",
        "metadata.labels[app.kubernetes.io/name]",
        "spec.hostNetwork",
        "spec.securityContext",
        "spec.serviceAccountName",
        "spec.terminationGracePeriodSeconds",
        "spec.volumes[0]",
        "spec.containers[0].image",
        "spec.containers[0].securityContext",
        "spec.containers[0].env[S3_BUCKET]",
        "spec.containers[0].volumeMounts[/tmp]",
        "spec.containers[1]",
    ] {
        assert!(said.contains(path), "{path} is not in: {said}");
    }
}

#[test]
fn a_list_of_names_is_merged_and_another_one_is_replaced() {
    let deployment = rendered(full).deployment_with(1).object;
    let pod = &deployment["spec"]["template"]["spec"];
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&pod["containers"]), ["worker", "proxy"]);
    assert!(names(&pod["containers"][0]["env"]).contains(&json!("MAX_ATTEMPTS")));
    assert!(names(&pod["containers"][0]["env"]).contains(&json!("S3_BUCKET")));
    assert_eq!(pod["containers"][0]["resources"]["requests"], json!({"memory": "1Gi", "cpu": "2"}));
    assert_eq!(pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["tolerations"].as_array().unwrap().len(), 1);
}

/// A field that is misspelled goes to the API server as it is, which names it: it is not lost on the way.
#[test]
fn a_field_that_is_not_known_is_not_dropped() {
    let with = |pool: &mut Value| pool["spec"]["template"] = json!({"spec": {"nodeSelecter": {"a": "b"}}});
    let deployment = rendered(with).deployment_with(1).object;
    assert_eq!(deployment["spec"]["template"]["spec"]["nodeSelecter"]["a"], "b");
}
