//! All readers, for all pools.

use std::{
    collections::HashMap,
    fs,
    num::NonZeroU32,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use exportpool_contract::report::ByQueue;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::{
    queues::{AwsDepths, Credentials, Principal, QueueAccess, QueueFault, QueueReader, QueueSource},
    reports::ReportReader,
    rivals::Rivals,
};
use crate::{
    api::{ExportPool, Queue},
    names::ALLOWED_QUEUES,
    report::QueueRead,
};

/// A namespace's annotation is looked at again after this.
const ANNOTATION_LASTS: Duration = Duration::from_secs(60);
/// A reading is shared for this share of the time between two reads of a pool: its own last one is always older.
const SHARED_FOR: f64 = 0.5;

/// What the operator was started with, as far as it is read by.
#[derive(Debug, Clone)]
pub struct Started<'a> {
    /// Pools may name endpoints.
    pub allow_endpoints: bool,
    /// The file of rules, if there is one.
    pub queue_access: Option<&'a Path>,
    /// In the external ID of roles.
    pub cluster_name: &'a str,
    /// Requests to SQS, of all pools together.
    pub sqs_requests_per_second: NonZeroU32,
}

/// All readers, for all pools.
pub struct Readers {
    /// What pods say.
    pub reports: ReportReader,
    pub(super) rivals: Rivals,
    depths: QueueReader<AwsDepths>,
    access: QueueAccess,
    allow_endpoints: bool,
    cluster: Client,
    annotations: Mutex<HashMap<String, (Option<String>, Instant)>>,
}

impl Readers {
    /// Reads nothing yet, but the file of rules.
    ///
    /// # Errors
    /// A file that cannot be read, or is not understood.
    pub fn new(cluster: &Client, started: &Started<'_>) -> anyhow::Result<Self> {
        let credentials = Credentials::new(cluster.clone(), started.cluster_name.to_owned());
        Self::over(credentials, cluster, started)
    }

    pub(crate) fn over(
        credentials: Credentials,
        cluster: &Client,
        started: &Started<'_>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            reports: ReportReader::new().context("no client for reports")?,
            rivals: Rivals::default(),
            depths: QueueReader::new(AwsDepths::new(credentials), started.sqs_requests_per_second),
            access: started.queue_access.map(rules).transpose()?.unwrap_or_default(),
            allow_endpoints: started.allow_endpoints,
            cluster: cluster.clone(),
            annotations: Mutex::default(),
        })
    }

    /// Both queues of a pool.
    pub(super) async fn queues(&self, pool: &ExportPool) -> ByQueue<QueueRead> {
        let queues = &pool.spec.queues;
        let (export_jobs, download_tasks) =
            tokio::join!(self.queue(pool, &queues.export_jobs), self.queue(pool, &queues.download_tasks));
        ByQueue { export_jobs, download_tasks }
    }

    async fn queue(&self, pool: &ExportPool, queue: &Queue) -> QueueRead {
        match self.source(pool, queue).await {
            Ok(source) => {
                let every = read_every(pool);
                let reading = self.depths.read(&source, every.mul_f64(SHARED_FOR)).await.or_stale(every * 3);
                let fault = reading.fault.map(|fault| (fault.reason(), fault.to_string()));
                QueueRead { depth: Some(reading.depth), fault }
            }
            Err(fault) => QueueRead {
                depth: Some(exportpool_scaling::Depth::Unknown(fault.unknown())),
                fault: Some((fault.reason(), fault.to_string())),
            },
        }
    }

    /// The source of a queue, if it may be read.
    async fn source(&self, pool: &ExportPool, queue: &Queue) -> Result<QueueSource, QueueFault> {
        let namespace = pool.namespace().unwrap_or_default();
        let source = QueueSource::of(queue, &pool.spec.aws, &namespace, self.allow_endpoints)?;
        if matches!(source.principal, Principal::Secret { .. }) {
            return Ok(source);
        }
        let arn = source.arn();
        if self.access.allows(&namespace, None, &arn) {
            return Ok(source);
        }
        let annotation = self.annotation(&namespace).await?;
        if self.access.allows(&namespace, annotation.as_deref(), &arn) {
            return Ok(source);
        }
        let all = self.to_allow(pool, &namespace, annotation.as_deref());
        Err(QueueFault::NotAllowed { namespace, arn, all })
    }

    /// What a namespace allows, and both queues of a pool: one command for all of it.
    fn to_allow(&self, pool: &ExportPool, namespace: &str, annotation: Option<&str>) -> String {
        let allowed = annotation.unwrap_or_default().split(',').map(|arn| arn.trim().to_owned());
        let mut all: Vec<_> = allowed.filter(|arn| !arn.is_empty()).collect();
        let queues = [&pool.spec.queues.export_jobs, &pool.spec.queues.download_tasks];
        let sources = queues
            .into_iter()
            .filter_map(|queue| QueueSource::of(queue, &pool.spec.aws, namespace, self.allow_endpoints).ok());
        for arn in sources.map(|source| source.arn()) {
            if !all.contains(&arn) {
                all.push(arn);
            }
        }
        all.join(",")
    }

    /// What a namespace allows. One that cannot be read allows nothing, and is read again soon.
    async fn annotation(&self, namespace: &str) -> Result<Option<String>, QueueFault> {
        let known = self.annotations.lock().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned();
        if let Some((annotation, _)) = known.filter(|(_, read_at)| read_at.elapsed() < ANNOTATION_LASTS) {
            return Ok(annotation);
        }
        let found = Api::<Namespace>::all(self.cluster.clone()).get_metadata(namespace).await;
        let found = found
            .inspect_err(|error| tracing::warn!(namespace, %error, "a namespace cannot be read"))
            .map_err(|_| QueueFault::NamespaceUnreadable { namespace: namespace.to_owned() })?;
        let annotation = found.annotations().get(ALLOWED_QUEUES).cloned();
        let mut annotations = self.annotations.lock().unwrap_or_else(PoisonError::into_inner);
        annotations.retain(|_, (_, read_at)| read_at.elapsed() < ANNOTATION_LASTS);
        annotations.insert(namespace.to_owned(), (annotation.clone(), Instant::now()));
        Ok(annotation)
    }
}

fn rules(file: &Path) -> anyhow::Result<QueueAccess> {
    let at = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("--queue-access {at} cannot be read"))?;
    serde_yaml::from_str(&text).with_context(|| {
        format!(
            "--queue-access {at} is not understood: a list of {{namespaces: [...], queues: [ARNs]}} is needed"
        )
    })
}

/// How often the queues of a pool with work are read.
fn read_every(pool: &ExportPool) -> Duration {
    let idle = pool.spec.scaling.as_ref().map_or(5, |scaling| scaling.idle_poll_seconds.clamp(1, 5));
    Duration::from_secs(u64::from(crate::decide::count(idle)))
}
