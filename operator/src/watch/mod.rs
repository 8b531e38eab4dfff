//! What the API server tells by itself: pools, and what belongs to them. Nothing is polled, and a standby is as warm as
//! the leader.

mod pod_monitors;

use std::{
    fmt::Debug,
    hash::Hash,
    sync::{Arc, OnceLock},
};

use futures_util::StreamExt;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use kube::{Api, Client, Resource, ResourceExt, core::NamespaceResourceScope, core::PartialObjectMeta};
use kube_runtime::{
    PredicateConfig, WatchStreamExt, predicates,
    reflector::{self, ObjectRef, Store},
    watcher,
};
use serde::de::DeserializeOwned;
use tokio::{sync::broadcast, task::JoinSet};

pub use pod_monitors::PodMonitor;

use crate::{
    api::ExportPool,
    http::Readiness,
    names::{IS_WORKER, MANAGED_BY, pool_of},
};

/// Changes that may wait for whoever reconciles. Who falls behind looks at everything again.
const TOUCHED: usize = 4_096;

/// What is known of a namespace, or of all.
#[derive(Clone)]
pub struct Watched {
    /// Pools.
    pub pools: Store<ExportPool>,
    /// Their Deployments.
    pub deployments: Store<Deployment>,
    /// The ReplicaSets of these.
    pub replica_sets: Store<PartialObjectMeta<ReplicaSet>>,
    /// The pods of these.
    pub pods: Store<Pod>,
    /// Their headless Services.
    pub services: Store<PartialObjectMeta<Service>>,
    /// Their accounts.
    pub service_accounts: Store<PartialObjectMeta<ServiceAccount>>,
    /// Their disruption budgets.
    pub budgets: Store<PartialObjectMeta<PodDisruptionBudget>>,
    /// Their PodMonitors, once these are served.
    pub pod_monitors: Arc<OnceLock<Store<PartialObjectMeta<PodMonitor>>>>,
    touched: broadcast::Sender<ObjectRef<ExportPool>>,
}

impl Watched {
    /// Begins to watch. `namespace`: one, or all. The watches are on `tasks`, and end with it. What keeps them from beginning
    /// is told by `readiness`.
    pub(crate) fn begin(
        client: &Client,
        namespace: Option<&str>,
        readiness: &Readiness,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (touched, _) = broadcast::channel(TOUCHED);
        let scope = Scope {
            client: client.clone(),
            namespace: namespace.map(str::to_owned),
            touched: touched.clone(),
            readiness: readiness.clone(),
        };
        let pools =
            scope.watch(tasks, "", |pool: &ExportPool| Some(ObjectRef::from_obj(pool)), ignore, asked_for);
        Self {
            deployments: scope.watch(tasks, MANAGED_BY, of_label, ignore, predicates::resource_version),
            replica_sets: scope.watch(tasks, IS_WORKER, |_| None, ignore, predicates::resource_version),
            pods: scope.watch(tasks, IS_WORKER, of_label, slim, predicates::resource_version),
            services: scope.watch(tasks, MANAGED_BY, of_label, ignore, predicates::resource_version),
            service_accounts: scope.watch(tasks, MANAGED_BY, of_label, ignore, predicates::resource_version),
            budgets: scope.watch(tasks, MANAGED_BY, of_label, ignore, predicates::resource_version),
            pod_monitors: scope.watch_pod_monitors(tasks, pools.clone()),
            pools,
            touched,
        }
    }

    /// Pools that something happened to, from now on.
    #[must_use]
    pub fn touched(&self) -> broadcast::Receiver<ObjectRef<ExportPool>> {
        self.touched.subscribe()
    }

    /// Waits until everything was listed once. PodMonitors may never be there.
    pub async fn ready(&self) {
        // A store whose writer is gone never will be: the process is about to end.
        let _ = tokio::join!(
            self.pools.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.replica_sets.wait_until_ready(),
            self.pods.wait_until_ready(),
            self.services.wait_until_ready(),
            self.service_accounts.wait_until_ready(),
            self.budgets.wait_until_ready(),
        );
    }
}

