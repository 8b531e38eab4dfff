//! HTTP, plainly: a GET on its own connection.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Status and body. Every server here is on this machine, so that it may block.
///
/// # Errors
/// Nobody listens, or does not answer.
pub(crate) fn get(url: &str) -> io::Result<(u16, Vec<u8>)> {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // Of version 1.0: without chunks, and the connection ends with the answer.
    write!(stream, "GET /{path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, answer.split_off(end + 4)))
}

/// How often each file was asked for.
pub(crate) fn asked(source: &str) -> BTreeMap<String, u64> {
    let (status, body) = get(&format!("{source}/downloads")).unwrap();
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let downloads = document["downloads"].as_object().unwrap();
    downloads.iter().map(|(name, count)| (name.clone(), count["asked"].as_u64().unwrap())).collect()
}
