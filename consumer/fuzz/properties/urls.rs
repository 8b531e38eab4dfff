//! URLs of tasks and of redirects: only http(s) is asked, no literal address that is not public is reached in any
//! spelling, and what is written down has no secret.
//!
//! The first line is the URL, the second where it redirects to, any other a header, `name:value`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use exportpool_consumer::{
    fail::{Reason, TaskFault},
    spec::public_url,
    work::fetch::request::{check_hop, request},
};
use exportpool_contract::message::Headers;
use url::{Host, Url};

/// Holds for every URL, redirect and header.
pub(crate) fn hold(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (url, location) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let headers: Headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    written_down(url);
    let request = match request(url, &headers) {
        Ok(request) => request,
        Err(fault) => return refused(&fault),
    };
    for name in request.headers.keys() {
        let name = name.as_str();
        assert!(
            !matches!(name, "host" | "transfer-encoding" | "content-length" | "connection" | "range"),
            "{name} is sent"
        );
    }
    hop(&request.url);
    if let Ok(next) = request.url.join(location) {
        hop(&next);
        written_down(next.as_str());
    }
}

fn hop(url: &Url) {
    match check_hop(url, &[]) {
        Ok(()) => {
            assert!(matches!(url.scheme(), "http" | "https"), "{url} is asked");
            let literal = match url.host() {
                Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
                Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
                // What a resolver of the system would take for an address is one.
                Some(Host::Domain(name)) => name.parse().ok(),
                None => panic!("{url} has no host and is asked"),
            };
            assert!(!literal.is_some_and(is_inside), "{url} is asked");
        }
        Err(fault) => refused(&fault),
    }
}

fn refused(fault: &TaskFault) {
    let TaskFault::Final { reason, detail } = fault else { panic!("{fault:?} is tried again") };
    assert!(matches!(reason, Reason::InvalidUrl | Reason::InvalidHeader | Reason::AddressForbidden));
    assert!(!detail.is_empty());
}

/// An opinion of its own of what is not public, from the standard library where it has one.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_inside_v4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.segments();
            let last = Ipv4Addr::from((u32::from(g) << 16) | u32::from(h));
            let embeds =
                [a, b, c, d, e] == [0; 5] && f == 0xffff || [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0];
            let six_to_four = Ipv4Addr::from((u32::from(b) << 16) | u32::from(c));
            v6 == Ipv6Addr::LOCALHOST
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || embeds && is_inside_v4(last)
                || a == 0x2002 && is_inside_v4(six_to_four)
        }
    }
}

fn is_inside_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || a == 0
        || (a, b & 0b1100_0000) == (100, 64)
}

/// Without query, fragment and user info, and the same when it is written down again.
fn written_down(url: &str) {
    let public = public_url(url);
    let Ok(read) = Url::parse(&public) else { return assert_eq!(public, "(not a URL)") };
    assert!(read.query().is_none() && read.fragment().is_none(), "{public}");
    assert!(read.username().is_empty() && read.password().is_none(), "{public}");
    // Of `file:` URLs, which are never asked, the URL standard reads what looks like a drive anew each time.
    if matches!(read.scheme(), "http" | "https") {
        assert_eq!(public_url(&public), public);
    }
}
