//! A counting reverse proxy before the stand-in: what a contender asks for, and when it first polls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

/// No request of a cost measurement is larger.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// What begins a poll.
const POLL: &str = "SQS ReceiveMessage";

/// Requests of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// How many.
    pub(crate) requests: u64,
    /// DynamoDB write units that they cost, estimated.
    pub(crate) writes: u64,
    /// DynamoDB read units, in halves of a unit, estimated.
    pub(crate) half_reads: u64,
}

/// Requests by kind, such as `S3 PutObject`.
pub(crate) type Counts = BTreeMap<String, Asked>;

/// A proxy, until it is dropped.
pub(crate) struct Front {
    /// Where it is.
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: Counts,
    first_poll: Option<Instant>,
}

#[derive(Clone)]
struct Behind {
    endpoint: String,
    client: reqwest::Client,
    seen: Arc<Mutex<Seen>>,
}

impl Front {
    /// Listens before the stand-in at `endpoint`.
    ///
    /// # Errors
    /// No port is free.
    pub(crate) async fn open(endpoint: &str) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let behind = Behind { endpoint: endpoint.to_owned(), client, seen: Arc::clone(&seen) };
        let router = Router::new().fallback(pass).with_state(behind);
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, seen, server })
    }

    /// What was counted since the last time.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut self.lock().counts)
    }

    /// When the first poll came since the last time.
    pub(crate) fn take_first_poll(&self) -> Option<Instant> {
        self.lock().first_poll.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    let came = Instant::now();
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
    let (kind, asked) = count(&head.method, &head.uri, &head.headers, &body);
    behind.note(kind, asked, came);
    match behind.forward(head, body).await {
        Ok(response) => response,
        Err(_) => status(StatusCode::BAD_GATEWAY),
    }
}

fn status(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

impl Behind {
    fn note(&self, kind: String, asked: Asked, came: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if kind == POLL {
            seen.first_poll.get_or_insert(came);
        }
        let sum = seen.counts.entry(kind).or_default();
        sum.requests += asked.requests;
        sum.writes += asked.writes;
        sum.half_reads += asked.half_reads;
    }

    async fn forward(&self, head: http::request::Parts, body: Bytes) -> reqwest::Result<Response> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = head.headers;
        headers.remove(http::header::HOST);
        let request = self.client.request(head.method, format!("{}{path}", self.endpoint));
        let answer = request.headers(headers).body(body).send().await?;
        let mut response = status(answer.status());
        answer.headers().clone_into(response.headers_mut());
        *response.body_mut() = Body::from_stream(answer.bytes_stream());
        Ok(response)
    }
}

/// What a request is, told as the stand-in tells it, and what it costs.
fn count(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (String, Asked) {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let once = Asked { requests: 1, ..Asked::default() };
    match target.split_once('.') {
        Some(("AmazonSQS", operation)) => (format!("SQS {operation}"), once),
        Some((_, operation)) => (format!("DynamoDB {operation}"), units(operation, body)),
        None if uri.path().starts_with("/_source/") => ("source GET".into(), once),
        None => (format!("S3 {}", s3(method, uri)), once),
    }
}

fn s3(method: &Method, uri: &Uri) -> &'static str {
    let query = uri.query().unwrap_or_default();
    let object = uri.path().trim_matches('/').contains('/');
    match method.as_str() {
        "PUT" if query.contains("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if query.contains("uploadId") => "CompleteMultipartUpload",
        "POST" => "CreateMultipartUpload",
        "HEAD" if object => "HeadObject",
        "HEAD" => "HeadBucket",
        "DELETE" => "AbortMultipartUpload",
        _ => "other",
    }
}

/// Units of items of at most 1 KiB, as all here are: a write unit each, two in a transaction; half a read unit
/// each, a whole one when read consistently.
fn units(operation: &str, body: &[u8]) -> Asked {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let once = Asked { requests: 1, ..Asked::default() };
    let reads = |asked: &serde_json::Value| if asked["ConsistentRead"] == true { 2 } else { 1 };
    match operation {
        "UpdateItem" | "PutItem" | "DeleteItem" => Asked { writes: 1, ..once },
        "TransactWriteItems" => Asked { writes: 2 * length(&body["TransactItems"]), ..once },
        "GetItem" => Asked { half_reads: reads(&body), ..once },
        "BatchGetItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
            Asked { half_reads: tables.map(|table| reads(table) * length(&table["Keys"])).sum(), ..once }
        }
        _ => once,
    }
}

fn length(list: &serde_json::Value) -> u64 {
    list.as_array().map_or(0, Vec::len) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_costs_two_units_an_item() {
        let body = br#"{"TransactItems":[{"Update":{}},{"Update":{}},{"Update":{}}]}"#;
        assert_eq!(units("TransactWriteItems", body), Asked { requests: 1, writes: 6, half_reads: 0 });
    }

    #[test]
    fn a_consistent_read_costs_a_unit_an_item() {
        let body = br#"{"RequestItems":{"exports":{"ConsistentRead":true,"Keys":[{},{}]}}}"#;
        assert_eq!(units("BatchGetItem", body), Asked { requests: 1, writes: 0, half_reads: 4 });
        assert_eq!(units("GetItem", b"{}").half_reads, 1);
    }

    #[test]
    fn requests_are_told_apart() {
        let kind = |method: Method, uri: &'static str, target: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(target) = target {
                headers.insert("x-amz-target", http::HeaderValue::from_static(target));
            }
            count(&method, &Uri::from_static(uri), &headers, b"").0
        };
        assert_eq!(kind(Method::POST, "/", Some("AmazonSQS.ReceiveMessage")), POLL);
        assert_eq!(kind(Method::POST, "/", Some("DynamoDB_20120810.UpdateItem")), "DynamoDB UpdateItem");
        assert_eq!(kind(Method::PUT, "/exports/a/b?x-id=PutObject", None), "S3 PutObject");
        assert_eq!(kind(Method::PUT, "/exports/a/b?partNumber=1&uploadId=u", None), "S3 UploadPart");
        assert_eq!(kind(Method::HEAD, "/exports", None), "S3 HeadBucket");
        assert_eq!(kind(Method::GET, "/_source/files/a?size=1", None), "source GET");
    }
}
