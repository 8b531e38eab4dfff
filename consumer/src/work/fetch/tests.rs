//! The source over real connections to servers that answer what they are told, byte by byte.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hickory_resolver::TokioResolver;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time,
};

use super::{
    hosts::Hosts,
    http::{HttpSource, Patience},
    request::request,
};
use crate::{
    config::PerHost,
    fail::TaskFault,
    ports::{Body as _, Source as _, SourceHead},
};

/// What follows the bytes of an answer.
#[derive(Clone, Copy)]
enum Then {
    Close,
    /// The connection stays, and nothing comes.
    Hold,
    /// A byte every so often.
    Trickle(Duration),
}

/// A server whose n-th request has the n-th answer; the last is repeated.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<(String, Then)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = read_head(&mut stream).await;
                let turn = {
                    let mut requests = requests.lock().unwrap();
                    requests.push(head);
                    requests.len() - 1
                };
                let (text, then) = answers.get(turn).or(answers.last()).unwrap().clone();
                tokio::spawn(answer(stream, text, then));
            }
        });
        Self { base, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The value of a header in each request.
    fn asked_with(&self, name: &str) -> Vec<Option<String>> {
        let value = |head: &String| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.filter(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next()
        };
        self.asked().iter().map(value).collect()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn answer(mut stream: TcpStream, text: String, then: Then) {
    // A client that has enough closes.
    let _ = stream.write_all(text.as_bytes()).await;
    match then {
        Then::Close => {}
        Then::Hold => std::future::pending().await,
        Then::Trickle(every) => {
            while stream.write_all(b".").await.is_ok() {
                time::sleep(every).await;
            }
        }
    }
}

/// An answer with its headers and a body; what is missing of `Content-Length` never comes.
fn with(status: &str, headers: &[&str], body: &str) -> String {
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n{body}")
}

const ETAG: &str = "ETag: \"one\"";

fn first(body: &str) -> String {
    with("200 OK", &[ETAG, "Content-Length: 10"], body)
}

fn rest(from: usize, body: &str) -> String {
    let length = format!("Content-Length: {}", 10 - from);
    with("206 Partial Content", &[ETAG, &length, &format!("Content-Range: bytes {from}-9/10")], body)
}

fn patient(millis: u64) -> HttpSource {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let patience = Patience {
        silence: Duration::from_millis(millis),
        window: Duration::from_millis(millis),
        ..Patience::default()
    };
    // One place: who asked again without giving his up would wait for himself.
    let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
    let resolver = TokioResolver::builder_tokio().unwrap().build().unwrap();
    HttpSource::with(hosts, &["127.0.0.0/8".parse().unwrap()], resolver, patience).unwrap()
}

async fn fetched(source: &HttpSource, url: &str) -> Result<(SourceHead, String), TaskFault> {
    let headers = [("Authorization".to_owned(), "Bearer secret".to_owned())].into();
    let (head, mut body) = source.fetch(&request(url, &headers)?).await?;
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok((head, String::from_utf8(all).unwrap()))
}

/// The body, or the reason why there is none.
async fn outcome(server: &Server) -> String {
    let fetched = fetched(&patient(60_000), &server.base).await;
    fetched.map_or_else(|fault| fault.reason().to_owned(), |(_, body)| body)
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_stopped() {
    let answers = [first("0123"), rest(4, "45"), rest(6, ""), rest(6, "6789")];
    let server = Server::start(answers.map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&server).await, "0123456789");
    let some = |text: &str| Some(text.to_owned());
    let ranges = [None, some("bytes=4-"), some("bytes=6-"), some("bytes=6-")];
    assert_eq!(server.asked_with("range"), ranges);
    let tags = [None, some("\"one\""), some("\"one\""), some("\"one\"")];
    assert_eq!(server.asked_with("if-range"), tags);
    assert!(
        server.asked_with("authorization").iter().all(|header| header.as_deref() == Some("Bearer secret"))
    );
}

#[tokio::test]
async fn a_body_of_unknown_length_learns_it_when_it_is_resumed() {
    let chunked = with("200 OK", &[ETAG, "Transfer-Encoding: chunked"], "4\r\n0123\r\n");
    let less = with("206 Partial Content", &[ETAG, "Content-Length: 2", "Content-Range: bytes 4-5/10"], "45");
    let server = Server::start([chunked, less, rest(6, "6789")].map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&server).await, "0123456789");
}

#[tokio::test]
async fn a_body_without_a_strong_validator_is_never_asked_for_again() {
    for headers in [&["ETag: W/\"one\""][..], &[], &[ETAG, "Accept-Ranges: none"]] {
        let headers = [headers, &["Content-Length: 10"][..]].concat();
        let server = Server::start(vec![(with("200 OK", &headers, "0123"), Then::Close)]).await;
        assert_eq!(outcome(&server).await, "truncated", "{headers:?}");
        assert_eq!(server.asked().len(), 1, "{headers:?}");
    }
}

#[tokio::test]
async fn a_source_that_changed_is_told_so_that_the_next_attempt_begins_at_byte_0() {
    for changed in [
        with("200 OK", &["ETag: \"two\"", "Content-Length: 10"], "abcdefghij"),
        with("206 Partial Content", &[ETAG, "Content-Range: bytes 0-9/10"], "0123456789"),
        with("206 Partial Content", &["ETag: \"two\"", "Content-Range: bytes 4-9/10"], "efghij"),
        with("416 Range Not Satisfiable", &["Content-Range: bytes */3"], ""),
    ] {
        let server = Server::start([first("0123"), changed].map(|text| (text, Then::Close)).into()).await;
        assert_eq!(outcome(&server).await, "sourceChanged");
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn resumes_without_progress_end_it() {
    let server = Server::start([first("0123"), rest(4, "")].map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&server).await, "truncated");
    assert_eq!(server.asked().len(), 1 + 4);
}

#[tokio::test]
async fn failures_of_the_source_are_passed_over_and_its_retry_after_is_not() {
    let failure = with("502 Bad Gateway", &["Content-Length: 0"], "");
    let answers = [first("0123"), failure, rest(4, "456789")];
    let server = Server::start(answers.map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&server).await, "0123456789");
    let later = with("503 Service Unavailable", &["Retry-After: 7", "Content-Length: 0"], "");
    let server = Server::start([first("0123"), later].map(|text| (text, Then::Close)).into()).await;
    let fault = fetched(&patient(60_000), &server.base).await.unwrap_err();
    assert!(
        matches!(fault, TaskFault::Retry { after: Some(after), .. } if after == Duration::from_secs(7)),
        "{fault:?}"
    );
    assert_eq!(server.asked().len(), 2);
}

fn redirect(to: &str) -> String {
    with("302 Found", &[&format!("Location: {to}"), "Content-Length: 0"], "")
}

#[tokio::test]
async fn a_resume_takes_the_way_of_the_redirects_and_the_filter_again() {
    let file = Server::start([first("0123"), rest(4, "456789")].map(|text| (text, Then::Close)).into()).await;
    let door = Server::start(vec![(redirect(&file.base), Then::Close)]).await;
    assert_eq!(outcome(&door).await, "0123456789");
    assert_eq!((door.asked().len(), file.asked().len()), (2, 2));
    assert_eq!(file.asked_with("range"), [None, Some("bytes=4-".to_owned())]);
    // Another port is another origin: what the task said to the first stays there.
    assert_eq!(file.asked_with("authorization"), [None, None]);
    assert!(door.asked_with("authorization").iter().all(Option::is_some));

    let cut = Server::start(vec![(first("0123"), Then::Close)]).await;
    let answers = [redirect(&cut.base), redirect("http://169.254.169.254/latest/meta-data/")];
    let door = Server::start(answers.map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&door).await, "addressForbidden");
}

