//! What all rounds share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use kube_runtime::{
    events::{Event, Recorder, Reporter},
    reflector::{ObjectRef, Store},
};
use metrics::counter;
use serde_json::json;
use tokio::sync::Mutex as AsyncMutex;

use super::state::State;
use crate::{
    api::{ExportPool, ExportPoolStatus},
    apply::rollout::Rollouts,
    names::FIELD_MANAGER,
    observe::Readers,
    watch::Watched,
};

/// What an operator was started with, as far as a round needs it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Pools of this class are ours; without one, pools without.
    pub class: Option<String>,
    /// The name of this operator, for others that look after the same pools: namespace and name of its Lease.
    pub operator: String,
}

/// What there is once in a process.
#[derive(Clone)]
pub struct Shared {
    /// Queues and reports.
    pub readers: Arc<Readers>,
    /// Whose pods are replaced.
    pub rollouts: Arc<Rollouts>,
    /// The pools of each namespace that is watched, or of all.
    pub pools: Arc<[Store<ExportPool>]>,
}

/// What all rounds share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What it tells.
    pub watched: Watched,
    /// What there is once, however many scopes are watched.
    pub shared: Shared,
    /// As started with.
    pub settings: Settings,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    recorder: Recorder,
    pools: Mutex<HashMap<String, Arc<AsyncMutex<State>>>>,
}

impl Context {
    /// Nothing is known of any pool yet.
    #[must_use]
    pub fn new(
        client: Client,
        watched: Watched,
        shared: Shared,
        settings: Settings,
        instance: String,
    ) -> Self {
        let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(instance) };
        let recorder = Recorder::new(client.clone(), reporter);
        let clock = Timestamp::now;
        Self { client, watched, shared, settings, clock, recorder, pools: Mutex::default() }
    }

    /// Whether a pool is looked after here: it is not going away, and of our class.
    pub(super) fn is_ours(&self, pool: &ExportPool) -> bool {
        pool.meta().deletion_timestamp.is_none() && pool.spec.class == self.settings.class
    }

    /// Whether a pool is there still, and stays: a round takes its time.
    pub(crate) fn is_there(&self, pool: &ExportPool) -> bool {
        let found = self.watched.pools.get(&ObjectRef::from_obj(pool));
        found.is_some_and(|found| found.uid() == pool.uid() && found.meta().deletion_timestamp.is_none())
    }

    pub(super) fn state_of(&self, pool: &ExportPool) -> Arc<AsyncMutex<State>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || Arc::new(AsyncMutex::new(State::begin(pool)));
        Arc::clone(pools.entry(pool.uid().unwrap_or_default()).or_insert_with(begin))
    }

    /// Drops what is known of a pool.
    pub(super) fn forget(&self, pool: &ExportPool) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = pool.uid().unwrap_or_default();
        self.shared.rollouts.forget(&uid);
        pools.remove(&uid);
    }

    /// Drops what is known of pools that are not there any more.
    pub fn forget_the_gone(&self) {
        let known = self.pools.lock().unwrap_or_else(PoisonError::into_inner).len();
        if known <= self.watched.pools.len() {
            return;
        }
        let present: std::collections::HashSet<_> =
            self.watched.pools.state().iter().filter_map(|pool| pool.uid()).collect();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|uid, _| {
            let stays = present.contains(uid);
            if !stays {
                self.shared.rollouts.forget(uid);
            }
            stays
        });
    }

    /// Tells of events. One that cannot be told is not missed by anything.
    pub(super) async fn publish(&self, pool: &ExportPool, events: impl IntoIterator<Item = Event>) {
        for event in events {
            tracing::info!(
                namespace = pool.namespace(),
                pool = pool.name_any(),
                reason = event.reason,
                note = event.note,
                "event"
            );
            if let Err(error) = self.recorder.publish(&event, &pool.object_ref(&())).await {
                tracing::debug!(%error, "an event is not told");
            }
        }
    }

    /// Writes a status, and answers whether it is written. One that cannot be is written the next time.
    pub(super) async fn write_status(&self, pool: &ExportPool, status: &ExportPoolStatus) -> bool {
        let api: Api<ExportPool> =
            Api::namespaced(self.client.clone(), &pool.namespace().unwrap_or_default());
        let body = json!({
            "apiVersion": ExportPool::api_version(&()),
            "kind": ExportPool::kind(&()),
            "metadata": {"name": pool.name_any(), "uid": pool.uid()},
            "status": status,
        });
        let how = PatchParams::apply(FIELD_MANAGER).force();
        let written = api.patch_status(&pool.name_any(), &how, &Patch::Apply(&body)).await;
        match &written {
            Ok(_) => counter!("exportpool_status_writes_total").increment(1),
            // Deleted meanwhile.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                tracing::warn!(namespace = pool.namespace(), pool = pool.name_any(), %error, "a status is not written");
            }
        }
        written.is_ok()
    }
}
