//! Reads an ExportPool: what the operator says of it and of its queues, and what each of its pods says of itself.

use std::time::Duration;

use exportpool_operator::{
    api::{Condition, ConditionStatus, ExportPool, QueueStatus},
    names::POOL_LABEL,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};

use super::{
    ConsumerReading, Depth, PoolReading, QueueReading, Unreadable,
    forward::{Forwards, url},
    queues::name,
};
use crate::cluster::Cluster;

/// More pods are not asked: each is a connection through the API server.
const MOST_PODS: u32 = 64;

/// A pool of a cluster, and its pods.
pub(crate) struct ClusterPool {
    pools: Api<ExportPool>,
    pods: Api<Pod>,
    forwards: Forwards,
    /// As last read: its queues keep their names when it cannot be.
    known: ExportPool,
}

impl ClusterPool {
    /// A pool that was found.
    pub(crate) fn new(cluster: &Cluster, pool: ExportPool) -> Self {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let pools = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        Self { pools, forwards: Forwards::new(pods.clone()), pods, known: pool }
    }

    /// Its namespace and its name.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.known.namespace().unwrap_or_default(), self.known.name_any())
    }

    /// Reads the pool, its queues and its pods.
    pub(super) async fn read(&mut self) -> (Option<PoolReading>, Vec<QueueReading>, Vec<ConsumerReading>) {
        let found = self.find().await;
        if let Ok(pool) = &found {
            self.known = pool.clone();
        }
        let queues = queues(&self.known, found.as_ref().err());
        let (consumers, all_pods) = if found.is_ok() { self.consumers().await } else { (Vec::new(), true) };
        (found.ok().map(|pool| PoolReading { all_pods, ..reading(self.name(), &pool) }), queues, consumers)
    }

    async fn find(&self) -> Result<ExportPool, Unreadable> {
        match self.pools.get_opt(&self.known.name_any()).await {
            Ok(Some(pool)) => Ok(pool),
            Ok(None) => Err(Unreadable::NoPool { pool: self.name() }),
            Err(error) => Err(no_answer(&error)),
        }
    }

    /// What pods say, and whether these are all of them.
    async fn consumers(&mut self) -> (Vec<ConsumerReading>, bool) {
        let of_pool = format!("{POOL_LABEL}={}", self.known.name_any());
        let pods = self.pods.list(&ListParams::default().labels(&of_pool).limit(MOST_PODS)).await;
        let pods = match pods {
            Ok(pods) => pods,
            Err(error) => return (vec![consumer("pods", Err(no_answer(&error)))], true),
        };
        let (running, others): (Vec<_>, Vec<_>) = pods.items.iter().partition(|pod| waits_for(pod).is_none());
        let names: Vec<_> = running.iter().map(|pod| pod.name_any()).collect();
        let reports = self.forwards.read(&names).await;
        let running = names.iter().zip(reports).map(|(pod, report)| consumer(pod, report));
        let others = others.iter().filter_map(|pod| {
            let why = waits_for(pod)?;
            Some(consumer(&pod.name_any(), Err(Unreadable::NotRunning { why })))
        });
        let mut consumers: Vec<_> = running.chain(others).collect();
        consumers.sort_by(|a, b| a.consumer.cmp(&b.consumer));
        (consumers, pods.metadata.continue_.is_none_or(|more| more.is_empty()))
    }
}

fn no_answer(error: &kube::Error) -> Unreadable {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => Unreadable::NotAllowed {
            why: status.message.clone(),
            right: "getting exportpools and listing pods, as the role view does,",
        },
        kube::Error::Api(status) => Unreadable::ClusterRefuses { why: status.message.clone() },
        _ => Unreadable::NoApiServer,
    }
}

fn consumer(
    pod: &str,
    report: Result<exportpool_contract::report::PodReport, Unreadable>,
) -> ConsumerReading {
    ConsumerReading { consumer: pod.to_owned(), url: url(pod), optional: false, report }
}

/// Why a pod has no consumer that could be asked, in the kubelet's word or as its phase.
fn waits_for(pod: &Pod) -> Option<String> {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    if containers
        .iter()
        .any(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()))
    {
        return None;
    }
    let word =
        containers.iter().find_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone());
    word.or(status.phase).or_else(|| Some("Pending".to_owned()))
}

fn reading(pool: String, read: &ExportPool) -> PoolReading {
    let status = read.status.clone().unwrap_or_default();
    let count = |count: i32| u64::try_from(count).unwrap_or(0);
    PoolReading {
        pool,
        desired: count(status.desired_replicas),
        present: count(status.replicas),
        ready: count(status.ready_replicas),
        all_pods: true,
        counted: status.counted_at.map(|at| since(at.0.as_millisecond(), chrono::Utc::now())),
        decision: status.last_decision.map(|decision| (decision.reason, decision.message)),
    }
}

