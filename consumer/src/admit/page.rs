//! Pages of an Export API: asked for, read and checked. An API is not trusted to be right, or to end.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use exportpool_contract::{ExportApi, ExportPage, TaskSpec};
use tokio::time;
use url::Url;

use super::parse::{MAX_URL_BYTES, check_sendable, checked};
use crate::{
    fail::{Reason, TaskFault},
    ports::{Body, Request, Source},
    work::fetch::{
        credentials::Credentials,
        request::{parse_url, public_url},
    },
};

/// A page must be here within this.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest page, in bytes.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The most tasks of a page.
pub const MAX_PAGE_TASKS: usize = 1_000;
/// The most tasks of a job.
pub const MAX_JOB_TASKS: usize = 1_000_000;
/// The most pages of a job: an API that answers empty pages ends too.
pub const MAX_JOB_PAGES: u64 = 100_000;

/// A page of a job's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// From 0.
    pub(crate) number: u64,
    /// Where it was listed; `None` for the tasks of a message.
    pub(crate) api: Option<ExportApi>,
    /// Each once.
    pub(crate) tasks: Vec<TaskSpec>,
    /// The next one.
    pub(crate) next: Option<ExportApi>,
}

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
    let body = time::timeout(PAGE_TIMEOUT, read_body(source, &Request { url, headers })).await;
    let (tasks, next) = parse_page(&api.url, &body.unwrap_or_else(|_| Err(late()))?)?;
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
    // As it will be sent on: what JSON may escape is not escaped there.
    check_sendable(&serde_json::to_string(&page).unwrap_or_default()).map_err(|why| invalid(why.detail))?;
    let next = page.next.map(|next| next_url(url, &next)).transpose()?;
    Ok((checked(page.tasks).map_err(|why| invalid(why.detail))?, next))
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

pub(super) fn invalid(detail: String) -> TaskFault {
    TaskFault::last(Reason::ExportApiInvalid, detail)
}

/// The same fault, saying of which page it is.
pub(super) fn of_page(api: &ExportApi, number: u64, fault: TaskFault) -> TaskFault {
    let name =
        |detail: String| format!("page {number} of the Export API at {}: {detail}", public_url(&api.url));
    match fault {
        TaskFault::Final { reason, detail } => TaskFault::Final { reason, detail: name(detail) },
        TaskFault::Retry { reason, detail, after } => {
            TaskFault::Retry { reason, detail: name(detail), after }
        }
        other => other,
    }
}

/// What one run of a listing has seen: a task listed again counts once, a page that comes again would never end.
///
/// Hashes of 64 and 32 bits stand for ids and definitions, so that a long listing takes little memory. Of a million
/// tasks, two share an id's hash once in 37 million listings; such a task would be taken for listed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    tasks: HashMap<u64, u32>,
    pages: HashSet<u64>,
}

impl Seen {
    /// Takes in a page's URL.
    ///
    /// # Errors
    /// `exportApiInvalid`: the page came before, or there are too many.
    pub(super) fn page(&mut self, api: &ExportApi, number: u64) -> Result<(), TaskFault> {
        if number >= MAX_JOB_PAGES {
            return Err(invalid(format!("the Export API has more than {MAX_JOB_PAGES} pages")));
        }
        if self.pages.insert(hash(&api.url)) {
            return Ok(());
        }
        let url = public_url(&api.url);
        Err(invalid(format!("the Export API repeats its page at {url}: it would never end")))
    }

    /// Whether a task is new; one that comes again must be the same.
    ///
    /// # Errors
    /// `exportApiInvalid` names a task that is listed twice, differently.
    pub(super) fn task(&mut self, task: &TaskSpec, digest: &str) -> Result<bool, TaskFault> {
        #[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
        let definition = hash(digest) as u32;
        match self.tasks.insert(hash(task.task_id.as_str()), definition) {
            None => Ok(true),
            Some(earlier) if earlier == definition => Ok(false),
            Some(_) => {
                let id = &task.task_id;
                Err(invalid(format!("the Export API lists the task {id} twice, differently")))
            }
        }
    }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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

    #[test]
    fn a_page_that_comes_again_and_pages_without_end_are_noticed() {
        let mut seen = Seen::default();
        let mut page =
            |number, url: &str| seen.page(&ExportApi { url: url.into(), credentials: None }, number);
        assert!(page(0, "http://h/a").is_ok() && page(1, "http://h/b").is_ok());
        let again = page(2, "http://h/a").unwrap_err();
        assert!(again.to_string().contains("repeats its page"), "{again}");
        assert!(page(MAX_JOB_PAGES, "http://h/c").is_err());
    }

    #[test]
    fn a_task_on_two_pages_counts_once_if_it_is_the_same() {
        let spec: TaskSpec = serde_json::from_str(&task("t", "http://h")).unwrap();
        let mut seen = Seen::default();
        assert!(seen.task(&spec, "digest").unwrap());
        assert!(!seen.task(&spec, "digest").unwrap());
        assert!(seen.task(&spec, "other").unwrap_err().to_string().contains("twice, differently"));
    }
}
