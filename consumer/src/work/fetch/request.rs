//! What may be asked for: http(s) URLs, and headers of an allow-list.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use url::{Host, Url};

use super::address::may_reach;
use crate::{
    fail::{Reason, TaskFault},
    ports::Request,
};

/// Headers that a task may set. None of these changes how the message is framed, routed or encoded.
const ALLOWED_HEADERS: &[&str] = &[
    "accept",
    "accept-language",
    "authorization",
    "cookie",
    "referer",
    "user-agent",
    "x-api-key",
    "x-request-id",
];

/// The longest host name, with its last dot (RFC 1035, 2.3.4).
const MAX_NAME_BYTES: usize = 254;

/// Checks a task's URL and headers.
///
/// # Errors
/// [`TaskFault::Final`]: such a request is never sent.
pub fn request(url: &str, headers: &exportpool_contract::message::Headers) -> Result<Request, TaskFault> {
    let url = parse_url(url)?;
    let headers =
        headers.iter().map(|(name, value)| header(name, value)).collect::<Result<HeaderMap, _>>()?;
    Ok(Request { url, headers })
}

/// Reads a URL that may be asked for.
///
/// # Errors
/// `invalidUrl`: no URL, or neither http nor https.
pub fn parse_url(url: &str) -> Result<Url, TaskFault> {
    let url = Url::parse(url).map_err(|error| TaskFault::last(Reason::InvalidUrl, error.to_string()))?;
    check_scheme(&url).map(|()| url)
}

fn check_scheme(url: &Url) -> Result<(), TaskFault> {
    if matches!(url.scheme(), "http" | "https") {
        return Ok(());
    }
    let detail = format!("the scheme {:?} is not allowed; http and https are", url.scheme());
    Err(TaskFault::last(Reason::InvalidUrl, detail))
}

/// Checks a URL that is about to be asked: also a literal address, which no resolver sees.
///
/// # Errors
/// [`TaskFault::Final`]: `invalidUrl` or `addressForbidden`.
pub fn check_hop(url: &Url, allowed: &[IpNet]) -> Result<(), TaskFault> {
    check_scheme(url)?;
    let literal = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(name)) if name.len() > MAX_NAME_BYTES => {
            let detail = format!("the host's name has more than {MAX_NAME_BYTES} bytes");
            return Err(TaskFault::last(Reason::InvalidUrl, detail));
        }
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(TaskFault::last(Reason::InvalidUrl, "the URL has no host")),
    };
    if may_reach(literal, allowed) { Ok(()) } else { Err(forbidden(&literal.to_string())) }
}

/// Whether the headers of a task go along with a redirect: only to the origin they were meant for. A leap from http to
/// https, or to another port, is another origin.
pub(super) fn keeps_headers(from: &Url, to: &Url) -> bool {
    from.origin() == to.origin()
}

pub(super) fn forbidden(host: &str) -> TaskFault {
    let detail = format!("{host} is not a public address; EXPORT_ALLOWED_NETWORKS can allow it");
    TaskFault::last(Reason::AddressForbidden, detail)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), TaskFault> {
    let refuse = |why: String| TaskFault::last(Reason::InvalidHeader, why);
    let parsed = HeaderName::try_from(name).map_err(|_| refuse(format!("{name:?} is no header name")))?;
    if !ALLOWED_HEADERS.contains(&parsed.as_str()) {
        let allowed = ALLOWED_HEADERS.join(", ");
        return Err(refuse(format!("the header {parsed} is not allowed; allowed are {allowed}")));
    }
    let value = HeaderValue::try_from(value)
        .map_err(|_| refuse(format!("the value of {parsed} is no header value")))?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(url: &str) -> &'static str {
        let checked = request(url, &[].into()).and_then(|request| check_hop(&request.url, &[]));
        checked.err().map_or("ok", |fault| fault.reason())
    }

    #[test]
    fn urls_that_are_not_http_are_refused() {
        for bad in ["ftp://h/f", "file:///etc/passwd", "h/f", "", "javascript:alert(1)", "http://"] {
            assert_eq!(reason(bad), "invalidUrl", "{bad}");
        }
        assert_eq!(reason(&format!("http://{}test/", "a.".repeat(130))), "invalidUrl");
        assert_eq!(reason("https://files.test/f"), "ok");
    }

    #[test]
    fn literal_addresses_in_any_spelling_are_refused() {
        for bad in [
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://[::1]/",
            "http://0177.0.0.1/",
        ] {
            assert_eq!(reason(bad), "addressForbidden", "{bad}");
        }
    }

    #[test]
    fn headers_are_of_the_allow_list() {
        let with =
            |name: &str, value: &str| request("http://h/", &[(name.to_owned(), value.to_owned())].into());
        assert!(with("Authorization", "Bearer x").is_ok());
        for (name, value) in
            [("Host", "h"), ("Transfer-Encoding", "chunked"), ("X\n", "v"), ("Accept", "a\nb")]
        {
            assert_eq!(with(name, value).unwrap_err().reason(), "invalidHeader", "{name}");
        }
    }

    #[test]
    fn headers_stay_with_their_origin() {
        let from = Url::parse("http://h.test/a").unwrap();
        for (to, keeps) in [
            ("/b", true),
            ("http://H.test:80/b", true),
            ("https://h.test/a", false),
            ("http://h.test:81/a", false),
            ("http://h.test./a", false),
            ("http://www.h.test/a", false),
            ("//other.test/a", false),
        ] {
            assert_eq!(keeps_headers(&from, &from.join(to).unwrap()), keeps, "{to}");
        }
    }
}
