//! What the chart lets the operator and people do, and how it is uninstalled.
//!
//! Each test installs a release of its own, without an operator: what is asked for is asked for in its name.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kubectl,
    release::{Release, chart, may},
    team::Team,
    wait::until,
};

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SOON: Duration = Duration::from_secs(20);

/// A pod that no node takes.
fn pod(team: &Team, name: &str, labels: &Value) -> Value {
    let container = json!({"name": "worker", "image": "localhost/none:1", "securityContext": {
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": team.namespace, "labels": labels, "annotations": {"of": "others"}},
        "spec": {"containers": [container], "nodeSelector": {"no": "where"}},
    })
}

/// A Deployment as the operator makes them.
fn child(team: &Team, name: &str) -> Value {
    let labels = json!({"app": name});
    let mut of_pod = pod(team, name, &labels)["spec"].clone();
    of_pod["automountServiceAccountToken"] = json!(false);
    let owner = json!({
        "apiVersion": "exportpool.dev/v1alpha1", "kind": "ExportPool", "controller": true,
        "name": name, "uid": "6f7a3c1e-0000-4000-8000-000000000000",
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": team.namespace, "ownerReferences": [owner],
            "labels": {"app.kubernetes.io/managed-by": "exportpool-operator"},
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": of_pod},
        },
    })
}

/// A pool that the release looks after.
fn pool(team: &Team) -> Value {
    let queue =
        |name: &str| json!({"url": format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}")});
    json!({
        "apiVersion": "exportpool.dev/v1alpha1", "kind": "ExportPool",
        "metadata": {"name": "exports", "namespace": team.namespace},
        "spec": {
            "class": team.namespace,
            "image": "localhost/none:1",
            "queues": {"exportJobs": queue("jobs"), "downloadTasks": queue("tasks")},
            "storage": {"bucket": "exports", "table": "exports"},
            "aws": {"region": "eu-west-1"},
            "replicas": 0,
        },
    })
}

/// A policy holds a moment after it was made.
fn refused(words: &str, ask: impl Fn() -> Result<(), String>) {
    let refused = || ask().err().filter(|said| said.contains(words)).map(|_| ());
    until(&format!("{words:?} to be said"), SOON, refused, || format!("{:?}", ask()));
}

#[test]
fn of_pods_the_operator_changes_only_the_deletion_cost_and_only_of_pools() {
    let team = Team::new("pods");
    let release = Release::install(&team, &[]);
    kubectl::apply(&pod(&team, "worker", &json!({"exportpool.dev/pool": "exports"})));
    kubectl::apply(&pod(&team, "others", &json!({"app": "others"})));
    // kubectl reads before it patches, which the operator need not.
    let reads = format!("--serviceaccount={0}:{0}", team.namespace);
    kubectl::ok(&["create", "rolebinding", "reads", "-n", &team.namespace, "--clusterrole=view", &reads]);
    let annotated = |key: &str, value: Value| json!({"metadata": {"annotations": {key: value}}});
    let cost = annotated(COST, json!("-10"));
    refused("changes pods of pools only", || release.patched("others", &cost));
    for metadata in [
        json!({"labels": {"a": "b"}}),
        json!({"labels": {"exportpool.dev/pool": null}}),
        json!({"finalizers": ["example.com/stays"]}),
        json!({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]}),
    ] {
        let patch = json!({"metadata": metadata});
        refused("nothing of a pod but its deletion cost", || release.patched("worker", &patch));
    }
    refused("nothing of a pod but its deletion cost", || {
        let image =
            json!([{"op": "replace", "path": "/spec/containers/0/image", "value": "localhost/evil:1"}]);
        release.told(&["patch", "pod", "worker", "--type=json", "-p", &image.to_string()], None)
    });
    for other in [annotated("mine", json!("now")), annotated("of", json!("me")), annotated("of", Value::Null)]
    {
        refused("no annotation of a pod but its deletion cost", || release.patched("worker", &other));
    }
    assert_eq!(release.patched("worker", &cost), Ok(()));
}

/// The API server's side checks expressions against the types that they are for, a moment after they were made.
fn no_expression_is_warned_of(release: &Release<'_>) {
    let label = format!("app.kubernetes.io/instance={}", release.name());
    let checks = || -> Vec<Value> {
        let policies = kubectl::list("validatingadmissionpolicy", release.name(), &label);
        policies.iter().map(|policy| policy["status"]["typeChecking"].clone()).collect()
    };
    let checked = || checks().iter().all(Value::is_object).then(checks);
    let checks = until("expressions to be checked", SOON, checked, || format!("{:?}", checks()));
    let warned = checks.iter().filter(|check| !check["expressionWarnings"].is_null());
    assert_eq!((checks.len(), warned.count()), (2, 0), "{checks:?}");
}

