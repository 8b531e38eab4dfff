//! The source over real connections, read byte by byte: a client library would hide what it repairs.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crc_fast::CrcAlgorithm;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
    /// The body ended as its framing says.
    complete: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

async fn start() -> Source {
    Source::start(Ipv4Addr::LOCALHOST.into(), 0).await.unwrap()
}

async fn open(url: &str, method: &str, extra: &str) -> TcpStream {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{extra}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn ask(url: &str, method: &str, extra: &str) -> Answer {
    let mut stream = open(url, method, extra).await;
    let mut bytes = Vec::new();
    // A server that cuts off may also reset: what arrived counts.
    let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the answer ends");
    read(&bytes, method)
}

async fn get(url: &str) -> Answer {
    ask(url, "GET", "").await
}

fn read(bytes: &[u8], method: &str) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let (body, complete) = match headers.get("content-length") {
        Some(length) => (rest.to_vec(), method == "HEAD" || rest.len() == length.parse::<usize>().unwrap()),
        None => chunks(rest),
    };
    Answer { status, headers, body, complete }
}

fn chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + size + 2..).unwrap_or_default();
    }
    (body, false)
}

fn sum(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes())
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_is_the_same_each_time_and_as_its_checksum_says() {
    let source = start().await;
    for size in [0, 1, 10_240, 1_000_000] {
        let url = Asked::file("a dir/fïle", size).url(&source.base_url);
        let (first, second) = (get(&url).await, get(&url).await);
        assert_eq!((first.status, first.body.len() as u64), (200, size));
        assert!(first.complete);
        assert_eq!(first.body, second.body);
        assert_eq!(sum(&first.body), checksum("a dir/fïle", size));
        assert_eq!(first.header("etag"), second.header("etag"));
        assert_eq!(first.header("accept-ranges"), Some("bytes"));
    }
}

#[tokio::test]
async fn ranges_put_together_are_the_file() {
    let source = start().await;
    let url = Asked::file("r", 200_000).url(&source.base_url);
    let whole = get(&url).await;
    let tag = whole.header("etag").unwrap();
    let first = ask(&url, "GET", "Range: bytes=0-99999\r\n").await;
    let rest = ask(&url, "GET", &format!("Range: bytes=100000-\r\nIf-Range: {tag}\r\n")).await;
    assert_eq!((first.status, rest.status), (206, 206));
    assert_eq!(rest.header("content-range"), Some("bytes 100000-199999/200000"));
    assert_eq!([first.body, rest.body].concat(), whole.body);
    assert_eq!(source.downloads.of("r").completed, 2, "a part that does not reach the end completes nothing");
}

#[tokio::test]
async fn ranges_that_do_not_hold_are_told() {
    let source = start().await;
    let url = Asked::file("r", 1_000).url(&source.base_url);
    let beyond = ask(&url, "GET", "Range: bytes=1000-\r\n").await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */1000")));
    let changed = ask(&url, "GET", "Range: bytes=10-\r\nIf-Range: \"other\"\r\n").await;
    assert_eq!((changed.status, changed.body.len()), (200, 1_000));
}

#[tokio::test]
async fn a_head_tells_the_length_and_is_no_download() {
    let source = start().await;
    let answer = ask(&Asked::file("h", 5_000).url(&source.base_url), "HEAD", "").await;
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, Some("5000"), 0));
    assert_eq!(source.downloads.snapshot().total, downloads::Count::default());
}

#[tokio::test]
async fn statuses_and_waits_are_as_asked() {
    let source = start().await;
    let at = |query: &str| format!("{}/files/f?{query}", source.base_url);
    assert_eq!(get(&at("status=404")).await.status, 404);
    assert_eq!(get(&at("status=404")).await.status, 404, "always");
    let busy = get(&at("status=429&retry-after=7")).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("7")));
    let away = get(&at("retry-after=1")).await;
    assert_eq!((away.status, away.header("retry-after")), (503, Some("1")));
    let moved = get(&at("redirect=http%3A%2F%2Fh%2Fx%3Fy%3D1")).await;
    assert_eq!((moved.status, moved.header("location")), (302, Some("http://h/x?y=1")));
    assert_eq!(get(&at("redirect=/x&status=307")).await.status, 307);
    assert_eq!(get(&at("speed=7")).await.status, 400);
}