fn since(millis: i64, now: chrono::DateTime<chrono::Utc>) -> Duration {
    Duration::from_millis(now.timestamp_millis().saturating_sub(millis).max(0).unsigned_abs())
}

/// The two queues. `unread` is why the pool could not be read now.
fn queues(pool: &ExportPool, unread: Option<&Unreadable>) -> Vec<QueueReading> {
    let status = pool.status.clone().unwrap_or_default();
    let why = || unread.cloned().unwrap_or_else(|| not_read(&status.conditions));
    let of = |key: &str| status.queues.iter().find(|queue| queue.name == key).filter(|_| unread.is_none());
    let urls = [
        ("exportJobs", &pool.spec.queues.export_jobs.url),
        ("downloadTasks", &pool.spec.queues.download_tasks.url),
    ];
    let read = |(key, url): (&str, &String)| QueueReading {
        queue: name(url),
        url: Some(url.clone()),
        dead_letters: false,
        depth: of(key).map(depth).ok_or_else(why),
    };
    urls.map(read).into()
}

fn depth(queue: &QueueStatus) -> Depth {
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Depth {
        visible: count(queue.visible),
        in_flight: count(queue.not_visible),
        delayed: count(queue.delayed),
    }
}

fn not_read(conditions: &[Condition]) -> Unreadable {
    let readable = conditions.iter().find(|condition| condition.type_ == "QueuesReadable");
    let unread = readable.filter(|condition| condition.status != ConditionStatus::True);
    let why = unread.map_or("no operator looks after this pool yet", |condition| &condition.message);
    Unreadable::NotReadByOperator { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pool(status: &Value) -> ExportPool {
        let queue =
            |name: &str| json!({"url": format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{name}")});
        serde_json::from_value(json!({
            "apiVersion": "exportpool.dev/v1alpha1", "kind": "ExportPool",
            "metadata": {"name": "reports", "namespace": "team"},
            "spec": {
                "image": "consumer:1", "worker": {},
                "queues": {"exportJobs": queue("jobs"), "downloadTasks": queue("tasks")},
                "storage": {"bucket": "exports", "table": "exports"},
                "aws": {"region": "eu-west-1"},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn read() -> Value {
        json!({
            "replicas": 4, "readyReplicas": 3, "desiredReplicas": 6,
            "queues": [{"name": "exportJobs", "visible": 5, "notVisible": 2, "delayed": 1, "deferred": 0}],
            "conditions": [{
                "type": "QueuesReadable", "status": "False", "reason": "AccessDenied",
                "message": "tasks may not be read", "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        })
    }

    #[test]
    fn a_queue_is_as_the_operator_read_it_or_says_why_it_did_not() {
        let [jobs, tasks] = &queues(&pool(&read()), None)[..] else { panic!("two queues") };
        assert_eq!(
            (jobs.queue.as_str(), jobs.depth.clone()),
            ("jobs", Ok(Depth { visible: 5, in_flight: 2, delayed: 1 }))
        );
        let why = Unreadable::NotReadByOperator { why: "tasks may not be read".into() };
        assert_eq!((tasks.queue.as_str(), tasks.depth.clone()), ("tasks", Err(why)));
    }

    #[test]
    fn of_a_pool_that_cannot_be_read_no_number_is_shown() {
        let gone = Unreadable::NoPool { pool: "team/reports".into() };
        assert!(queues(&pool(&read()), Some(&gone)).iter().all(|queue| queue.depth == Err(gone.clone())));
    }

    #[test]
    fn before_an_operator_is_there_that_is_said() {
        let queues = queues(&pool(&json!({})), None);
        assert!(
            queues
                .iter()
                .all(|queue| queue.depth.as_ref().is_err_and(|why| why.to_string().contains("no operator")))
        );
    }

    #[test]
    fn a_pod_whose_container_does_not_run_is_told_in_the_kubelets_word() {
        let pod = |status: Value| serde_json::from_value::<Pod>(json!({"status": status})).unwrap();
        let container = |state: Value| {
            json!({"containerStatuses": [{
            "name": "consumer", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }], "phase": "Pending"})
        };
        let says = |state: Value| waits_for(&pod(container(state)));
        assert_eq!(
            says(json!({"waiting": {"reason": "ImagePullBackOff"}})).as_deref(),
            Some("ImagePullBackOff")
        );
        assert_eq!(says(json!({"running": {}})), None);
        assert_eq!(waits_for(&pod(json!({"phase": "Failed"}))).as_deref(), Some("Failed"));
        assert_eq!(waits_for(&pod(json!({}))).as_deref(), Some("Pending"));
    }
}
