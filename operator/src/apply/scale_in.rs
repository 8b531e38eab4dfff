//! The way to fewer pods: those that go first are marked, seen to be marked, and asked once more.

use std::{collections::BTreeMap, time::Duration};

use exportpool_scaling::{PodPhase, Reading};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use metrics::counter;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    Applying, Target,
    victims::{Victim, all_marked, choose, spared},
};
use crate::{
    api::ExportPool,
    names::DELETION_COST,
    observe::{
        self,
        workload::{PodView, Workload},
    },
    reconcile::Context,
};

/// The ReplicaSet controller's watch may be behind ours by this.
const SETTLE: Duration = Duration::from_secs(2);
/// Marks that are not seen by then are missed.
const SEEN_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Marks that nobody was deleted by are taken away after this.
const MARKS_STAY: Duration = Duration::from_secs(10);
/// Victims that got busy meanwhile are chosen anew so often.
const ROUNDS: u32 = 2;
/// What was decided is carried out by then, with the marks that there are: later it is out of date.
const MADE_WITHIN: Duration = Duration::from_secs(15);
/// Pods that are marked at a time.
const AT_A_TIME: usize = 16;

/// The way to fewer pods of a pool.
pub(super) struct Way<'a> {
    pub pool: &'a ExportPool,
    pub context: &'a Context,
}

impl Way<'_> {
    /// What has to be before the replicas are written: pods that go first are marked, and marks that nobody was deleted by
    /// are taken away in time.
    pub(super) async fn prepare(&self, applying: &mut Applying, target: Target<'_>, replicas: u32) {
        if is_scale_in(target, replicas) {
            if timeout(MADE_WITHIN, self.make(target.workload.replicas() - replicas)).await.is_err() {
                counter!("exportpool_victim_misses_total").increment(1);
                tracing::warn!(
                    pool = self.pool.name_any(),
                    "not all pods that should go first are marked in time"
                );
            }
            applying.scaled_in_at = Some(Instant::now());
        } else if applying.scaled_in_at.is_none_or(|at| at.elapsed() > MARKS_STAY) {
            self.clear(target.workload).await;
        }
    }

    /// Marks the pods that go first when so many are taken away.
    async fn make(&self, taken: u32) {
        let mut victims = self.choose(taken).await;
        for _ in 0..ROUNDS {
            self.mark(&victims).await;
            self.wait_until_seen(&victims).await;
            let again = self.choose(taken).await;
            if uids(&again) == uids(&victims) {
                return;
            }
            victims = again;
        }
    }

    /// Takes marks away that nobody was deleted by.
    async fn clear(&self, workload: &Workload) {
        self.set(spared(&workload.pods, &[]).into_iter().map(|pod| (pod.name.clone(), Value::Null))).await;
    }

    async fn choose(&self, taken: u32) -> Vec<Victim> {
        let pods = self.pods();
        let reports: BTreeMap<String, Reading> = observe::all_reports(self.context, &pods).await;
        choose(&pods, &reports, taken)
    }

    async fn mark(&self, victims: &[Victim]) {
        let pods = self.pods();
        let spared = spared(&pods, victims).into_iter().map(|pod| (pod.name.clone(), Value::Null));
        let unmarked = |victim: &&Victim| {
            pods.iter().any(|pod| pod.uid == victim.uid && pod.deletion_cost != Some(victim.cost))
        };
        let marked = victims
            .iter()
            .filter(unmarked)
            .map(|victim| (victim.pod.clone(), json!(victim.cost.to_string())));
        self.set(spared.chain(marked)).await;
    }

    async fn wait_until_seen(&self, victims: &[Victim]) {
        let begun = Instant::now();
        while !all_marked(&self.pods(), victims) {
            if begun.elapsed() > SEEN_WITHIN {
                counter!("exportpool_victim_misses_total").increment(1);
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        sleep_until(begun + SETTLE).await;
    }

    /// Sets the deletion cost of pods. One that is gone needs none; one that cannot be written is a miss.
    async fn set(&self, costs: impl Iterator<Item = (String, Value)>) {
        let pods: Api<Pod> =
            Api::namespaced(self.context.client.clone(), &self.pool.namespace().unwrap_or_default());
        let pods = &pods;
        let set = async |(name, cost): (String, Value)| {
            let patch = json!({"metadata": {"annotations": {DELETION_COST: cost}}});
            match pods.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => {
                    counter!("exportpool_victim_misses_total").increment(1);
                    tracing::warn!(pod = name, %error, "a pod's deletion cost is not written");
                }
                Ok(_) => {}
            }
        };
        stream::iter(costs).for_each_concurrent(AT_A_TIME, set).await;
    }

    fn pods(&self) -> Vec<PodView> {
        Workload::of(self.pool, &self.context.watched).pods
    }
}

/// To zero nobody is chosen: all go.
fn is_scale_in(target: Target<'_>, replicas: u32) -> bool {
    let ready = target.workload.pods.iter().any(|pod| pod.phase == PodPhase::Ready);
    ready && 0 < replicas && replicas < target.workload.replicas()
}

fn uids(victims: &[Victim]) -> std::collections::BTreeSet<&str> {
    victims.iter().map(|victim| victim.uid.as_str()).collect()
}
