//! What can be, and is seldom wanted.

use super::grace_seconds;
use crate::api::ExportPoolSpec;

/// So many seconds the cluster autoscaler waits for pods by default
/// (<https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>), and GKE at most when it takes nodes
/// away (<https://cloud.google.com/kubernetes-engine/docs/how-to/extended-duration-pods>).
const PLATFORMS_WAIT: i64 = 600;
/// Before a pod is told to end, some of that time has gone.
const MARGIN: i64 = 50;

/// Something in a spec that people should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A stable word.
    pub reason: &'static str,
    /// What may come of it, and what to do.
    pub message: String,
}

/// What people should know of a spec that is rendered all the same.
#[must_use]
pub fn warnings(spec: &ExportPoolSpec) -> Vec<Warning> {
    [long_grace(spec), moving_tag(spec)].into_iter().flatten().collect()
}

fn long_grace(spec: &ExportPoolSpec) -> Option<Warning> {
    let grace = grace_seconds(spec);
    (grace > PLATFORMS_WAIT - MARGIN).then(|| Warning {
        reason: "LongGracePeriod",
        message: format!(
            "pods may take {grace} s to end (worker.taskTimeoutSeconds and 50 s); where nodes are taken away they may \
             be killed before, and their tasks start again: the cluster autoscaler waits {PLATFORMS_WAIT} s \
             (--max-graceful-termination-sec; also AKS by default, and GKE at most), spot nodes wait two minutes at most. \
             Lower taskTimeoutSeconds to 500, or raise the platform's limit"
        ),
    })
}

fn moving_tag(spec: &ExportPoolSpec) -> Option<Warning> {
    let image = &spec.image;
    is_moving(image).then(|| Warning {
        reason: "MovingTag",
        message: format!(
            "image {image:?} can become another one without a rollout, and pods of one pool can differ: name a \
             version or a digest"
        ),
    })
}

/// Whether an image has the tag `latest`, or none, which is the same. A colon before the last slash is a port's.
fn is_moving(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    !last.contains('@') && matches!(last.split_once(':'), None | Some((_, "latest")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_or_a_digest_does_not_move_and_what_is_before_a_slash_is_no_tag() {
        for image in ["consumer", "consumer:latest", "registry:5000/consumer", "ghcr.io/a/consumer:latest"] {
            assert!(is_moving(image), "{image}");
        }
        for image in
            ["consumer:1", "registry:5000/consumer:0.1.0", "consumer@sha256:00", "consumer:latest@sha256:00"]
        {
            assert!(!is_moving(image), "{image}");
        }
    }
}
