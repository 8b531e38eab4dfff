//! A world in memory, and the ports into it.

pub mod audit;
pub mod flaw;
pub mod journal;
pub mod ledger;
pub mod queue;
pub mod source;
pub mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exportpool_consumer::{
    fail::{AwsFault, AwsKind, AwsResource},
    message::QueueName,
    ports::Ports,
};
use exportpool_contract::{JobId, TaskId, record::JobState};

use flaw::{Flaw, Op};
use journal::Did;
use ledger::TaskItem;

/// Everything outside of the process.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<Everything>>);

#[derive(Default)]
pub struct Everything {
    pub flaws: flaw::Flaws,
    pub journal: Vec<Did>,
    /// Rules of AWS that the consumer broke.
    pub broken: Vec<String>,
    pub queues: queue::Queues,
    pub bucket: store::Bucket,
    pub table: ledger::Table,
    pub web: source::Web,
    /// The thread of this name panics when it makes its clients.
    pub dies: Option<&'static str>,
}

impl World {
    pub fn new() -> Self {
        Self::default()
    }

    /// A task panics on purpose: poison means nothing here.
    pub fn lock(&self) -> MutexGuard<'_, Everything> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls of an operation fail, one a flaw.
    pub fn fail_next(&self, op: Op, flaws: impl IntoIterator<Item = Flaw>) {
        self.lock().flaws.next(op, flaws);
    }

    /// All calls of an operation fail until [`World::mend`].
    pub fn fail_always(&self, op: Op, flaw: Flaw) {
        self.lock().flaws.always(op, flaw);
    }

    pub fn mend(&self, op: Op) {
        self.lock().flaws.mend(op);
    }

    /// How often an operation was called.
    pub fn calls(&self, op: Op) -> usize {
        self.lock().flaws.calls(op)
    }

    /// What the world saw happen, in order.
    pub fn journal(&self) -> Vec<Did> {
        self.lock().journal.clone()
    }

    pub fn did(&self, is: impl Fn(&Did) -> bool) -> usize {
        self.lock().journal.iter().filter(|did| is(did)).count()
    }

    pub fn job_state(&self, job: &str) -> Option<JobState> {
        self.lock().table.jobs.get(&job_id(job)).and_then(|job| job.state)
    }

    pub fn task(&self, job: &str, task: &str) -> Option<TaskItem> {
        self.lock().table.tasks.get(&(job_id(job), task_id(task))).cloned()
    }

    /// Sums of a job's counters: done, failed.
    pub fn counted(&self, job: &str) -> (i64, i64) {
        self.lock().table.counted(&job_id(job))
    }

    pub fn is_empty(&self, queue: QueueName) -> bool {
        self.lock().queues.main(queue).is_empty()
    }

    fn live_or_die(&self) {
        let dies = self.lock().dies;
        assert!(dies.is_none() || dies != std::thread::current().name(), "a thread dies on purpose");
    }

    /// The ports for one pod.
    pub fn ports(&self, pod: u32) -> FakePorts {
        FakePorts { world: self.clone(), pod }
    }
}

/// Makes ports into a world.
#[derive(Clone)]
pub struct FakePorts {
    world: World,
    pod: u32,
}

impl Ports for FakePorts {
    type Queue = queue::FakeQueue;
    type Store = store::FakeStore;
    type Ledger = ledger::FakeLedger;
    type Source = source::FakeSource;

    fn queue(&self) -> Self::Queue {
        self.world.live_or_die();
        queue::FakeQueue { world: self.world.clone(), pod: self.pod }
    }

    fn store(&self) -> Self::Store {
        store::FakeStore(self.world.clone())
    }

    fn ledger(&self) -> Self::Ledger {
        self.world.live_or_die();
        ledger::FakeLedger(self.world.clone())
    }

    fn source(&self) -> anyhow::Result<Self::Source> {
        self.world.live_or_die();
        Ok(source::FakeSource::new(self.world.clone()))
    }

    fn pages(&self) -> anyhow::Result<Self::Source> {
        self.source()
    }
}

pub fn job_id(job: &str) -> JobId {
    JobId::new(job).unwrap()
}

pub fn task_id(task: &str) -> TaskId {
    TaskId::new(task).unwrap()
}

pub fn fault(kind: AwsKind, resource: AwsResource) -> AwsFault {
    AwsFault { kind, resource, detail: format!("injected {}", kind.reason()) }
}
