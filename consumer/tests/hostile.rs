//! URLs that mean harm, against the real source: `hostile/urls.tsv`, one a line. Only 127.0.0.2 may be reached here;
//! servers listen there and on its neighbours, which may not. Names are answered by a name server of our own.
//! `docs/hostile-urls.md` is made of the same lines: `EXPORTPOOL_WRITE_DOCS=1 cargo test --test hostile` writes it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use exportpool_consumer::{
    config::PerHost,
    fail::TaskFault,
    ports::{Body as _, Source as _},
    work::fetch::{hosts::Hosts, http::HttpSource, request::request},
};
use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

const ROWS: &str = include_str!("hostile/urls.tsv");
const ALLOWED: &str = "127.0.0.2";
const DEADLINE: Duration = Duration::from_secs(20);

struct Row {
    url: &'static str,
    how: &'static str,
    expected: &'static str,
    note: &'static str,
}

fn rows() -> impl Iterator<Item = Row> {
    ROWS.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        let [url, how, expected, note] = cells[..] else { panic!("not four cells: {line:?}") };
        Row { url, how, expected, note }
    })
}

/// What cannot stand in a line of the table.
fn unescaped(text: &str, port: u16) -> String {
    let text = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
    text.replace("{port}", &port.to_string())
}

/// First and later answers of names.
type Names = HashMap<String, [Vec<IpAddr>; 2]>;

/// A name server; the number of questions for A records it had.
async fn name_server(names: Names) -> (u16, Arc<Mutex<HashMap<String, usize>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::<Mutex<HashMap<String, usize>>>::default();
    let counts = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut question = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            let answer = dns_answer(&question[..length], |name, v6| {
                let mut counts = counts.lock().unwrap();
                let count = counts.entry(name.to_owned()).or_default();
                *count += usize::from(!v6);
                names.get(name).map(|answers| answers[usize::from(*count > 1)].clone())
            });
            let _ = socket.send_to(&answer, from).await;
        }
    });
    (port, asked)
}

/// RFC 1035, 4.1: the header, the question again, and an address a record.
fn dns_answer(question: &[u8], addresses: impl Fn(&str, bool) -> Option<Vec<IpAddr>>) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let v6 = question[at + 2] == 28;
    let found = addresses(&labels.join("."), v6);
    let code = if found.is_some() { 0x80 } else { 0x83 };
    let found: Vec<_> =
        found.unwrap_or_default().into_iter().filter(|address| address.is_ipv6() == v6).collect();
    let mut answer =
        [&question[..2], &[0x81, code, 0, 1, 0, u8::try_from(found.len()).unwrap(), 0, 0, 0, 0]].concat();
    answer.extend_from_slice(&question[12..at + 5]);
    for address in found {
        let bytes = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let kind = if v6 { 28 } else { 1 };
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()]);
        answer.extend(bytes);
    }
    answer
}

/// What a server was asked, head by head.
type Asked = Arc<Mutex<Vec<String>>>;

/// A server of paths: `/ok`, `/to/<row>`, `/loop`, `/hop/<n>`.
async fn web_server(address: &str, port: u16, redirects: Vec<Option<String>>) -> (u16, Asked) {
    let listener = TcpListener::bind((address, port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let heads = Arc::clone(&asked);
    let redirects = Arc::new(redirects);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&heads), Arc::clone(&redirects)));
        }
    });
    (port, asked)
}

