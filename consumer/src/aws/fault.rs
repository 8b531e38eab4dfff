//! What an SDK error means in our words.

use std::error::Error;

use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::StatusCode,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::fail::{AwsFault, AwsKind, AwsResource};

const MAX_DETAIL_CHARS: usize = 200;

/// Reads an error of a request to `resource`.
pub fn of<E>(resource: AwsResource, error: &SdkError<E, HttpResponse>) -> AwsFault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, detail) = match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            let status = service.raw().status();
            (of_answer(code, status), answer_text(code, service.err().message(), status))
        }
        SdkError::ConstructionFailure(_) => (AwsKind::Rejected, innermost(error)),
        SdkError::TimeoutError(_) => (AwsKind::Unreachable, "no answer in time".into()),
        // Of no kind: there were no credentials to send it with. A connection that was closed is transient.
        SdkError::DispatchFailure(failure) if failure.is_other() && failure.as_other().is_none() => {
            (AwsKind::Denied, innermost(error))
        }
        _ => (AwsKind::Unreachable, innermost(error)),
    };
    AwsFault { kind, resource, detail }
}

/// The code of a service's answer, when it is one.
pub fn code<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// The status of an answer, when there is one.
pub fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Reads an error code, or a status without one (HEAD has no body).
#[must_use]
pub fn of_answer(code: &str, status: StatusCode) -> AwsKind {
    match code {
        "NoSuchBucket" | "ResourceNotFoundException" | "QueueDoesNotExist" => AwsKind::Missing,
        c if c.ends_with("NonExistentQueue") => AwsKind::Missing,
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidSignatureException"
        | "InvalidToken"
        | "MissingAuthenticationToken"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => AwsKind::Denied,
        "OverLimit" | "SlowDown" | "TransactionInProgressException" | "RequestLimitExceeded" => {
            AwsKind::Throttled
        }
        c if c.contains("Throttl") || c.contains("ThroughputExceeded") || c.contains("Conflict") => {
            AwsKind::Throttled
        }
        _ => of_status(status),
    }
}

fn of_status(status: StatusCode) -> AwsKind {
    match status.as_u16() {
        401 | 403 => AwsKind::Denied,
        404 => AwsKind::Missing,
        408 => AwsKind::Unreachable,
        429 | 503 => AwsKind::Throttled,
        501 => AwsKind::Rejected,
        500.. => AwsKind::Failed,
        _ => AwsKind::Rejected,
    }
}

fn answer_text(code: &str, message: Option<&str>, status: StatusCode) -> String {
    let code = if code.is_empty() { format!("HTTP {}", status.as_u16()) } else { code.to_owned() };
    let message: String = message.unwrap_or_default().chars().take(MAX_DETAIL_CHARS).collect();
    if message.is_empty() { code } else { format!("{code}: {message}") }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default().chars().take(MAX_DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::head_bucket::HeadBucketError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::retry::ErrorKind;

    use super::*;

    fn kind(code: &str, status: u16) -> AwsKind {
        of_answer(code, StatusCode::try_from(status).unwrap())
    }

    #[test]
    fn codes_tell_whose_turn_it_is() {
        assert_eq!(kind("AWS.SimpleQueueService.NonExistentQueue", 400), AwsKind::Missing);
        assert_eq!(kind("NoSuchBucket", 404), AwsKind::Missing);
        assert_eq!(kind("UnrecognizedClientException", 400), AwsKind::Denied);
        assert_eq!(kind("ProvisionedThroughputExceededException", 400), AwsKind::Throttled);
        assert_eq!(kind("TransactionConflictException", 400), AwsKind::Throttled);
        assert_eq!(kind("InternalError", 500), AwsKind::Failed);
        assert_eq!(kind("ValidationException", 400), AwsKind::Rejected);
        assert_eq!(kind("NotImplemented", 501), AwsKind::Rejected);
        assert_eq!(kind("", 403), AwsKind::Denied);
    }

    #[test]
    fn a_connection_that_was_closed_is_not_taken_for_missing_credentials() {
        let kind = |kind| {
            let error = ConnectorError::other("closed before the answer was complete".into(), kind);
            of(AwsResource::Bucket(String::new()), &SdkError::<HeadBucketError, _>::dispatch_failure(error))
                .kind
        };
        assert_eq!(kind(Some(ErrorKind::TransientError)), AwsKind::Unreachable);
        assert_eq!(kind(None), AwsKind::Denied);
    }
}
