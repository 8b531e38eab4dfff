//! Finds a dead-letter queue from the redrive policy of the queue it belongs to.

use serde::Deserialize;
use url::Url;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
}

/// The URL of the dead-letter queue named in `policy`, the RedrivePolicy of the queue at `queue_url`.
///
/// Only the name is taken from the ARN: a dead-letter queue is in the region and account of its queue
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>), so
/// the rest is the queue's own URL, whatever form a stand-in gives it.
pub(crate) fn url(policy: &str, queue_url: &str) -> Option<String> {
    let policy: RedrivePolicy = serde_json::from_str(policy).ok()?;
    let name = policy.dead_letter_target_arn.rsplit_once(':')?.1.to_owned();
    let mut url = Url::parse(queue_url).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().pop().push(&name);
    (!name.is_empty()).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:jobs-dead","maxReceiveCount":"100"}"#;

    #[test]
    fn the_name_is_the_arns_and_the_rest_is_the_queues() {
        let cases = [
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
                "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs-dead",
            ),
            ("http://127.0.0.1:4566/000000000000/jobs", "http://127.0.0.1:4566/000000000000/jobs-dead"),
            ("http://localhost:9324/queue/jobs/", "http://localhost:9324/queue/jobs-dead"),
        ];
        for (queue, dead) in cases {
            assert_eq!(url(POLICY, queue).as_deref(), Some(dead));
        }
    }

    #[test]
    fn a_policy_that_names_no_queue_finds_none() {
        for policy in
            ["", "{}", r#"{"deadLetterTargetArn":""}"#, r#"{"deadLetterTargetArn":"arn:aws:sqs:::"}"#]
        {
            assert_eq!(url(policy, "http://127.0.0.1:4566/0/jobs"), None, "{policy}");
        }
        assert_eq!(url(POLICY, "not a url"), None);
    }
}
