//! The source over HTTP: connects only to addresses that were checked, follows redirects itself, decodes nothing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use hickory_resolver::TokioResolver;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ipnet::IpNet;
use reqwest::{Client, Response, redirect::Policy};
use url::Url;

pub use super::body::HttpBody;
use super::{
    answer,
    body::Answered,
    broken,
    connect::Noting,
    hosts::Hosts,
    request::{check_hop, keeps_headers},
    resolver::CheckedResolver,
};
use crate::{
    fail::{Reason, TaskFault},
    ports::{Request, Source, SourceHead},
};

const MAX_REDIRECTS: usize = 10;

/// How long a source may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until there is a connection.
    pub(super) connect: Duration,
    /// From the request to the head of its answer.
    pub(super) head: Duration,
    /// Between two chunks of a body.
    pub(super) silence: Duration,
    /// A body is measured over windows of so much waiting.
    pub(super) window: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self { connect: Duration::from_secs(10), head: MINUTE, silence: MINUTE, window: MINUTE }
    }
}

/// Downloads over HTTP, for the runtime it was made on.
#[derive(Debug, Clone)]
pub struct HttpSource {
    client: Client,
    hosts: Hosts,
    allowed: Arc<[IpNet]>,
    patience: Patience,
}

impl HttpSource {
    /// A client with its own connections; `hosts` is shared.
    ///
    /// # Errors
    /// When the system's resolver configuration or its certificates cannot be read.
    pub fn new(hosts: Hosts, allowed: &[IpNet]) -> anyhow::Result<Self> {
        Self::with_resolver(hosts, allowed, TokioResolver::builder_tokio()?.build()?)
    }

    /// As [`HttpSource::new`], with name servers of one's own.
    ///
    /// # Errors
    /// When the system's certificates cannot be read.
    pub fn with_resolver(hosts: Hosts, allowed: &[IpNet], resolver: TokioResolver) -> anyhow::Result<Self> {
        Self::with(hosts, allowed, resolver, Patience::default())
    }

    pub(super) fn with(
        hosts: Hosts,
        allowed: &[IpNet],
        resolver: TokioResolver,
        patience: Patience,
    ) -> anyhow::Result<Self> {
        let allowed: Arc<[IpNet]> = allowed.into();
        let resolver = CheckedResolver { inner: resolver, allowed: Arc::clone(&allowed) };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(resolver))
            .connector_layer(Noting)
            .connect_timeout(patience.connect)
            .read_timeout(patience.head.max(patience.silence))
            .build()?;
        Ok(Self { client, hosts, allowed, patience })
    }

    pub(super) const fn patience(&self) -> Patience {
        self.patience
    }

    /// Asks for a file, or a part of it, and follows where that leads. Headers of the task stay with its origin; those
    /// in `range` go wherever the file is.
    pub(super) async fn open(&self, request: &Request, range: &HeaderMap) -> Result<Answered, TaskFault> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        for _ in 0..=MAX_REDIRECTS {
            check_hop(&url, &self.allowed)?;
            let admission = self.hosts.admit(url.host_str().unwrap_or_default()).await;
            let response = self.ask(&url, &headers, range).await?;
            let Some(next) = redirect(&response, &url)? else {
                return Ok(Answered { response, _admission: admission });
            };
            if !keeps_headers(&url, &next) {
                headers.clear();
            }
            url = next;
        }
        Err(TaskFault::last(Reason::TooManyRedirects, format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn ask(&self, url: &Url, headers: &HeaderMap, range: &HeaderMap) -> Result<Response, TaskFault> {
        // The file is wanted as it is.
        let identity = HeaderValue::from_static("identity");
        let request = self.client.get(url.clone()).headers(headers.clone()).headers(range.clone());
        let answer = request.header(header::ACCEPT_ENCODING, identity).send().await;
        answer.map_err(|error| broken::of_connection(&error, url))
    }
}

impl Source for HttpSource {
    type Body = HttpBody;

    async fn fetch(&self, request: &Request) -> Result<(SourceHead, HttpBody), TaskFault> {
        let answered = self.open(request, &HeaderMap::new()).await?;
        let response = &answered.response;
        if response.status() != StatusCode::OK {
            return Err(answer::refused(response.status(), response.headers(), SystemTime::now()));
        }
        let head = head(response);
        let length = head.length;
        Ok((head, HttpBody::new(self.clone(), request.clone(), answered, length)))
    }
}

fn head(response: &Response) -> SourceHead {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    SourceHead {
        length: text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok()),
        content_type: text(header::CONTENT_TYPE).map(str::to_owned),
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
