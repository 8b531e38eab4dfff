//! Reads over real sockets, with the keys of a Secret that an API server tells.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::{Request, Response};
use exportpool_scaling::Depth;
use kube::client::{Body, Client};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{advance, pause, resume},
};

use super::{AwsDepths, Credentials, Principal, QueueFault, QueueSource, ReadDepth};

/// What no status may ever show.
const REMOTE_WORDS: &str = "words of a stranger";

/// An API server that answers for the Secret `aws` of the namespace `team`, and for nothing else.
struct Cluster {
    client: Client,
    secret: Arc<Mutex<(u16, Value)>>,
    asked: Arc<AtomicU64>,
}

impl Cluster {
    fn with(status: u16, secret: Value) -> Self {
        let (service, mut requests) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let secret = Arc::new(Mutex::new((status, secret)));
        let asked = Arc::<AtomicU64>::default();
        let (known, count) = (Arc::clone(&secret), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Some((request, answer)) = requests.next_request().await {
                assert_eq!(request.uri().path(), "/api/v1/namespaces/team/secrets/aws");
                count.fetch_add(1, Ordering::Relaxed);
                let (status, body) = known.lock().unwrap().clone();
                let body = Body::from(serde_json::to_vec(&body).unwrap());
                answer.send_response(Response::builder().status(status).body(body).unwrap());
            }
        });
        Self { client: Client::new(service, "default"), secret, asked }
    }

    fn with_keys(id: &str) -> Self {
        Self::with(200, secret(&[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", "s")]))
    }

    fn replace_keys(&self, id: &str) {
        let keys = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", "s")];
        *self.secret.lock().unwrap() = (200, secret(&keys));
    }

    fn reads(&self) -> AwsDepths {
        AwsDepths::new(Credentials::new(self.client.clone(), "prod".into()))
    }
}

fn secret(keys: &[(&str, &str)]) -> Value {
    let data = |(key, text): &(&str, &str)| {
        let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
        ((*key).to_owned(), serde_json::to_value(bytes).unwrap())
    };
    let data: serde_json::Map<_, _> = keys.iter().map(data).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws", "namespace": "team"}, "data": data})
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": REMOTE_WORDS,
        "reason": reason, "code": code});
    (code, status)
}

/// What stands where a pool says that SQS is. It notes what it is asked, head and body.
struct Server {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = request(&mut socket).await;
                socket.write_all(answer(&request).as_bytes()).await.unwrap();
                noted.lock().unwrap().push(request);
            }
        });
        Self { at, asked }
    }

    fn source(&self) -> QueueSource {
        QueueSource {
            endpoint: Some(format!("http://{}", self.at)),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
            name: "jobs".into(),
            principal: Principal::Secret { namespace: "team".into(), name: "aws".into() },
        }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn request(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        let count = socket.read(&mut chunk).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
        });
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

