//! A request is answered: late, wrong or well, as its URL asks.

use std::ops::Range;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    asked::{Asked, BodyFault, Faults, TagFault},
    body::Sending,
    bomb,
    content::Content,
    range::Wanted,
    serve::Options,
};

/// `GET` or `HEAD /files/<name>?…`.
pub(super) async fn file(
    State(options): State<Options>,
    method: Method,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let asked = match Asked::read(&name, &query.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    // A HEAD is answered as the next GET would be, and is no download.
    let turn = match method {
        Method::HEAD => options.downloads.of(&name).asked + 1,
        _ => options.downloads.ask(&name, headers.contains_key(header::RANGE)),
    };
    tokio::select! {
        () = options.stop.cancelled() => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        () = tokio::time::sleep(asked.delay) => {}
    }
    let faults = asked.faults.of_turn(turn);
    if let Some(refusal) = refuse(&faults) {
        return refusal;
    }
    if faults.body == Some(BodyFault::GzipBomb) {
        options.downloads.start(&name);
        return bomb::answer(asked.size).unwrap_or_else(|error| error.to_string().into_response());
    }
    let answer = Answer::new(&asked, &faults, turn, &headers);
    let body = if method == Method::HEAD { Body::empty() } else { answer.body(asked, options) };
    answer.response(body)
}

/// `GET /downloads`.
pub(super) async fn downloads(State(options): State<Options>) -> Response {
    axum::Json(options.downloads.snapshot()).into_response()
}

/// The answer when the faults leave no file.
fn refuse(faults: &Faults) -> Option<Response> {
    let default = match (&faults.redirect, faults.retry_after) {
        (Some(_), _) => Some(302),
        (None, Some(_)) => Some(503),
        (None, None) => None,
    };
    let status = StatusCode::from_u16(faults.status.or(default)?).ok()?;
    let mut response = (status, format!("{status}, as the URL asks\n")).into_response();
    let headers = response.headers_mut();
    if let Some(seconds) = faults.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(target) = faults.redirect.as_deref().and_then(|target| HeaderValue::from_str(target).ok()) {
        headers.insert(header::LOCATION, target);
    }
    Some(response)
}

/// A file's answer, decided before anything is sent.
struct Answer {
    content: Content,
    fault: Option<BodyFault>,
    /// `None`: there is none.
    etag: Option<String>,
    wanted: Wanted,
}

impl Answer {
    fn new(asked: &Asked, faults: &Faults, turn: u64, headers: &HeaderMap) -> Self {
        let fault = faults.body;
        let size = if fault == Some(BodyFault::Endless) { u64::MAX } else { asked.size };
        let changed = faults.change_after.is_some_and(|after| turn > after);
        let suffix = if changed { "#changed" } else { "" };
        let content = Content::new(&format!("{}{suffix}", asked.name), size);
        let etag = match faults.etag {
            None => Some(content.etag()),
            Some(TagFault::Weak) => Some(format!("W/{}", content.etag())),
            Some(TagFault::Missing) => None,
        };
        let wanted = match fault {
            Some(BodyFault::NoLength | BodyFault::Endless) => Wanted::Whole,
            _ => Wanted::read(headers, size, &content.etag()),
        };
        Self { content, fault, etag, wanted }
    }

    /// The bytes that the headers promise, as offsets in the file.
    fn promised(&self) -> Range<u64> {
        let range = match &self.wanted {
            Wanted::Whole => 0..self.content.size(),
            Wanted::Part(range) => range.clone(),
            Wanted::Nothing => 0..0,
        };
        match self.fault {
            Some(BodyFault::WrongLength) => range.start..range.end.saturating_sub(1).max(range.start),
            _ => range,
        }
    }

    /// The bytes that are sent.
    fn sent(&self) -> Range<u64> {
        let promised = self.promised();
        match self.fault {
            Some(BodyFault::Cut(bytes)) => {
                promised.start..promised.end.min(promised.start.saturating_add(bytes))
            }
            Some(BodyFault::Truncate) => promised.start..promised.start + (promised.end - promised.start) / 2,
            _ => promised,
        }
    }

    fn body(&self, asked: Asked, options: Options) -> Body {
        if self.wanted == Wanted::Nothing {
            return Body::empty();
        }
        let trickle = match self.fault {
            Some(BodyFault::Trickle(rate)) => Some(rate),
            _ => None,
        };
        let (content, range) = (self.content.clone(), self.sent());
        let Options { downloads, stop } = options;
        Sending { name: asked.name, content, range, trickle, downloads, stop }.into_body()
    }

    fn response(&self, body: Body) -> Response {
        let status = match self.wanted {
            Wanted::Whole => StatusCode::OK,
            Wanted::Part(_) => StatusCode::PARTIAL_CONTENT,
            Wanted::Nothing => StatusCode::RANGE_NOT_SATISFIABLE,
        };
        let mut response = (status, body).into_response();
        response.headers_mut().extend(self.headers());
        response
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if matches!(self.fault, Some(BodyFault::NoLength | BodyFault::Endless)) {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
            return headers;
        }
        let promised = self.promised();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(header::CONTENT_LENGTH, (promised.end - promised.start).into());
        headers.extend(
            self.etag.iter().filter_map(|tag| Some((header::ETAG, HeaderValue::try_from(tag).ok()?))),
        );
        headers.extend(self.content_range().map(|range| (header::CONTENT_RANGE, range)));
        headers
    }

    fn content_range(&self) -> Option<HeaderValue> {
        let size = self.content.size();
        let text = match &self.wanted {
            Wanted::Whole => return None,
            Wanted::Part(range) => format!("bytes {}-{}/{size}", range.start, range.end - 1),
            Wanted::Nothing => format!("bytes */{size}"),
        };
        HeaderValue::try_from(text).ok()
    }
}