#[tokio::test]
async fn a_name_fails_its_first_times_and_then_comes() {
    let source = start().await;
    let at = |name: &str| format!("{}/files/{name}?size=100&fail-times=2", source.base_url);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&at("f")).await.status);
    }
    assert_eq!(statuses, [500, 500, 200, 200]);
    assert_eq!(get(&at("other")).await.status, 500, "each name has its own count");
    assert_eq!(source.downloads.of("f"), downloads::Count { asked: 4, ranged: 0, started: 2, completed: 2 });
}

#[tokio::test]
async fn a_truncated_file_ends_early_and_its_first_half_is_right() {
    let source = start().await;
    let good = get(&Asked::file("t", 300_000).url(&source.base_url)).await.body;
    let cut = get(&format!("{}/files/t?size=300000&truncate", source.base_url)).await;
    assert_eq!((cut.status, cut.header("content-length")), (200, Some("300000")));
    assert!(!cut.complete);
    assert_eq!(cut.body, good[..150_000]);
    assert_eq!(source.downloads.of("t"), downloads::Count { asked: 2, ranged: 0, started: 2, completed: 1 });
}

#[tokio::test]
async fn a_file_that_is_cut_comes_whole_in_ranges() {
    let source = start().await;
    let url = format!("{}/files/c?size=1000&cut=400", source.base_url);
    let mut body = Vec::new();
    while body.len() < 1_000 {
        let answer = ask(&url, "GET", &format!("Range: bytes={}-\r\n", body.len())).await;
        assert_eq!((answer.status, answer.complete), (206, body.len() == 800));
        body.extend(answer.body);
    }
    assert_eq!(sum(&body), checksum("c", 1_000));
    assert_eq!(source.downloads.of("c"), downloads::Count { asked: 3, ranged: 3, started: 3, completed: 1 });
}

#[tokio::test]
async fn an_entity_tag_is_weak_or_missing_or_changes_with_the_file() {
    let source = start().await;
    let at = |query: &str| format!("{}/files/e?size=100&{query}", source.base_url);
    let strong = get(&at("")).await.header("etag").unwrap().to_owned();
    assert_eq!(get(&at("etag=weak")).await.header("etag"), Some(&*format!("W/{strong}")));
    assert_eq!(get(&at("etag=none")).await.header("etag"), None);
    assert_eq!(get(&at("change-etag-after=99")).await.header("etag"), Some(&*strong));
    let changed = get(&at("change-etag-after=4&fail-times=0")).await;
    assert_ne!(changed.header("etag"), Some(&*strong));
    assert_eq!((changed.status, sum(&changed.body) == checksum("e", 100)), (200, false));
    let range = format!("Range: bytes=9-\r\nIf-Range: {strong}\r\n");
    let resumed = ask(&at("change-etag-after=4"), "GET", &range).await;
    assert_eq!(resumed.status, 200, "the whole of the other file");
}

#[tokio::test]
async fn a_gzip_bomb_is_a_thousand_times_as_large_decoded() {
    let source = start().await;
    let bomb = get(&format!("{}/files/b?size=3145728&gzip-bomb", source.base_url)).await;
    assert_eq!((bomb.status, bomb.header("content-encoding")), (200, Some("gzip")));
    assert!(bomb.complete && bomb.body.len() < 3_145_728 / 500, "{}", bomb.body.len());
    let mut decoded = Vec::new();
    let mut decoder = flate2::read::MultiGzDecoder::new(&bomb.body[..]);
    std::io::Read::read_to_end(&mut decoder, &mut decoded).unwrap();
    assert_eq!(decoded, vec![0; 3_145_728]);
}

#[tokio::test]
async fn a_wrong_length_looks_right_and_has_another_checksum() {
    let source = start().await;
    let short = get(&format!("{}/files/w?size=1000&wrong-length", source.base_url)).await;
    assert!(short.complete);
    assert_eq!((short.status, short.body.len()), (200, 999));
    assert_ne!(sum(&short.body), checksum("w", 1_000));
    assert_eq!(source.downloads.of("w").completed, 0);
}

