//! The threads, and what goes between them.
//!
//! ```text
//! main     decides: one event at a time, nothing that waits
//! link     SQS                        admit    parsing, jobs in the ledger
//! worker-n downloads, S3, claims      record   commits, dead letters, retries
//! observe  port 3000
//! ```

mod threads;

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::{sync::mpsc, time};

use crate::{
    admit::{Admission, AdmitCommand},
    config::{Config, Pool},
    event::{Command, Event, Resource, WorkerId},
    observe::{
        board::{Board, Loop},
        loop_delay::DelayProbe,
        report::{self, Identity},
    },
    place::{Desk, desk::Rules},
    poll::{Link, LinkCommand},
    ports::Ports,
    record::RecordCommand,
    work::{fetch::credentials::Credentials, pool::Crew, task::TaskRules, worker::on_this_thread},
};
use threads::{start_admit, start_link, start_observe, start_record, worker_main};

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
            task: TaskRules {
                prefix: config.prefix.clone(),
                timeout: config.task_timeout,
                max_attempts: config.max_attempts,
                max_file_bytes: config.max_file_bytes,
            },
        }
    }
}

/// At this much before the end of the grace period, running work is cancelled.
const CANCEL_BEFORE: Duration = Duration::from_secs(10);
/// From then on, this often: what was cancelled may be kept from being handed over.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);
/// How often the board is told how main is.
const SAY_EVERY: Duration = Duration::from_millis(100);

/// Runs a consumer until `stop` resolves and everything in hand is settled or given back.
///
/// # Errors
/// When a thread or a runtime cannot be made.
pub fn run<P: Ports>(
    ports: &P,
    settings: &Settings,
    identity: Identity,
    listener: std::net::TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let board = Board::new(Instant::now());
    let (events, incoming) = mpsc::unbounded_channel();
    let (link, link_thread) = start_link(ports, settings, &events, &board)?;
    let (admit, admit_thread) = start_admit(ports, settings, link.clone(), &events)?;
    let (record, record_thread) = start_record(ports, settings, link.clone(), &events)?;
    let (ringer, bell) = mpsc::channel(1);
    let (stop_observing, observe_thread) = start_observe(listener, board.clone(), ringer)?;
    let crew = Crew::new(worker_main(ports.clone(), settings, &events), events.clone());
    drop(events);
    let mut main = Main {
        desk: Desk::new(Rules { pool: settings.pool, visibility: settings.visibility }),
        crew,
        outlets: Outlets { link, admit, record },
        identity,
        board,
        sequence: 0,
    };
    main.open(settings.pool.workers)?;
    let mut ended = Ended::Settled;
    on_this_thread(async { ended = main.turn(incoming, bell, stop, settings.grace).await })?;
    if ended == Ended::Overdue {
        // Threads that wait for something that does not answer are not waited for.
        anyhow::bail!("the grace period is over: what is still in hand becomes visible again by itself");
    }
    let Main { crew, outlets, .. } = main;
    crew.disband();
    drop(outlets);
    for thread in [admit_thread, record_thread, link_thread] {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    }
    let _ = stop_observing.send(());
    observe_thread.join().map_err(|_| anyhow::anyhow!("the HTTP thread panicked"))
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
    crew: Crew,
    outlets: Outlets,
    identity: Identity,
    board: Board,
    sequence: u64,
}

impl Main {
    fn open(&mut self, workers: usize) -> anyhow::Result<()> {
        for _ in 0..workers {
            let worker = self.crew.hire().context("a worker thread cannot be started")?;
            self.desk.hire(worker);
        }
        for resource in Resource::ALL {
            self.look(resource, Duration::ZERO);
        }
        Ok(())
    }

    /// The main loop: it ends when, after the signal to stop, nothing is in hand any more.
    async fn turn(
        &mut self,
        mut incoming: mpsc::UnboundedReceiver<Event>,
        mut bell: mpsc::Receiver<Instant>,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> Ended {
        let mut stop = std::pin::pin!(stop);
        let mut probe = DelayProbe::default();
        let mut say_at = now();
        let (mut cancel_at, mut end_at) = (None, None);
        while !(self.desk.is_draining() && self.desk.is_empty()) {
            let tick_at = self.desk.wake_at().unwrap_or_else(|| now() + Duration::from_secs(1));
            tokio::select! {
                Some(event) = incoming.recv() => self.take(event),
                () = &mut stop, if !self.desk.is_draining() => {
                    tracing::info!("stopping: nothing new is taken, what has started finishes");
                    cancel_at = Some(now() + grace.saturating_sub(CANCEL_BEFORE));
                    end_at = Some(now() + grace);
                    let commands = self.desk.drain();
                    self.carry_out(commands);
                }
                () = until(tick_at) => {
                    let commands = self.desk.tick(now());
                    self.carry_out(commands);
                }
                Some(rung) = bell.recv() => probe.hear(rung, Instant::now()),
                () = until_some(end_at) => return Ended::Overdue,
                () = until_some(cancel_at) => {
                    tracing::warn!("the grace period is nearly over: what is in hand is cancelled and given back");
                    cancel_at = Some(now() + CANCEL_AGAIN);
                    let commands = self.desk.cancel_all();
                    self.carry_out(commands);
                }
            }
            self.board.beat(Loop::Main, now());
            if now() >= say_at {
                self.say(&probe);
                say_at = now() + SAY_EVERY;
            }
        }
        self.say(&probe);
        Ended::Settled
    }

    fn take(&mut self, event: Event) {
        if let Event::Finished { no, .. } = &event {
            self.crew.finished(*no);
        }
        let commands = self.desk.handle(event, now());
        self.carry_out(commands);
    }

    fn say(&mut self, probe: &DelayProbe) {
        self.sequence += 1;
        self.board.say(report::say(&self.identity, self.sequence, &self.desk, probe));
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            self.carry_out_one(command);
        }
    }

    fn carry_out_one(&mut self, command: Command) {
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
            Command::GiveBack { task, claimed } => {
                let _ = record.send(RecordCommand::GiveBack(task, claimed));
            }
            Command::HandOver(task) => {
                let _ = record.send(RecordCommand::HandOver(task));
            }
            Command::Start { worker, task } => self.crew.assign(worker, task),
            Command::Cancel(no) => {
                self.crew.cancel(no);
                let _ = record.send(RecordCommand::Cancel(no));
            }
            Command::Look(resource, after) => self.look(resource, after),
            Command::Renew(worker) => self.renew(worker),
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

    fn renew(&mut self, worker: WorkerId) {
        tracing::warn!(worker = worker.0, "a worker is replaced: a task on it panicked");
        self.crew.dismiss(worker);
        match self.crew.hire() {
            Ok(replacement) => self.desk.hire(replacement),
            Err(error) => {
                tracing::error!(%error, "a worker thread cannot be started: the pool is smaller by one");
            }
        }
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
