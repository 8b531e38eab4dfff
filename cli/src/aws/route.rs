//! Which service a request is for, told as LocalStack's edge tells it: by the request, not by the port.

use std::{net::SocketAddr, time::Duration};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use rustack_dynamodb_http::service::{DynamoDBHttpConfig, DynamoDBHttpService};
use rustack_s3_http::{S3HttpConfig, S3HttpService};
use rustack_sqs_http::service::{SqsHttpConfig, SqsHttpService};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{admit, dynamodb::Tables, ill::Illness, s3::Objects, serve::Options, sqs::Queues};

const SOURCE: &str = "/_source";

/// Who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Whether the stand-in is up.
    Health,
    /// The file server that a caller brought.
    Source,
    /// SQS, in its JSON protocol.
    Sqs,
    /// SQS in the query protocol of SDKs from before November 2023, which nobody here speaks.
    SqsQuery,
    /// DynamoDB.
    DynamoDb,
    /// S3, path style: whatever nobody else claims.
    S3,
}

impl Service {
    fn of<B>(request: &Request<B>) -> Self {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let target = text(header::HeaderName::from_static("x-amz-target"));
        let path = request.uri().path();
        if target.starts_with("AmazonSQS.") {
            Self::Sqs
        } else if target.starts_with("DynamoDB_20120810.") {
            Self::DynamoDb
        } else if matches!(path, "/_health" | "/_localstack/health") {
            Self::Health
        } else if path.strip_prefix(SOURCE).is_some_and(|rest| rest.starts_with('/')) {
            Self::Source
        } else if request.method() == Method::POST && text(header::CONTENT_TYPE).starts_with(FORM) {
            Self::SqsQuery
        } else {
            Self::S3
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The services behind the port.
pub(super) struct Edge {
    sqs: SqsHttpService<Queues>,
    s3: S3HttpService<Objects>,
    dynamodb: DynamoDBHttpService<Tables>,
    source: Option<TowerToHyperService<axum::Router>>,
    access_key: Option<String>,
    illness: Option<Illness>,
    store_delay: Duration,
}

impl Edge {
    /// `address` is what queue URLs name; `stop` ends long polls.
    pub(super) fn new(options: Options, address: SocketAddr, stop: CancellationToken) -> Self {
        let s3 = S3HttpConfig { virtual_hosting: false, ..S3HttpConfig::default() };
        let source = options.source.map(|router| axum::Router::new().nest(SOURCE, router));
        Self {
            sqs: SqsHttpService::new(Queues::new(address, stop).into(), SqsHttpConfig::default()),
            s3: S3HttpService::new(Objects::default(), s3),
            dynamodb: DynamoDBHttpService::new(Tables::default().into(), DynamoDBHttpConfig::default()),
            source: source.map(TowerToHyperService::new),
            access_key: options.access_key,
            illness: options.illness,
            store_delay: options.store_delay,
        }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let service = Service::of(&request);
        if let Some(refusal) = admit::refuse(service, &request, self.access_key.as_deref()) {
            drain(request).await;
            return refusal;
        }
        if let Some(illness) = self.illness.filter(|_| service == Service::Sqs) {
            drain(request).await;
            return illness.answer();
        }
        match service {
            Service::Health => json(StatusCode::OK, &health()),
            Service::Source => self.source(request).await,
            Service::Sqs => sure(self.sqs.call(request).await).map(Body::new),
            Service::DynamoDb => sure(self.dynamodb.call(request).await).map(Body::new),
            Service::S3 => {
                if is_of_an_object(&request) && request.method() == Method::PUT {
                    time::sleep(self.store_delay).await;
                }
                sure(self.s3.call(request).await).map(Body::new)
            }
            Service::SqsQuery => query_protocol(request).await,
        }
    }

    async fn source(&self, request: Request<Incoming>) -> Response<Body> {
        match &self.source {
            Some(source) => sure(source.call(request).await),
            None => {
                json(StatusCode::NOT_FOUND, &serde_json::json!({"message": "this stand-in serves no files"}))
            }
        }
    }
}

/// A path has a bucket, and a key if it is of an object.
fn is_of_an_object(request: &Request<Incoming>) -> bool {
    request.uri().path().trim_matches('/').contains('/')
}

fn sure<T>(answer: Result<T, std::convert::Infallible>) -> T {
    match answer {
        Ok(answer) => answer,
    }
}

fn health() -> serde_json::Value {
    serde_json::json!({
        "status": "running",
        "services": {"sqs": "running", "s3": "running", "dynamodb": "running"},
        "version": env!("CARGO_PKG_VERSION"),
    })
}

async fn query_protocol(request: Request<Incoming>) -> Response<Body> {
    drain(request).await;
    let words = "This stand-in speaks SQS's JSON protocol only. Use an SDK from November 2023 or later.";
    let xml = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>UnsupportedProtocol</Code>\
         <Message>{words}</Message></Error></ErrorResponse>"
    );
    respond(StatusCode::BAD_REQUEST, "application/xml", xml)
}

/// Reads a request that is refused to its end: a client that is still sending would see a broken pipe, and not
/// the refusal.
async fn drain(request: Request<Incoming>) {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    respond(status, "application/json", value.to_string())
}

/// An answer of a few words.
pub(super) fn respond(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