async fn serve(mut stream: TcpStream, heads: Asked, redirects: Arc<Vec<Option<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let location = match path.trim_start_matches('/').split_once('/') {
        Some(("to", row)) => Some(redirects[row.parse::<usize>().unwrap()].clone()),
        Some(("hop", "0")) => Some(Some("/ok".into())),
        Some(("hop", left)) => Some(Some(format!("/hop/{}", left.parse::<usize>().unwrap() - 1))),
        _ if path == "/loop" => Some(Some("/loop".into())),
        _ => None,
    };
    let answer = match location {
        None => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        Some(to) => {
            let line = to.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
            format!("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n{line}\r\n")
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn source(dns: u16) -> HttpSource {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut server = NameServerConfig::udp("127.0.0.1".parse().unwrap());
    server.connections[0].port = dns;
    let config = ResolverConfig::from_name_servers(vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, Default::default());
    builder.options_mut().cache_size = 0;
    let hosts = Hosts::new(PerHost { concurrency: 16, rate: None });
    let allowed = format!("{ALLOWED}/32").parse().unwrap();
    HttpSource::with_resolver(hosts, &[allowed], builder.build().unwrap()).unwrap()
}

async fn fetched(source: &HttpSource, url: &str) -> Result<Vec<u8>, TaskFault> {
    let (_, mut body) = source.fetch(&request(url, &[].into())?).await?;
    let mut all = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Addresses of the names in the table.
fn names() -> Names {
    let with_answers = rows().filter_map(|row| {
        let answers = row.how.strip_prefix("dns ")?;
        let host = url::Url::parse(&unescaped(row.url, 1)).unwrap().host_str().unwrap().to_owned();
        let answers: Vec<IpAddr> = answers.split(' ').map(|address| address.parse().unwrap()).collect();
        Some((host, [answers.clone(), answers]))
    });
    with_answers.collect()
}

#[tokio::test]
async fn each_hostile_url_ends_with_its_reason_and_reaches_nobody() {
    let (dns, _) = name_server(names()).await;
    let probe = TcpListener::bind((ALLOWED, 0)).await.unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let targets = rows().map(|row| (row.url != "{none}").then(|| unescaped(row.url, port)));
    let (_, allowed) = web_server(ALLOWED, port, targets.collect()).await;
    let mut others = Vec::new();
    for address in ["127.0.0.1", "127.0.0.3"] {
        others.push(web_server(address, port, Vec::new()).await.1);
    }
    let source = source(dns);
    let mut wrong = Vec::new();
    for (n, row) in rows().enumerate() {
        let url = if row.how == "redirect" {
            format!("http://{ALLOWED}:{port}/to/{n}")
        } else {
            unescaped(row.url, port)
        };
        let outcome = timeout(DEADLINE, fetched(&source, &url)).await.expect("every row ends");
        let reason = outcome.map_or_else(|fault| fault.reason(), |_| "ok");
        if reason != row.expected {
            wrong.push(format!("{} ({}): {reason} and not {}", row.url, row.how, row.expected));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(others.iter().all(|asked| asked.lock().unwrap().is_empty()), "nobody else was asked");
    let heads = allowed.lock().unwrap();
    assert!(
        heads.iter().all(|head| !head.to_lowercase().contains("\nx-evil")),
        "no header came in with a path"
    );
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked_whatever_the_name_answers_next() {
    let [first, then] = [ALLOWED, "127.0.0.3"].map(|address| vec![address.parse().unwrap()]);
    let (dns, questions) = name_server([("rebind.test".to_owned(), [first, then])].into()).await;
    let (port, allowed) = web_server(ALLOWED, 0, Vec::new()).await;
    let (_, other) = web_server("127.0.0.3", port, Vec::new()).await;
    let source = source(dns);
    let url = format!("http://rebind.test:{port}/ok");
    assert_eq!(fetched(&source, &url).await.unwrap(), b"ok");
    assert_eq!(
        questions.lock().unwrap()["rebind.test"],
        1,
        "asked once: what was checked is what is connected to"
    );
    assert_eq!(fetched(&source, &url).await.unwrap_err().reason(), "addressForbidden");
    assert_eq!((allowed.lock().unwrap().len(), other.lock().unwrap().len()), (1, 0));
}

#[test]
fn there_are_at_least_a_hundred_of_them_and_the_page_shows_them_all() {
    assert!(rows().count() >= 100);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hostile-urls.md");
    let wanted = rendered();
    if std::env::var_os("EXPORTPOOL_WRITE_DOCS").is_some() {
        fs::write(&page, &wanted).unwrap();
    }
    let written = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        written == wanted,
        "docs/hostile-urls.md is out of date: run this test with EXPORTPOOL_WRITE_DOCS=1"
    );
}

fn rendered() -> String {
    let mut page = String::from(
        "# Hostile URLs\n\nMade from `consumer/tests/hostile/urls.tsv` by `consumer/tests/hostile.rs`, which tries each \
         against the real source. Only 127.0.0.2 is allowed there (`{port}` is a server on it). `ok` is what may pass.\n\n\
         | URL | how it comes | outcome | note |\n|---|---|---|---|\n",
    );
    for Row { url, how, expected, note } in rows() {
        let url = if url.len() > 80 { format!("{}…", &url[..60]) } else { url.to_owned() };
        writeln!(page, "| `{} ` | {how} | {expected} | {note} |", url.replace('|', "\\|")).unwrap();
    }
    page
}
