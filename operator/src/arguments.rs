//! How the operator is started.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Args, Parser, Subcommand};

/// Runs the consumers of each ExportPool, and as many of them as their queues need.
///
/// Without a command it is the controller. Several may run: one leads, the others stand by.
#[derive(Debug, Parser)]
#[command(name = "exportpool-operator", version, max_term_width = 100)]
pub struct Arguments {
    /// What to do instead.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// As a controller.
    #[command(flatten)]
    pub controller: Controller,
}

/// What to do instead of being the controller.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print the CustomResourceDefinition, for kubectl apply -f -
    Crd,
    /// Exit with 1, naming them, while there are ExportPools to look after: before the operator is uninstalled
    CheckEmpty,
}

/// Of the controller.
#[derive(Debug, Clone, Args)]
pub struct Controller {
    /// Namespaces to look after, comma-separated; all of the cluster if there are none
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,…")]
    pub watch_namespaces: Vec<String>,
    /// Look after pools with this spec.class only; without it, after pools that have none
    #[arg(long, env = "CLASS")]
    pub class: Option<String>,
    /// Let pools name an endpoint of their own instead of AWS's, such as LocalStack's
    #[arg(long, env = "ALLOW_ENDPOINTS")]
    pub allow_endpoints: bool,
    /// A YAML file: for which namespaces the operator may read which queues with its own identity
    ///
    /// A list of {namespaces: [names, * and ? match], queues: [ARNs, * and ? match]}. A namespace may also allow queues
    /// itself, by its annotation exportpool.dev/allowed-queues. What nobody allows is not read.
    #[arg(long, env = "QUEUE_ACCESS", value_name = "FILE")]
    pub queue_access: Option<PathBuf>,
    /// Name of this cluster: roles that pools name are assumed with the external ID <CLUSTER>/<namespace>
    #[arg(long, env = "CLUSTER_NAME", default_value = "default")]
    pub cluster_name: String,
    /// Requests to SQS a second, of all pools together; half of them at most for the queues of one AWS account
    #[arg(long, env = "SQS_REQUESTS_PER_SECOND", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub sqs_requests_per_second: u32,
    /// Pools whose pods are replaced at a time because this operator renders them otherwise than the one before it
    ///
    /// What people change in a pool waits for nobody, nor do pools without pods.
    #[arg(long, env = "MAX_CONCURRENT_ROLLOUTS", default_value = "10", value_name = "POOLS")]
    pub max_concurrent_rollouts: NonZeroUsize,
    /// Where /healthz, /readyz and /metrics are
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Name of the Lease by which operators agree who leads
    #[arg(long, env = "LEASE_NAME", default_value = "exportpool-operator")]
    pub lease_name: String,
    /// Namespace of that Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub lease_namespace: String,
    /// Name of this process in the election; of each its own
    #[arg(long, env = "POD_NAME", default_value_t = own_name())]
    pub identity: String,
    /// json or human; human on a terminal, else json
    #[arg(long, env = "LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
}

impl Controller {
    /// Each namespace to look after, or none of them by name: all at once.
    pub fn namespaces(&self) -> impl Iterator<Item = Option<&str>> {
        let named = self.watch_namespaces.iter().map(String::as_str).filter(|name| !name.is_empty());
        let all = self.watch_namespaces.iter().all(String::is_empty).then_some(None);
        named.map(Some).chain(all)
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Human,
}

fn own_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "exportpool-operator".to_owned());
    format!("{host}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(arguments: &[&str]) -> Vec<Option<String>> {
        let parsed = Arguments::parse_from([&["exportpool-operator"], arguments].concat());
        parsed.controller.namespaces().map(|namespace| namespace.map(str::to_owned)).collect()
    }

    #[test]
    fn without_names_the_whole_cluster_is_looked_after() {
        assert_eq!(namespaces(&[]), [None]);
        assert_eq!(namespaces(&["--watch-namespaces="]), [None]);
        assert_eq!(namespaces(&["--watch-namespaces=a,b"]), ["a", "b"].map(|name| Some(name.to_owned())));
    }
}
