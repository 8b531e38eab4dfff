//! The source over HTTP: connects only to addresses that were checked, follows redirects itself, decodes nothing.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use hickory_resolver::TokioResolver;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::Url;

use super::{
    address::may_reach,
    answer,
    hosts::{Admission, Hosts},
    request::{check_hop, forbidden},
};
use crate::{
    fail::{Reason, TaskFault},
    ports::{Body, Request, Source, SourceHead},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence, before the head or within the body.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 10;
/// A body slower than this on average, after a while, holds a slot for nothing.
const MIN_BYTES_PER_SECOND: u64 = 1_024;
const SLOW_AFTER: Duration = Duration::from_secs(30);

/// Downloads over HTTP, for the runtime it was made on.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: Client,
    hosts: Hosts,
    allowed: Arc<[IpNet]>,
}

impl HttpSource {
    /// A client with its own connections; `hosts` is shared.
    ///
    /// # Errors
    /// When the system's resolver configuration or its certificates cannot be read.
    pub fn new(hosts: Hosts, allowed: &[IpNet]) -> anyhow::Result<Self> {
        let allowed: Arc<[IpNet]> = allowed.into();
        let resolver = CheckedResolver {
            inner: TokioResolver::builder_tokio()?.build()?,
            allowed: Arc::clone(&allowed),
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()?;
        Ok(Self { client, hosts, allowed })
    }

    async fn ask(&self, url: &Url, headers: &HeaderMap) -> Result<Response, TaskFault> {
        check_hop(url, &self.allowed)?;
        let request = self.client.get(url.clone()).headers(headers.clone());
        // The file is wanted as it is.
        let identity = HeaderValue::from_static("identity");
        request
            .header(header::ACCEPT_ENCODING, identity)
            .send()
            .await
            .map_err(|error| of_connection(&error, url))
    }
}

impl Source for HttpSource {
    type Body = HttpBody;

    async fn fetch(&self, request: &Request) -> Result<(SourceHead, HttpBody), TaskFault> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            let admission = self.hosts.admit(url.host_str().unwrap_or_default()).await;
            let response = self.ask(&url, &headers).await?;
            match redirect(&response, &url)? {
                None => return head_and_body(response, admission),
                Some(next) => {
                    if next.origin() != url.origin() {
                        headers.clear();
                    }
                    url = next;
                }
            }
        }
        Err(TaskFault::last(Reason::TooManyRedirects, format!("more than {MAX_REDIRECTS} redirects")))
    }
}

fn redirect(response: &Response, from: &Url) -> Result<Option<Url>, TaskFault> {
    const REDIRECTS: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !REDIRECTS.contains(&response.status()) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    next.map(Some).ok_or_else(|| TaskFault::last(Reason::InvalidUrl, "a redirect without a URL to go to"))
}

fn head_and_body(response: Response, admission: Admission) -> Result<(SourceHead, HttpBody), TaskFault> {
    if response.status() != StatusCode::OK {
        return Err(answer::refused(response.status(), response.headers(), SystemTime::now()));
    }
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let head = SourceHead {
        length: text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
        content_type: text(header::CONTENT_TYPE).map(str::to_owned),
    };
    Ok((head, HttpBody { response, begun: Instant::now(), bytes: 0, _admission: admission }))
}

/// A body as it arrives.
#[derive(Debug)]
pub struct HttpBody {
    response: Response,
    begun: Instant,
    bytes: u64,
    _admission: Admission,
}

impl Body for HttpBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault> {
        let chunk = self.response.chunk().await.map_err(|error| of_body(&error))?;
        self.bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let elapsed = self.begun.elapsed();
        if elapsed > SLOW_AFTER && self.bytes < elapsed.as_secs() * MIN_BYTES_PER_SECOND && chunk.is_some() {
            let detail = format!("{} bytes in {} s", self.bytes, elapsed.as_secs());
            return Err(TaskFault::retry(Reason::TooSlow, detail));
        }
        Ok(chunk)
    }
}

fn of_body(error: &reqwest::Error) -> TaskFault {
    let reason = if error.is_timeout() { Reason::TooSlow } else { Reason::Truncated };
    TaskFault::retry(reason, root(error))
}

fn of_connection(error: &reqwest::Error, url: &Url) -> TaskFault {
    let host = url.host_str().unwrap_or_default();
    if chain(error).any(<dyn Error>::is::<Forbidden>) {
        return forbidden(host);
    }
    let reason = if chain(error).any(<dyn Error>::is::<Unresolved>) {
        Reason::Dns
    } else if error.is_timeout() && !error.is_connect() {
        Reason::TooSlow
    } else if error.is_connect() {
        Reason::Connect
    } else {
        Reason::Truncated
    };
    TaskFault::retry(reason, format!("{host}: {}", root(error)))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost cause: it names no URL, so no secret of one.
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Resolves names, and keeps of the answers those that may be reached: the connection goes to an address that was
/// checked, whatever the name answers the next time.
struct CheckedResolver {
    inner: TokioResolver,
    allowed: Arc<[IpNet]>,
}

#[derive(Debug, thiserror::Error)]
#[error("the name leads to no public address")]
struct Forbidden;

#[derive(Debug, thiserror::Error)]
#[error("the name is not resolved: {0}")]
struct Unresolved(String);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, allowed) = (self.inner.clone(), Arc::clone(&self.allowed));
        Box::pin(async move {
            let found =
                resolver.lookup_ip(name.as_str()).await.map_err(|error| Unresolved(error.to_string()))?;
            let reachable = found.iter().filter(|address| may_reach(*address, &allowed));
            let addresses: Vec<_> = reachable.map(|address| SocketAddr::new(address, 0)).collect();
            if addresses.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
