//! The threads, and what goes between them.
//!
//! ```text
//! main     decides: one event at a time, nothing that waits
//! link     SQS                        admit    parsing, jobs in the ledger
//! worker-n downloads, S3, claims      record   commits, dead letters, retries
//! observe  port 3000
//! ```

mod threads;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use tokio::time;

use crate::{
    admit::{Admission, AdmitCommand},
    config::{Config, Pool},
    event::{Cause, Command, Event, Resource, ThreadName, WorkerId},
    kill::{self, Point},
    observe::{
        board::{Board, Loop},
        loop_delay::ProbedLoop,
        report::{self, Identity},
    },
    place::{Desk, desk::Rules, workers::MAX_ABANDONED},
    poll::{Link, LinkCommand},
    ports::Ports,
    record::RecordCommand,
    sync::{mpsc, on_this_thread},
    work::{
        fetch::credentials::Credentials,
        pool::WorkerPool,
        task::{LONGEST_WAIT, TaskRules},
        watchdog::beat_every,
    },
};
use threads::{Thread, start_admit, start_link, start_observe, start_record, worker_main};

/// Where it is asked.
#[derive(Debug)]
pub struct Listeners {
    /// By anyone: health, metrics and the report.
    pub http: TcpListener,
    /// By who is on this machine: profiles.
    pub profiles: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(http: TcpListener) -> Self {
        Self { http, profiles: None }
    }
}

/// What the main thread needs of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sizes of the pool.
    pub pool: Pool,
    /// Visibility timeout of received messages.
    pub visibility: Duration,
    /// From the signal to stop to the end.
    pub grace: Duration,
    /// Memory for buffers, in bytes.
    pub memory_budget: u64,
    /// For Export APIs.
    pub credentials: Credentials,
    /// A worker thread whose runtime has not moved for this long is given up and replaced.
    pub stuck_after: Duration,
    /// What workers go by.
    pub task: TaskRules,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            pool: config.pool,
            visibility: config.visibility,
            grace: config.grace,
            memory_budget: config.memory_budget,
            credentials: Credentials::new(config.credentials_dir.clone()),
            stuck_after: STUCK_AFTER,
            task: TaskRules {
                prefix: config.prefix.clone(),
                timeout: config.task_timeout,
                longest_wait: LONGEST_WAIT,
                max_attempts: config.max_attempts,
                max_file_bytes: config.max_file_bytes,
            },
        }
    }
}

/// A task that computes for so long without a pause has a bug, or its thread is gone.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// At this much before the end of the grace period, running work is cancelled.
const CANCEL_BEFORE: Duration = Duration::from_secs(10);
/// From then on, this often: what was cancelled may be kept from being handed over.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);
/// How often the board is told how main is.
const SAY_EVERY: Duration = Duration::from_millis(100);

/// A part of the consumer is broken: it ended, for another process to begin anew. What it had in hand is settled or
/// given back, unless the grace period was over before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// So many worker threads were stuck.
    #[error("{0} worker threads were stuck and had to be given up ({MAX_ABANDONED} are borne)")]
    TooManyStuck(usize),
    /// A thread ended that had to last.
    #[error("the {} thread ended", .0.as_str())]
    ThreadGone(ThreadName),
}

impl Broken {
    fn of(desk: &Desk) -> Option<Self> {
        let stuck = desk.too_many_abandoned().then(|| Self::TooManyStuck(desk.abandoned()));
        desk.gone().map(Self::ThreadGone).or(stuck)
    }
}

