//! A stand-in for SQS and for a consumer that answers what a test tells it, and remembers what it was asked.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Runs until dropped.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    answers: Arc<Answers>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Answers {
    queues: HashMap<String, (StatusCode, Value)>,
    report: String,
    asked: Mutex<Vec<String>>,
}

impl Stub {
    /// Answers GetQueueAttributes by the queue's name, `/report` with `report`.
    pub(crate) fn start(queues: &[(&str, (StatusCode, Value))], report: &str) -> Self {
        let queues = queues.iter().map(|(name, answer)| ((*name).to_owned(), answer.clone())).collect();
        let answers = Arc::new(Answers { queues, report: report.to_owned(), ..Answers::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let app =
            Router::new().route("/", post(sqs)).route("/report", get(report_of)).with_state(answers.clone());
        runtime.spawn(async { axum::serve(listener, app).await });
        Self { address, answers, _runtime: runtime }
    }

    /// The operations that were asked for, each once.
    pub(crate) fn operations(&self) -> Vec<String> {
        let mut asked = self.answers.asked.lock().unwrap().clone();
        asked.sort();
        asked.dedup();
        asked
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn sqs(State(answers): State<Arc<Answers>>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers["x-amz-target"].to_str().unwrap().to_owned();
    answers.asked.lock().unwrap().push(operation);
    let request: Value = serde_json::from_slice(&body).unwrap();
    let url = request["QueueUrl"].as_str().unwrap();
    let (status, answer) =
        answers.queues.get(url.rsplit('/').next().unwrap()).cloned().unwrap_or_else(no_such_queue);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response()
}

async fn report_of(State(answers): State<Arc<Answers>>) -> String {
    answers.report.clone()
}

/// What SQS answers for a queue with so many messages.
pub(crate) fn holds(visible: u64, in_flight: u64, delayed: u64) -> (StatusCode, Value) {
    let attributes = json!({
        "ApproximateNumberOfMessages": visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed": delayed.to_string(),
    });
    (StatusCode::OK, json!({ "Attributes": attributes }))
}

/// The same for a queue with a dead-letter queue.
pub(crate) fn redrives_to(name: &str, (status, mut answer): (StatusCode, Value)) -> (StatusCode, Value) {
    let arn = format!("arn:aws:sqs:eu-west-1:123456789012:{name}");
    let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 100}).to_string();
    answer["Attributes"]["RedrivePolicy"] = policy.into();
    (status, answer)
}

/// What SQS answers when it refuses.
pub(crate) fn refuses(code: &str) -> (StatusCode, Value) {
    (StatusCode::BAD_REQUEST, json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "no"}))
}

fn no_such_queue() -> (StatusCode, Value) {
    refuses("QueueDoesNotExist")
}