#[test]
fn of_everything_else_the_operator_writes_only_what_a_pool_owns() {
    let team = Team::new("children");
    let release = Release::install(&team, &[]);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut object = child(&team, "exports");
        change(&mut object);
        object
    };
    let metadata =
        |key: &'static str, value: Value| changed(&|object| object["metadata"][key] = value.clone());
    let owner = |key: &'static str, value: Value| {
        changed(&|object| object["metadata"]["ownerReferences"][0][key] = value.clone())
    };
    refused("writes only what it manages", || release.applied(&metadata("labels", json!({"a": "b"}))));
    let nobodys = [
        metadata("ownerReferences", json!([])),
        owner("kind", json!("Deployment")),
        owner("apiVersion", json!("example.com/v1")),
        owner("controller", json!(false)),
    ];
    for object in nobodys {
        refused("writes only what a pool owns", || release.applied(&object));
    }
    refused("no pod a token", || {
        release.applied(&changed(&|object| {
            object["spec"]["template"]["spec"]["automountServiceAccountToken"] = json!(true);
        }))
    });
    let token = |source: &Value| {
        let volume = json!({"name": "token", "projected": {"sources": [{"serviceAccountToken": source}]}});
        changed(&|object| object["spec"]["template"]["spec"]["volumes"] = json!([volume]))
    };
    for source in [json!({"path": "token"}), json!({"path": "token", "audience": ""})] {
        refused("which one without an audience is", || release.applied(&token(&source)));
    }
    let of_sts = token(&json!({"path": "token", "audience": "sts.amazonaws.com"}));
    assert_eq!(release.applied(&of_sts), Ok(()));
    let mut others = child(&team, "others");
    others["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "Helm"});
    others["metadata"]["ownerReferences"] = json!([]);
    kubectl::apply(&others);
    refused("takes nothing over", || release.applied(&child(&team, "others")));
    assert_eq!(release.applied(&child(&team, "exports")), Ok(()));
    no_expression_is_warned_of(&release);
}

/// Wherever it looks after pools.
const NEVER: [&str; 16] = [
    "list secrets",
    "watch secrets",
    "update secrets",
    "create pods",
    "delete pods",
    "get pods --subresource=log",
    "create pods --subresource=exec",
    "delete deployments.apps",
    "delete serviceaccounts",
    "create serviceaccounts --subresource=token",
    "create networkpolicies.networking.k8s.io",
    "create rolebindings.rbac.authorization.k8s.io",
    "get configmaps",
    "create exportpools.exportpool.dev",
    "patch exportpools.exportpool.dev",
    "delete exportpools.exportpool.dev",
];
/// In no cluster.
const NOWHERE: [&str; 8] = [
    "get nodes",
    "patch nodes",
    "list namespaces",
    "patch namespaces",
    "create clusterroles.rbac.authorization.k8s.io",
    "impersonate users",
    "patch customresourcedefinitions.apiextensions.k8s.io/exportpools.exportpool.dev",
    "patch validatingadmissionpolicies.admissionregistration.k8s.io",
];
const NEEDED: [&str; 9] = [
    "list exportpools.exportpool.dev",
    "patch exportpools.exportpool.dev --subresource=status",
    "create deployments.apps",
    "patch deployments.apps",
    "watch replicasets.apps",
    "patch pods",
    "get secrets",
    "create poddisruptionbudgets.policy",
    "create events.events.k8s.io",
];

/// Roles hold a moment after they were made.
#[track_caller]
fn rights(release: &Release<'_>, wanted: bool, of: &[&str], place: &str) {
    let wrong = || {
        let is_wrong = |words: &&&str| release.may(&format!("{words}{place}")) != wanted;
        of.iter().filter(is_wrong).copied().collect::<Vec<_>>()
    };
    let right = || wrong().is_empty().then_some(());
    until(&format!("rights{place} to be {wanted}"), SOON, right, || format!("{:?}", wrong()));
}

#[test]
fn the_operator_of_a_cluster_has_its_rights_everywhere_and_no_other_ones() {
    let team = Team::new("rights");
    let release = Release::install(&team, &[]);
    rights(&release, true, &NEEDED, " --all-namespaces");
    // A Secret of the cluster's own too, by its name: what watchNamespaces is there to prevent.
    rights(&release, true, &["get secrets"], " -n kube-system");
    rights(&release, false, &NEVER, " --all-namespaces");
    rights(&release, false, &NEVER, &format!(" -n {}", team.namespace));
    rights(&release, false, &NOWHERE, "");
    let lease = format!("update leases.coordination.k8s.io/{}", release.name());
    rights(&release, true, &[&lease], &format!(" -n {}", team.namespace));
    rights(&release, false, &[&lease], " -n kube-system");
}

