//! What the consumer needs of those who have the files.

use bytes::Bytes;
use http::HeaderMap;
use url::Url;

use crate::fail::TaskFault;

/// A file to download.
#[derive(Debug, Clone)]
pub struct Request {
    /// Checked: http or https.
    pub url: Url,
    /// Checked: on the allow-list.
    pub headers: HeaderMap,
}

/// The head of a source's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceHead {
    /// `Content-Length`.
    pub length: Option<u64>,
    /// `Content-Type`.
    pub content_type: Option<String>,
}

/// The body of a source's answer, chunk by chunk.
pub trait Body {
    /// The next chunk; `None` at the end of a body that came whole.
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault>;
}

/// Where files come from.
pub trait Source {
    /// The body.
    type Body: Body;
    /// Asks for a file; answers when the head is here.
    async fn fetch(&self, request: &Request) -> Result<(SourceHead, Self::Body), TaskFault>;
}
