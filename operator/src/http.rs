//! `/healthz`, `/readyz`, `/metrics`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

/// Whether this process is ready to lead or to stand by; if not, why not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<String>>>);

impl Readiness {
    /// Not ready yet.
    #[must_use]
    pub(crate) fn not_yet(why: impl Into<String>) -> Self {
        Self(Arc::new(Mutex::new(Some(why.into()))))
    }

    /// From now on: ready, or why not.
    pub(crate) fn set(&self, why_not: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why_not;
    }

    /// As long as it is not ready: why not, in other words.
    pub(crate) fn explain(&self, why_not: String) {
        if let Some(why) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            *why = why_not;
        }
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn serve(
    at: SocketAddr,
    readiness: Readiness,
    metrics: PrometheusHandle,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(at).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {at} ({error}): name another address with --listen")
    })?;
    let ready = async |State(readiness): State<Readiness>| match readiness.get() {
        None => (StatusCode::OK, "ok".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    };
    let render = move || std::future::ready(metrics.render());
    let routes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(readiness);
    axum::serve(listener, routes).await?;
    Ok(())
}
