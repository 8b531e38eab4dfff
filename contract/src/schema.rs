//! JSON Schemas of what crosses a process boundary, generated from the types and kept in `docs/schema/`.

use schemars::{JsonSchema, schema_for};

use crate::{ExportPage, Health, JobMessage, PodReport, TaskMessage};

/// Every schema: its file's name, and its text.
#[must_use]
pub fn all() -> Vec<(&'static str, String)> {
    vec![
        ("export-job.json", text::<JobMessage>()),
        ("download-task.json", text::<TaskMessage>()),
        ("export-page.json", text::<ExportPage>()),
        ("pod-report.json", text::<PodReport>()),
        ("health.json", text::<Health>()),
    ]
}

fn text<T: JsonSchema>() -> String {
    // A schema is a JSON value with string keys: writing it cannot fail.
    let mut text = serde_json::to_string_pretty(&schema_for!(T)).unwrap_or_default();
    text.push('\n');
    text
}
