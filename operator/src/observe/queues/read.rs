//! One read of one queue.

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::{
    error::SdkError, operation::get_queue_attributes::GetQueueAttributesError,
    types::QueueAttributeName as Attribute,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use exportpool_scaling::Depth;

use super::{
    clients::Clients,
    credentials::Credentials,
    fault::QueueFault,
    source::{Principal, QueueSource},
};

/// Reads the depth of a queue.
pub trait ReadDepth: Send + Sync + 'static {
    /// Asks once.
    ///
    /// # Errors
    /// [`QueueFault`]: the depth is not known.
    fn read(&self, source: &QueueSource) -> impl Future<Output = Result<Depth, QueueFault>> + Send;
}

/// Reads from SQS.
pub struct AwsDepths(Clients);

impl AwsDepths {
    /// With these credentials.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self(Clients::new(credentials))
    }
}

impl ReadDepth for AwsDepths {
    async fn read(&self, source: &QueueSource) -> Result<Depth, QueueFault> {
        let request = self.0.of(source).await?.get_queue_attributes().queue_url(source.url());
        let request = request
            .attribute_names(Attribute::ApproximateNumberOfMessages)
            .attribute_names(Attribute::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(Attribute::ApproximateNumberOfMessagesDelayed)
            .attribute_names(Attribute::DelaySeconds);
        match request.send().await {
            Ok(answer) => depth(&answer.attributes.unwrap_or_default())
                .ok_or_else(|| QueueFault::Malformed { at: source.at() }),
            Err(error) => {
                let fault = fault(source, &error);
                if matches!(fault, QueueFault::Denied { .. }) {
                    self.0.denied(source);
                }
                Err(fault)
            }
        }
    }
}

/// A number that is missing or is none makes the whole answer unknown: nothing is zero for want of a reading.
fn depth(attributes: &HashMap<Attribute, String>) -> Option<Depth> {
    let number = |name: &Attribute| attributes.get(name)?.parse::<u64>().ok();
    Some(Depth::Known {
        visible: number(&Attribute::ApproximateNumberOfMessages)?,
        not_visible: number(&Attribute::ApproximateNumberOfMessagesNotVisible)?,
        delayed: number(&Attribute::ApproximateNumberOfMessagesDelayed)?,
        delay: Duration::from_secs(number(&Attribute::DelaySeconds)?),
    })
}

/// By its code: what AWS says otherwise is not repeated.
fn fault(source: &QueueSource, error: &SdkError<GetQueueAttributesError, HttpResponse>) -> QueueFault {
    let at = source.at();
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            of_answer(source, service.err().code().unwrap_or_default(), status)
        }
        SdkError::ResponseError(_) => QueueFault::Malformed { at },
        // There were no credentials to send it with.
        SdkError::DispatchFailure(failure) if failure.is_other() && failure.as_other().is_none() => {
            denied(source)
        }
        SdkError::ConstructionFailure(_) => denied(source),
        _ => QueueFault::Unreachable { at },
    }
}

/// Codes that say so with a status of 400.
const DENIALS: [&str; 10] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAddress",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
fn of_answer(source: &QueueSource, code: &str, status: u16) -> QueueFault {
    match code {
        "QueueDoesNotExist" => return QueueFault::NotFound { arn: source.arn() },
        code if code.ends_with("NonExistentQueue") => return QueueFault::NotFound { arn: source.arn() },
        code if DENIALS.contains(&code) => return denied(source),
        "OverLimit" | "RequestLimitExceeded" | "TooManyRequestsException" => return QueueFault::Throttled,
        code if code.contains("Throttl") => return QueueFault::Throttled,
        _ => {}
    }
    match status {
        401 | 403 => denied(source),
        429 => QueueFault::Throttled,
        500.. => QueueFault::Unreachable { at: source.at() },
        _ => QueueFault::Malformed { at: source.at() },
    }
}

fn denied(source: &QueueSource) -> QueueFault {
    let who = match &source.principal {
        Principal::Operator => "the operator's identity".to_owned(),
        Principal::Secret { name, .. } => format!("the keys of Secret {name}"),
        Principal::Role { arn, .. } => format!("role {arn}"),
    };
    QueueFault::Denied { who, arn: source.arn() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> QueueSource {
        QueueSource {
            endpoint: None,
            region: "eu-west-1".into(),
            account: "123456789012".into(),
            name: "jobs".into(),
            principal: Principal::Operator,
        }
    }

    #[test]
    fn an_answer_without_a_number_or_with_another_text_is_no_depth() {
        let names = [
            Attribute::ApproximateNumberOfMessages,
            Attribute::ApproximateNumberOfMessagesNotVisible,
            Attribute::ApproximateNumberOfMessagesDelayed,
            Attribute::DelaySeconds,
        ];
        let all: HashMap<_, _> = names.iter().cloned().zip(["3", "2", "1", "5"].map(str::to_owned)).collect();
        let known = Depth::Known { visible: 3, not_visible: 2, delayed: 1, delay: Duration::from_secs(5) };
        assert_eq!(depth(&all), Some(known));
        for name in &names {
            for wrong in [None, Some(""), Some("many"), Some("-1")] {
                let mut attributes = all.clone();
                attributes.remove(name);
                attributes.extend(wrong.map(|wrong| (name.clone(), wrong.to_owned())));
                assert_eq!(depth(&attributes), None, "{name:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn an_answer_of_aws_is_known_by_its_code() {
        let reason = |code, status| of_answer(&source(), code, status).reason();
        assert_eq!(reason("AWS.SimpleQueueService.NonExistentQueue", 400), "NotFound");
        assert_eq!(reason("QueueDoesNotExist", 400), "NotFound");
        assert_eq!(reason("RequestThrottled", 403), "Throttled");
        assert_eq!(reason("ThrottlingException", 400), "Throttled");
        assert_eq!(reason("AccessDenied", 403), "Denied");
        assert_eq!(reason("InvalidClientTokenId", 403), "Denied");
        assert_eq!(reason("InternalError", 500), "Unreachable");
        assert_eq!(reason("", 404), "Malformed");
    }
}
