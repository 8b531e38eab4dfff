//! Why a measurement is missing. Unknown is a value: it is shown in words, never as a number.

use std::{borrow::Cow, time::Duration};

use crate::program::program;

/// Why a queue or a consumer could not be read. The words are stable: they change with the cause alone, not with
/// the attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// No connection to SQS.
    #[error("nothing answers at {endpoint}")]
    Unreachable {
        /// Where SQS should be.
        endpoint: String,
    },
    /// SQS took the request and did not answer.
    #[error("{endpoint} did not answer within {}", humantime::format_duration(*.after))]
    TimedOut {
        /// Where SQS should be.
        endpoint: String,
        /// How long was waited.
        after: Duration,
    },
    /// SQS has no queue of that URL.
    #[error("{url} does not exist")]
    NoSuchQueue {
        /// The queue's URL.
        url: String,
    },
    /// The credentials may not read the queue.
    #[error("GetQueueAttributes is not allowed ({code})")]
    Denied {
        /// The error's code.
        code: String,
    },
    /// There are no credentials to sign with.
    #[error("there are no AWS credentials")]
    NoCredentials,
    /// Any other error of SQS.
    #[error("SQS refuses GetQueueAttributes ({code})")]
    Refused {
        /// The error's code.
        code: String,
    },
    /// The answer of SQS is not what GetQueueAttributes answers.
    #[error("{endpoint} does not answer like SQS")]
    NotSqs {
        /// Where SQS should be.
        endpoint: String,
    },
    /// The queue sends its dead letters nowhere.
    #[error("{queue} has no dead-letter queue")]
    NoDeadLetterQueue {
        /// The queue without one.
        queue: String,
    },
    /// The dead-letter queue's URL was to come from a queue that cannot be read.
    #[error("its URL is in the RedrivePolicy of {queue}, which cannot be read")]
    NotFoundYet {
        /// The queue whose dead letters it takes.
        queue: String,
    },
    /// No consumer answers.
    #[error("no consumer answers at {url}")]
    NoConsumer {
        /// The report's URL.
        url: String,
    },
    /// Something answers that is no consumer.
    #[error("{url} does not answer with a pod report ({why})")]
    NotAReport {
        /// The report's URL.
        url: String,
        /// What it answers instead.
        why: String,
    },
    /// The API server does not answer.
    #[error("the API server does not answer")]
    NoApiServer,
    /// Who asks may not read it.
    #[error("the API server does not allow it ({why})")]
    NotAllowed {
        /// What it says.
        why: String,
        /// What has to be allowed, and the role that does.
        right: &'static str,
    },
    /// The API server answers with something else.
    #[error("the API server refuses it ({why})")]
    ClusterRefuses {
        /// What it says.
        why: String,
    },
    /// The pool is not there any more.
    #[error("there is no ExportPool {pool}")]
    NoPool {
        /// Its namespace and its name.
        pool: String,
    },
    /// The operator did not read the queue.
    #[error("the operator did not read it ({why})")]
    NotReadByOperator {
        /// The condition's message.
        why: String,
    },
    /// The pod does not answer yet.
    #[error("the pod does not run ({why})")]
    NotRunning {
        /// The kubelet's word, or the pod's phase.
        why: String,
    },
    /// The pod runs and does not answer.
    #[error("the pod does not answer")]
    PodSilent,
    /// No connection to the pod through the API server.
    #[error("the API server forwards no port of the pod ({why})")]
    NotForwarded {
        /// What it says.
        why: String,
    },
}

impl Unreadable {
    /// A stable word for scripts.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timedOut",
            Self::NoSuchQueue { .. } => "noSuchQueue",
            Self::Denied { .. } => "denied",
            Self::NoCredentials => "noCredentials",
            Self::Refused { .. } => "refused",
            Self::NotSqs { .. } => "notSqs",
            Self::NoDeadLetterQueue { .. } => "noDeadLetterQueue",
            Self::NotFoundYet { .. } => "notFoundYet",
            Self::NoConsumer { .. } => "noConsumer",
            Self::NotAReport { .. } => "notAReport",
            Self::NoApiServer => "noApiServer",
            Self::NotAllowed { .. } => "notAllowed",
            Self::ClusterRefuses { .. } => "clusterRefuses",
            Self::NoPool { .. } => "noPool",
            Self::NotReadByOperator { .. } => "notReadByOperator",
            Self::NotRunning { .. } => "notRunning",
            Self::PodSilent => "podSilent",
            Self::NotForwarded { .. } => "notForwarded",
        }
    }

    /// What to set or start.
    pub(crate) fn remedy(&self) -> Cow<'static, str> {
        let remedy = match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                let program = program();
                return format!(
                    "start a stand-in with `{program} aws`, or set AWS_ENDPOINT (or --emulator) to where SQS is"
                )
                .into();
            }
            Self::NoSuchQueue { .. } => {
                "create the queue, or set its variable (SQS_…_URL) to one that exists"
            }
            Self::Denied { .. } => "allow sqs:GetQueueAttributes on the queue",
            Self::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass --emulator URL for a stand-in"
            }
            Self::Refused { .. } => {
                "see the code in the SQS documentation; it is asked again at the next sample"
            }
            Self::NotSqs { .. } => "set AWS_ENDPOINT (or --emulator) to where SQS is",
            Self::NoDeadLetterQueue { .. } => "set a RedrivePolicy on the queue, or SQS_…_DLQ_URL",
            Self::NotFoundYet { .. } => "make that queue readable, or set SQS_…_DLQ_URL",
            Self::NoConsumer { .. } => "start the consumer, or pass --consumer URL for one that runs",
            Self::PodSilent => "kubectl logs tells what it does",
            Self::NotAReport { .. } => "name an exportpool consumer of this version",
            Self::NoApiServer => {
                "see whether the cluster is up, and whether KUBECONFIG and --context name it"
            }
            Self::NotAllowed { right, .. } => {
                return format!("{right} has to be allowed in the namespace").into();
            }
            Self::ClusterRefuses { .. } => "kubectl get --raw /readyz tells how it is",
            Self::NoPool { .. } => "look with kubectl get exportpools -A",
            Self::NotReadByOperator { .. } => return format!("{} explain tells more", program()).into(),
            Self::NotRunning { .. } => "kubectl describe pod tells why",
            Self::NotForwarded { .. } => "see whether kubectl port-forward reaches the pod",
        };
        remedy.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_the_value_and_the_remedy_names_what_to_start() {
        let gone = Unreadable::Unreachable { endpoint: "http://127.0.0.1:1".into() };
        assert_eq!(gone.to_string(), "nothing answers at http://127.0.0.1:1");
        assert!(gone.remedy().contains("exportctl aws"));
        assert_eq!(gone.reason(), "unreachable");
    }

    #[test]
    fn a_wait_is_told_with_its_unit() {
        let slow = Unreadable::TimedOut { endpoint: "SQS".into(), after: Duration::from_secs(3) };
        assert_eq!(slow.to_string(), "SQS did not answer within 3s");
    }
}
