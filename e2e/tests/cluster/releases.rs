//! More than one operator in a cluster, and one version after another.

use std::{collections::BTreeSet, env, fs, process, time::Duration};

use serde_json::{Value, json};

use crate::{
    kubectl,
    pool::Pool,
    release::{Release, chart_of_version},
    scaling::{all_stored, fast},
    stand_in::StandIn,
    team::Team,
    wait::until,
};

fn scale(release: &Release<'_>, replicas: u32) {
    let replicas = format!("--replicas={replicas}");
    kubectl::ok(&["scale", "deployment", release.name(), "-n", release.name(), &replicas]);
    release.is_ready();
}

/// As whoever wrote it last saw it.
fn seen(pool: &Pool<'_>) -> (Value, Value) {
    let pool = pool.get();
    (pool["metadata"]["generation"].clone(), pool["status"]["observedGeneration"].clone())
}

#[test]
fn releases_of_two_classes_each_look_after_their_own_pools_and_no_others() {
    let (first, second) = (Team::new("class-a"), Team::new("class-b"));
    let (of_first, of_second) =
        (Release::with_operators(&first, 1, &[]), Release::with_operators(&second, 1, &[]));
    let (aws, aws_of_second) = (StandIn::start(&first), StandIn::start(&second));
    let pool = Pool::apply(&first, &of_first.pool(&first, &aws, &fast(3)));
    let other = Pool::apply(&second, &of_second.pool(&second, &aws_of_second, &fast(3)));
    pool.has("Ready", "True", "ScaledToZero");
    other.has("Ready", "True", "ScaledToZero");
    scale(&of_first, 0);
    // The one that is there is asked after the one whose operator is not, and answers.
    pool.change(&json!({"scaling": {"minReplicas": 1}}));
    other.change(&json!({"scaling": {"minReplicas": 1}}));
    other.has_ready(1);
    assert_eq!((pool.replicas(), seen(&pool)), (Some(0), (json!(2), json!(1))));
    scale(&of_first, 1);
    pool.has_ready(1);
    // A pool can be given to another one: its pods stay as they are.
    let before = names(&pool.pods());
    pool.change(&json!({"class": of_second.name()}));
    let given = || (seen(&pool) == (json!(3), json!(3))).then_some(());
    until("the other release to look after the pool", Duration::from_secs(30), given, || first.told());
    scale(&of_first, 0);
    pool.change(&json!({"scaling": {"minReplicas": 2}}));
    pool.has_ready(2);
    assert!(before.is_subset(&names(&pool.pods())), "{before:?} were replaced");
    let contested = pool.get()["status"]["conditions"].to_string().contains("ReplicasContested");
    assert!(!contested, "{}", first.told());
}

#[test]
fn of_two_releases_on_one_pool_one_lets_go_of_it_and_the_other_says_so() {
    let (first, second) = (Team::new("rival-a"), Team::new("rival-b"));
    let of_first = Release::with_operators(&first, 1, &[]);
    let aws = StandIn::start(&first);
    let pool = Pool::of_one_as(&first, of_first.pool(&first, &aws, &fast(3)));
    let same_class = format!("class={}", of_first.name());
    let of_second = Release::with_operators(&second, 1, &[&same_class]);
    let told = pool.has("PoolContested", "True", "AnotherOperator");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(of_second.name()) && message.contains("class"), "{message}");
    let says_so = || of_second.log().contains("another operator looks after this pool").then_some(());
    until("the second one to let go", Duration::from_secs(30), says_so, || of_second.log());
    let generation = || {
        let deployment = kubectl::get("deployment", &first.namespace, "pool");
        deployment["metadata"]["generation"].as_u64().unwrap()
    };
    let before = generation();
    pool.change(&json!({"scaling": {"minReplicas": 3}}));
    pool.has_ready(3);
    assert_eq!(generation(), before + 1, "one of them wrote, once");
}

fn names(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// What its pods were made from, ever.
fn templates(team: &Team) -> BTreeSet<String> {
    names(&kubectl::list("replicasets", &team.namespace, "exportpool.dev/pool=pool"))
}

#[test]
fn a_release_that_is_upgraded_and_rolled_back_under_load_loses_nothing_and_replaces_no_pod() {
    let team = Team::new("upgrade");
    let charts = env::temp_dir().join(format!("exportpool-e2e-charts-{}", process::id()));
    fs::create_dir_all(&charts).unwrap();
    let (before, after) = (chart_of_version("0.0.1", &charts), chart_of_version("0.0.2", &charts));
    let release = Release::of_chart(&team, &before, 2, &[]);
    let aws = StandIn::start(&team);
    let mut object = release.pool(&team, &aws, &fast(3));
    object["spec"]["worker"]["poolSize"] = json!(2);
    let pool = Pool::apply(&team, &object);
    pool.has("Ready", "True", "ScaledToZero");
    let load = aws.load(&["500", "--delay", "1s", "--size", "10KiB", "--timeout", "4m"]);
    pool.has_ready(3);
    let (pods, templates_before) = (names(&pool.pods()), templates(&team));
    for step in
        [&["upgrade", release.name(), &after, "--reuse-values"][..], &["rollback", release.name(), "1"]]
    {
        let (went, said) = release.helm(step, &[]);
        assert!(went, "{said}");
        release.is_ready();
        until("an operator to lead", Duration::from_secs(30), || leader(&release), || release.log());
    }
    assert!(load.is_on(), "the load was over too soon");
    assert_eq!((names(&pool.pods()), templates(&team)), (pods, templates_before));
    fs::remove_dir_all(&charts).unwrap();
    all_stored(&load.findings(Duration::from_secs(260)), 500);
    pool.asks_for("the pool to go to zero", Duration::from_secs(180), |replicas| replicas == 0);
}

/// The pod that leads, if it is there and does not end.
fn leader(release: &Release<'_>) -> Option<String> {
    let lease = kubectl::get("lease", release.name(), release.name());
    let holder = lease["spec"]["holderIdentity"].as_str()?.to_owned();
    let pod = kubectl::get("pod", release.name(), &holder);
    (pod.is_object() && pod["metadata"]["deletionTimestamp"].is_null()).then_some(holder)
}
