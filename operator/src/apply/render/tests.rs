//! What is rendered, and what cannot be.

use insta::assert_yaml_snapshot;
use proptest::{collection, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{Rendered, Served, container::RESERVED, render, warnings};
use crate::api::sample::pool;

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
    assert_yaml_snapshot!("small", rendered.deployment_by("system/exportpool", 3).object);
}

#[test]
fn a_pool_that_says_everything_is_rendered_as_ever() {
    let rendered = rendered(full);
    assert_yaml_snapshot!("full", rendered.deployment_by("system/exportpool", 0).object);
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
    let deployment = rendered(full).deployment_by("system/exportpool", 1).object;
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
    let deployment = rendered(full).deployment_by("system/exportpool", 1).object;
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
    let deployment = rendered(with).deployment_by("system/exportpool", 1).object;
    assert_eq!(deployment["spec"]["template"]["spec"]["nodeSelecter"]["a"], "b");
}

#[test]
fn a_port_or_a_key_of_the_pools_own_cannot_be_taken() {
    let said = refused(json!({
        "metadata": {
            "labels": {"exportpool.dev/other": "x"},
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": "1", "exportpool.dev/a": "x"},
        },
        "spec": {
            "containers": [
                {"name": "worker", "volumeMounts": [{"name": "x", "mountPath": "/tmp/"}]},
                {"name": "proxy", "image": "proxy:1", "ports": [
                    {"name": "metrics", "containerPort": 9090},
                    {"name": "http", "containerPort": 8080},
                ]},
            ],
            "initContainers": [
                {"name": "tunnel", "image": "t:1", "restartPolicy": "Always", "ports": [{"containerPort": 3000}]},
            ],
        },
    }));
    for path in [
        "metadata.labels[exportpool.dev/other]",
        "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]",
        "metadata.annotations[exportpool.dev/a]",
        "spec.containers[0].volumeMounts[/tmp]",
        "spec.containers[1].ports[1]",
        "spec.initContainers[0].ports[0]",
    ] {
        assert!(said.contains(path), "{path} is not in: {said}");
    }
    assert!(!said.contains("spec.containers[1].ports[0]"), "{said}");
}

#[test]
fn a_token_needs_somebody_else_whom_it_is_for() {
    let with = |token: Value| {
        let token = json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}});
        pool(|pool| pool["spec"]["template"] = json!({"spec": {"volumes": [token]}}))
    };
    for token in [json!({"path": "token"}), json!({"path": "token", "audience": ""}), Value::Null] {
        let said = render(&with(token), Served::default()).unwrap_err().to_string();
        assert!(said.contains("spec.volumes[0] has a token"), "{said}");
    }
    let other = json!({"path": "token", "audience": "sts.amazonaws.com"});
    assert!(render(&with(other), Served::default()).is_ok());
}

#[test]
fn a_list_that_is_none_and_a_name_that_is_there_twice_are_refused() {
    let said = refused(json!({"spec": {
        "volumes": null,
        "imagePullSecrets": {"name": "registry"},
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {"name": "proxy", "image": "proxy:2"},
            {"name": "worker", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        ],
    }}));
    for refusal in [
        "spec.volumes has to be a list",
        "spec.imagePullSecrets has to be a list",
        "spec.containers[proxy] is there more than once",
        "spec.containers[2].env[A] is there more than once",
    ] {
        assert!(said.contains(refusal), "{refusal} is not in: {said}");
    }
}

/// Kubernetes would replace `$(NAME)`, and take `$$` for one dollar.
#[test]
fn a_dollar_in_a_value_is_a_dollar_in_the_pod() {
    let deployment = rendered(|pool| pool["spec"]["storage"]["prefix"] = json!("a$$b/$(PORT)"))
        .deployment_by("system/exportpool", 1);
    let environment = environment(&deployment.object);
    assert_eq!(environment["S3_PREFIX"]["value"], "a$$$$b/$$(PORT)");
}

#[test]
fn every_variable_that_the_pool_sets_is_reserved_but_how_logs_are_written() {
    let deployment = rendered(full).deployment_by("system/exportpool", 1);
    let set = environment(&deployment.object).into_iter().map(|(name, _)| name);
    let free: Vec<_> = set.filter(|name| !RESERVED.contains(&name.as_str())).collect();
    assert_eq!(free, ["LOG_FORMAT", "MAX_ATTEMPTS"], "the last one is of the template");
}

#[test]
fn a_long_end_and_a_tag_that_moves_are_warned_of() {
    let reasons = |image: &str, seconds: u32| {
        let pool = pool(|pool| {
            pool["spec"]["image"] = json!(image);
            pool["spec"]["worker"] = json!({"taskTimeoutSeconds": seconds});
        });
        warnings(&pool.spec).into_iter().map(|warning| warning.reason).collect::<Vec<_>>()
    };
    assert!(reasons("consumer:1", 500).is_empty());
    assert_eq!(reasons("consumer", 501), ["LongGracePeriod", "MovingTag"]);
}

/// The environment of the consumer, by name.
fn environment(deployment: &Value) -> Map<String, Value> {
    let variables = worker(&deployment["spec"]["template"]["spec"])["env"].as_array().unwrap().clone();
    variables.into_iter().map(|variable| (variable["name"].as_str().unwrap().to_owned(), variable)).collect()
}

