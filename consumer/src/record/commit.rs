//! The committer: one transaction at a time for each shard, of up to 25 settled tasks and their counter. Each waits a
//! moment for company, and while one is under way, the next fills: a transaction and the look whether the job is
//! complete cost as much for one task as for many.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use exportpool_contract::JobId;
use tokio::{sync::oneshot, time};

use crate::{
    fail::{AwsFault, AwsKind, AwsResource},
    kill::{self, Point},
    ports::{Ending, Ledger, Recorded, Settling},
    sync::spawn_local,
};

/// Tasks in one transaction, the counter not counted (DynamoDB takes 100 items and 4 MiB).
const MAX_BATCH: usize = 25;
/// A batch that is not full waits so long for more: the tasks have left their slots, so that nobody waits for it.
const LINGER: Duration = Duration::from_millis(10);
/// A batch that was throttled or in conflict is tried so often before its tasks are settled by a later delivery.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(25);

type Shard = (JobId, u16);
type Answer = Result<Recorded, AwsFault>;

struct Entry {
    settling: Settling,
    answer: oneshot::Sender<Answer>,
}

/// Commits settled tasks.
pub(crate) struct Committer<L> {
    ledger: Rc<L>,
    lines: Lines,
}

impl<L: Ledger + 'static> Committer<L> {
    pub(crate) fn new(ledger: Rc<L>) -> Self {
        Self { ledger, lines: Rc::default() }
    }

    /// Commits a task with whatever else is to be committed to its shard, and closes its job when that was the
    /// last one.
    pub(crate) async fn commit(&self, job: &JobId, settling: Settling) -> Answer {
        let shard = patiently(async || self.ledger.shard(job, &settling.task).await).await?;
        let shard = (job.clone(), shard);
        let (answer, answered) = oneshot::channel();
        if self.enqueue(&shard, Entry { settling, answer }) {
            let (ledger, lines) = (Rc::clone(&self.ledger), Rc::clone(&self.lines));
            spawn_local(drain(ledger, lines, shard));
        }
        answered.await.unwrap_or_else(|_| {
            let detail = "the committer ended".into();
            Err(AwsFault { kind: AwsKind::Failed, resource: AwsResource::Table(String::new()), detail })
        })
    }

    /// Nobody works on any line, and nothing waits in one.
    #[cfg(all(test, feature = "shuttle"))]
    pub(super) fn is_idle(&self) -> bool {
        self.lines.borrow().is_empty()
    }

    /// `true` when nobody works on the shard's line yet.
    fn enqueue(&self, shard: &Shard, entry: Entry) -> bool {
        let mut lines = self.lines.borrow_mut();
        let idle = !lines.contains_key(shard);
        lines.entry(shard.clone()).or_default().push_back(entry);
        idle
    }
}

type Lines = Rc<RefCell<HashMap<Shard, VecDeque<Entry>>>>;

async fn drain<L: Ledger>(ledger: Rc<L>, lines: Lines, shard: Shard) {
    let line = Line { lines, shard };
    while line.has_some() {
        if !line.is_full() {
            time::sleep(LINGER).await;
        }
        let batch = take_batch(&mut line.lines.borrow_mut(), &line.shard);
        commit_batch(&*ledger, &line.shard, batch).await;
    }
}

/// Somebody works on a shard's line. Should that end in a panic, the line is given up with what waits in it: the next
/// task begins a new one.
struct Line {
    lines: Lines,
    shard: Shard,
}

impl Line {
    fn has_some(&self) -> bool {
        self.lines.borrow().get(&self.shard).is_some_and(|line| !line.is_empty())
    }

    /// Nobody is waited for: there are enough, or nobody else is to come.
    fn is_full(&self) -> bool {
        let is_full =
            |line: &VecDeque<Entry>| line.len() >= MAX_BATCH || line.iter().any(|entry| entry.settling.only);
        self.lines.borrow().get(&self.shard).is_some_and(is_full)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lines.borrow_mut().remove(&self.shard);
    }
}

/// The next tasks of a line, each once.
fn take_batch(lines: &mut HashMap<Shard, VecDeque<Entry>>, shard: &Shard) -> Vec<Entry> {
    let Some(line) = lines.get_mut(shard) else { return Vec::new() };
    let mut batch: Vec<Entry> = Vec::new();
    let mut later = VecDeque::new();
    while let Some(entry) = line.pop_front() {
        let twice = batch.iter().any(|other| other.settling.task == entry.settling.task);
        if twice || batch.len() == MAX_BATCH { later.push_back(entry) } else { batch.push(entry) }
    }
    *line = later;
    batch
}

async fn commit_batch<L: Ledger>(ledger: &L, (job, shard): &Shard, batch: Vec<Entry>) {
    let (settlings, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|e| (e.settling, e.answer)).unzip();
    let result = match patiently(async || ledger.commit(job, *shard, &settlings).await).await {
        // Before anyone deletes a message: the job may be complete now.
        Ok(recorded) => {
            kill::at_each(Point::Committed, recorded.len());
            patiently(async || close(ledger, job, &settlings, &recorded).await).await.map(|()| recorded)
        }
        Err(fault) => Err(fault),
    };
    for (index, answer) in answers.into_iter().enumerate() {
        let recorded = result.as_ref().map(|all| all.get(index).copied().unwrap_or(Recorded::Fenced));
        let _ = answer.send(recorded.map_err(Clone::clone));
    }
}

/// The only task of a job closes it when it is done. A failure may be overtaken by another delivery: its job is closed
/// as it is counted.
async fn close<L: Ledger>(
    ledger: &L,
    job: &JobId,
    settlings: &[Settling],
    recorded: &[Recorded],
) -> Result<(), AwsFault> {
    if let ([settling], [Recorded::Accepted]) = (settlings, recorded)
        && settling.only
        && matches!(settling.ending, Ending::Done { .. })
        && ledger.close_of_one(job).await?
    {
        return Ok(());
    }
    ledger.close(job).await
}

/// Conflicts and throttling pass: the same again, after a jittered pause that doubles.
pub(crate) async fn patiently<T>(mut act: impl AsyncFnMut() -> Result<T, AwsFault>) -> Result<T, AwsFault> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match act().await {
            Err(fault)
                if matches!(fault.kind, AwsKind::Throttled | AwsKind::Failed | AwsKind::Unreachable) =>
            {
                time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    act().await
}
