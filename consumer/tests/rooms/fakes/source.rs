//! The web in memory: what each URL answers, one after the other.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use bytes::Bytes;
use exportpool_consumer::{
    fail::{Reason, TaskFault},
    ports::{Body, Request, Source, SourceHead},
    work::fetch::hosts::{Admission, Hosts},
};
use tokio::time;

use super::{World, journal::Did};

/// How often a fake looks whether it may go on.
pub const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How a body ends.
#[derive(Debug, Clone)]
pub enum End {
    Whole,
    Fault(TaskFault),
    Hang,
    Panic,
    /// The last chunk again and again.
    Endless,
}

/// Blocks the threads that come to it, runtime and all, until it is opened; also when its test ends before.
#[derive(Debug, Default)]
pub struct Barrier {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Barrier {
    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    #[cfg(feature = "shuttle")]
    fn block(&self) {
        while !*self.open.lock().unwrap() {
            shuttle::thread::yield_now();
        }
    }

    #[cfg(not(feature = "shuttle"))]
    fn block(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

/// Opens a barrier when it is dropped.
pub struct Opener(pub Arc<Barrier>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// What a URL answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Waits for [`World::open_gate`] first.
    gated: bool,
    /// Blocks the whole thread first.
    barrier: Option<Arc<Barrier>>,
    /// Instead of a body.
    refusal: Option<TaskFault>,
    length: Option<u64>,
    chunks: VecDeque<Bytes>,
    end: End,
}

impl Answer {
    /// A file, with its length.
    pub fn file(body: impl Into<Bytes>) -> Self {
        let body: Bytes = body.into();
        let length = Some(body.len() as u64);
        let mut chunks = VecDeque::new();
        let size = (body.len() / 3).max(1);
        let mut rest = body;
        while !rest.is_empty() {
            chunks.push_back(rest.split_to(size.min(rest.len())));
        }
        Self { gated: false, barrier: None, refusal: None, length, chunks, end: End::Whole }
    }

    /// A file of so many MiB, whose length is not told.
    pub fn large(mebibytes: usize) -> Self {
        let chunk = Bytes::from(vec![7_u8; 1024 * 1024]);
        let chunks = std::iter::repeat_n(chunk, mebibytes).collect();
        Self { gated: false, barrier: None, refusal: None, length: None, chunks, end: End::Whole }
    }

    pub fn fault(fault: TaskFault) -> Self {
        Self { refusal: Some(fault), ..Self::file("") }
    }

    /// 500.
    pub fn failure() -> Self {
        Self::fault(TaskFault::retry(Reason::SourceFailed, "the source answered 500"))
    }

    /// 503 with `Retry-After`.
    pub fn later(after: Duration) -> Self {
        let detail = "the source answered 503".into();
        Self::fault(TaskFault::Retry { reason: Reason::SourceFailed, detail, after: Some(after) })
    }

    pub fn hang() -> Self {
        Self::file("").ending(End::Hang)
    }

    pub fn panic() -> Self {
        Self::file("").ending(End::Panic)
    }

    pub fn ending(self, end: End) -> Self {
        Self { length: None, end, ..self }
    }

    /// Whatever comes, so many bytes were promised.
    pub fn promising(self, bytes: u64) -> Self {
        Self { length: Some(bytes), ..self }
    }

    pub fn gated(self) -> Self {
        Self { gated: true, ..self }
    }

    /// Blocks the worker's thread before it answers.
    pub fn behind(self, barrier: &Opener) -> Self {
        Self { barrier: Some(Arc::clone(&barrier.0)), ..self }
    }
}

#[derive(Default)]
pub struct Web {
    answers: BTreeMap<String, VecDeque<Answer>>,
    open: BTreeSet<String>,
    pub at_gate: BTreeMap<String, usize>,
    /// The `Authorization` of the last request of each URL that had one.
    pub authorized: BTreeMap<String, String>,
    /// Workers that have a source: their threads are not over.
    pub sources: usize,
    /// Places at hosts; as many as are wanted without.
    pub hosts: Option<Hosts>,
}

impl Web {
    /// What a URL answers waits for [`World::open_gate`].
    pub fn gate(&mut self, url: &str) {
        self.answers.get_mut(url).expect("scripted").iter_mut().for_each(|answer| answer.gated = true);
    }

    /// A URL answers this before what it answered so far.
    pub fn prepend(&mut self, url: &str, answers: impl IntoIterator<Item = Answer>) {
        let line = self.answers.entry(url.into()).or_default();
        *line = answers.into_iter().chain(std::mem::take(line)).collect();
    }
}

impl World {
    /// A URL answers this, one after the other; the last is repeated. A URL that nobody scripted answers itself.
    pub fn answer(&self, url: &str, answers: impl IntoIterator<Item = Answer>) {
        self.lock().web.answers.entry(url.into()).or_default().extend(answers);
    }

    pub fn open_gate(&self, url: &str) {
        self.lock().web.open.insert(url.into());
    }

    pub fn at_gate(&self, url: &str) -> bool {
        self.lock().web.at_gate.get(url).is_some_and(|waiting| *waiting > 0)
    }

    pub fn fetches(&self, url: &str) -> usize {
        self.did(|did| matches!(did, Did::Fetched { url: of } if of == url))
    }

    fn next_answer(&self, url: &str) -> Answer {
        let mut world = self.lock();
        world.journal.push(Did::Fetched { url: url.into() });
        let Some(answers) = world.web.answers.get_mut(url) else { return Answer::file(url.to_owned()) };
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        next.unwrap_or_else(Answer::hang)
    }

    async fn wait_at_gate(&self, url: &str) {
        *self.lock().web.at_gate.entry(url.into()).or_default() += 1;
        while !self.lock().web.open.contains(url) {
            time::sleep(LOOK_AGAIN).await;
        }
    }
}

pub struct FakeSource(World);

impl FakeSource {
    pub fn new(world: World) -> Self {
        world.lock().web.sources += 1;
        Self(world)
    }
}

impl Drop for FakeSource {
    fn drop(&mut self) {
        self.0.lock().web.sources -= 1;
    }
}

pub struct FakeBody {
    chunks: VecDeque<Bytes>,
    end: End,
    _place: Option<Admission>,
}

impl Source for FakeSource {
    type Body = FakeBody;

    async fn fetch(&self, request: &Request) -> Result<(SourceHead, FakeBody), TaskFault> {
        let url = request.url.as_str();
        let hosts = self.0.lock().web.hosts.clone();
        let place = match &hosts {
            Some(hosts) => Some(hosts.admit(request.url.host_str().unwrap_or_default()).await),
            None => None,
        };
        if let Some(header) = request.headers.get("authorization") {
            let header = header.to_str().expect("text").to_owned();
            self.0.lock().web.authorized.insert(url.into(), header);
        }
        let Answer { gated, barrier, refusal, length, chunks, end } = self.0.next_answer(url);
        if gated {
            self.0.wait_at_gate(url).await;
        }
        if let Some(barrier) = barrier {
            barrier.block();
        }
        match refusal {
            Some(fault) => Err(fault),
            None => Ok((SourceHead { length, content_type: None }, FakeBody { chunks, end, _place: place })),
        }
    }
}

impl Body for FakeBody {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TaskFault> {
        tokio::task::yield_now().await;
        let last = self.chunks.len() == 1;
        match (&self.end, self.chunks.front()) {
            (End::Endless, Some(chunk)) if last => Ok(Some(chunk.clone())),
            (_, Some(_)) => Ok(self.chunks.pop_front()),
            (End::Whole | End::Endless, None) => Ok(None),
            (End::Fault(fault), None) => Err(fault.clone()),
            (End::Hang, None) => std::future::pending().await,
            // Without the word of the panic hook: a scheduler would take it for its own.
            (End::Panic, None) => std::panic::resume_unwind(Box::new("a task panics on purpose")),
        }
    }
}
