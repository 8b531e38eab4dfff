//! Rounds of pools against an API server and an SQS that fail as they are told to: what no real cluster does at will.
//! Time is paused: a pause of it lets the watches catch up.

mod cluster;
mod faults;
mod queues;
mod rivals;
mod rollouts;
mod rounds;
mod store;
mod victims;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube_runtime::{controller::Action, reflector::ObjectRef};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};

pub(crate) use crate::observe::queues::stub::{Reply, Sqs};
pub(crate) use cluster::{Cluster, Fate};

use crate::{
    api::sample,
    apply::rollout::Rollouts,
    http::Readiness,
    observe::{Readers, Started, queues::Credentials},
    reconcile::{Context, Settings, Shared, reconcile},
    watch::Watched,
};

pub(crate) const POOL: &str = "exportpools/reports";
pub(crate) const DEPLOYMENT: &str = "deployments/reports";
/// A pool with work is looked at again within this.
const LATER: Duration = Duration::from_secs(5);
/// Pods that are not needed for so long go, whatever was learned of how long they take to start.
const WINDOW: Duration = Duration::from_secs(700);
/// Within this a decision that was carried out is told as such.
const TO_REST: Duration = Duration::from_secs(30);
/// However many requests of a round are not answered.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// An operator, on a cluster with one pool.
pub(crate) struct Operator {
    pub(crate) cluster: Cluster,
    pub(crate) sqs: Sqs,
    pub(crate) context: Arc<Context>,
    _watches: JoinSet<()>,
}

impl Operator {
    /// With a pool as in the README, changed, and work for some pods.
    pub(crate) async fn with(change: impl FnOnce(&mut Value)) -> Self {
        let cluster = Cluster::default();
        put_pool(&cluster, "reports", change);
        Self::on(&cluster, &Sqs::that(Reply::Depth(30))).await
    }

    /// One that starts now: it knows nothing but what is there.
    pub(crate) async fn on(cluster: &Cluster, sqs: &Sqs) -> Self {
        Self::named("system/exportpool", cluster, sqs).await
    }

    /// One of that name.
    pub(crate) async fn named(name: &str, cluster: &Cluster, sqs: &Sqs) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (client, mut watches) = (cluster.client(), JoinSet::new());
        let watched = Watched::begin(&client, Some("team"), &Readiness::default(), &mut watches);
        watched.ready().await;
        let started = Started {
            allow_endpoints: true,
            queue_access: None,
            cluster_name: "prod",
            sqs_requests_per_second: NonZeroU32::new(1_000).unwrap(),
        };
        let credentials = Credentials::over(sqs.http(), client.clone(), "prod".to_owned());
        let readers = Arc::new(Readers::over(credentials, &client, &started).unwrap());
        let rollouts = Arc::new(Rollouts::new(NonZeroUsize::MIN));
        let shared = Shared { readers, rollouts, pools: Arc::new([watched.pools.clone()]) };
        let settings = Settings { operator: name.to_owned(), ..Settings::default() };
        let mut context = Context::new(client, watched, shared, settings, "me".to_owned());
        context.clock = paused_time;
        Self { cluster: cluster.clone(), sqs: sqs.clone(), context: Arc::new(context), _watches: watches }
    }

    /// A round of the pool, when the watches have told everything.
    pub(crate) async fn round(&self) -> Action {
        self.round_of("reports").await
    }

    pub(crate) async fn round_of(&self, name: &str) -> Action {
        settle().await;
        let pool = self.context.watched.pools.get(&ObjectRef::new(name).within("team")).unwrap();
        let round = reconcile(pool, Arc::clone(&self.context));
        timeout(ENDS_WITHIN, round).await.expect("a round comes to its end").unwrap()
    }

    /// The next round, when the queues are read again.
    pub(crate) async fn next_round(&self) -> Action {
        advance(LATER).await;
        self.round().await
    }

    /// Rounds until what the work does not need would have gone.
    pub(crate) async fn past_the_window(&self) {
        for _ in 0..WINDOW.as_secs() / LATER.as_secs() {
            self.next_round().await;
        }
    }

    /// Rounds until nothing is left to do.
    pub(crate) async fn come_to_rest(&self) {
        self.round().await;
        self.cluster.roll_out(DEPLOYMENT);
        for _ in 0..TO_REST.as_secs() / LATER.as_secs() {
            self.next_round().await;
        }
        self.cluster.written();
    }

    /// What was written since this was asked last, but for events.
    pub(crate) fn written(&self) -> Vec<String> {
        let written = self.cluster.written().into_iter().map(|(name, _)| name);
        written.filter(|name| !name.contains(" events/") && !name.contains(" leases/")).collect()
    }
}

/// The time of day, which goes on as the time that is paused.
fn paused_time() -> Timestamp {
    thread_local!(static BEGAN: (Instant, Timestamp) = (Instant::now(), Timestamp::now()));
    BEGAN.with(|(at, time)| *time + at.elapsed())
}

/// Until the watches have told everything.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Somebody makes a pool that reads its queues at an endpoint of its own, and is otherwise as in the README.
pub(crate) fn put_pool(cluster: &Cluster, name: &str, change: impl FnOnce(&mut Value)) {
    let secret = json!({"AWS_ACCESS_KEY_ID": "a2V5", "AWS_SECRET_ACCESS_KEY": "a2V5"});
    cluster.put("secrets/aws", &json!({"apiVersion": "v1", "kind": "Secret", "data": secret}));
    let pool = sample::pool(|pool| {
        pool["metadata"]["name"] = json!(name);
        pool["metadata"]["uid"] = json!(format!("uid of {name}"));
        pool["spec"]["aws"]["endpoint"] = json!("http://sqs.test");
        pool["spec"]["aws"]["credentialsSecretRef"] = json!({"name": "aws"});
        let url = |queue: &str| json!({"url": format!("http://sqs.test/123456789012/{name}-{queue}")});
        pool["spec"]["queues"] = json!({"exportJobs": url("jobs"), "downloadTasks": url("tasks")});
        change(pool);
    });
    cluster.put(&format!("exportpools/{name}"), &serde_json::to_value(pool).unwrap());
}

impl Cluster {
    /// The Deployment's replicas, as they are asked for.
    pub(crate) fn replicas(&self) -> Option<u64> {
        self.get(DEPLOYMENT)["spec"]["replicas"].as_u64()
    }

    /// The Deployment's controller has done what is asked for.
    pub(crate) fn roll_out(&self, deployment: &str) {
        let object = self.get(deployment);
        let (generation, replicas) = (&object["metadata"]["generation"], &object["spec"]["replicas"]);
        let status =
            json!({"observedGeneration": generation, "replicas": replicas, "updatedReplicas": replicas});
        self.put(deployment, &json!({"status": status}));
    }

    /// A condition of a pool: its status, its reason and its message.
    pub(crate) fn condition(&self, pool: &str, type_: &str) -> Option<[String; 3]> {
        let pool = self.get(pool);
        let found = pool["status"]["conditions"].as_array()?.iter().find(|found| found["type"] == type_)?;
        Some(["status", "reason", "message"].map(|key| found[key].as_str().unwrap().to_owned()))
    }

    /// The reason of a condition that holds.
    pub(crate) fn holds(&self, pool: &str, type_: &str) -> Option<String> {
        let [status, reason, _] = self.condition(pool, type_)?;
        (status == "True").then_some(reason)
    }
}