/// Runs a consumer until `stop` resolves, or a part of it is [`Broken`], and everything in hand is settled or
/// given back.
///
/// # Errors
/// When a thread or a runtime cannot be made, when the grace period is over before the end, and [`Broken`].
pub fn run<P: Ports>(
    ports: &P,
    settings: &Settings,
    identity: Identity,
    listeners: impl Into<Listeners>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let board = Board::new(Instant::now());
    let (events, incoming) = mpsc::unbounded_channel();
    let (link, link_thread) = start_link(ports, settings, &events, &board)?;
    let (admit, admit_thread) = start_admit(ports, settings, link.clone(), &events)?;
    let (record, record_thread) = start_record(ports, settings, &identity.instance, link.clone(), &events)?;
    let (stop_observing, observe_thread) = start_observe(listeners.into(), board.clone(), settings.pool)?;
    let workers = worker_main(ports.clone(), settings, &identity.instance, &events, &board);
    let pool = WorkerPool::new(workers, events.clone());
    drop(events);
    let mut main = Main {
        desk: Desk::new(Rules { pool: settings.pool, visibility: settings.visibility }, fastrand::Rng::new()),
        pool,
        outlets: Outlets { link, admit, record },
        identity,
        board,
        sequence: 0,
    };
    main.open(settings.pool.workers);
    let mut ended = Ended::Settled;
    on_this_thread(async { ended = main.turn(incoming, stop, settings).await })?;
    let broken = Broken::of(&main.desk);
    if ended == Ended::Overdue {
        // Threads that wait for something that does not answer are not waited for.
        let overdue = "the grace period is over: what is still in hand becomes visible again by itself";
        return Err(broken
            .map_or_else(|| anyhow::anyhow!(overdue), |broken| anyhow::Error::new(broken).context(overdue)));
    }
    let Main { pool, outlets, .. } = main;
    pool.disband();
    drop(outlets);
    let ended = [admit_thread, record_thread, link_thread].map(Thread::join);
    let _ = stop_observing.send(());
    observe_thread.join().map_err(|_| anyhow::anyhow!("the HTTP thread panicked"))?;
    if let Some(broken) = broken {
        return Err(broken.into());
    }
    ended.into_iter().collect::<Result<(), _>>().map_err(|_| anyhow::anyhow!("a thread panicked"))
}

/// How the main loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything in hand was settled or given back.
    Settled,
    /// The grace period was over before.
    Overdue,
}

struct Outlets {
    link: Link,
    admit: mpsc::UnboundedSender<AdmitCommand>,
    record: mpsc::UnboundedSender<RecordCommand>,
}

struct Main {
    desk: Desk,
    pool: WorkerPool,
    outlets: Outlets,
    identity: Identity,
    board: Board,
    sequence: u64,
}

impl Main {
    fn open(&mut self, workers: usize) {
        for _ in 0..workers {
            self.hire();
        }
        for resource in Resource::ALL {
            self.look(resource, Duration::ZERO);
        }
    }

    /// The main loop: it ends when, after the signal to stop, nothing is in hand any more.
    async fn turn(
        &mut self,
        mut incoming: mpsc::UnboundedReceiver<Event>,
        stop: impl Future<Output = ()>,
        settings: &Settings,
    ) -> Ended {
        let mut stop = std::pin::pin!(stop);
        let mut probes = self.board.probes().register(ProbedLoop::Main);
        let (mut say_at, mut look_at) = (now(), now());
        let mut ending: Option<Ending> = None;
        while !(self.desk.is_draining() && self.desk.is_empty()) {
            let tick_at = self.desk.wake_at().unwrap_or_else(|| now() + Duration::from_secs(1));
            tokio::select! {
                Some(event) = incoming.recv() => self.take(event),
                () = &mut stop, if !self.desk.is_draining() => {
                    let commands = self.desk.drain();
                    self.carry_out(commands);
                }
                () = until(tick_at) => {
                    let commands = self.desk.tick(now());
                    self.carry_out(commands);
                }
                () = until(look_at) => {
                    look_at = now() + beat_every(settings.stuck_after);
                    self.look_after_workers();
                }
                Some(sent) = probes.next() => probes.answer(sent, Instant::now()),
                () = until_some(ending.map(|ending| ending.end_at)) => return Ended::Overdue,
                () = until_some(ending.map(|ending| ending.cancel_at)) => {
                    tracing::warn!("the grace period is nearly over: what is in hand is cancelled and given back");
                    ending = ending.map(Ending::cancelled);
                    let commands = self.desk.cancel_all();
                    self.carry_out(commands);
                }
            }
            if self.desk.is_draining() && ending.is_none() {
                tracing::info!("stopping: nothing new is taken, what has started finishes");
                ending = Some(Ending::begun(settings.grace));
            }
            self.board.beat(Loop::Main, now());
            if now() >= say_at {
                self.say();
                say_at = now() + SAY_EVERY;
            }
        }
        self.say();
        Ended::Settled
    }

