//! Profiles, for whoever is on this machine or may forward a port of this pod: 127.0.0.1 alone.
//!
//! A profile lasts as long as its answer is read, on a thread of its own. Nothing is measured for it otherwise.

mod blocked;
mod bubble;
mod flame;
mod heap;
mod moments;
mod names;
mod process;
mod stacks;
mod unsampled;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, available_parallelism},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, HOST, ORIGIN},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use exportpool_profile::record::{Began, Ending, Record, SCHEMA, Tool};
use futures_util::stream;
use tokio::{net::TcpListener, sync::mpsc};

use blocked::Catcher;
use bubble::Bubble;
use flame::Flame;
use heap::Heap;
use unsampled::Unsampled;

use super::board::Board;
use crate::{clock::unix_millis, config::Pool};

/// The stacks of a thread that can be asked for them.
pub(crate) use stacks::{Interrupted, Interruptible, introduce_this_thread};

/// Records that wait for a reader. A profile waits for a slow one.
const UNREAD: usize = 256;

/// Whom is profiled.
#[derive(Debug, Clone)]
pub(crate) struct Profiled {
    board: Board,
    pool: Pool,
    is_on: Arc<AtomicBool>,
}

impl Profiled {
    pub(crate) fn new(board: Board, pool: Pool) -> Self {
        Self { board, pool, is_on: Arc::default() }
    }

    fn began(&self, tool: Tool) -> Began {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Began {
            schema: SCHEMA,
            tool,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            unix_millis: unix_millis(),
            workers: count(self.pool.workers),
            tasks_per_worker: count(self.pool.tasks_per_worker),
            cpus: count(available_parallelism().map_or(1, usize::from)),
            os: std::env::consts::OS.to_owned(),
            processor: process::processor(),
        }
    }
}

/// The routes.
fn router(profiled: Profiled) -> Router {
    let of = |tool| get(async move |State(profiled)| begin(profiled, tool));
    let tools = [Tool::Doctor, Tool::Bubble, Tool::Flame, Tool::Heap];
    let routes = tools.into_iter().fold(Router::new(), |routes, tool| routes.route(&tool.path(), of(tool)));
    routes.layer(middleware::from_fn(for_this_machine)).with_state(profiled)
}

/// Refuses what a browser asks for a page of somebody else: at 127.0.0.1, which the page's script names
/// (<https://www.w3.org/TR/fetch-metadata/>), or at a name that it was told means that (DNS rebinding).
async fn for_this_machine(request: Request, next: Next) -> Response {
    if is_ours(request.headers()) {
        return next.run(request).await;
    }
    (
        StatusCode::FORBIDDEN,
        "profiles are told at localhost and 127.0.0.1, under no other name, and to no web page\n",
    )
        .into_response()
}

fn is_ours(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_of_a_page = headers.contains_key(ORIGIN) || site.is_some_and(|site| site != b"none");
    ["localhost", "127.0.0.1"].contains(&name) && !is_of_a_page
}

/// Serves for as long as the process runs.
pub(crate) async fn serve(listener: TcpListener, profiled: Profiled) {
    if let Err(error) = axum::serve(listener, router(profiled)).await {
        tracing::error!(%error, "profiles are not served any more");
    }
}

/// Starts a profile, and answers with its records as they come.
fn begin(profiled: Profiled, tool: Tool) -> Response {
    let refused = |status, why: String| (status, why + "\n").into_response();
    let Some(turn) = Turn::take(&profiled.is_on) else {
        return refused(
            StatusCode::CONFLICT,
            "one profile at a time, since samples of CPU and of memory together end in crashes".to_owned(),
        );
    };
    let (send, lines) = mpsc::channel(UNREAD);
    let started = thread::Builder::new().name("profile".to_owned()).spawn(move || {
        // It ends when nobody reads it any more, and that is how it is ended.
        let records = Records(send);
        if let Err(Ended::Failed(why)) = profile(&profiled, tool, &records) {
            tracing::warn!(%why, tool = tool.name(), "a profile cannot go on");
            let _ = records.tell(&Record::Ended(Ending::Gone { why: why.to_string() }));
        }
        drop(turn);
    });
    if let Err(error) = started {
        return refused(StatusCode::SERVICE_UNAVAILABLE, format!("no thread for a profile: {error}"));
    }
    let lines =
        stream::unfold(lines, async |mut lines| Some((Ok::<_, Infallible>(lines.recv().await?), lines)));
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// Why a profile is over.
#[derive(Debug)]
enum Ended {
    NobodyReads,
    Failed(Unsampled),
}

impl From<NobodyReads> for Ended {
    fn from(_: NobodyReads) -> Self {
        Self::NobodyReads
    }
}

impl From<Unsampled> for Ended {
    fn from(why: Unsampled) -> Self {
        Self::Failed(why)
    }
}

fn profile(profiled: &Profiled, tool: Tool, records: &Records) -> Result<(), Ended> {
    records.tell(&Record::Began(profiled.began(tool)))?;
    let (board, began) = (&profiled.board, Instant::now());
    match tool {
        Tool::Doctor => moments::tell(board, records, began, Catcher::new(began))?,
        Tool::Flame => moments::tell(board, records, began, Flame::begin(began)?)?,
        Tool::Heap => moments::tell(board, records, began, Heap::begin()?)?,
        Tool::Bubble => moments::tell(board, records, began, Bubble::begin(board.operations(), began))?,
    }
    Ok(())
}

/// One profile at a time.
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(is_on: &Arc<AtomicBool>) -> Option<Self> {
        (!is_on.swap(true, Ordering::AcqRel)).then(|| Self(Arc::clone(is_on)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Where a profile's records go.
struct Records(mpsc::Sender<Bytes>);

/// The reader went away.
#[derive(Debug)]
struct NobodyReads;

impl Records {
    fn tell(&self, record: &Record) -> Result<(), NobodyReads> {
        // Nothing of it has no form in JSON.
        let mut line = serde_json::to_vec(record).unwrap_or_default();
        line.push(b'\n');
        self.0.blocking_send(line.into()).map_err(|_| NobodyReads)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let asked = |host: &str| is_ours(&HeaderMap::from_iter([(HOST, host.parse().unwrap())]));
        assert!(["localhost", "localhost:3001", "127.0.0.1:3001"].into_iter().all(asked));
        assert!(!["evil.example", "evil.example:3001", "localhost.evil.example", ""].into_iter().any(asked));
        assert!(!is_ours(&HeaderMap::new()));
    }

    #[test]
    fn what_a_page_of_somebody_else_asks_for_is_not_answered() {
        let asked = |name: &str, value: &str| {
            let (host, name) = ((HOST, "localhost".parse().unwrap()), name.parse::<HeaderName>().unwrap());
            is_ours(&HeaderMap::from_iter([host, (name, value.parse().unwrap())]))
        };
        assert!(asked("sec-fetch-site", "none"), "somebody who types the address");
        assert!(!asked("sec-fetch-site", "cross-site") && !asked("origin", "https://evil.example"));
    }
}
