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
    source::{Principal, QueueSource},
};

/// Finds credentials. Secrets are read one at a time by their names: the operator may not list them, and keeps none.
pub struct Credentials {
    cluster: Client,
    cluster_name: String,
    http: SharedHttpClient,
}

impl Credentials {
    /// `cluster_name` is in the external ID of roles.
    #[must_use]
    pub fn new(cluster: Client, cluster_name: String) -> Self {
        Self { cluster, cluster_name, http: http_client() }
    }

    /// What a client for a source is made from.
    pub(super) async fn find(&self, source: &QueueSource) -> Result<SdkConfig, QueueFault> {
        let loader = loader(&self.http, &source.region);
        let loader = match &source.endpoint {
            Some(endpoint) => loader.endpoint_url(endpoint),
            None => loader,
        };
        match &source.principal {
            Principal::Operator => Ok(Box::pin(loader.load()).await),
            Principal::Secret { namespace, name } => {
                let keys = self.keys(namespace, name).await?;
                Ok(Box::pin(loader.credentials_provider(SharedCredentialsProvider::new(keys)).load()).await)
            }
            Principal::Role { arn, namespace } => {
                let own = Box::pin(loader.load()).await;
                let role = AssumeRoleProvider::builder(arn)
                    .session_name("exportpool-operator")
                    .external_id(format!("{}/{namespace}", self.cluster_name))
                    .configure(&own)
                    .build()
                    .await;
                Ok(own.into_builder().credentials_provider(SharedCredentialsProvider::new(role)).build())
            }
        }
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