    fn look_after_workers(&mut self) {
        for worker in self.pool.look() {
            self.take(Event::WorkerStuck { worker });
        }
    }

    fn take(&mut self, event: Event) {
        match &event {
            Event::Finished { no, .. } => {
                kill::at(Point::Finished);
                self.pool.finished(*no);
            }
            Event::ThreadGone(thread) => {
                tracing::error!(
                    thread = thread.as_str(),
                    "a thread ended that had to last: the consumer drains"
                );
            }
            _ => {}
        }
        self.board.operations().event(&event, now());
        let commands = self.desk.handle(event, now());
        self.carry_out(commands);
    }

    fn say(&mut self) {
        self.sequence += 1;
        self.board.say(report::say(&self.identity, self.sequence, &self.desk, now()));
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.carry_out_one(command);
        }
    }

    fn carry_out_one(&mut self, command: Command) {
        self.board.operations().command(&command, now());
        let Outlets { link, admit, record } = &self.outlets;
        match command {
            Command::Receive(receive) => link.tell(LinkCommand::Receive(receive)),
            Command::Extend { queue, leases } => link.tell(LinkCommand::Extend(queue, leases)),
            Command::Return { queue, receipt, delay } => {
                link.tell(LinkCommand::Return(queue, receipt, delay));
            }
            Command::Delete { queue, lease, receipt } => {
                link.tell(LinkCommand::Delete(queue, lease, receipt));
            }
            // The threads behind these lines end after main.
            Command::Admit { lease, queue, message, local } => {
                let _ = admit.send(AdmitCommand::Admit(Admission { lease, queue, message, local }));
            }
            Command::Yield(lease) => {
                let _ = admit.send(AdmitCommand::Yield(lease));
            }
            Command::Settle { task, result } => {
                let _ = record.send(RecordCommand::Settle(task, result));
            }
            Command::GiveBack(task) => {
                let _ = record.send(RecordCommand::GiveBack(task));
            }
            Command::HandOver(task) => {
                let _ = record.send(RecordCommand::HandOver(task));
            }
            Command::Start { worker, task } => self.pool.assign(worker, task),
            Command::Cancel(no) => {
                self.pool.cancel(no);
                let _ = record.send(RecordCommand::Cancel(no));
            }
            Command::Look(resource, after) => self.look(resource, after),
            Command::LetGo(worker, cause) => self.let_go(worker, cause),
            Command::Hire => self.hire(),
        }
    }

    fn look(&self, resource: Resource, after: Duration) {
        match resource {
            Resource::Queues => self.outlets.link.tell(LinkCommand::Look(after)),
            Resource::Bucket | Resource::Table => {
                let _ = self.outlets.record.send(RecordCommand::Look(resource, after));
            }
        }
    }

    fn let_go(&mut self, worker: WorkerId, cause: Cause) {
        tracing::warn!(worker = worker.0, cause = cause.as_str(), "a worker is replaced");
        self.pool.let_go(worker, cause);
    }

    fn hire(&mut self) {
        match self.pool.hire() {
            Ok(worker) => self.desk.hire(worker),
            Err(error) => {
                tracing::error!(%error, "a worker thread cannot be started: tried again after a pause");
                self.take(Event::NotHired);
            }
        }
    }
}

/// When a drain has to be over.
#[derive(Debug, Clone, Copy)]
struct Ending {
    cancel_at: Instant,
    end_at: Instant,
}

impl Ending {
    fn begun(grace: Duration) -> Self {
        Self { cancel_at: now() + grace.saturating_sub(CANCEL_BEFORE), end_at: now() + grace }
    }

    fn cancelled(self) -> Self {
        Self { cancel_at: now() + CANCEL_AGAIN, ..self }
    }
}

fn now() -> Instant {
    time::Instant::now().into_std()
}

async fn until_some(instant: Option<Instant>) {
    match instant {
        Some(instant) => until(instant).await,
        None => std::future::pending().await,
    }
}

async fn until(instant: Instant) {
    time::sleep_until(instant.into()).await;
}
