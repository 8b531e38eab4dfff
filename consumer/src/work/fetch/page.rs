//! Pages of an Export API: asked for, read and checked. An API is not trusted to be right.

use std::time::Duration;

use exportpool_contract::{ExportApi, ExportPage, TaskSpec};
use url::Url;

use super::{credentials::Credentials, request::parse_url};
use crate::{
    fail::{Reason, TaskFault},
    ports::{Body, Request, Source},
    spec::{MAX_URL_BYTES, checked},
    work::clock::within,
};

/// A page must be here within this, without what is waited for its host's place.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest page, in bytes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most tasks of a page.
pub const MAX_PAGE_TASKS: usize = 1_000;

/// Asks for a page: its tasks, each once, and the next page.
///
/// # Errors
/// The source's faults; `exportApiInvalid` for what is no page; `credentialsUnknown`.
pub(crate) async fn read<F: Source>(
    source: &F,
    credentials: &Credentials,
    api: &ExportApi,
) -> Result<(Vec<TaskSpec>, Option<ExportApi>), TaskFault> {
    let url = parse_url(&api.url)?;
    let headers = credentials.headers(api.credentials.as_deref(), &url)?;
    let body = within(PAGE_TIMEOUT, read_body(source, &Request { url, headers })).await;
    let (tasks, next) = parse_page(&api.url, &body.unwrap_or_else(|| Err(late()))?)?;
    Ok((tasks, next.map(|url| ExportApi { url: url.into(), credentials: api.credentials.clone() })))
}

async fn read_body<F: Source>(source: &F, request: &Request) -> Result<Vec<u8>, TaskFault> {
    let (_, mut body) = source.fetch(request).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        if bytes.len() + chunk.len() > MAX_PAGE_BYTES {
            return Err(invalid(format!("it has more than {MAX_PAGE_BYTES} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads the body of a page at `url`: its tasks, each once, and the next page's URL.
///
/// # Errors
/// `exportApiInvalid` says what is wrong with it.
pub fn parse_page(url: &str, body: &[u8]) -> Result<(Vec<TaskSpec>, Option<Url>), TaskFault> {
    let text = std::str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
    let page: ExportPage = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    if page.tasks.len() > MAX_PAGE_TASKS {
        let tasks = page.tasks.len();
        return Err(invalid(format!("it lists {tasks} tasks; at most {MAX_PAGE_TASKS} are allowed")));
    }
    let next = page.next.map(|next| next_url(url, &next)).transpose()?;
    Ok((checked(page.tasks).map_err(invalid)?, next))
}

fn next_url(from: &str, next: &str) -> Result<Url, TaskFault> {
    let joined = Url::parse(from).and_then(|url| url.join(next));
    let url = joined.map_err(|error| invalid(format!("its `next` is no URL: {error}")))?;
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(invalid(format!("its `next` has more than {MAX_URL_BYTES} bytes")));
    }
    Ok(url)
}

fn late() -> TaskFault {
    TaskFault::retry(Reason::TooSlow, format!("no page within {} s", PAGE_TIMEOUT.as_secs()))
}

/// What an Export API said is no page, or not one of this job.
pub(crate) fn invalid(detail: String) -> TaskFault {
    TaskFault::last(Reason::ExportApiInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://api.test/v1/pages?page=1";

    fn fault(body: &str) -> TaskFault {
        parse_page(URL, body.as_bytes()).unwrap_err()
    }

    fn task(id: &str, url: &str) -> String {
        format!(r#"{{"taskId":"{id}","url":"{url}"}}"#)
    }

    fn tasks(count: usize) -> String {
        let tasks: Vec<_> = (0..count).map(|n| task(&n.to_string(), "http://h")).collect();
        format!(r#"{{"tasks":[{}]}}"#, tasks.join(","))
    }

    #[test]
    fn next_may_be_relative_and_is_absolute_afterwards() {
        for (next, url) in [
            ("?page=2", "https://api.test/v1/pages?page=2"),
            ("/v2", "https://api.test/v2"),
            ("https://other.test/p", "https://other.test/p"),
        ] {
            let (_, found) =
                parse_page(URL, format!(r#"{{"tasks":[],"next":"{next}"}}"#).as_bytes()).unwrap();
            assert_eq!(found.unwrap().as_str(), url);
        }
        assert_eq!(parse_page(URL, br#"{"tasks":[],"next":null}"#).unwrap(), (vec![], None));
    }

    #[test]
    fn what_is_no_page_is_refused_with_the_reason() {
        let long = format!(r#"{{"tasks":[],"next":"{}"}}"#, "x".repeat(9_000));
        let twice = format!(r#"{{"tasks":[{},{}]}}"#, task("t", "http://a"), task("t", "http://b"));
        for (body, detail) in [
            ("<html>", "expected value"),
            ("{}", "missing field `tasks`"),
            (&tasks(1_001), "lists 1001 tasks; at most 1000"),
            (r#"{"tasks":[],"next":"http://["}"#, "`next` is no URL"),
            (&long, "more than 8192 bytes"),
            (&twice, "listed twice"),
            (r#"{"tasks":[{"taskId":"a/b","url":"http://h"}]}"#, "allowed are"),
        ] {
            let fault = fault(body);
            assert_eq!(fault.reason(), "exportApiInvalid", "{body:.60}");
            assert!(fault.to_string().contains(detail), "{fault}");
        }
        assert!(parse_page(URL, b"\xff").is_err());
        assert_eq!(parse_page(URL, tasks(1_000).as_bytes()).unwrap().0.len(), 1_000);
    }
}
