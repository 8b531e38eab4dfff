//! SQS when it is not well, for whoever wants to see what its clients do then.

use axum::body::Body;
use clap::ValueEnum;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::route::{json, respond};

/// How SQS is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Illness {
    /// Too many requests, it says
    Throttled,
    /// There are no queues
    Missing,
    /// Its answers are not SQS's
    Garbage,
}

impl Illness {
    /// The answer to each request, in AWS's own words where it is AWS's.
    pub(super) fn answer(self) -> Response<Body> {
        match self {
            // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>
            Self::Throttled => {
                error("ThrottlingException", "The request was denied due to request throttling.")
            }
            Self::Missing => {
                error("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
            }
            Self::Garbage => {
                respond(StatusCode::OK, "text/html", "<html><title>Sign in</title></html>".into())
            }
        }
    }
}

fn error(code: &str, message: &str) -> Response<Body> {
    let mut response = json(StatusCode::BAD_REQUEST, &json!({"__type": code, "message": message}));
    let content_type = HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
