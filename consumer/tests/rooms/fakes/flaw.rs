//! What is made to go wrong, by operation.

use std::collections::{BTreeMap, VecDeque};

use exportpool_consumer::{
    fail::{AwsFault, AwsKind, AwsResource},
    ports::Entry,
};

use tokio::time;

use super::{World, fault, source::LOOK_AGAIN};

/// An operation of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    LookQueues,
    /// The dead-letter queues, a part of a look at the queues.
    LookDeadLetters,
    Receive,
    /// Of messages of `download-tasks`.
    ChangeVisibility,
    /// Of messages of `export-jobs`.
    ChangeJobVisibility,
    Delete,
    SendTask,
    SendDeadLetter,
    /// Of the rest of a job.
    SendJob,
    LookBucket,
    Head,
    Put,
    CreateUpload,
    PutPart,
    CompleteUpload,
    AbortUpload,
    ListUploads,
    LookTable,
    OpenJob,
    Advance,
    ListingFailed,
    Settled,
    Claim,
    NoteUpload,
    GiveBack,
    Shard,
    Commit,
    Close,
}

/// How a call goes wrong.
#[derive(Debug, Clone)]
pub enum Flaw {
    /// As it should.
    None,
    /// Nothing happens, and the answer says so.
    Before(AwsKind),
    /// It happens, and the answer is an error all the same.
    After(AwsKind),
    /// It happens, and no answer ever comes. Of [`Op::CreateUpload`].
    NoAnswer,
    /// One entry of a batch is not acted on, and answers this.
    Entry(usize, Entry),
    /// 409.
    Conflict,
    /// More messages in flight than SQS allows.
    OverLimit,
    /// The call panics, before anything happens.
    Panic,
    /// It happens once [`World::let_go`] is called.
    Wait,
}

#[derive(Default)]
pub struct Flaws {
    next: BTreeMap<Op, VecDeque<Flaw>>,
    always: BTreeMap<Op, Flaw>,
    calls: BTreeMap<Op, usize>,
    go: bool,
}

impl Flaws {
    pub fn next(&mut self, op: Op, flaws: impl IntoIterator<Item = Flaw>) {
        self.next.entry(op).or_default().extend(flaws);
    }

    pub fn always(&mut self, op: Op, flaw: Flaw) {
        self.always.insert(op, flaw);
    }

    pub fn mend(&mut self, op: Op) {
        self.always.remove(&op);
        self.next.remove(&op);
    }

    pub fn calls(&self, op: Op) -> usize {
        self.calls.get(&op).copied().unwrap_or_default()
    }

    /// Something is still to go wrong, that was to do so next.
    fn is_waiting(&self, op: Op) -> bool {
        self.next.get(&op).is_some_and(|flaws| !flaws.is_empty())
    }

    fn take(&mut self, op: Op) -> Flaw {
        *self.calls.entry(op).or_default() += 1;
        let next = self.next.get_mut(&op).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(&op).cloned()).unwrap_or(Flaw::None)
    }
}

/// A call that came through so far: it is acted on, and answered with the flaw that is left.
pub struct Call {
    pub flaw: Flaw,
    resource: AwsResource,
}

impl World {
    /// Calls that wait go on.
    pub fn let_go(&self) {
        self.lock().flaws.go = true;
    }

    /// A flaw of [`World::fail_next`] has not been met yet.
    pub fn has_flaw(&self, op: Op) -> bool {
        self.lock().flaws.is_waiting(op)
    }

    async fn wait_to_go(&self) {
        while !self.lock().flaws.go {
            time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A call comes in.
    pub async fn call(&self, op: Op, resource: AwsResource) -> Result<Call, AwsFault> {
        // As over a network: others get their turn.
        tokio::task::yield_now().await;
        let flaw = self.lock().flaws.take(op);
        match flaw {
            Flaw::Before(kind) => Err(fault(kind, resource)),
            Flaw::Panic => panic!("a call panics on purpose"),
            Flaw::OverLimit => {
                let over = "OverLimit: too many messages in flight";
                Err(AwsFault { detail: over.into(), ..fault(AwsKind::Throttled, resource) })
            }
            Flaw::Wait => {
                self.wait_to_go().await;
                Ok(Call { flaw: Flaw::None, resource })
            }
            flaw => Ok(Call { flaw, resource }),
        }
    }
}

impl Call {
    /// The answer to what was acted on.
    pub fn answer<T, E: From<AwsFault>>(&self, answer: T) -> Result<T, E> {
        match self.flaw {
            Flaw::After(kind) => Err(fault(kind, self.resource.clone()).into()),
            _ => Ok(answer),
        }
    }

    /// What an entry of a batch answers instead of being acted on.
    pub fn entry(&self, at: usize) -> Option<Entry> {
        match &self.flaw {
            Flaw::Entry(index, entry) if *index == at => Some(entry.clone()),
            _ => None,
        }
    }
}
