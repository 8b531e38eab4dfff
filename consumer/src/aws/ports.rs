//! The ports of a consumer: to AWS, and to sources over HTTP.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use ipnet::IpNet;

use super::{
    connect::{for_this_runtime, s3},
    credentials::{Refresher, shared},
    dynamodb::{DynamoLedger, KnownShards},
    s3::S3Bucket,
    sqs::SqsQueues,
};
use crate::{
    config::Config,
    message::QueueName,
    ports::Ports,
    work::fetch::{hosts::Hosts, http::HttpSource},
};

/// The ports to AWS and to sources over HTTP.
#[derive(Debug, Clone)]
pub struct AwsPorts {
    config: SdkConfig,
    refresher: Option<Refresher>,
    urls: [String; 2],
    dead_letters: [Option<String>; 2],
    visibility: Duration,
    bucket: String,
    table: String,
    instance: String,
    ttl: Option<Duration>,
    known: KnownShards,
    hosts: Hosts,
    allowed: Vec<IpNet>,
}

impl AwsPorts {
    /// Ports of a configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// When no runtime can be made, or no HTTP client: better here once than on every worker.
    pub fn new(config: &Config, instance: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sdk = runtime.block_on(config.access.resolve());
        let hosts = Hosts::new(config.per_host);
        runtime.block_on(async { HttpSource::new(hosts.clone(), &config.allowed_networks) })?;
        let (refresher, from_link) = sdk.credentials_provider().map(shared).unzip();
        let mut builder = sdk.into_builder();
        builder.set_credentials_provider(from_link.map(SharedCredentialsProvider::new));
        Ok(Self {
            config: builder.build(),
            refresher,
            urls: QueueName::ALL.map(|queue| config.url(queue).to_owned()),
            dead_letters: [config.export_jobs_dlq.clone(), config.download_tasks_dlq.clone()],
            visibility: config.visibility,
            bucket: config.bucket.clone(),
            table: config.table.clone(),
            instance: instance.to_owned(),
            ttl: config.record_ttl,
            known: KnownShards::default(),
            hosts,
            allowed: config.allowed_networks.clone(),
        })
    }
}

impl Ports for AwsPorts {
    type Queue = SqsQueues;
    type Store = S3Bucket;
    type Ledger = DynamoLedger;
    type Source = HttpSource;

    fn queue(&self) -> SqsQueues {
        // This is called on the link thread, and there alone.
        if let Some(refresher) = self.refresher.clone() {
            tokio::task::spawn_local(refresher.run());
        }
        let client = aws_sdk_sqs::Client::new(&for_this_runtime(&self.config));
        SqsQueues::new(client, self.urls.clone(), self.dead_letters.clone(), self.visibility)
    }

    fn store(&self) -> S3Bucket {
        S3Bucket::new(s3(&for_this_runtime(&self.config)), self.bucket.clone())
    }

    fn ledger(&self) -> DynamoLedger {
        let client = aws_sdk_dynamodb::Client::new(&for_this_runtime(&self.config));
        DynamoLedger::new(client, self.table.clone(), self.instance.clone(), self.ttl, self.known.clone())
    }

    fn source(&self) -> anyhow::Result<HttpSource> {
        HttpSource::new(self.hosts.clone(), &self.allowed)
    }

    fn pages(&self) -> anyhow::Result<HttpSource> {
        HttpSource::new(Hosts::new(self.hosts.limits()), &self.allowed)
    }
}
