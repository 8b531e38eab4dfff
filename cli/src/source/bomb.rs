//! A gzip bomb: small on the wire, a thousand times as large for who decodes it.

use std::io::{self, Write as _};

use axum::response::{IntoResponse as _, Response};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, header};

const MIB: usize = 1024 * 1024;

/// An answer of so many zeros, in whole MiB, compressed: one member of a MiB again and again (RFC 1952, 2.2).
pub(super) fn answer(size: u64) -> io::Result<Response> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; MIB])?;
    let member = encoder.finish()?;
    let members = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(MIB).max(1);
    let mut response = member.repeat(members).into_response();
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
    Ok(response)
}
