//! Sending against a small SQS of our own, which fails as it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use aws_sdk_sqs::{Client, config::retry::RetryConfig};
use axum::{
    Json, Router, extract::State, http::StatusCode, response::IntoResponse, response::Response, routing::post,
};
use backon::ExponentialBuilder;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Options, plan};
use super::{
    deliver::Courier,
    error::NotSent,
    pace::{Pace, Pattern},
    plan::Planned,
    send::{Accepted, Stopped, carry},
};
use crate::target::Target;

const QUICK: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(1)).with_max_times(5);

/// What the queue does with a message, by number of the attempt from 0.
type Verdict = fn(body: &str, attempt: usize) -> Option<(&'static str, bool)>;

#[derive(Clone)]
struct Sqs(Arc<Mutex<Inner>>);

struct Inner {
    verdict: Verdict,
    /// Answers to whole requests, before any are looked into.
    refusals: VecDeque<(StatusCode, &'static str)>,
    takes_groups: bool,
    attempts: BTreeMap<String, usize>,
    taken: Vec<Value>,
    requests: usize,
}

impl Sqs {
    fn new(verdict: Verdict) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            verdict,
            refusals: VecDeque::new(),
            takes_groups: true,
            attempts: BTreeMap::new(),
            taken: Vec::new(),
            requests: 0,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }
}

async fn answer(State(sqs): State<Sqs>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    let mut inner = sqs.inner();
    inner.requests += 1;
    if let Some((status, code)) = inner.refusals.pop_front() {
        return (status, Json(json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": "no"})))
            .into_response();
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in request["Entries"].as_array().unwrap() {
        let id = &entry["Id"];
        match inner.judge(entry) {
            None => successful.push(json!({"Id": id, "MessageId": id, "MD5OfMessageBody": ""})),
            Some((code, message, fault)) => {
                failed.push(json!({"Id": id, "Code": code, "Message": message, "SenderFault": fault}));
            }
        }
    }
    Json(json!({"Successful": successful, "Failed": failed})).into_response()
}

impl Inner {
    fn judge(&mut self, entry: &Value) -> Option<(&'static str, &'static str, bool)> {
        if !self.takes_groups && entry.get("MessageGroupId").is_some() {
            return Some(("InvalidParameterValue", "MessageGroupId is not valid for this queue type", true));
        }
        let body = entry["MessageBody"].as_str().unwrap();
        let attempt = self.attempts.entry(body.to_owned()).or_default();
        let verdict = (self.verdict)(body, *attempt);
        *attempt += 1;
        if verdict.is_none() {
            self.taken.push(entry.clone());
        }
        verdict.map(|(code, fault)| (code, "as told", fault))
    }
}

fn options(messages: u64) -> Options {
    Options {
        run: "r".into(),
        prefix: "load".into(),
        messages,
        tasks_per_job: 2,
        size: 10,
        mixed: false,
        delay: Duration::ZERO,
        failure_rate: 0.0,
        flaky_rate: 0.0,
        invalid_rate: 0.0,
        seed: 1,
        source: "http://files".into(),
    }
}

async fn client(endpoint: &str) -> (Client, String) {
    let target = Target::emulator(endpoint).unwrap();
    let config = target.access.resolve().await;
    let builder = aws_sdk_sqs::config::Builder::from(&config).retry_config(RetryConfig::disabled());
    (Client::from_conf(builder.build()), target.export_jobs)
}

async fn send_all(sqs: &Sqs, planned: impl Iterator<Item = Planned>) -> Accepted {
    send_paced(sqs, planned, Pace::BURST).await
}

async fn send_paced(sqs: &Sqs, planned: impl Iterator<Item = Planned>, pace: Pace) -> Accepted {
    let (client, queue_url) = client(&sqs.serve().await).await;
    let stop = CancellationToken::new();
    let courier = Courier::new(&client, &queue_url, &stop).with_backoff(QUICK);
    carry(&courier, planned, pace, |_| {}).await
}

#[tokio::test]
async fn each_message_is_taken_once_with_its_attributes() {
    let sqs = Sqs::new(|_, _| None);
    let accepted = send_all(&sqs, plan(&options(95))).await;
    assert_eq!((accepted.messages, accepted.tasks, accepted.refused, &accepted.stopped), (95, 190, 0, &None));
    let inner = sqs.inner();
    assert_eq!(inner.requests, 10);
    let mut bodies: Vec<_> = inner.taken.iter().map(|entry| entry["MessageBody"].as_str().unwrap()).collect();
    let planned: Vec<_> = plan(&options(95)).map(|planned| planned.body).collect();
    bodies.sort_by_key(|body| planned.iter().position(|planned| planned == body));
    assert_eq!(bodies, planned);
    for entry in &inner.taken {
        let job: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(entry["MessageGroupId"], job["jobId"]);
        let enqueued = &entry["MessageAttributes"]["enqueuedAt"];
        assert_eq!(enqueued["DataType"], "Number");
        let millis: u64 = enqueued["StringValue"].as_str().unwrap().parse().unwrap();
        assert!((1_700_000_000_000..10_000_000_000_000).contains(&millis), "{millis}");
    }
}

#[tokio::test]
async fn what_fails_for_a_while_is_sent_again_and_only_that() {
    // Every third message fails twice.
    let sqs = Sqs::new(|body, attempt| {
        let job: Value = serde_json::from_str(body).unwrap();
        let number: u64 = job["jobId"].as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap();
        (number.is_multiple_of(3) && attempt < 2).then_some(("InternalError", false))
    });
    let accepted = send_all(&sqs, plan(&options(30))).await;
    assert_eq!((accepted.messages, accepted.refused), (30, 0));
    let inner = sqs.inner();
    assert_eq!(inner.taken.len(), 30, "none twice");
    assert_eq!(inner.attempts.values().filter(|attempts| **attempts == 3).count(), 10);
    assert_eq!(inner.attempts.values().filter(|attempts| **attempts == 1).count(), 20);
}

#[tokio::test]
async fn a_senders_fault_is_final_and_told() {
    let sqs = Sqs::new(|body, _| body.contains("load-r-7").then_some(("InvalidMessageContents", true)));
    let accepted = send_all(&sqs, plan(&options(10))).await;
    assert_eq!((accepted.messages, accepted.refused, &accepted.stopped), (9, 1, &None));
    assert_eq!(accepted.refusals[0].job_id, "load-r-7");
    assert_eq!(accepted.refusals[0].code, "InvalidMessageContents");
    assert_eq!(sqs.inner().requests, 1);
}

#[tokio::test]
async fn what_never_passes_is_refused_in_the_end() {
    let sqs = Sqs::new(|body, _| body.contains("load-r-2").then_some(("InternalError", false)));
    let accepted = send_all(&sqs, plan(&options(5))).await;
    assert_eq!((accepted.messages, accepted.refused), (4, 1));
    assert_eq!(sqs.inner().requests, 6, "one, and five times again");
}

#[tokio::test]
async fn a_queue_that_takes_no_groups_gets_none() {
    let sqs = Sqs::new(|_, _| None);
    sqs.inner().takes_groups = false;
    let accepted = send_all(&sqs, plan(&options(200))).await;
    assert_eq!((accepted.messages, accepted.refused), (200, 0));
    let inner = sqs.inner();
    assert!(inner.taken.iter().all(|entry| entry.get("MessageGroupId").is_none()));
    assert!(inner.requests <= 20 + 8, "asked once by each request under way, {}", inner.requests);
}

#[tokio::test]
async fn a_busy_queue_is_waited_for() {
    let sqs = Sqs::new(|_, _| None);
    sqs.inner().refusals = [(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"); 3].into();
    sqs.inner().refusals.push_back((StatusCode::BAD_REQUEST, "RequestThrottled"));
    let accepted = send_all(&sqs, plan(&options(10))).await;
    assert_eq!((accepted.messages, accepted.stopped), (10, None));
    assert_eq!(sqs.inner().requests, 5);
}

#[tokio::test]
async fn a_queue_that_stays_busy_stops_the_run_and_what_was_taken_counts() {
    let sqs = Sqs::new(|_, _| None);
    sqs.inner().refusals = [(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"); 6].into();
    let accepted = send_all(&sqs, plan(&options(5))).await;
    assert_eq!(accepted.messages, 0);
    assert!(matches!(accepted.stopped, Some(Stopped::Failed(NotSent::Unavailable { .. }))), "{accepted:?}");
}

#[tokio::test]
async fn a_missing_queue_is_named_at_once() {
    let sqs = Sqs::new(|_, _| None);
    sqs.inner().refusals = [(StatusCode::BAD_REQUEST, "QueueDoesNotExist"); 100].into();
    let accepted = send_all(&sqs, plan(&options(1_000))).await;
    let Some(Stopped::Failed(error)) = &accepted.stopped else { panic!("{accepted:?}") };
    assert!(matches!(error, NotSent::QueueMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("/000000000000/export-jobs"), "{error}");
    assert!(sqs.inner().requests <= 8, "no more than were under way");
}

#[tokio::test]
async fn refused_credentials_are_told() {
    let sqs = Sqs::new(|_, _| None);
    sqs.inner().refusals = [(StatusCode::FORBIDDEN, "InvalidClientTokenId"); 100].into();
    let accepted = send_all(&sqs, plan(&options(1))).await;
    let Some(Stopped::Failed(error @ NotSent::Denied { .. })) = &accepted.stopped else {
        panic!("{accepted:?}")
    };
    assert!(error.to_string().contains("InvalidClientTokenId"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_sqs_is_recognised() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new()).await });
    let (client, queue_url) = client(&endpoint).await;
    let stop = CancellationToken::new();
    let accepted = super::send(&client, &queue_url, plan(&options(1)), Pace::BURST, &stop, |_| {}).await;
    let Some(Stopped::Failed(error)) = &accepted.stopped else { panic!("{accepted:?}") };
    assert!(matches!(error, NotSent::Unusable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stop_sends_no_more_and_counts_what_was_under_way() {
    let sqs = Sqs::new(|_, _| None);
    let (client, queue_url) = client(&sqs.serve().await).await;
    let stop = CancellationToken::new();
    let stop_at_100 = |accepted: &Accepted| {
        if accepted.messages >= 100 {
            stop.cancel();
        }
    };
    let plan = plan(&options(1_000_000));
    let accepted = super::send(&client, &queue_url, plan, Pace::BURST, &stop, stop_at_100).await;
    assert_eq!(accepted.stopped, Some(Stopped::Interrupted));
    assert!((100..=200).contains(&accepted.messages), "{}", accepted.messages);
    assert_eq!(sqs.inner().taken.len() as u64, accepted.messages);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_another_attempt() {
    let sqs = Sqs::new(|body, _| (!body.contains("load-r-0")).then_some(("InternalError", false)));
    let (client, queue_url) = client(&sqs.serve().await).await;
    let stop = CancellationToken::new();
    let hourly = ExponentialBuilder::new().with_min_delay(Duration::from_secs(3_600));
    let courier = Courier::new(&client, &queue_url, &stop).with_backoff(hourly);
    let planned = plan(&options(5));
    let sending = carry(&courier, planned, Pace::BURST, |_| {});
    let stopping = async {
        while sqs.inner().taken.is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(sending, stopping).0 };
    let accepted = tokio::time::timeout(Duration::from_secs(20), both).await.expect("within the hour");
    assert_eq!((accepted.messages, accepted.refused, accepted.stopped), (1, 0, Some(Stopped::Interrupted)));
}

#[tokio::test]
async fn a_load_can_be_sent_by_a_task_of_its_own() {
    let sqs = Sqs::new(|_, _| None);
    let (client, queue_url) = client(&sqs.serve().await).await;
    let planned = plan(&options(25));
    let sending = tokio::spawn(async move {
        super::send(&client, &queue_url, planned, Pace::BURST, &CancellationToken::new(), |_| {}).await
    });
    assert_eq!(sending.await.unwrap().messages, 25);
}

#[tokio::test]
async fn a_steady_load_is_not_sent_before_it_is_due() {
    let sqs = Sqs::new(|_, _| None);
    let steady = Pace { pattern: Pattern::Steady, rate: 50.0 };
    let accepted = send_paced(&sqs, plan(&options(11)), steady).await;
    assert_eq!(accepted.messages, 11);
    assert!(accepted.elapsed >= Duration::from_millis(200), "{:?}", accepted.elapsed);
}

#[tokio::test]
async fn progress_is_told_up_to_the_end() {
    let sqs = Sqs::new(|_, _| None);
    let (client, queue_url) = client(&sqs.serve().await).await;
    let mut seen = Vec::new();
    let told = |accepted: &Accepted| seen.push(accepted.messages);
    let accepted =
        super::send(&client, &queue_url, plan(&options(25)), Pace::BURST, &CancellationToken::new(), told)
            .await;
    assert!(seen.is_sorted() && seen.len() == 3, "{seen:?}");
    assert_eq!((seen.last(), accepted.messages), (Some(&25), 25));
}