#[tokio::test]
async fn a_file_without_a_length_is_whole() {
    let source = start().await;
    let url = format!("{}/files/n?size=200000&no-length", source.base_url);
    let answer = ask(&url, "GET", "Range: bytes=5-\r\n").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, None));
    assert!(answer.complete);
    assert_eq!(sum(&answer.body), checksum("n", 200_000));
}

#[tokio::test]
async fn a_trickle_takes_its_time_and_comes_whole() {
    let source = start().await;
    let begun = Instant::now();
    let answer = get(&format!("{}/files/s?size=50&trickle=200", source.base_url)).await;
    assert_eq!(sum(&answer.body), checksum("s", 50));
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_endless_file_goes_on_until_the_source_stops() {
    let source = start().await;
    let mut stream = open(&format!("{}/files/e?endless", source.base_url), "GET", "").await;
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..4 {
        timeout(DEADLINE, stream.read_exact(&mut buffer)).await.unwrap().unwrap();
    }
    let reader = tokio::spawn(async move {
        let mut last = Vec::new();
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            last = buffer[read.saturating_sub(5)..read].to_vec();
        }
        last
    });
    timeout(DEADLINE, source.stop(Duration::ZERO)).await.expect("stops");
    let last = timeout(DEADLINE, reader).await.expect("the connection closes").unwrap();
    assert_ne!(last, b"0\r\n\r\n", "cut off, not ended");
}

#[tokio::test]
async fn many_wait_at_the_same_time() {
    let source = start().await;
    let slow = Asked { delay: Duration::from_secs(600), ..Asked::file("slow", 10) };
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(open(&slow.url(&source.base_url), "GET", "").await);
    }
    until("100 requests are under way at once", || source.downloads.of("slow").asked == 100).await;
    assert_eq!(source.downloads.of("slow").started, 0);
    assert_eq!(
        get(&Asked::file("quick", 10).url(&source.base_url)).await.status,
        200,
        "and nobody else waits"
    );
    timeout(DEADLINE, source.stop(Duration::ZERO)).await.expect("nor does the end");
}

#[tokio::test]
async fn a_delay_is_before_the_first_byte() {
    let source = start().await;
    let begun = Instant::now();
    let late = Asked { delay: Duration::from_millis(150), ..Asked::file("late", 10) };
    assert!(get(&late.url(&source.base_url)).await.complete);
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn what_is_under_way_may_finish_when_the_source_stops() {
    let source = start().await;
    let url =
        Asked { delay: Duration::from_millis(100), ..Asked::file("last", 100_000) }.url(&source.base_url);
    let downloads = source.downloads.clone();
    let last = tokio::spawn(async move { get(&url).await });
    until("asked", || downloads.of("last").asked == 1).await;
    source.stop(DEADLINE).await;
    assert_eq!(sum(&last.await.unwrap().body), checksum("last", 100_000));
}

#[tokio::test]
async fn counts_are_readable_from_outside() {
    let source = start().await;
    get(&Asked::file("x/y", 10).url(&source.base_url)).await;
    let answer = get(&format!("{}/downloads", source.base_url)).await;
    let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let counted = serde_json::json!({"asked": 1, "ranged": 0, "started": 1, "completed": 1});
    assert_eq!(seen["downloads"]["x/y"], counted);
    assert_eq!((&seen["total"]["completed"], &seen["forgotten"]), (&1.into(), &0.into()));
}

#[tokio::test]
async fn it_works_under_a_prefix() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let base = format!("http://{}/_source", listener.local_addr().unwrap());
    let nested = axum::Router::new().nest("/_source", router(Options::default()));
    let server = tokio::spawn(async move { axum::serve(listener, nested).await });
    let answer = get(&Asked::file("job/task", 500).url(&base)).await;
    assert_eq!(sum(&answer.body), checksum("job/task", 500));
    assert_eq!(get(&format!("{base}/downloads")).await.status, 200);
    server.abort();
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let source = start().await;
    let port = source.base_url.rsplit_once(':').unwrap().1.parse().unwrap();
    let error = Source::start(Ipv4Addr::LOCALHOST.into(), port).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
}
