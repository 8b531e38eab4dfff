//! The pool of tests: as in the README.

use serde_json::{Value, json};

use super::ExportPool;

/// It, changed.
pub(crate) fn pool(change: impl FnOnce(&mut Value)) -> ExportPool {
    let mut pool = json!({
        "apiVersion": "exportpool.dev/v1alpha1",
        "kind": "ExportPool",
        "metadata": {"name": "reports", "namespace": "team", "uid": "0c7c2b0e-0000-4000-8000-000000000001"},
        "spec": {
            "image": "ghcr.io/exportpool/consumer:0.1.0",
            "queues": {
                "exportJobs": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs"},
                "downloadTasks": {"url": "https://sqs.eu-west-1.amazonaws.com/123456789012/download-tasks"},
            },
            "storage": {"bucket": "exports", "table": "exports"},
            "aws": {"region": "eu-west-1"},
            "scaling": {"maxReplicas": 20},
        },
    });
    change(&mut pool);
    serde_json::from_value(pool).unwrap()
}
