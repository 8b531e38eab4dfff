//! Why nothing was collected, and the remedy.

use std::{path::PathBuf, time::Duration};

use exportpool_profile::record::Ending;

/// Nothing was collected.
#[derive(Debug, thiserror::Error)]
pub(super) enum Nothing {
    /// The consumer ended before it was ready.
    #[error("the consumer did not start: {why}\n  its log is {}", log.display())]
    Ended {
        /// How it ended, and the last that it said.
        why: String,
        /// All that it said.
        log: PathBuf,
    },
    /// The consumer is not ready in time.
    #[error(
        "the consumer is not ready after {}: {why}\n  its log is {}; STARTUP_WAIT is how long it may take",
        humantime::format_duration(*.after), log.display()
    )]
    NotReady {
        /// So long it had.
        after: Duration,
        /// What it waits for.
        why: String,
        /// All that it said.
        log: PathBuf,
    },
    /// There is no AWS to work on.
    #[error(
        "the AWS stand-in does not answer: {0}\n  start one with `exportctl aws`, or leave out --emulator"
    )]
    NoAws(String),
    /// Nothing is there.
    #[error("{address} refuses: {why}\n  {remedy}")]
    Refused {
        /// Where it was asked.
        address: String,
        /// What came instead of an answer.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Somebody else profiles it.
    #[error("{address} is being profiled: {why}\n  wait for the end of the other one, or end it")]
    Busy {
        /// Where it was asked.
        address: String,
        /// As it says.
        why: String,
    },
    /// No such process.
    #[error("there is no process {0}: `pgrep exportpool` lists consumers")]
    NoProcess(i32),
    /// Its files cannot be read.
    #[error("process {0} is not ours to look at: run this as its user, or as root")]
    NotOurs(i32),
    /// Its 127.0.0.1 is another one.
    #[error(
        "process {0} is in a network of its own, as that of a container is\n  of a pod: exportctl profile doctor --pod NAME; \
         else run this in its network: nsenter --net --target {0} exportctl profile …"
    )]
    Elsewhere(i32),
    /// There is no such pod.
    #[error("there is no pod {pod} in namespace {namespace}\n  `kubectl get pods -n {namespace}` lists them")]
    NoPod {
        /// Its name.
        pod: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The cluster does not let us to the pod.
    #[error("pod {pod} cannot be reached: {why:#}")]
    NoWay {
        /// Its name.
        pod: String,
        /// As the cluster says, and what to do.
        why: anyhow::Error,
    },
    /// It listens nowhere.
    #[error("process {0} takes no profiles: it is no exportpool-consumer, or PROFILE_PORT=none forbids it")]
    ListensNowhere(i32),
    /// The pool forbids it.
    #[error("profiles of pod {0} are forbidden: PROFILE_PORT=none, which spec.profiling: Forbidden sets")]
    Forbidden(String),
    /// What it tells is not understood.
    #[error("it tells records of another version: take exportctl of the consumer's version")]
    OtherVersion,
    /// It ended before it told anything.
    #[error("{}", untold(.0))]
    Untold(Ending),
    /// It had nothing to do.
    #[error(
        "the consumer received nothing in {}: its queue is {queue}\n  \
         is somebody else reading that queue? PROCESSING_WAIT is how long it may take",
        humantime::format_duration(*.after)
    )]
    Unasked {
        /// So long it had.
        after: Duration,
        /// From where.
        queue: String,
    },
}

fn untold(ending: &Ending) -> String {
    match ending {
        Ending::Gone { why } => format!("the profile ended before it told anything: {why}"),
        Ending::Overdue => "the consumer told nothing in PROCESSING_WAIT: its log says whether it hangs".to_owned(),
        _ => "it was over before the consumer told anything: what is told first is told after a tenth of a second, of a flame graph \
              after seconds"
            .to_owned(),
    }
}
