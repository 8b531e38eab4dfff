//! `exportctl explain`: why a pool has as many pods as it has.

mod text;

use std::{io::Write as _, process::ExitCode};

use chrono::Utc;
use clap::Parser;
use exportpool_operator::api::ExportPool;
use serde_json::json;

use crate::cluster;

/// Say why an ExportPool has as many pods as it has, from its status
#[derive(Debug, Parser)]
#[command(
    after_help = "More:\n  exportctl explain reports -n team     a pool of another namespace\n  exportctl explain reports --json      for machines\n\nIt asks the API server alone, and needs no rights but to get the pool."
)]
pub(crate) struct Args {
    /// The pool
    #[arg(value_name = "POOL")]
    pool: String,
    /// Its namespace [default: the one of the kubeconfig's context]
    #[arg(short, long)]
    namespace: Option<String>,
    /// The kubeconfig's context
    #[arg(long)]
    context: Option<String>,
    /// The decision, its inputs and the conditions as JSON
    #[arg(long)]
    json: bool,
}

/// Tells why a pool has as many pods as it has.
///
/// # Errors
/// No cluster, no such pool, or nothing known of it yet, and the remedy.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cluster = cluster::cluster(args.context.as_deref(), args.namespace.as_deref()).await?;
    let pool = cluster::pool(&cluster, &args.pool).await?;
    let told = if args.json { document(&pool) } else { text::explain(&pool, Utc::now())? };
    // Nobody reading it is no fault.
    let _ = writeln!(std::io::stdout(), "{told}");
    Ok(ExitCode::SUCCESS)
}

fn document(pool: &ExportPool) -> String {
    let status = pool.status.clone().unwrap_or_default();
    json!({
        "namespace": pool.metadata.namespace,
        "pool": pool.metadata.name,
        "desiredReplicas": status.desired_replicas,
        "readyReplicas": status.ready_replicas,
        "lastDecision": status.last_decision,
        "countedAt": status.counted_at,
        "queues": status.queues,
        "conditions": status.conditions,
    })
    .to_string()
}
