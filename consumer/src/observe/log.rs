//! One log line for each settled task: no secrets, no bodies.

use std::io;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::LogFormat,
    event::{Settlement, WorkResult},
    fail::Reason,
    message::Task,
    spec::public_url,
};

/// What is logged unless `RUST_LOG` says something else.
pub const DEFAULT_FILTER: &str = "info,aws_config=warn,aws_smithy_runtime=warn,hyper_util=warn";

/// Whether a filter can be read as one.
///
/// # Errors
/// What is wrong with it, in a line.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| error.to_string().replace('\n', " "))
}

/// Starts logging on standard output; the filter was checked.
pub fn start(format: LogFormat, filter: &str) {
    let logs = fmt().with_env_filter(EnvFilter::new(filter)).with_writer(io::stdout);
    match format {
        LogFormat::Json => {
            logs.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
        LogFormat::Human { colour } => logs.with_ansi(colour).init(),
    }
}

/// What a settled task's line says, taken before the result is used up.
pub(crate) struct Line {
    job: String,
    task: String,
    url: String,
    reason: Option<&'static str>,
    detail: Option<String>,
    attempts: Option<u32>,
}

impl Line {
    pub(crate) fn new(task: &Task, result: &WorkResult) -> Self {
        let (claimed, fault) = match result {
            WorkResult::Stored { claimed, .. } => (Some(claimed), None),
            WorkResult::Faulted { claimed, fault } => (claimed.as_ref(), Some(fault)),
            WorkResult::Cancelled { claimed } => (claimed.as_ref(), None),
            WorkResult::AlreadyDone | WorkResult::Panicked | WorkResult::Stuck => (None, None),
        };
        let of_worker = match result {
            WorkResult::Panicked => Some(Reason::Panicked.as_str()),
            WorkResult::Stuck => Some(Reason::Stuck.as_str()),
            _ => None,
        };
        Self {
            job: task.job.to_string(),
            task: task.id().to_string(),
            url: public_url(&task.spec.url),
            reason: fault.map(crate::fail::TaskFault::reason).or(of_worker),
            detail: fault.map(ToString::to_string),
            attempts: claimed.map(|claimed| claimed.attempts),
        }
    }
}

/// Writes the line.
pub(crate) fn tell(line: &Line, settlement: &Settlement) {
    let Line { job, task, url, reason, detail, attempts } = line;
    let millis = |delay: &std::time::Duration| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    match settlement {
        Settlement::Done { bytes, service } => {
            tracing::info!(job, task, attempts, bytes, service_millis = millis(service), "task done");
        }
        Settlement::Failed => tracing::warn!(job, task, attempts, url, reason, detail, "task failed"),
        Settlement::Retry(delay) | Settlement::Resent(delay) | Settlement::Returned(delay) => {
            tracing::info!(
                job,
                task,
                attempts,
                reason,
                detail,
                again_in_millis = millis(delay),
                "task comes again"
            );
        }
        Settlement::HandedOver => {
            tracing::info!(job, task, attempts, reason, detail, "task handed over");
        }
        Settlement::Fenced => {
            tracing::info!(job, task, attempts, reason, detail, "task left to another delivery");
        }
    }
}
