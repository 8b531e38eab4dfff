//! Why a queue's depth is not known.

use exportpool_scaling::UnknownDepth;

/// Why a queue's depth is not known. What AWS says is not repeated: only what people can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueFault {
    /// Pools may not name endpoints.
    #[error("aws.endpoint is set, and this operator does not allow it: start it with --allow-endpoints")]
    EndpointNotAllowed,
    /// An endpoint and no credentials.
    #[error(
        "aws.endpoint is set without aws.credentialsSecretRef: the operator's own credentials go to AWS alone"
    )]
    EndpointWithoutCredentials,
    /// Not the URL of a queue of AWS.
    #[error(
        "{url:?} is no URL of a queue of AWS in {region}, such as https://sqs.{region}.amazonaws.com/123456789012/name: \
         set it, or set aws.endpoint"
    )]
    NotAtAws {
        /// The URL.
        url: String,
        /// The pool's region.
        region: String,
    },
    /// The namespace may not have it read.
    #[error(
        "namespace {namespace} may not have {arn} read by the operator: annotate it (kubectl annotate namespace \
         {namespace} --overwrite exportpool.dev/allowed-queues={all}), which is seen within a minute, add it to queueAccess \
         of the chart, or set aws.credentialsSecretRef"
    )]
    NotAllowed {
        /// The pool's namespace.
        namespace: String,
        /// The queue.
        arn: String,
        /// What the namespace would have to allow: what it does, and both queues of the pool.
        all: String,
    },
    /// Whether the namespace allows it is not known.
    #[error(
        "namespace {namespace} cannot be read, and with it what it allows: look at the API server and the operator's log"
    )]
    NamespaceUnreadable {
        /// The pool's namespace.
        namespace: String,
    },
    /// There is no such Secret.
    #[error(
        "there is no Secret {name} in namespace {namespace}: create it, or change aws.credentialsSecretRef"
    )]
    SecretMissing {
        /// The pool's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
    /// The Secret does not have a key.
    #[error("Secret {name} has no key {key}: it needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    SecretKeyMissing {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// The operator may not read the Secret.
    #[error(
        "the operator may not read Secret {name}: give its ServiceAccount get on secrets in that namespace"
    )]
    SecretForbidden {
        /// The Secret.
        name: String,
    },
    /// The API server does not answer.
    #[error("the API server does not answer for Secret {name}")]
    SecretUnreadable {
        /// The Secret.
        name: String,
    },
    /// Too many requests, to SQS or to our own limit.
    #[error(
        "SQS throttles, or the operator's own limit is reached (--sqs-requests-per-second, half of it for one account): \
         it is asked less often"
    )]
    Throttled,
    /// Credentials that may not, or that are not known.
    #[error(
        "{who} may not read it: allow sqs:GetQueueAttributes on {arn}, and look whether its credentials are valid"
    )]
    Denied {
        /// Whose credentials.
        who: String,
        /// The queue.
        arn: String,
    },
    /// No such queue.
    #[error("there is no queue {arn}: create it; a new pool can name another one")]
    NotFound {
        /// The queue.
        arn: String,
    },
    /// No answer.
    #[error("SQS does not answer at {at}: look whether the operator may reach it")]
    Unreachable {
        /// The endpoint.
        at: String,
    },
    /// An answer that is not understood.
    #[error("what answers at {at} does not answer as SQS does")]
    Malformed {
        /// The endpoint.
        at: String,
    },
}

impl QueueFault {
    /// A stable word for conditions and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::EndpointNotAllowed => "EndpointNotAllowed",
            Self::EndpointWithoutCredentials => "EndpointWithoutCredentials",
            Self::NotAtAws { .. } => "NotAtAws",
            Self::NotAllowed { .. } => "NotAllowed",
            Self::NamespaceUnreadable { .. } => "NamespaceUnreadable",
            Self::SecretMissing { .. } => "SecretMissing",
            Self::SecretKeyMissing { .. } => "SecretKeyMissing",
            Self::SecretForbidden { .. } => "SecretForbidden",
            Self::SecretUnreadable { .. } => "SecretUnreadable",
            Self::Throttled => "Throttled",
            Self::Denied { .. } => "Denied",
            Self::NotFound { .. } => "NotFound",
            Self::Unreachable { .. } => "Unreachable",
            Self::Malformed { .. } => "Malformed",
        }
    }

    /// Whether who has the fault of that reason may read the queue all the same: it passes by itself.
    #[must_use]
    pub fn passes(reason: &str) -> bool {
        ["Throttled", "Unreachable"].contains(&reason)
    }

    /// As the scaling knows it.
    #[must_use]
    pub const fn unknown(&self) -> UnknownDepth {
        match self {
            Self::Throttled => UnknownDepth::Throttled,
            Self::NotFound { .. } => UnknownDepth::NotFound,
            Self::Unreachable { .. } | Self::SecretUnreadable { .. } | Self::NamespaceUnreadable { .. } => {
                UnknownDepth::Unreachable
            }
            Self::Malformed { .. } => UnknownDepth::Malformed,
            _ => UnknownDepth::Denied,
        }
    }
}
