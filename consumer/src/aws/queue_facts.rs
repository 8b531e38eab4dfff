//! What a queue's attributes say: its region, its kind, where its dead letters go.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;

use crate::config::is_region;

/// A queue's attributes.
pub(super) struct Facts(pub(super) HashMap<QueueAttributeName, String>);

impl Facts {
    pub(super) fn redrive_policy(&self) -> Option<RedrivePolicy> {
        serde_json::from_str(self.0.get(&QueueAttributeName::RedrivePolicy)?).ok()
    }

    /// Why we cannot work with the queue, if we cannot.
    pub(super) fn wrong(&self, region: &str) -> Option<String> {
        if self.0.get(&QueueAttributeName::FifoQueue).is_some_and(|fifo| fifo == "true") {
            return Some(
                "it is a FIFO queue: a standard queue is needed (order is not kept by a pool of workers)"
                    .into(),
            );
        }
        let arn = self.0.get(&QueueAttributeName::QueueArn)?;
        let its = arn.split(':').nth(3).filter(|its| is_region(its))?;
        (its != region).then(|| format!("it is in {its}, and AWS_REGION={region}: set AWS_REGION={its}"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedrivePolicy {
    pub(super) dead_letter_target_arn: Option<String>,
    max_receive_count: Option<serde_json::Value>,
}

impl RedrivePolicy {
    pub(super) fn max_receive_count(&self) -> Option<u32> {
        number(self.max_receive_count.as_ref()?)
    }
}

/// AWS answers a count that was set as a string as a string.
fn number(value: &serde_json::Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}

/// The URL of a queue in the same account and region, by its ARN (`arn:aws:sqs:<region>:<account>:<name>`).
pub(super) fn sibling(url: &str, arn: &str) -> Option<String> {
    let mut parts = arn.rsplit(':');
    let (name, account) = (parts.next()?, parts.next()?);
    let mut url = url::Url::parse(url).ok()?;
    url.set_path(&format!("/{account}/{name}"));
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_queue_is_a_sibling() {
        let url = sibling("http://127.0.0.1:4566/000000000000/a", "arn:aws:sqs:us-east-1:000000000000:a-dlq");
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:4566/000000000000/a-dlq"));
    }

    fn facts(attributes: &[(QueueAttributeName, &str)]) -> Facts {
        Facts(attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_fifo_queue_is_known_by_its_attribute_whatever_its_url() {
        let fifo = facts(&[(QueueAttributeName::FifoQueue, "true")]);
        assert!(fifo.wrong("eu-west-1").is_some_and(|why| why.contains("standard queue")));
        assert_eq!(facts(&[(QueueAttributeName::FifoQueue, "false")]).wrong("eu-west-1"), None);
    }

    #[test]
    fn a_queue_of_another_region_is_named_with_the_remedy() {
        let of = |arn| facts(&[(QueueAttributeName::QueueArn, arn)]).wrong("eu-west-1");
        assert!(
            of("arn:aws:sqs:us-gov-east-1:1:q")
                .is_some_and(|why| why.ends_with("set AWS_REGION=us-gov-east-1"))
        );
        assert_eq!(of("arn:aws:sqs:eu-west-1:1:q"), None);
        assert_eq!(of("arn:aws:sqs:elasticmq:1:q"), None, "a stand-in's name says nothing");
        assert_eq!(facts(&[]).wrong("eu-west-1"), None);
    }

    #[test]
    fn the_receive_count_of_a_policy_may_be_a_string() {
        for text in [r#"{"maxReceiveCount":"100"}"#, r#"{"maxReceiveCount":100}"#] {
            let facts = facts(&[(QueueAttributeName::RedrivePolicy, text)]);
            assert_eq!(facts.redrive_policy().and_then(|policy| policy.max_receive_count()), Some(100));
        }
    }
}