#[test]
fn the_operator_of_some_namespaces_has_no_rights_in_others() {
    let (team, others) = (Team::new("some"), Team::new("others"));
    let watched = format!("watchNamespaces={{{}}}", team.namespace);
    let release = Release::install(&team, &[&watched, "networkPolicy.create=true"]);
    rights(&release, true, &NEEDED, &format!(" -n {}", team.namespace));
    rights(&release, false, &NEVER, &format!(" -n {}", team.namespace));
    rights(&release, false, &NEEDED, &format!(" -n {}", others.namespace));
    rights(&release, false, &NEEDED, " --all-namespaces");
    rights(&release, false, &NOWHERE, "");
    let policy = kubectl::get("networkpolicy", &team.namespace, &format!("{}-pools", release.wide()));
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], 3000, "{policy}");
}

#[test]
fn who_may_view_or_edit_a_namespace_may_do_so_with_its_pools() {
    let team = Team::new("roles");
    let release = Release::install(&team, &[]);
    for role in ["view", "edit", "admin"] {
        let binding = ["create", "rolebinding", role, "-n", &team.namespace];
        let (user, role) = (format!("--user=e2e-{role}"), format!("--clusterrole={role}"));
        kubectl::ok(&[&binding[..], &[&*user, &*role]].concat());
    }
    let can = |role: &str, verb: &str, place: &str| {
        may(&format!("--as=e2e-{role}"), &format!("{verb} exportpools.exportpool.dev -n {place}"))
    };
    let here = |role: &str, verb: &str| can(role, verb, &team.namespace);
    let aggregated = || (here("edit", "create") && here("view", "get")).then_some(());
    until("the roles to be aggregated", SOON, aggregated, || release.objects().join("\n"));
    for verb in ["get", "list", "watch"] {
        assert!(["view", "edit", "admin"].iter().all(|role| here(role, verb)), "{verb}");
    }
    for verb in ["create", "patch", "delete"] {
        let may: Vec<_> = ["view", "edit", "admin"].into_iter().filter(|role| here(role, verb)).collect();
        assert_eq!(may, ["edit", "admin"], "{verb}");
    }
    assert!(!can("admin", "get", "kube-system"));
}

#[test]
fn uninstalling_is_refused_while_there_are_pools_and_leaves_nothing_when_there_are_none() {
    let team = Team::new("uninstall");
    let watched = format!("watchNamespaces={{{}}}", team.namespace);
    let release = Release::install(&team, &[&watched]);
    let before = release.objects();
    kubectl::apply(&pool(&team));
    let (went, said) = release.uninstall();
    assert!(!went && said.contains(&format!("{}/exports", team.namespace)), "{said}");
    // Neither is anything gone, nor is anything of the hook left.
    assert_eq!(release.objects(), before);
    kubectl::ok(&["delete", "xp", "exports", "-n", &team.namespace]);
    let (went, said) = release.uninstall();
    assert!(went, "{said}");
    let gone = || release.objects().is_empty().then_some(());
    until("nothing to be left", SOON, gone, || release.objects().join("\n"));
    kubectl::ok(&["get", "crd", "exportpools.exportpool.dev"]);
}

#[test]
fn uninstalling_can_be_forced_and_leaves_pools_as_they_are() {
    let team = Team::new("forced");
    let release = Release::install(&team, &[]);
    kubectl::apply(&pool(&team));
    let (went, said) = release.uninstall();
    assert!(!went && said.contains(&format!("{}/exports", team.namespace)), "{said}");
    // A release that was not uninstalled is not upgraded by helm, until it is rolled back to what it is.
    let (went, said) = release.helm(&["rollback", release.name(), "1"], &[]);
    assert!(went, "{said}");
    let (went, said) = release
        .helm(&["upgrade", release.name(), &chart(), "--reuse-values", "--set", "uninstall.force=true"], &[]);
    assert!(went, "{said}");
    let (went, said) = release.uninstall();
    assert!(went, "{said}");
    let gone = || release.objects().is_empty().then_some(());
    until("nothing to be left", SOON, gone, || release.objects().join("\n"));
    assert_eq!(kubectl::get("xp", &team.namespace, "exports")["spec"]["class"], *team.namespace);
}
