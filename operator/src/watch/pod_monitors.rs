//! PodMonitors, where the cluster serves them: from the start, or once the Prometheus operator is installed.

use std::time::Duration;

use kube::{Client, CustomResource};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// How often it is asked for, while it is not there: one small request.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Of the kind that is meant; what is in it is rendered elsewhere.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(
    group = "monitoring.coreos.com",
    version = "v1",
    kind = "PodMonitor",
    plural = "podmonitors",
    namespaced,
    schema = "disabled",
    doc = "A PodMonitor of the Prometheus operator."
)]
pub struct PodMonitorSpec {}

/// Waits until the cluster serves PodMonitors. An answer that does not come counts as no.
pub(super) async fn served(client: &Client) {
    while !are_served(client).await {
        sleep(LOOK_EVERY).await;
    }
}

async fn are_served(client: &Client) -> bool {
    let list = client.list_api_group_resources("monitoring.coreos.com/v1").await;
    list.is_ok_and(|list| list.resources.iter().any(|resource| resource.kind == "PodMonitor"))
}