fn http(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn depth() -> String {
    http(
        "200 OK",
        &json!({"Attributes": {"ApproximateNumberOfMessages": "3",
        "ApproximateNumberOfMessagesNotVisible": "2", "ApproximateNumberOfMessagesDelayed": "1",
        "DelaySeconds": "5"}}),
    )
}

fn refusal(status: &str, code: &str) -> String {
    http(status, &json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": REMOTE_WORDS}))
}

const DEEP: Depth = Depth::Known { visible: 3, not_visible: 2, delayed: 1, delay: Duration::from_secs(5) };

/// What a server's answer is taken for, and how often it was asked.
async fn fault(answer: impl Fn(&str) -> String + Send + 'static) -> (QueueFault, usize) {
    let (cluster, sqs) = (Cluster::with_keys("KEY1"), Server::start(answer).await);
    let fault = cluster.reads().read(&sqs.source()).await.unwrap_err();
    assert!(!fault.to_string().contains(REMOTE_WORDS), "{fault}");
    (fault, sqs.asked())
}

#[tokio::test]
async fn a_queue_is_read_with_the_keys_of_its_secret() {
    let (cluster, sqs) = (Cluster::with_keys("KEY1"), Server::start(|_| depth()).await);
    assert_eq!(cluster.reads().read(&sqs.source()).await, Ok(DEEP));
    let asked = sqs.asked.lock().unwrap().join("\n").to_lowercase();
    assert!(asked.contains("x-amz-target: amazonsqs.getqueueattributes"), "{asked}");
    assert!(asked.contains("credential=key1/") && asked.contains("/eu-west-1/sqs/aws4_request"), "{asked}");
    assert!(asked.contains(&format!("http://{}/123456789012/jobs", sqs.at)), "{asked}");
}

#[tokio::test]
async fn a_secret_is_read_again_after_five_minutes() {
    let (cluster, sqs) = (Cluster::with_keys("KEY1"), Server::start(|_| depth()).await);
    let (reads, source) = (cluster.reads(), sqs.source());
    reads.read(&source).await.unwrap();
    reads.read(&source).await.unwrap();
    assert_eq!(cluster.asked.load(Ordering::Relaxed), 1);
    cluster.replace_keys("KEY2");
    pause();
    advance(Duration::from_secs(300)).await;
    resume();
    reads.read(&source).await.unwrap();
    let asked = sqs.asked.lock().unwrap();
    let with = |key: &str| asked.iter().filter(|request| request.contains(key)).count();
    assert_eq!((with("Credential=KEY1/"), with("Credential=KEY2/")), (2, 1));
}

#[tokio::test]
async fn keys_that_are_denied_are_soon_read_again() {
    let only_new = |request: &str| {
        if request.contains("Credential=KEY2/") {
            depth()
        } else {
            refusal("403 Forbidden", "InvalidClientTokenId")
        }
    };
    let (cluster, sqs) = (Cluster::with_keys("KEY1"), Server::start(only_new).await);
    let (reads, source) = (cluster.reads(), sqs.source());
    for _ in 0..3 {
        let fault = reads.read(&source).await.unwrap_err();
        assert_eq!(fault.reason(), "Denied");
        assert!(fault.to_string().contains("Secret aws"), "{fault}");
    }
    assert_eq!(cluster.asked.load(Ordering::Relaxed), 1, "not for every read that is denied");
    cluster.replace_keys("KEY2");
    pause();
    advance(Duration::from_secs(10)).await;
    resume();
    assert_eq!(reads.read(&source).await, Ok(DEEP));
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_named_with_what_it_lacks() {
    let sqs = Server::start(|_| depth()).await;
    let lacking = (200, secret(&[("AWS_ACCESS_KEY_ID", "KEY1"), ("AWS_SECRET_ACCESS_KEY", " \n")]));
    for ((status, answer), reason, word) in [
        (failure(404, "NotFound"), "SecretMissing", "no Secret aws in namespace team"),
        (failure(403, "Forbidden"), "SecretForbidden", "may not read Secret aws"),
        (failure(500, "InternalError"), "SecretUnreadable", "Secret aws"),
        (lacking, "SecretKeyMissing", "Secret aws has no key AWS_SECRET_ACCESS_KEY"),
    ] {
        let fault = Cluster::with(status, answer).reads().read(&sqs.source()).await.unwrap_err();
        assert_eq!(fault.reason(), reason);
        let message = fault.to_string();
        assert!(message.contains(word) && !message.contains(REMOTE_WORDS), "{message}");
    }
    assert_eq!(sqs.asked(), 0);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let elsewhere = Server::start(|_| depth()).await;
        let to = format!("{status}\r\nlocation: http://{}/", elsewhere.at);
        let (fault, asked) = fault(move |_| http(&to, &json!({}))).await;
        assert_eq!((fault.reason(), asked, elsewhere.asked()), ("Malformed", 1, 0), "{status}");
    }
}

#[tokio::test]
async fn what_refuses_is_known_by_its_code_and_asked_twice_at_most() {
    for (status, code, reason) in [
        ("400 Bad Request", "QueueDoesNotExist", "NotFound"),
        ("403 Forbidden", "AccessDeniedException", "Denied"),
        ("400 Bad Request", "UnrecognizedClientException", "Denied"),
        ("400 Bad Request", "ExpiredToken", "Denied"),
        ("400 Bad Request", "ThrottlingException", "Throttled"),
        ("403 Forbidden", "RequestThrottled", "Throttled"),
        ("400 Bad Request", "OverLimit", "Throttled"),
        ("500 Internal Server Error", "InternalFailure", "Unreachable"),
    ] {
        let (fault, asked) = fault(move |_| refusal(status, code)).await;
        assert_eq!(fault.reason(), reason, "{code}");
        assert!(asked <= 2, "{code} was asked {asked} times");
    }
}

#[tokio::test]
async fn what_is_not_sqs_is_no_depth() {
    let numbers = json!({"Attributes": {"ApproximateNumberOfMessages": REMOTE_WORDS}});
    for body in [json!({}), json!(REMOTE_WORDS), numbers] {
        assert_eq!(fault(move |_| http("200 OK", &body)).await.0.reason(), "Malformed");
    }
    let (fault, _) = fault(|_| "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".into()).await;
    assert_eq!(fault.reason(), "Malformed", "an answer that breaks off is none");
}

#[tokio::test]
async fn an_endpoint_where_nobody_is_is_unreachable() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let source = Server { at: nobody, asked: Arc::default() }.source();
    let fault = Cluster::with_keys("KEY1").reads().read(&source).await.unwrap_err();
    assert_eq!(fault, QueueFault::Unreachable { at: format!("http://{nobody}") });
}
