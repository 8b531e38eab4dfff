//! Refuses requests signed with another access key, in each service's own words.
//!
//! Only the access key id is compared: what a product must show is what it does when AWS does not know its key.
//! Signatures are not verified.

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;

use super::route::{Service, json, respond};

/// The refusal, when a key is expected and the request has another or none.
pub(super) fn refuse<B>(
    service: Service,
    request: &Request<B>,
    expected: Option<&str>,
) -> Option<Response<Body>> {
    let expected = expected?;
    let given = key_id(request);
    if given.as_deref() == Some(expected) {
        return None;
    }
    match service {
        Service::Health | Service::Source => None,
        Service::S3 => Some(s3(given.is_some())),
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>: 400.
        Service::DynamoDb => Some(unrecognized(StatusCode::BAD_REQUEST)),
        Service::Sqs | Service::SqsQuery => Some(sqs()),
    }
}

/// The access key id in the `Authorization` header, or in the query of a presigned URL.
fn key_id<B>(request: &Request<B>) -> Option<String> {
    let signed = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let from_header =
        signed.and_then(|value| value.split_once("Credential=")).map(|(_, scope)| scope.to_owned());
    let from_query = || {
        let query = request.uri().query()?.as_bytes();
        let credential = |(name, scope): (_, std::borrow::Cow<'_, str>)| {
            (name == "X-Amz-Credential").then(|| scope.into_owned())
        };
        url::form_urlencoded::parse(query).find_map(credential)
    };
    let scope = from_header.or_else(from_query)?;
    scope.split('/').next().map(str::to_owned)
}

fn unrecognized(status: StatusCode) -> Response<Body> {
    let mut response = json(
        status,
        &json!({
            "__type": "com.amazon.coral.service#UnrecognizedClientException",
            "message": "The security token included in the request is invalid.",
        }),
    );
    let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// SQS says 403, and for clients that know the query protocol's codes `InvalidClientTokenId`.
fn sqs() -> Response<Body> {
    let mut response = unrecognized(StatusCode::FORBIDDEN);
    let code = HeaderValue::from_static("InvalidClientTokenId;Sender");
    response.headers_mut().insert("x-amzn-query-error", code);
    response
}

fn s3(signed: bool) -> Response<Body> {
    let (code, message) = if signed {
        ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    } else {
        ("AccessDenied", "Access Denied")
    };
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    respond(StatusCode::FORBIDDEN, "application/xml", xml)
}
