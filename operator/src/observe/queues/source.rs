//! Which queue is read, where, and as whom. Pure.

use url::Url;

use super::fault::QueueFault;
use crate::api::{Aws, Queue};

/// A queue, where it is asked for, and as whom. Pools with the same source share its reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QueueSource {
    /// An endpoint that the pool names. None: AWS's own, made from the region, never from the URL.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
    /// The queue's name.
    pub name: String,
    /// As whom.
    pub principal: Principal,
}

/// As whom a queue is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// As the operator.
    Operator,
    /// With the keys of a Secret.
    Secret {
        /// The pool's namespace.
        namespace: String,
        /// The Secret.
        name: String,
    },
    /// As a role that the operator assumes.
    Role {
        /// Its ARN.
        arn: String,
        /// The pool's namespace: it is in the external ID.
        namespace: String,
    },
}

impl QueueSource {
    /// The source of a pool's queue.
    ///
    /// # Errors
    /// [`QueueFault`]: a spec by which no request must be made.
    pub fn of(queue: &Queue, aws: &Aws, namespace: &str, allow_endpoints: bool) -> Result<Self, QueueFault> {
        let principal = principal(aws, namespace);
        if aws.endpoint.is_some() && !allow_endpoints {
            return Err(QueueFault::EndpointNotAllowed);
        }
        if aws.endpoint.is_some() && !matches!(principal, Principal::Secret { .. }) {
            return Err(QueueFault::EndpointWithoutCredentials);
        }
        let not_at_aws = || QueueFault::NotAtAws { url: queue.url.clone(), region: aws.region.clone() };
        let url = Url::parse(&queue.url).map_err(|_| not_at_aws())?;
        if aws.endpoint.is_none() && !is_at_aws(&url, &aws.region) {
            return Err(not_at_aws());
        }
        let mut path = url.path_segments().ok_or_else(not_at_aws)?;
        let (Some(account), Some(name), None) = (path.next(), path.next(), path.next()) else {
            return Err(not_at_aws());
        };
        Ok(Self {
            endpoint: aws.endpoint.as_ref().map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
            region: aws.region.clone(),
            account: account.to_owned(),
            name: name.to_owned(),
            principal,
        })
    }

    /// The queue's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { region, account, name, .. } = self;
        format!("arn:{}:sqs:{region}:{account}:{name}", partition(region))
    }

    /// Where it is asked for.
    #[must_use]
    pub fn at(&self) -> String {
        let of_aws = || format!("https://sqs.{}.{}", self.region, suffix(&self.region));
        self.endpoint.clone().unwrap_or_else(of_aws)
    }

    /// The URL that is asked for: of the endpoint, and never what the pool wrote.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}/{}", self.at(), self.account, self.name)
    }
}

fn principal(aws: &Aws, namespace: &str) -> Principal {
    let namespace = namespace.to_owned();
    match (&aws.read_role_arn, &aws.credentials_secret_ref) {
        (Some(arn), None) => Principal::Role { arn: arn.clone(), namespace },
        (_, Some(secret)) => Principal::Secret { namespace, name: secret.name.clone() },
        (None, None) => Principal::Operator,
    }
}

/// The host of a queue's URL is AWS's own in that region, in its newer or its older form.
fn is_at_aws(url: &Url, region: &str) -> bool {
    let suffix = suffix(region);
    let hosts = [
        format!("sqs.{region}.{suffix}"),
        format!("sqs-fips.{region}.{suffix}"),
        format!("{region}.queue.{suffix}"),
    ];
    url.scheme() == "https" && url.host_str().is_some_and(|host| hosts.iter().any(|of_aws| of_aws == host))
}

/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::SecretRef;

    fn aws(region: &str) -> Aws {
        Aws { region: region.into(), endpoint: None, credentials_secret_ref: None, read_role_arn: None }
    }

    fn with_endpoint(secret: bool) -> Aws {
        Aws {
            endpoint: Some("http://localstack:4566/".into()),
            credentials_secret_ref: secret.then(|| SecretRef { name: "aws".into() }),
            ..aws("eu-west-1")
        }
    }

    fn source(url: &str, aws: &Aws, allow_endpoints: bool) -> Result<QueueSource, QueueFault> {
        QueueSource::of(&Queue { url: url.into() }, aws, "team", allow_endpoints)
    }

    #[test]
    fn a_queue_is_asked_for_at_the_host_of_its_region_whatever_its_url_says() {
        let older =
            source("https://eu-west-1.queue.amazonaws.com/123456789012/jobs", &aws("eu-west-1"), false)
                .unwrap();
        assert_eq!(older.url(), "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs");
        assert_eq!(older.arn(), "arn:aws:sqs:eu-west-1:123456789012:jobs");
        let china =
            source("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/jobs", &aws("cn-north-1"), false);
        assert_eq!(china.unwrap().arn(), "arn:aws-cn:sqs:cn-north-1:123456789012:jobs");
    }

    #[test]
    fn nothing_goes_to_another_host_with_the_operators_identity() {
        for url in [
            "https://evil.example/123456789012/jobs",
            "https://sqs.eu-west-1.amazonaws.com.evil.example/123456789012/jobs",
            "http://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
            "http://169.254.169.254/123456789012/jobs",
            "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs/more",
        ] {
            let fault = source(url, &aws("eu-west-1"), true).unwrap_err();
            assert_eq!(fault.reason(), "NotAtAws", "{url}");
        }
    }

    #[test]
    fn an_endpoint_is_for_operators_that_allow_it_and_for_pools_with_credentials() {
        let url = "http://localstack:4566/000000000000/jobs";
        assert_eq!(source(url, &with_endpoint(true), false), Err(QueueFault::EndpointNotAllowed));
        assert_eq!(source(url, &with_endpoint(false), true), Err(QueueFault::EndpointWithoutCredentials));
        let source = source(url, &with_endpoint(true), true).unwrap();
        assert_eq!(source.url(), "http://localstack:4566/000000000000/jobs");
        assert_eq!(source.principal, Principal::Secret { namespace: "team".into(), name: "aws".into() });
    }

    #[test]
    fn a_role_is_of_the_namespace_that_names_it() {
        let arn = "arn:aws:iam::123456789012:role/reader".to_owned();
        let aws = Aws { read_role_arn: Some(arn.clone()), ..aws("eu-west-1") };
        let source = source("https://sqs.eu-west-1.amazonaws.com/123456789012/jobs", &aws, false).unwrap();
        assert_eq!(source.principal, Principal::Role { arn, namespace: "team".into() });
    }
}
