//! As whom a queue is read: with the keys of a Secret, as a role, or as the operator.

use aws_config::{SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::{Credentials as Keys, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use exportpool_contract::environment as name;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::{
    connect::{http_client, loader},
    fault::QueueFault,
    source::QueueSource,
};

/// Finds credentials. Secrets are read one at a time by their names: the operator may not list them, and
/// keeps their keys for some minutes only.
pub struct Credentials {
    cluster: Client,
    cluster_name: String,
    http: SharedHttpClient,
}

impl Credentials {
    /// `cluster_name` is in the external ID of roles.
    #[must_use]
    pub fn new(cluster: Client, cluster_name: String) -> Self {
        Self::over(http_client(), cluster, cluster_name)
    }

    pub(crate) const fn over(http: SharedHttpClient, cluster: Client, cluster_name: String) -> Self {
        Self { cluster, cluster_name, http }
    }

    /// The operator's own identity, as the SDK finds it: of its ServiceAccount, mostly. It renews itself.
    pub(super) async fn own(&self, region: &str) -> SdkConfig {
        Box::pin(loader(&self.http, region).load()).await
    }

    /// The keys of a Secret.
    ///
    /// # Errors
    /// [`QueueFault`]: there is no such Secret or key, or it cannot be read.
    pub(super) async fn of_secret(
        &self,
        source: &QueueSource,
        namespace: &str,
        name: &str,
    ) -> Result<SdkConfig, QueueFault> {
        let keys = SharedCredentialsProvider::new(self.keys(namespace, name).await?);
        let loader = loader(&self.http, &source.region).credentials_provider(keys);
        let loader = match &source.endpoint {
            Some(endpoint) => loader.endpoint_url(endpoint),
            None => loader,
        };
        Ok(Box::pin(loader.load()).await)
    }

    /// A role that the operator assumes, for a namespace. It renews itself.
    pub(super) async fn of_role(
        &self,
        own: &SdkConfig,
        region: &str,
        arn: &str,
        namespace: &str,
    ) -> SdkConfig {
        let role = AssumeRoleProvider::builder(arn)
            .session_name("exportpool-operator")
            .external_id(format!("{}/{namespace}", self.cluster_name))
            .configure(own)
            .build()
            .await;
        let role = SharedCredentialsProvider::new(role);
        Box::pin(loader(&self.http, region).credentials_provider(role).load()).await
    }

    async fn keys(&self, namespace: &str, secret: &str) -> Result<Keys, QueueFault> {
        let api: Api<Secret> = Api::namespaced(self.cluster.clone(), namespace);
        let found = api.get_opt(secret).await.map_err(|error| unreadable(secret, &error))?;
        let missing =
            || QueueFault::SecretMissing { namespace: namespace.to_owned(), name: secret.to_owned() };
        let data = found.ok_or_else(missing)?.data.unwrap_or_default();
        let value = |key: &str| {
            let text = std::str::from_utf8(&data.get(key)?.0).ok()?.trim().to_owned();
            Some(text).filter(|text| !text.is_empty())
        };
        let required = |key: &str| {
            let missing = || QueueFault::SecretKeyMissing { name: secret.to_owned(), key: key.to_owned() };
            value(key).ok_or_else(missing)
        };
        let (id, key) = (required(name::AWS_ACCESS_KEY_ID)?, required(name::AWS_SECRET_ACCESS_KEY)?);
        Ok(Keys::new(id, key, value(name::AWS_SESSION_TOKEN), None, "Secret"))
    }
}

fn unreadable(secret: &str, error: &kube::Error) -> QueueFault {
    let name = secret.to_owned();
    match error {
        kube::Error::Api(status) if status.is_forbidden() => QueueFault::SecretForbidden { name },
        _ => QueueFault::SecretUnreadable { name },
    }
}
