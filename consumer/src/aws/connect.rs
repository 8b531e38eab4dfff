//! How to reach AWS: region, endpoint, credentials, and an HTTP connector for the runtime that asks.

use std::{env, time::Duration};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The longest wait of a receive, in seconds: SQS takes no longer
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
pub const LONG_POLL_SECONDS: u64 = 20;

/// Read by the SDK itself, for its S3 client alone.
const S3_ENDPOINT: &str = "AWS_ENDPOINT_URL_S3";

/// An attempt may take this long: more than the longest poll, so that a connection that hangs is noticed and a
/// poll that waits is not.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(LONG_POLL_SECONDS + 10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Access keys given in the environment instead of the SDK's default chain.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where AWS is, and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The region.
    pub region: String,
    /// One endpoint for all services, instead of AWS's own.
    pub endpoint: Option<String>,
    /// Access keys; without them the SDK's default chain.
    pub key: Option<AccessKey>,
}

impl Access {
    /// Resolves the credentials' source once. Nothing is sent before a client is used.
    pub async fn resolve(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .http_client(http_client());
        if let Some(key) = &self.key {
            let token = key.session_token.clone();
            let credentials = Credentials::new(&key.id, &key.secret, token, None, "environment");
            loader = loader.credentials_provider(SharedCredentialsProvider::new(credentials));
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        loader.retry_config(RetryConfig::standard()).timeout_config(timeouts()).load().await
    }
}

/// The same access with a connector of its own: a pooled connection is driven by the runtime that opened it, so
/// each runtime must have its own.
#[must_use]
pub fn for_this_runtime(config: &SdkConfig) -> SdkConfig {
    config.clone().into_builder().http_client(http_client()).build()
}

/// A client for S3; an endpoint of one's own forces path style, as stand-ins do not serve bucket host names.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let path_style = config.endpoint_url().is_some() || env::var_os(S3_ENDPOINT).is_some();
    aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build(),
    )
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
