//! An API server in memory, which fails as it is told to.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    body::Body as Answer,
    http::{Request, Response},
};
use futures_util::stream;
use kube::client::{Body, Client, ClientBuilder, retry::RetryPolicy};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::{BoxError, retry::RetryLayer, service_fn};

use super::{
    settle,
    store::{Asked, Store},
};
use crate::client::bounded;

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Fate {
    /// What it asks for, after somebody else was first, and that was told.
    Preceded(Arc<dyn Fn(&Cluster) + Send + Sync>),
    /// It is refused with this status, in these words.
    Refused(u16, &'static str),
    /// Its connection breaks.
    Dropped,
    /// No answer comes.
    Unanswered,
    /// What answers is no API server.
    Garbled,
}

/// An API server. An object is known by its place, such as `deployments/reports`.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    state: Arc<Mutex<State>>,
    versions: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    store: Store,
    written: Vec<(String, Value)>,
    fates: HashMap<String, Box<dyn Iterator<Item = Fate> + Send>>,
}

impl Cluster {
    /// A client as the operator's: it tries again what the API server has no time for.
    pub(crate) fn client(&self) -> Client {
        let cluster = self.clone();
        let service = service_fn(move |request| cluster.clone().answer(request));
        let tries = RetryLayer::new(RetryPolicy::server_retry());
        bounded(ClientBuilder::new(service, "team").with_layer(&tries))
    }

    /// What becomes of requests such as `PATCH deployments/reports` from now on: of the first, the second and so on. After
    /// these they are carried out.
    pub(crate) fn fate(&self, of: &str, fates: impl IntoIterator<Item = Fate, IntoIter: Send + 'static>) {
        self.state().fates.insert(of.to_owned(), Box::new(fates.into_iter()));
    }

    /// Somebody makes or changes something.
    pub(crate) fn put(&self, place: &str, change: &Value) {
        self.change(|state| state.store.merge(place, change)).unwrap();
    }

    /// Somebody deletes something.
    pub(crate) fn delete(&self, place: &str) {
        self.change(|state| state.store.delete(place));
    }

    /// What is there; null if nothing is.
    pub(crate) fn get(&self, place: &str) -> Value {
        self.state().store.get(place)
    }

    /// What clients wrote since this was asked last, with what they sent.
    pub(crate) fn written(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.state().written)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, by: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let outcome = by(&mut state);
        self.versions.send_replace(state.store.version());
        outcome
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let (head, body) = request.into_parts();
        let asked = Asked::of(&head, &body.collect_bytes().await?);
        let name = format!("{} {}", asked.verb, asked.place);
        let fate = self.state().fates.get_mut(&name).and_then(Iterator::next);
        match fate {
            None => {}
            Some(Fate::Preceded(by)) => {
                by(&self);
                settle().await;
            }
            Some(Fate::Refused(code, message)) => return Ok(refusal(code, message)),
            Some(Fate::Dropped) => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
            Some(Fate::Unanswered) => return pending().await,
            Some(Fate::Garbled) => return Ok(Response::new("<html>".into())),
        }
        if asked.verb == "WATCH" {
            return Ok(Response::new(self.watch(asked)));
        }
        Ok(self.carry_out(name, &asked))
    }

    fn carry_out(&self, name: String, asked: &Asked) -> Response<Answer> {
        let answer = self.change(|state| {
            let answer = state.store.carry_out(asked);
            if asked.verb != "GET" && answer.is_ok() {
                state.written.push((name, asked.body.clone()));
            }
            answer
        });
        match answer {
            Ok(object) => Response::new(object.to_string().into()),
            Err(code) => refusal(code, "as an API server would"),
        }
    }

    /// All that happens after a version.
    fn watch(self, asked: Asked) -> Answer {
        let since = asked.query["resourceVersion"].parse::<usize>().unwrap();
        let versions = self.versions.subscribe();
        let next =
            async |(cluster, asked, mut versions, since): (Self, Asked, watch::Receiver<usize>, usize)| {
                loop {
                    let found = cluster.state().store.next_event(&asked, since);
                    if let Some((at, event)) = found {
                        return Some((
                            Ok::<_, Infallible>(format!("{event}\n")),
                            (cluster, asked, versions, at),
                        ));
                    }
                    versions.changed().await.ok()?;
                }
            };
        Answer::from_stream(stream::unfold((self, asked, versions, since), next))
    }
}

/// <https://github.com/kubernetes/apimachinery/blob/v0.35.0/pkg/apis/meta/v1/types.go>, `StatusReason`.
fn refusal(code: u16, message: &str) -> Response<Answer> {
    let reason = match code {
        400 => "BadRequest",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message});
    Response::builder().status(code).header("retry-after", 1).body(status.to_string().into()).unwrap()
}
