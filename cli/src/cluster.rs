//! A cluster, and a pool on it.

use std::error::Error as _;

use anyhow::{Context as _, anyhow, bail};
use exportpool_operator::{api::ExportPool, client::bounded};
use kube::{
    Api, Client, Config, ResourceExt,
    api::ListParams,
    client::ClientBuilder,
    config::{InferConfigError, KubeConfigOptions, Kubeconfig},
};

use crate::program::program;

/// A namespace of a cluster.
pub(crate) struct Cluster {
    /// Asks its API server.
    pub(crate) client: Client,
    /// The namespace that is meant.
    pub(crate) namespace: String,
}

/// The cluster of the kubeconfig, or of the pod that this runs in.
///
/// # Errors
/// There is none, or not that context.
pub(crate) async fn cluster(context: Option<&str>, namespace: Option<&str>) -> anyhow::Result<Cluster> {
    // The only one there is: another one cannot have been installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let remedy = "there is no cluster to ask: set KUBECONFIG, or make one with `make cluster` and \
                  eval \"$(e2e/cluster/env)\", or with kind";
    let config = match context {
        None => Config::infer().await.map_err(|error| none(remedy, &error))?,
        Some(context) => {
            let options =
                KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
            let kubeconfig = Kubeconfig::read().context(remedy)?;
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .with_context(|| format!("the kubeconfig has no usable context {context:?}"))?
        }
    };
    let namespace = namespace.map_or_else(|| config.default_namespace.clone(), str::to_owned);
    Ok(Cluster { client: bounded(ClientBuilder::try_from(config)?), namespace })
}

/// The kubeconfig's fault alone where this is no pod: nobody meant to be one.
fn none(remedy: &str, error: &InferConfigError) -> anyhow::Error {
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    anyhow!("{remedy} ({why})")
}

/// The pool of that name.
///
/// # Errors
/// It is not there, or may not be read; what is there instead.
pub(crate) async fn pool(cluster: &Cluster, name: &str) -> anyhow::Result<ExportPool> {
    let Cluster { client, namespace } = cluster;
    let pools: Api<ExportPool> = Api::namespaced(client.clone(), namespace);
    match pools.get_opt(name).await {
        Ok(Some(pool)) => Ok(pool),
        Ok(None) => Err(missing(cluster, name).await),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            bail!("you may not get ExportPools in namespace {namespace}: ask for the role view there")
        }
        Err(error) => Err(anyhow!(error).context("the API server does not answer")),
    }
}

/// What there is instead.
async fn missing(cluster: &Cluster, name: &str) -> anyhow::Error {
    let Cluster { client, namespace } = cluster;
    let all = Api::<ExportPool>::all(client.clone()).list_metadata(&ListParams::default().limit(20)).await;
    let none = format!("there is no ExportPool {name} in namespace {namespace}");
    match all {
        Err(kube::Error::Api(status)) if status.is_not_found() => anyhow!(
            "this cluster does not know ExportPools: install the operator (helm install exportpool charts/exportpool), \
             or name another cluster (--context)"
        ),
        Ok(pools) if !pools.items.is_empty() => {
            let named = |pool: &kube::core::PartialObjectMeta<ExportPool>| {
                format!("{} -n {}", pool.name_any(), pool.namespace().unwrap_or_default())
            };
            let names: Vec<_> = pools.iter().map(named).collect();
            anyhow!("{none}. There are: {}. Such as: {} explain {}", names.join(", "), program(), names[0])
        }
        _ => anyhow!("{none}: look with kubectl get exportpools -A"),
    }
}
