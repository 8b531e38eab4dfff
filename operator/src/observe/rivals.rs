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
    /// The other pools on each queue of a pool.
    pub(super) fn of(
        &self,
        pool: &ExportPool,
        pools: &Store<ExportPool>,
        now: Instant,
    ) -> ByQueue<Vec<Arc<ExportPool>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_behind(pool, pools, now) {
            *known = Known::of(pools, now);
        }
        let others = |queue: &Queue| {
            let named = known.by_queue.get(&key(pool, queue)?)?;
            let others = named.iter().filter_map(|other| pools.get(other));
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
    fn of(pools: &Store<ExportPool>, now: Instant) -> Self {
        let pools = pools.state();
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

    fn is_behind(&self, pool: &ExportPool, pools: &Store<ExportPool>, now: Instant) -> bool {
        let old = self.looked_at.is_none_or(|at| now.duration_since(at) >= KNOWN_FOR);
        let named = key(pool, &pool.spec.queues.export_jobs).and_then(|key| self.by_queue.get(&key));
        let is_new = named.is_none_or(|named| !named.contains(&ObjectRef::from_obj(pool)));
        old || is_new || self.pools != pools.len()
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

    fn names(pools: &[Arc<ExportPool>]) -> Vec<String> {
        let mut names: Vec<_> = pools.iter().map(|pool| pool.name_any()).collect();
        names.sort();
        names
    }

    #[test]
    fn pools_on_the_same_queue_are_found_and_a_new_one_at_once() {
        let (store, mut writer) = reflector::store();
        let mut put = |pool: &ExportPool| writer.apply_watcher_event(&watcher::Event::Apply(pool.clone()));
        let (a, b) = (named("x", "a", on_queues("jobs", "tasks")), named("y", "b", on_queues("jobs", "own")));
        let c = named("x", "c", on_queues("others", "tasks"));
        [&a, &b].into_iter().for_each(&mut put);
        let (rivals, now) = (Rivals::default(), Instant::now());
        let of_a = rivals.of(&a, &store, now);
        assert_eq!((names(&of_a.export_jobs), names(&of_a.download_tasks)), (vec!["b".to_owned()], vec![]));
        put(&c);
        assert_eq!(names(&rivals.of(&c, &store, now).download_tasks), ["a"]);
        assert_eq!(names(&rivals.of(&a, &store, now).download_tasks), ["c"]);
    }

    #[test]
    fn a_queue_at_another_endpoint_is_another_queue() {
        let at = |endpoint: &str| {
            let aws =
                json!({"region": "eu-west-1", "endpoint": endpoint, "credentialsSecretRef": {"name": "s"}});
            move |pool: &mut Value| pool["spec"]["aws"] = aws
        };
        let (store, mut writer) = reflector::store();
        let (a, b) = (named("x", "a", at("http://one:4566")), named("x", "b", at("http://two:4566")));
        for pool in [&a, &b] {
            writer.apply_watcher_event(&watcher::Event::Apply(pool.clone()));
        }
        assert!(Rivals::default().of(&a, &store, Instant::now()).export_jobs.is_empty());
    }
}
