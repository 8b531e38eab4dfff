//! Why messages are not sent, or not accepted.

use aws_sdk_sqs::{
    error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError},
    operation::send_message_batch::SendMessageBatchError,
};
use serde::Serialize;

use crate::program::program;

/// Why nothing more can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSent {
    /// No answer.
    #[error(
        "no answer from the queue {queue_url}: {detail}. Is the address right? For a stand-in, start it with \
         `{program} aws`",
        program = program()
    )]
    Unreachable {
        /// The queue.
        queue_url: String,
        /// What the connection said.
        detail: String,
    },
    /// SQS answers, and has no such queue.
    #[error(
        "there is no queue {queue_url}: SQS_EXPORT_JOBS_URL or --emulator names it; create it, or run \
         `{program} aws`, which has one",
        program = program()
    )]
    QueueMissing {
        /// The queue.
        queue_url: String,
    },
    /// SQS is too busy, or has a fault of its own.
    #[error("SQS is not able to take messages for {queue_url} now: {code}: {message}; try a lower --rate")]
    Unavailable {
        /// The queue.
        queue_url: String,
        /// Its word for the fault.
        code: String,
        /// Its words.
        message: String,
    },
    /// SQS refuses whole requests.
    #[error(
        "SQS refuses requests for {queue_url}: {code}: {message}; check the credentials and their policy"
    )]
    Denied {
        /// The queue.
        queue_url: String,
        /// Its word for the reason.
        code: String,
        /// Its words.
        message: String,
    },
    /// The request was never made, or its answer is not one of SQS.
    #[error(
        "no request could be made for {queue_url}: {detail}; check the endpoint, the region and the credentials"
    )]
    Unusable {
        /// The queue.
        queue_url: String,
        /// What the SDK says.
        detail: String,
    },
}

/// A message that SQS did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refused {
    /// The message's job.
    pub(crate) job_id: String,
    /// SQS's word for the reason.
    pub(crate) code: String,
    /// SQS's words.
    pub(crate) message: String,
}

impl NotSent {
    /// Reads what became of a request.
    pub(super) fn new(queue_url: &str, error: &SdkError<SendMessageBatchError>) -> Self {
        let queue_url = queue_url.to_owned();
        let detail = DisplayErrorContext(error).to_string();
        match error {
            SdkError::TimeoutError(_) => Self::Unreachable { queue_url, detail },
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
                Self::Unreachable { queue_url, detail: root_cause(error) }
            }
            SdkError::ServiceError(answer) => {
                Self::answered(queue_url, answer.err(), answer.raw().status().as_u16())
            }
            _ => Self::Unusable { queue_url, detail },
        }
    }

    fn answered(queue_url: String, error: &SendMessageBatchError, status: u16) -> Self {
        let code = error.code().unwrap_or_default().to_owned();
        let message = error.message().unwrap_or_default().to_owned();
        // The newer protocol's word and the older one's: stand-ins send either.
        if code.ends_with("QueueDoesNotExist") || code.ends_with("NonExistentQueue") {
            Self::QueueMissing { queue_url }
        } else if status >= 500 || status == 429 || code.contains("Throttl") {
            Self::Unavailable { queue_url, code: named(code, status), message }
        } else if code.is_empty() {
            Self::Unusable { queue_url, detail: format!("status {status}, and not an answer of SQS") }
        } else {
            Self::Denied { queue_url, code, message }
        }
    }

    /// Whether the same request may do better later.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }
}

fn named(code: String, status: u16) -> String {
    if code.is_empty() { format!("status {status}") } else { code }
}

/// The last of the causes: "Connection refused", without the layers above it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