/// What is watched, and who is told.
#[derive(Clone)]
struct Scope {
    client: Client,
    namespace: Option<String>,
    touched: broadcast::Sender<ObjectRef<ExportPool>>,
    readiness: Readiness,
}

impl Scope {
    fn watch<K>(
        &self,
        tasks: &mut JoinSet<()>,
        labels: &str,
        pool_of: fn(&K) -> Option<ObjectRef<ExportPool>>,
        slim: fn(&mut K),
        what_counts: fn(&K) -> Option<u64>,
    ) -> Store<K>
    where
        K: Watchable,
        K::DynamicType: Default + Debug + Eq + Hash + Clone + Send + Sync,
    {
        let (store, watching) = self.reflect(labels, pool_of, slim, what_counts);
        tasks.spawn(watching);
        store
    }

    /// PodMonitors, as soon as they are served; each pool is then looked at again.
    fn watch_pod_monitors(
        &self,
        tasks: &mut JoinSet<()>,
        pools: Store<ExportPool>,
    ) -> Arc<OnceLock<Store<PartialObjectMeta<PodMonitor>>>> {
        let (found, scope) = (Arc::<OnceLock<_>>::default(), self.clone());
        let later = Arc::clone(&found);
        tasks.spawn(async move {
            pod_monitors::served(&scope.client).await;
            let (store, watching) = scope.reflect(MANAGED_BY, of_label, ignore, predicates::resource_version);
            // The only one who sets it.
            let _ = later.set(store);
            for pool in pools.state() {
                let _ = scope.touched.send(ObjectRef::from_obj(pool.as_ref()));
            }
            watching.await;
        });
        found
    }

    /// A store, and what keeps it as the API server tells.
    fn reflect<K>(
        &self,
        labels: &str,
        pool_of: fn(&K) -> Option<ObjectRef<ExportPool>>,
        slim: fn(&mut K),
        what_counts: fn(&K) -> Option<u64>,
    ) -> (Store<K>, impl Future<Output = ()> + use<K>)
    where
        K: Watchable,
        K::DynamicType: Default + Debug + Eq + Hash + Clone + Send + Sync,
    {
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        let api: Api<K> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let (store, writer) = reflector::store();
        let events = watcher(api, watcher::Config::default().labels(labels))
            .default_backoff()
            .modify(slim)
            .reflect(writer)
            .touched_objects()
            .predicate_filter(what_counts, PredicateConfig::default());
        let (touched, readiness) = (self.touched.clone(), self.readiness.clone());
        let watching = events.for_each(move |event| {
            match event {
                Ok(object) => {
                    if let Some(pool) = pool_of(&object) {
                        // Nobody listens on a standby.
                        let _ = touched.send(pool);
                    }
                }
                Err(error) => {
                    tracing::warn!(kind, %error, "watching fails, and is tried again");
                    let remedy = "does the operator's ServiceAccount have the rights of the chart?";
                    readiness.explain(format!("{kind} cannot be watched: {error}; {remedy}"));
                }
            }
            std::future::ready(())
        });
        (store, watching)
    }
}

/// A kind that can be watched.
trait Watchable:
    Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K> Watchable for K where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}

fn of_label<K: Resource>(object: &K) -> Option<ObjectRef<ExportPool>> {
    pool_of(object.meta())
}

/// What people ask of a pool: its status is ours, and what we write there is no news to us.
fn asked_for(pool: &ExportPool) -> Option<u64> {
    predicates::generation(pool)
}

fn ignore<K>(_: &mut K) {}

/// Of a pod, what is decided by: thousands are kept in memory.
fn slim(pod: &mut Pod) {
    pod.managed_fields_mut().clear();
    if let Some(spec) = &mut pod.spec {
        *spec = k8s_openapi::api::core::v1::PodSpec {
            host_network: spec.host_network,
            node_name: spec.node_name.take(),
            ..Default::default()
        };
    }
}
