//! Other pools that read the same queues, whoever looks after them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use exportpool_contract::report::ByQueue;
use kube::ResourceExt;
use kube_runtime::reflector::{ObjectRef, Store};

use super::queues::QueueSource;
use crate::api::{ExportPool, Queue};

/// Who reads which queue is looked up anew after this: the queues of a pool do not change, but its endpoint may.
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// Which pools read which queue.
#[derive(Debug, Default)]
pub(super) struct Rivals(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    looked_at: Option<Instant>,
    pools: usize,
    by_queue: HashMap<String, Vec<ObjectRef<ExportPool>>>,
}

impl Rivals {
    /// The other pools on each queue of a pool. `pools`: a store of each namespace that is watched, or one of all.
    pub(super) fn of(
        &self,
        pool: &ExportPool,
        pools: &[Store<ExportPool>],
        now: Instant,
    ) -> ByQueue<Vec<Arc<ExportPool>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_behind(pool, pools, now) {
            *known = Known::of(pools, now);
        }
        let others = |queue: &Queue| {
            let named = known.by_queue.get(&key(pool, queue)?)?;
            let others = named.iter().filter_map(|other| pools.iter().find_map(|pools| pools.get(other)));
            Some(others.filter(|other| other.metadata.uid != pool.metadata.uid).collect())
        };
        let queues = &pool.spec.queues;
        ByQueue {
            export_jobs: others(&queues.export_jobs).unwrap_or_default(),
            download_tasks: others(&queues.download_tasks).unwrap_or_default(),
        }
    }
}

impl Known {
    fn of(pools: &[Store<ExportPool>], now: Instant) -> Self {
        let pools: Vec<_> = pools.iter().flat_map(Store::state).collect();
        let mut by_queue = HashMap::<_, Vec<_>>::new();
        for pool in &pools {
            for queue in [&pool.spec.queues.export_jobs, &pool.spec.queues.download_tasks] {
                if let Some(key) = key(pool, queue) {
                    by_queue.entry(key).or_default().push(ObjectRef::from_obj(pool.as_ref()));
                }
            }
        }
        Self { looked_at: Some(now), pools: pools.len(), by_queue }
    }

    fn is_behind(&self, pool: &ExportPool, pools: &[Store<ExportPool>], now: Instant) -> bool {
        let old = self.looked_at.is_none_or(|at| now.duration_since(at) >= KNOWN_FOR);
        let is_known = |key| {
            self.by_queue.get(&key).is_some_and(|named: &Vec<_>| named.contains(&ObjectRef::from_obj(pool)))
        };
        let is_new = key(pool, &pool.spec.queues.export_jobs).is_some_and(|key| !is_known(key));
        old || is_new || self.pools != pools.iter().map(Store::len).sum::<usize>()
    }
}

/// What a queue is known by, whoever reads it. None where nobody may.
fn key(pool: &ExportPool, queue: &Queue) -> Option<String> {
    let namespace = pool.namespace().unwrap_or_default();
    QueueSource::of(queue, &pool.spec.aws, &namespace, true).ok().map(|source| source.url())
}

#[cfg(test)]
mod tests {
    use kube_runtime::{reflector, watcher};
    use serde_json::{Value, json};

    use super::*;
    use crate::api::sample::pool;

    fn named(namespace: &str, name: &str, change: impl FnOnce(&mut Value)) -> ExportPool {
        pool(|pool| {
            pool["metadata"] =
                json!({"name": name, "namespace": namespace, "uid": format!("{namespace}/{name}")});
            change(pool);
        })
    }

    fn on_queues(jobs: &str, tasks: &str) -> impl FnOnce(&mut Value) {
        let url = |name| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}");
        let queues = json!({"exportJobs": {"url": url(jobs)}, "downloadTasks": {"url": url(tasks)}});
        move |pool| pool["spec"]["queues"] = queues
    }

    /// What is watched of one namespace, or of all.
    fn scope(pools: &[&ExportPool]) -> (Store<ExportPool>, reflector::store::Writer<ExportPool>) {
        let (store, mut writer) = reflector::store();
        for pool in pools {
            writer.apply_watcher_event(&watcher::Event::Apply((*pool).clone()));
        }
        (store, writer)
    }

    fn names(pools: &[Arc<ExportPool>]) -> Vec<String> {
        let mut names: Vec<_> = pools.iter().map(|pool| pool.name_any()).collect();
        names.sort();
        names
    }

    #[test]
    fn pools_on_the_same_queue_are_found_and_a_new_one_at_once() {
        let (a, b) = (named("x", "a", on_queues("jobs", "tasks")), named("y", "b", on_queues("jobs", "own")));
        let c = named("x", "c", on_queues("others", "tasks"));
        let (store, mut writer) = scope(&[&a, &b]);
        let (rivals, now, pools) = (Rivals::default(), Instant::now(), [store]);
        let of_a = rivals.of(&a, &pools, now);
        assert_eq!((names(&of_a.export_jobs), names(&of_a.download_tasks)), (vec!["b".to_owned()], vec![]));
        writer.apply_watcher_event(&watcher::Event::Apply(c.clone()));
        assert_eq!(names(&rivals.of(&c, &pools, now).download_tasks), ["a"]);
        assert_eq!(names(&rivals.of(&a, &pools, now).download_tasks), ["c"]);
    }

    #[test]
    fn pools_of_namespaces_that_are_watched_apart_are_found_as_well() {
        let (a, b) = (named("x", "a", on_queues("jobs", "tasks")), named("y", "b", on_queues("jobs", "own")));
        let pools = [scope(&[&a]).0, scope(&[&b]).0];
        let (rivals, now) = (Rivals::default(), Instant::now());
        assert_eq!(names(&rivals.of(&a, &pools, now).export_jobs), ["b"]);
        assert_eq!(names(&rivals.of(&b, &pools, now).export_jobs), ["a"]);
    }

    #[test]
    fn a_queue_at_another_endpoint_is_another_queue() {
        let at = |endpoint: &str| {
            let aws =
                json!({"region": "eu-west-1", "endpoint": endpoint, "credentialsSecretRef": {"name": "s"}});
            move |pool: &mut Value| pool["spec"]["aws"] = aws
        };
        let (a, b) = (named("x", "a", at("http://one:4566")), named("x", "b", at("http://two:4566")));
        let pools = [scope(&[&a, &b]).0];
        assert!(Rivals::default().of(&a, &pools, Instant::now()).export_jobs.is_empty());
    }
}
