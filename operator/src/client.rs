//! The client of the API server: no request is waited for without an end.

use std::time::Duration;

use anyhow::Context as _;
use axum::{
    body::{Bytes, HttpBody},
    http::{Request, Response},
};
use kube::{
    Config,
    client::{Body, Client, ClientBuilder},
};
use tower::{BoxError, Service, timeout::TimeoutLayer};

/// From a request to the head of its answer, with all that it is tried again meanwhile: kube has no bound of its own, and
/// tries what an API server has no time for for minutes. Of a watch this is its beginning alone.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// An answer, or a watch, that says nothing for so long has no one behind it any more. A watch is told about once a minute
/// how far it is (<https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks>).
const SAYS_SOMETHING_WITHIN: Duration = Duration::from_secs(180);

/// The client of the cluster that this runs in, or of the kubeconfig.
///
/// # Errors
/// There is none, or it is not understood.
pub async fn inferred() -> anyhow::Result<Client> {
    let mut config = Config::infer()
        .await
        .context("there is no cluster to talk to: neither a pod's ServiceAccount nor a kubeconfig")?;
    config.read_timeout = Some(SAYS_SOMETHING_WITHIN);
    Ok(bounded(ClientBuilder::try_from(config)?))
}

/// The client, as built so far.
pub fn bounded<S, B>(client: ClientBuilder<S>) -> Client
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    client.with_layer(&TimeoutLayer::new(ANSWERED_WITHIN)).build()
}
