//! What went wrong, and whose fault it is: the message's, the source's, or ours.

pub mod breaker;
pub mod dead_letter;
pub(crate) mod look;
mod resource;

use std::time::Duration;

pub use resource::AwsResource;

/// A fault of AWS or of our access to it. Ours: it never costs a message an attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: {detail}")]
pub struct AwsFault {
    /// What kind.
    pub kind: AwsKind,
    /// What was asked.
    pub resource: AwsResource,
    /// What it answered, without bodies.
    pub detail: String,
}

/// Kinds of [`AwsFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AwsKind {
    /// No answer: not resolved, not connected, timed out, or cut off.
    Unreachable,
    /// The queue, bucket or table does not exist.
    Missing,
    /// Credentials are wrong, expired, or may not do this.
    Denied,
    /// Asked to slow down.
    Throttled,
    /// The service failed (5xx).
    Failed,
    /// The service refused the request as it is: sending it again would not help.
    Rejected,
}

impl AwsKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unreachable, Self::Missing, Self::Denied, Self::Throttled, Self::Failed, Self::Rejected];

    /// A stable word for metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Missing => "missing",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
        }
    }
}

/// Whose fault it is that a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The message's, or of what it asks for.
    Message,
    /// The source's.
    Source,
    /// Ours, or AWS's: it costs no attempt, and nothing reaches a dead-letter queue.
    Ours,
}

/// Why one try at a task failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskFault {
    /// The message's or the source's, for good.
    #[error("{reason}: {detail}")]
    Final {
        /// A stable word.
        reason: Reason,
        /// In words.
        detail: String,
    },
    /// The source's, perhaps not for long.
    #[error("{reason}: {detail}")]
    Retry {
        /// A stable word.
        reason: Reason,
        /// In words.
        detail: String,
        /// What the source asked for (`Retry-After`).
        after: Option<Duration>,
    },
    /// Ours.
    #[error(transparent)]
    Ours(#[from] AwsFault),
    /// Another delivery has the task now.
    #[error("fenced: another delivery claimed the task")]
    Fenced,
}

impl TaskFault {
    /// A fault that no retry mends.
    pub fn last(reason: Reason, detail: impl Into<String>) -> Self {
        debug_assert!(!reason.may_pass(), "{reason} may pass");
        Self::Final { reason, detail: detail.into() }
    }

    /// A fault that a retry may mend.
    pub fn retry(reason: Reason, detail: impl Into<String>) -> Self {
        debug_assert!(reason.may_pass(), "{reason} is final");
        Self::Retry { reason, detail: detail.into(), after: None }
    }

    /// Whose it is; `None` when another delivery has the task.
    #[must_use]
    pub const fn whose(&self) -> Option<Whose> {
        match self {
            Self::Final { reason, .. } | Self::Retry { reason, .. } => Some(reason.whose()),
            Self::Ours(_) => Some(Whose::Ours),
            Self::Fenced => None,
        }
    }

    /// A stable word for metrics and logs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Final { reason, .. } | Self::Retry { reason, .. } => reason.as_str(),
            Self::Ours(fault) => fault.kind.reason(),
            Self::Fenced => "fenced",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// Why a message or a task was refused: the word on dead letters, records and metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// The body is not JSON, or not a job or a task.
    Malformed = "malformed",
    /// An Export API's page cannot be read as one, repeats itself, or never ends.
    ExportApiInvalid = "exportApiInvalid",
    /// The Export API's credentials are not known here, or are another origin's.
    CredentialsUnknown = "credentialsUnknown",
    /// The same id came before with another definition.
    IdReused = "idReused",
    /// The URL is not http(s), or cannot be read.
    InvalidUrl = "invalidUrl",
    /// The key, or the prefix before it, is not allowed.
    InvalidKey = "invalidKey",
    /// A request header is not on the allow-list, or not a header.
    InvalidHeader = "invalidHeader",
    /// The URL leads to an address that downloads may not reach.
    AddressForbidden = "addressForbidden",
    /// More redirects than allowed.
    TooManyRedirects = "tooManyRedirects",
    /// The file is larger than `MAX_FILE_BYTES`.
    TooLarge = "tooLarge",
    /// Another object stands under the key.
    KeyConflict = "keyConflict",
    /// Another write to the same key won.
    WriteConflict = "writeConflict",
    /// The source answered with a status that no retry mends.
    SourceRefused = "sourceRefused",
    /// The source answered 403; also a presigned URL that has expired.
    SourceForbidden = "sourceForbidden",
    /// The source answered with a status that may pass.
    SourceFailed = "sourceFailed",
    /// The host's name could not be resolved.
    Dns = "dns",
    /// No connection to the source.
    Connect = "connect",
    /// The source sent nothing for too long, or too slowly.
    TooSlow = "tooSlow",
    /// The body ended before its length, or the connection broke.
    Truncated = "truncated",
    /// The body broke off, and what the source has now is another file: from byte 0.
    SourceChanged = "sourceChanged",
    /// The task ran longer than `TASK_TIMEOUT_SECONDS`.
    TaskTimeout = "taskTimeout",
    /// The worker panicked.
    Panicked = "panicked",
    /// The worker's thread was stuck and had to be given up.
    Stuck = "stuck",
    /// Started `MAX_ATTEMPTS` times without success.
    AttemptsExhausted = "attemptsExhausted",
}

