//! Starting the threads: each has a single-threaded runtime, and clients of its own.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{net::TcpListener, sync::oneshot, time};

use super::{Listeners, Settings};
use crate::{
    admit::{self, AdmitCommand},
    config::Pool,
    event::{Event, ThreadName},
    observe::{
        board::{Board, Loop},
        http,
        loop_delay::ProbedLoop,
        profile::{self, Profiled, introduce_this_thread},
    },
    poll::{self, Link},
    ports::Ports,
    record::{self, RecordCommand, RecordRules},
    sync::{mpsc, on_this_thread, spawn_local, thread},
    work::{
        budget::Budget,
        pool::WorkerMain,
        task::TaskRunner,
        watchdog::{Watched, beat_every},
        worker,
    },
};

const LINK_BEAT_EVERY: Duration = Duration::from_secs(1);

pub(super) type Thread = thread::JoinHandle<()>;

/// Tells main of the end of its thread, also of one that unwinds.
struct ThreadExitGuard {
    thread: ThreadName,
    events: mpsc::UnboundedSender<Event>,
}

impl Drop for ThreadExitGuard {
    fn drop(&mut self) {
        // Once main has ended, this is the end that is meant to be.
        let _ = self.events.send(Event::ThreadGone(self.thread));
    }
}

/// Starts a thread that has to last as long as main.
fn spawn_lasting<F: Future<Output = ()>>(
    thread: ThreadName,
    events: &mpsc::UnboundedSender<Event>,
    main: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<Thread> {
    spawn(thread.as_str(), Some(ThreadExitGuard { thread, events: events.clone() }), main)
}

fn spawn<F: Future<Output = ()>>(
    name: &str,
    exit_guard: Option<ThreadExitGuard>,
    main: impl FnOnce() -> F + Send + 'static,
) -> anyhow::Result<Thread> {
    let of = name.to_owned();
    let run = move || {
        let _exit_guard = exit_guard;
        introduce_this_thread();
        if let Err(error) = on_this_thread(async { main().await }) {
            tracing::error!(thread = of, %error, "a runtime cannot be made");
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("the thread {name} cannot be started"))
}

pub(super) fn start_link<P: Ports>(
    ports: &P,
    settings: &Settings,
    events: &mpsc::UnboundedSender<Event>,
    board: &Board,
) -> anyhow::Result<(Link, Thread)> {
    let (link, commands) = Link::new();
    let (ports, told, board, visibility) =
        (ports.clone(), events.clone(), board.clone(), settings.visibility);
    let thread = spawn_lasting(ThreadName::Link, events, move || async move {
        let beats = spawn_local(async move {
            loop {
                board.beat(Loop::Link, Instant::now());
                time::sleep(LINK_BEAT_EVERY).await;
            }
        });
        poll::run(Rc::new(ports.queue()), visibility, commands, told).await;
        beats.abort();
    })?;
    Ok((link, thread))
}

pub(super) fn start_admit<P: Ports>(
    ports: &P,
    settings: &Settings,
    link: Link,
    events: &mpsc::UnboundedSender<Event>,
) -> anyhow::Result<(mpsc::UnboundedSender<AdmitCommand>, Thread)> {
    let (admit, commands) = mpsc::unbounded_channel();
    let (ports, told) = (ports.clone(), events.clone());
    let (credentials, max_attempts) = (settings.credentials.clone(), settings.task.max_attempts);
    let thread = spawn_lasting(ThreadName::Admit, events, move || async move {
        match ports.pages() {
            Ok(source) => {
                let ledger = ports.ledger();
                let (yields, next) = (RefCell::default(), Cell::default());
                let admitter = admit::Admitter {
                    ledger,
                    source,
                    credentials,
                    link,
                    events: told,
                    max_attempts,
                    yields,
                    next,
                };
                admitter.run(commands).await;
            }
            Err(error) => tracing::error!(%error, "the admit thread cannot make its HTTP client"),
        }
    })?;
    Ok((admit, thread))
}

pub(super) fn start_record<P: Ports>(
    ports: &P,
    settings: &Settings,
    instance: &str,
    link: Link,
    events: &mpsc::UnboundedSender<Event>,
) -> anyhow::Result<(mpsc::UnboundedSender<RecordCommand>, Thread)> {
    let (record, commands) = mpsc::unbounded_channel();
    let (ports, told) = (ports.clone(), events.clone());
    let rules = RecordRules { max_attempts: settings.task.max_attempts, instance: instance.to_owned() };
    let thread = spawn_lasting(ThreadName::Record, events, move || async move {
        record::run(ports.store(), ports.ledger(), link, rules, commands, told).await;
    })?;
    Ok((record, thread))
}

pub(super) fn start_observe(
    listeners: Listeners,
    board: Board,
    pool: Pool,
) -> anyhow::Result<(oneshot::Sender<()>, Thread)> {
    let (stop, stopped) = oneshot::channel();
    let Listeners { http, profiles } = listeners;
    for listener in std::iter::once(&http).chain(&profiles) {
        listener.set_nonblocking(true).context("a listener")?;
    }
    let thread = spawn("observe", None, move || async move {
        // A scheduler has no sockets.
        if cfg!(feature = "shuttle") {
            let _ = stopped.await;
            return;
        }
        spawn_local(board.probes().clone().run());
        if let Some(profiles) = profiles.and_then(|profiles| TcpListener::from_std(profiles).ok()) {
            spawn_local(profile::serve(profiles, Profiled::new(board.clone(), pool)));
        }
        match TcpListener::from_std(http) {
            Ok(listener) => http::serve(listener, board, stopped).await,
            Err(error) => tracing::error!(%error, "the HTTP port cannot be served"),
        }
    })?;
    Ok((stop, thread))
}

pub(super) fn worker_main<P: Ports>(
    ports: P,
    settings: &Settings,
    instance: &str,
    events: &mpsc::UnboundedSender<Event>,
    board: &Board,
) -> Arc<WorkerMain> {
    let (events, budget, rules) =
        (events.clone(), Budget::new(settings.memory_budget, settings.pool.slots()), settings.task.clone());
    let credentials = settings.credentials.clone();
    let (board, instance, beat) =
        (board.clone(), Arc::<str>::from(instance), beat_every(settings.stuck_after));
    Arc::new(move |assignments, pulse| {
        pulse.is_of_this_thread();
        let (ports, events, budget, rules) = (ports.clone(), events.clone(), budget.clone(), rules.clone());
        let (probes, instance) = (board.probes().register(ProbedLoop::Worker), Arc::clone(&instance));
        let (credentials, operations) = (credentials.clone(), board.operations().clone());
        let ran = on_this_thread(async move {
            let beats = spawn_local(pulse.clone().beat(beat));
            let answers = spawn_local(probes.answer_all());
            match ports.source() {
                Ok(source) => {
                    let (store, ledger) = (Watched::new(ports.store(), pulse.clone()), ports.ledger());
                    let runner = TaskRunner {
                        store,
                        ledger,
                        source,
                        credentials,
                        budget,
                        rules,
                        instance,
                        operations,
                    };
                    worker::run(runner, pulse, assignments, events).await;
                }
                Err(error) => tracing::error!(%error, "a worker cannot make its HTTP client"),
            }
            beats.abort();
            answers.abort();
        });
        if let Err(error) = ran {
            tracing::error!(%error, "a worker's runtime cannot be made");
        }
    })
}
