//! Rollouts that nobody asked for: another operator renders other pods for what a pool asks for. They wait for their turn,
//! so that an upgrade of the operator does not replace the pods of a whole cluster at once.

use std::{
    collections::HashSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::render::Rendered;
use crate::{
    names,
    observe::workload::{Workload, controller},
    watch::Watched,
};

/// Which pools' pods are replaced without being asked for, and how many may be at a time.
#[derive(Debug)]
pub struct Rollouts {
    at_most: NonZeroUsize,
    on: Mutex<HashSet<String>>,
}

impl Rollouts {
    /// So many pools at a time.
    #[must_use]
    pub fn new(at_most: NonZeroUsize) -> Self {
        Self { at_most, on: Mutex::default() }
    }

    /// Begins where another leader ended: rollouts that are on keep others waiting, whoever asked for them.
    pub(crate) fn resume(&self, watched: &Watched) {
        let pools: HashSet<_> = watched.pools.state().iter().filter_map(|pool| pool.uid()).collect();
        let is_on = |deployment: &Arc<Deployment>| {
            let workload = Workload { deployment: Some(Arc::clone(deployment)), pods: vec![] };
            workload.is_rolling_out() && !has_failed(deployment)
        };
        let on = watched.deployments.state().into_iter().filter(is_on);
        let of_pools =
            on.filter_map(|deployment| pools.get(controller(deployment.owner_references())?).cloned());
        self.on().extend(of_pools);
    }

    /// Whether a pool may be written as it is rendered, as far as others go.
    pub(super) fn may_write(&self, uid: &str, workload: &Workload, rendered: &Rendered) -> bool {
        let Some(deployment) = &workload.deployment else { return true };
        let is_asked_for = !is_of_another_operator(deployment, rendered);
        let mut on = self.on();
        if is_asked_for {
            if !workload.is_rolling_out() || has_failed(deployment) {
                on.remove(uid);
            }
            return true;
        }
        if workload.replicas() == 0 || on.contains(uid) {
            return true;
        }
        on.len() < self.at_most.get() && on.insert(uid.to_owned())
    }

    /// A pool is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.on().remove(uid);
    }

    fn on(&self) -> MutexGuard<'_, HashSet<String>> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the pods that are there are as they are asked for now, and were rendered otherwise. A new release may know
/// defaults that an older one did not: then the same spec asks for something else, and its generation is the same.
fn is_of_another_operator(deployment: &Deployment, rendered: &Rendered) -> bool {
    let is = |key, value: &String| deployment.annotations().get(key) == Some(value);
    !is(names::TEMPLATE, &rendered.template)
        && (is(names::GENERATION, &rendered.generation) || is(names::ASKED_FOR, &rendered.asked_for))
}

/// What is stuck keeps nobody waiting for longer than the deadline of its progress. What failed before it was written last
/// says nothing of that.
fn has_failed(deployment: &Deployment) -> bool {
    let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_deref());
    let progress = conditions.unwrap_or_default().iter().find(|condition| condition.type_ == "Progressing");
    let is_of_before = observed(deployment) < deployment.metadata.generation;
    !is_of_before && progress.is_some_and(|progress| progress.status == "False")
}

fn observed(deployment: &Deployment) -> Option<i64> {
    deployment.status.as_ref()?.observed_generation
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::sample::pool,
        apply::render::{Served, render},
    };

    fn rendered() -> Rendered {
        render(&pool(|pool| pool["metadata"]["generation"] = json!(3)), Served::default()).unwrap()
    }

    /// A Deployment of three pods as this operator writes it, changed.
    fn workload(change: impl FnOnce(&mut Value)) -> Workload {
        let mut deployment = rendered().deployment_by("system/exportpool", 3).object;
        deployment["status"] = json!({"replicas": 3, "updatedReplicas": 3});
        change(&mut deployment);
        let deployment = serde_json::from_value(deployment).unwrap();
        Workload { deployment: Some(Arc::new(deployment)), pods: vec![] }
    }

    /// As another operator rendered it.
    fn older() -> Workload {
        workload(|deployment| deployment["metadata"]["annotations"][names::TEMPLATE] = json!("another"))
    }

    fn rolling(status: Value) -> Workload {
        workload(|deployment| deployment["status"] = status)
    }

    fn one_at_a_time() -> Rollouts {
        Rollouts::new(NonZeroUsize::MIN)
    }

    #[test]
    fn pods_that_another_operator_rendered_are_replaced_one_pool_after_another() {
        let rollouts = one_at_a_time();
        assert!(rollouts.may_write("a", &older(), &rendered()));
        assert!(!rollouts.may_write("b", &older(), &rendered()));
        let on = rolling(json!({"replicas": 3, "updatedReplicas": 1}));
        assert!(rollouts.may_write("a", &on, &rendered()), "it has begun");
        assert!(!rollouts.may_write("b", &older(), &rendered()), "and is not through");
        assert!(rollouts.may_write("a", &workload(|_| {}), &rendered()));
        assert!(rollouts.may_write("b", &older(), &rendered()));
    }

    #[test]
    fn what_people_ask_for_waits_for_nobody() {
        let rollouts = one_at_a_time();
        assert!(rollouts.may_write("a", &older(), &rendered()));
        let asked_for = workload(|deployment| {
            deployment["metadata"]["annotations"] =
                json!({names::TEMPLATE: "another", names::GENERATION: "2", names::ASKED_FOR: "another"});
        });
        assert!(rollouts.may_write("b", &asked_for, &rendered()));
        assert!(rollouts.may_write("c", &Workload::default(), &rendered()), "it is new");
    }

    #[test]
    fn a_pool_that_is_scaled_in_the_middle_of_an_upgrade_waits_all_the_same() {
        let rollouts = one_at_a_time();
        assert!(rollouts.may_write("a", &older(), &rendered()));
        let mut scaled = pool(|pool| pool["metadata"]["generation"] = json!(4));
        scaled.spec.scaling.as_mut().unwrap().max_replicas += 1;
        assert!(!rollouts.may_write("b", &older(), &render(&scaled, Served::default()).unwrap()));
        scaled.spec.image.push('1');
        assert!(rollouts.may_write("b", &older(), &render(&scaled, Served::default()).unwrap()));
    }

    #[test]
    fn a_pool_without_pods_waits_for_nobody_and_takes_no_turn() {
        let rollouts = one_at_a_time();
        let empty = workload(|deployment| {
            deployment["metadata"]["annotations"][names::TEMPLATE] = json!("another");
            deployment["spec"]["replicas"] = json!(0);
        });
        assert!(rollouts.may_write("a", &empty, &rendered()));
        assert!(rollouts.may_write("b", &older(), &rendered()));
    }

    #[test]
    fn a_rollout_that_fails_or_whose_pool_is_gone_gives_its_turn_back() {
        let rollouts = one_at_a_time();
        assert!(rollouts.may_write("a", &older(), &rendered()));
        let failed = |observed: i64| {
            workload(|deployment| {
                deployment["metadata"]["generation"] = json!(2);
                deployment["status"] = json!({
                    "observedGeneration": observed, "replicas": 4, "updatedReplicas": 1,
                    "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
                });
            })
        };
        assert!(rollouts.may_write("a", &failed(1), &rendered()));
        assert!(!rollouts.may_write("b", &older(), &rendered()), "what failed is the template before");
        assert!(rollouts.may_write("a", &failed(2), &rendered()));
        assert!(rollouts.may_write("b", &older(), &rendered()));
        rollouts.forget("b");
        assert!(rollouts.may_write("c", &older(), &rendered()));
    }
}
