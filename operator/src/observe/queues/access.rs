//! Whether the operator may read a queue with its own identity, for a namespace. By default it may not: else whoever may
//! create a pool could learn how deep any queue of the account is.

use serde::Deserialize;

use super::pattern::matches;

/// Which namespaces may have which queues read. From the file of `--queue-access`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct QueueAccess(pub Vec<Rule>);

/// Some namespaces may have some queues read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Names of namespaces; `*` and `?` match.
    pub namespaces: Vec<String>,
    /// ARNs of queues; `*` and `?` match.
    pub queues: Vec<String>,
}

impl QueueAccess {
    /// Whether a namespace may have a queue read. `annotation` is the namespace's own, if it has one: patterns of ARNs,
    /// comma-separated.
    #[must_use]
    pub fn allows(&self, namespace: &str, annotation: Option<&str>, arn: &str) -> bool {
        let any = |patterns: &[String], text| patterns.iter().any(|pattern| matches(pattern, text));
        let by_file = self.0.iter().any(|rule| any(&rule.namespaces, namespace) && any(&rule.queues, arn));
        let annotated = annotation.unwrap_or_default().split(',').map(str::trim);
        by_file || annotated.filter(|pattern| !pattern.is_empty()).any(|pattern| matches(pattern, arn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:reports";

    #[test]
    fn what_nobody_allows_is_not_read() {
        assert!(!QueueAccess::default().allows("team", None, ARN));
        assert!(!QueueAccess::default().allows("team", Some(""), ARN));
        assert!(!QueueAccess::default().allows("team", Some(" , "), ARN));
    }

    #[test]
    fn a_namespace_allows_queues_by_its_annotation() {
        let allows = |annotation| QueueAccess::default().allows("team", Some(annotation), ARN);
        assert!(allows(ARN) && allows("x, arn:aws:sqs:*:123456789012:rep*"));
        assert!(!allows("arn:aws:sqs:eu-west-1:999999999999:*"));
    }

    #[test]
    fn the_file_allows_queues_to_namespaces() {
        let file = "- {namespaces: [team-*, other], queues: ['arn:aws:sqs:eu-west-1:123456789012:*']}";
        let access: QueueAccess = serde_yaml::from_str(file).unwrap();
        assert!(access.allows("team-a", None, ARN) && access.allows("other", None, ARN));
        assert!(!access.allows("stranger", None, ARN));
        assert!(!access.allows("team-a", None, "arn:aws:sqs:us-east-1:123456789012:reports"));
        assert!(serde_yaml::from_str::<QueueAccess>("- {namespaces: [a], queue: [b]}").is_err());
    }
}