impl Reason {
    /// A retry may mend it.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::WriteConflict
                | Self::SourceFailed
                | Self::Dns
                | Self::Connect
                | Self::TooSlow
                | Self::Truncated
                | Self::SourceChanged
                | Self::TaskTimeout
                | Self::Panicked
                | Self::Stuck
        )
    }

    /// Whose fault it is. Never ours: those have no reason, they are [`AwsFault`]s.
    #[must_use]
    pub const fn whose(self) -> Whose {
        match self {
            Self::ExportApiInvalid
            | Self::TooManyRedirects
            | Self::TooLarge
            | Self::SourceRefused
            | Self::SourceForbidden
            | Self::SourceFailed
            | Self::Dns
            | Self::Connect
            | Self::TooSlow
            | Self::Truncated
            | Self::SourceChanged
            | Self::TaskTimeout => Whose::Source,
            _ => Whose::Message,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long a task waits for its next attempt: exponential, from half of a ceiling of 1 s that doubles up to 300 s to
/// the whole of it ("equal jitter"), or what the source asked for when that is longer; never longer than SQS delays a
/// message (900 s).
///
/// `jitter` is from 0 to 1. Source: <https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/>.
#[must_use]
pub fn retry_delay(attempt: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(900);
    let ceiling = Duration::from_secs(1 << attempt.min(9)).min(Duration::from_secs(300));
    let drawn = ceiling.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
    asked.map_or(drawn, |asked| drawn.max(asked)).min(LONGEST)
}

/// How long a message stays away after a fault of our own: 30 to 300 s, so that a returning service is not met
/// by everything at once. `jitter` is from 0 to 1.
#[must_use]
pub fn fault_delay(jitter: f64) -> Duration {
    Duration::from_secs(30) + Duration::from_secs(270).mul_f64(jitter.clamp(0.0, 1.0))
}

/// How long a task waits whose thread was stuck: 60 to 120 s. The task itself may have been what stuck it, and a pod
/// bears few such threads. `jitter` is from 0 to 1.
#[must_use]
pub fn stuck_delay(jitter: f64) -> Duration {
    Duration::from_secs(60).mul_f64(1.0 + jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_word() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    /// What each reason means is decided here: a new one has to be added.
    #[test]
    fn every_fault_is_somebodys_and_final_or_not() {
        use Whose::{Message, Ours, Source};
        const FINAL: bool = false;
        const RETRY: bool = true;
        let table = [
            ("malformed", Message, FINAL),
            ("exportApiInvalid", Source, FINAL),
            ("credentialsUnknown", Message, FINAL),
            ("idReused", Message, FINAL),
            ("invalidUrl", Message, FINAL),
            ("invalidKey", Message, FINAL),
            ("invalidHeader", Message, FINAL),
            ("addressForbidden", Message, FINAL),
            ("tooManyRedirects", Source, FINAL),
            ("tooLarge", Source, FINAL),
            ("keyConflict", Message, FINAL),
            ("writeConflict", Message, RETRY),
            ("sourceRefused", Source, FINAL),
            ("sourceForbidden", Source, FINAL),
            ("sourceFailed", Source, RETRY),
            ("dns", Source, RETRY),
            ("connect", Source, RETRY),
            ("tooSlow", Source, RETRY),
            ("truncated", Source, RETRY),
            ("sourceChanged", Source, RETRY),
            ("taskTimeout", Source, RETRY),
            ("panicked", Message, RETRY),
            ("stuck", Message, RETRY),
            ("attemptsExhausted", Message, FINAL),
        ];
        let found: Vec<_> = Reason::ALL.iter().map(|r| (r.as_str(), r.whose(), r.may_pass())).collect();
        assert_eq!(found, table);
        for kind in AwsKind::ALL {
            let fault = TaskFault::Ours(AwsFault {
                kind,
                resource: AwsResource::Bucket("exports".into()),
                detail: String::new(),
            });
            assert_eq!(fault.whose(), Some(Ours), "{}", kind.reason());
        }
        assert_eq!(TaskFault::Fenced.whose(), None);
    }

    #[test]
    fn delays_grow_and_honour_what_the_source_asks() {
        assert_eq!(retry_delay(1, None, 1.0), Duration::from_secs(2));
        assert_eq!(retry_delay(1, None, 0.0), Duration::from_secs(1), "half of it at least");
        assert!(retry_delay(1, None, 0.0) < retry_delay(4, None, 0.0));
        assert_eq!(retry_delay(99, None, 1.0), Duration::from_secs(300));
        assert_eq!(retry_delay(1, Some(Duration::from_secs(40)), 0.3), Duration::from_secs(40));
        assert_eq!(retry_delay(1, Some(Duration::from_secs(9_000)), 0.3), Duration::from_secs(900));
    }

    #[test]
    fn a_task_whose_thread_was_stuck_waits_for_60_to_120_seconds() {
        assert_eq!([0.0, 1.0].map(stuck_delay), [60, 120].map(Duration::from_secs));
    }

    #[test]
    fn our_own_faults_keep_messages_away_for_30_to_300_seconds() {
        assert_eq!(fault_delay(0.0), Duration::from_secs(30));
        assert_eq!(fault_delay(1.0), Duration::from_secs(300));
    }
}