#[tokio::test]
async fn headers_of_the_task_stay_within_its_origin() {
    let file = first("0123456789");
    let answers = [redirect("/there"), file.clone()];
    let server = Server::start(answers.map(|text| (text, Then::Close)).into()).await;
    assert_eq!(outcome(&server).await, "0123456789");
    assert!(server.asked_with("authorization").iter().all(Option::is_some), "the same origin");
    assert_eq!(server.asked_with("accept-encoding"), [Some("identity".into()), Some("identity".into())]);
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up_for_another() {
    let answers = vec![(first("0123"), Then::Hold), (rest(4, "456789"), Then::Close)];
    let server = Server::start(answers).await;
    let (_, body) = fetched(&patient(1_500), &server.base).await.unwrap();
    assert_eq!((body.as_str(), server.asked().len()), ("0123456789", 2));
}

#[tokio::test]
async fn a_source_from_which_nothing_comes_is_too_slow() {
    let server = Server::start(vec![(first(""), Then::Hold)]).await;
    let fault = fetched(&patient(300), &server.base).await.unwrap_err();
    assert_eq!((fault.reason(), server.asked().len()), ("tooSlow", 1));
}

#[tokio::test]
async fn a_trickle_is_too_slow_also_after_a_fast_beginning() {
    let every = Duration::from_millis(20);
    for beginning in [0, 1_000_000] {
        let head = with("200 OK", &[ETAG, "Content-Length: 9000000"], &"x".repeat(beginning));
        let server = Server::start(vec![(head, Then::Trickle(every))]).await;
        let begun = Instant::now();
        let fault = fetched(&patient(400), &server.base).await.unwrap_err();
        assert_eq!((fault.reason(), server.asked().len()), ("tooSlow", 1), "{fault}");
        assert!(begun.elapsed() >= Duration::from_millis(400));
    }
}

#[tokio::test]
async fn an_encoded_body_is_taken_as_it_is() {
    let coded = with("200 OK", &["Content-Encoding: gzip", "Content-Length: 4"], "\u{1f}abc");
    let server = Server::start(vec![(coded, Then::Close)]).await;
    assert_eq!(outcome(&server).await, "\u{1f}abc", "not even looked into");
}

#[tokio::test]
async fn no_more_is_read_than_was_promised() {
    let lying = with("200 OK", &["Content-Length: 4"], "0123456789");
    let server = Server::start(vec![(lying, Then::Close)]).await;
    assert_eq!(outcome(&server).await, "0123");
}
