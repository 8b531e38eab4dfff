//! An Export API that lists the file server's files, page by page, and misbehaves on request.
//!
//! ```text
//! GET /api/<job>?tasks=<n>&page-size=<n>&<faults>&<parameters of each file>
//! ```
//! Task `<n>` is the file `<job>/<n>`; every parameter that is not one of these is handed on to its URL. `tasks` is 10
//! when not given, `page-size` 100. Pages are numbered from 0 by `page`, which `next` carries.
//!
//! | parameter | what happens |
//! |---|---|
//! | `api-status=<300-599>` | this status instead of a page |
//! | `api-fail-times=<n>` | `api-status` (500 when not given) for the first n requests of each page only |
//! | `api-delay=<ms>` | before each page |
//! | `api-loop` | the last page leads to the first |
//! | `api-endless` | each page leads to another one |
//! | `api-lies` | each page lists its first task once more, as another file |
//! | `presign` | each reading of a page signs its URLs anew; those of the first reading have expired (403) |
//! | `secret=<text>` | 401 without `Authorization: Bearer <text>` |

use std::time::Duration;

use axum::{
    Json,
    extract::{OriginalUri, Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{asked::NotUnderstood, serve::Options};

const DEFAULT_TASKS: usize = 10;
const DEFAULT_PAGE_SIZE: usize = 100;

/// What the URL of a page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    tasks: usize,
    page_size: usize,
    page: usize,
    status: Option<u16>,
    fail_times: Option<u64>,
    delay: Duration,
    loops: bool,
    endless: bool,
    lies: bool,
    presign: bool,
    secret: Option<String>,
    /// For the files.
    rest: Vec<(String, String)>,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, NotUnderstood> {
        let mut wanted = Self {
            tasks: DEFAULT_TASKS,
            page_size: DEFAULT_PAGE_SIZE,
            page: 0,
            status: None,
            fail_times: None,
            delay: Duration::ZERO,
            loops: false,
            endless: false,
            lies: false,
            presign: false,
            secret: None,
            rest: Vec::new(),
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            wanted.set(&name, &value)?;
        }
        Ok(wanted)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), NotUnderstood> {
        match name {
            "tasks" => self.tasks = number("tasks", value)?,
            "page-size" => self.page_size = number::<usize>("page-size", value)?.max(1),
            "page" => self.page = number("page", value)?,
            "api-status" => self.status = Some(number("api-status", value)?),
            "api-fail-times" => self.fail_times = Some(number("api-fail-times", value)?),
            "api-delay" => self.delay = Duration::from_millis(number("api-delay", value)?),
            "api-loop" => self.loops = true,
            "api-endless" => self.endless = true,
            "api-lies" => self.lies = true,
            "presign" => self.presign = true,
            "secret" => self.secret = Some(value.to_owned()),
            other => self.rest.push((other.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// The status instead of a page, at its `turn`-th request (from 1).
    fn refusal(&self, turn: u64, headers: &HeaderMap) -> Option<StatusCode> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if self.secret.as_ref().is_some_and(|secret| given != Some(&format!("Bearer {secret}"))) {
            return Some(StatusCode::UNAUTHORIZED);
        }
        let status = match (self.status, self.fail_times) {
            (status, Some(times)) if turn <= times => Some(status.unwrap_or(500)),
            (_, Some(_)) => None,
            (status, None) => status,
        };
        StatusCode::from_u16(status?).ok()
    }

    fn next(&self) -> Option<usize> {
        let last = (self.page + 1) * self.page_size >= self.tasks;
        match (last, self.endless, self.loops) {
            (false, ..) | (true, true, _) => Some(self.page + 1),
            (true, false, true) => Some(0),
            (true, false, false) => None,
        }
    }
}

fn number<N: std::str::FromStr>(name: &'static str, value: &str) -> Result<N, NotUnderstood> {
    value.parse().map_err(|_| NotUnderstood::Value {
        name,
        value: value.to_owned(),
        allowed: "a whole number",
    })
}

/// `GET /api/<job>?…`.
pub(super) async fn page(
    State(options): State<Options>,
    OriginalUri(uri): OriginalUri,
    Path(job): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let wanted = match Wanted::read(&query) {
        Ok(wanted) => wanted,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let turn = options.downloads.ask(&format!("api/{job}/{}", wanted.page), false);
    tokio::select! {
        () = options.stop.cancelled() => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        () = tokio::time::sleep(wanted.delay) => {}
    }
    if let Some(status) = wanted.refusal(turn, &headers) {
        return (status, format!("{status}, as the URL asks\n")).into_response();
    }
    let files = files_at(&uri, &headers, &job);
    Json(json!({ "tasks": tasks(&wanted, &files, turn), "next": next(&wanted, &query) })).into_response()
}

/// Where the job's files are: beside this API, under the name by which it was asked.
fn files_at(uri: &Uri, headers: &HeaderMap, job: &str) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    let prefix = uri.path().split("/api/").next().unwrap_or_default();
    format!("http://{host}{prefix}/files/{job}")
}

fn tasks(wanted: &Wanted, files: &str, turn: u64) -> Vec<Value> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&wanted.rest);
    if wanted.presign {
        query.append_pair("signed", &turn.to_string());
    }
    let query = query.finish();
    let first = wanted.page * wanted.page_size;
    let listed = first..(first + wanted.page_size).min(wanted.tasks);
    let task = |n: usize, more: &str| json!({ "taskId": n.to_string(), "url": format!("{files}/{n}{more}?{query}") });
    let mut tasks: Vec<_> = listed.map(|n| task(n, "")).collect();
    if wanted.lies {
        tasks.push(task(first, "-other"));
    }
    tasks
}

fn next(wanted: &Wanted, query: &str) -> Option<String> {
    let number = wanted.next()?;
    let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "page");
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(kept);
    if number > 0 {
        next.append_pair("page", &number.to_string());
    }
    Some(format!("?{}", next.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Wanted {
        Wanted::read(query).unwrap()
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let query = "tasks=5&page-size=2&size=9";
        let ids = |page: &str| {
            let wanted = wanted(&format!("{query}{page}"));
            let ids: Vec<_> = tasks(&wanted, "f", 1).iter().map(|task| task["taskId"].clone()).collect();
            (ids, next(&wanted, query))
        };
        assert_eq!(ids(""), (vec![json!("0"), json!("1")], Some(format!("?{query}&page=1"))));
        assert_eq!(ids("&page=2"), (vec![json!("4")], None));
        assert_eq!(wanted("tasks=0").next(), None);
    }

    #[test]
    fn what_is_not_the_apis_goes_to_the_files() {
        let wanted = wanted("tasks=1&size=7&delay=3&presign&api-delay=1");
        assert_eq!(tasks(&wanted, "f", 4)[0]["url"], "f/0?size=7&delay=3&signed=4");
    }

    #[test]
    fn an_api_can_loop_lie_and_never_end() {
        assert_eq!(
            next(&wanted("tasks=1&api-loop"), "tasks=1&api-loop").as_deref(),
            Some("?tasks=1&api-loop=")
        );
        assert_eq!(wanted("tasks=1&api-endless&page=7").next(), Some(8));
        assert_eq!(tasks(&wanted("tasks=1&api-lies"), "f", 1)[1]["url"], "f/0-other?");
    }

    #[test]
    fn refusals_hold_as_often_as_asked() {
        let none = HeaderMap::new();
        let refusal = |query: &str, turn| wanted(query).refusal(turn, &none).map(|status| status.as_u16());
        assert_eq!((refusal("api-fail-times=1", 1), refusal("api-fail-times=1", 2)), (Some(500), None));
        assert_eq!((refusal("api-status=404", 9), refusal("", 1)), (Some(404), None));
        let mut known = HeaderMap::new();
        assert_eq!(refusal("secret=x", 1), Some(401));
        known.insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(wanted("secret=x").refusal(1, &known), None);
    }
}