fn worker(pod: &Value) -> &Value {
    let containers = pod["containers"].as_array().unwrap().iter();
    let workers: Vec<_> = containers.filter(|container| container["name"] == "worker").collect();
    assert_eq!(workers.len(), 1, "{pod}");
    workers[0]
}

/// What keeps a pod safe, and what the operator relies on, as a template leaves it.
fn kept(deployment: &Value) -> Value {
    let (pod, labels) =
        (&deployment["spec"]["template"]["spec"], &deployment["spec"]["selector"]["matchLabels"]);
    let worker = worker(pod);
    let of = |list: &Value, key: &str, name: &str| {
        list.as_array().unwrap().iter().filter(|item| item[key] == name).cloned().collect::<Vec<_>>()
    };
    let environment = environment(deployment);
    let labelled = labels.as_object().unwrap().keys();
    json!({
        "pod": select_fields(pod, &[
            "securityContext", "serviceAccountName", "serviceAccount", "automountServiceAccountToken",
            "terminationGracePeriodSeconds", "restartPolicy", "hostNetwork", "hostPID", "hostIPC", "hostUsers",
        ]),
        "worker": select_fields(worker, &[
            "image", "command", "args", "securityContext", "ports", "livenessProbe", "readinessProbe", "startupProbe",
            "lifecycle",
        ]),
        "environment": RESERVED.iter().map(|name| (*name, environment.get(*name))).collect::<Vec<_>>(),
        "tmp": [of(&pod["volumes"], "name", "tmp"), of(&worker["volumeMounts"], "mountPath", "/tmp")],
        "labels": labelled.map(|label| &deployment["spec"]["template"]["metadata"]["labels"][label]).collect::<Vec<_>>(),
    })
}

fn select_fields(object: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), object[*field].clone())).collect::<Map<_, _>>().into()
}

/// Anything that may stand for a field: what is meant, what is not, and nothing.
fn anything() -> impl Strategy<Value = Value> {
    select(vec![
        Value::Null,
        json!(true),
        json!(0),
        json!("worker"),
        json!([]),
        json!({}),
        json!([{"name": "tmp", "hostPath": {"path": "/"}}]),
        json!([{"name": "x", "mountPath": "/tmp"}]),
        json!([{"name": "S3_BUCKET", "value": "others"}, {"name": "A", "value": "b"}]),
        json!([{"name": "worker", "securityContext": {"privileged": true}}]),
        json!({"privileged": true, "runAsUser": 0, "runAsNonRoot": false}),
        json!([{"name": "http", "containerPort": 3000}]),
    ])
}

#[test]
fn a_pool_that_forbids_profiles_has_pods_that_do_not_listen_for_them() {
    let set = |forbid: bool| {
        let change = |pool: &mut Value| {
            if forbid {
                pool["spec"]["profiling"] = json!("Forbidden");
            }
        };
        let deployment = rendered(change).deployment_by("system/exportpool", 1).object;
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].clone();
        env.as_array().unwrap().iter().find(|variable| variable["name"] == "PROFILE_PORT").cloned()
    };
    assert_eq!(set(true), Some(json!({"name": "PROFILE_PORT", "value": "none"})));
    assert_eq!(set(false), None);
}

fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let field = (select(names), anything());
    collection::vec(field, 0..3)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn containers() -> impl Strategy<Value = Value> {
    const FIELDS: &[&str] = &[
        "securityContext",
        "env",
        "volumeMounts",
        "image",
        "resources",
        "ports",
        "lifecycle",
        "envFrom",
        "workingDir",
    ];
    let container = (select(vec![json!("worker"), json!("proxy"), Value::Null]), fields(FIELDS));
    let container = container.prop_map(|(name, mut fields)| {
        fields.insert("name".into(), name);
        Value::Object(fields)
    });
    collection::vec(container, 0..3).prop_map(Value::from)
}

fn template() -> impl Strategy<Value = Value> {
    const FIELDS: &[&str] = &[
        "securityContext",
        "volumes",
        "containers",
        "initContainers",
        "hostNetwork",
        "serviceAccountName",
        "nodeSelector",
        "restartPolicy",
        "shareProcessNamespace",
        "tolerations",
    ];
    let labels = select(vec![json!({}), json!({"team": "x"}), json!({"exportpool.dev/pool": "x"})]);
    (labels, fields(FIELDS), option::of(containers())).prop_map(|(labels, mut spec, containers)| {
        spec.extend(containers.map(|containers| ("containers".to_owned(), containers)));
        json!({"metadata": {"labels": labels}, "spec": spec})
    })
}

proptest! {
    /// Either a template is refused, or it leaves alone what keeps pods safe and what the operator relies on.
    #[test]
    fn no_template_loosens_anything(template in template()) {
        let plain = kept(&rendered(|_| {}).deployment_by("system/exportpool", 1).object);
        let with = pool(|pool| pool["spec"]["template"] = template);
        if let Ok(rendered) = render(&with, Served::default()) {
            prop_assert_eq!(kept(&rendered.deployment_by("system/exportpool", 1).object), plain);
        }
    }
}
