//! SQS in memory: visibility timeouts, receive counts, receipts that go stale, deliveries in twos.

use std::{collections::BTreeMap, time::Duration};

use exportpool_consumer::{
    clock::unix_millis,
    fail::{AwsFault, AwsKind, AwsResource},
    message::{Attributes, QueueName, Receipt, Received},
    ports::{Entry, Outbox, Outgoing, Queue, QueueFacts},
};
use tokio::time::{self, Instant};

use super::{
    World, fault,
    flaw::{Call, Flaw, Op},
    journal::Did,
    source::LOOK_AGAIN,
};

/// What a delay is cut to. The journal has what was asked for.
pub const LONGEST_DELAY: Duration = Duration::from_millis(5);
/// What the wait of an empty poll is cut to.
const LONGEST_POLL: Duration = Duration::from_millis(60);
/// Unless a test says otherwise, visibility is [`crate::pod::settings`]'.
pub const VISIBILITY: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Letter {
    pub id: u64,
    pub body: String,
    pub attributes: Attributes,
    pub group: Option<String>,
    pub receives: u32,
    sent_at: u64,
    visible_at: Instant,
    /// Receipts that may still change it.
    receipts: Vec<u64>,
    /// Deliveries that SQS will make of it at once.
    copies: u32,
    holders: Vec<u32>,
}

pub struct Queues {
    letters: BTreeMap<Outbox, Vec<Letter>>,
    next: u64,
    pub visibility: Duration,
    /// Receives under way.
    pub polls: usize,
    /// Deletes with a stale receipt answer well and delete nothing, as a standard queue may; else they are refused.
    pub stale_deletes_pass: bool,
}

impl Default for Queues {
    fn default() -> Self {
        Self { letters: BTreeMap::new(), next: 0, visibility: VISIBILITY, polls: 0, stale_deletes_pass: true }
    }
}

impl Queues {
    pub fn main(&mut self, queue: QueueName) -> &mut Vec<Letter> {
        match queue {
            QueueName::ExportJobs => self.line(Outbox::ExportJobs),
            QueueName::DownloadTasks => self.line(Outbox::DownloadTasks),
        }
    }

    pub fn line(&mut self, of: Outbox) -> &mut Vec<Letter> {
        self.letters.entry(of).or_default()
    }

    fn letter(
        &mut self,
        body: String,
        attributes: Attributes,
        group: Option<String>,
        delay: Duration,
    ) -> Letter {
        self.next += 1;
        Letter {
            id: self.next,
            body,
            attributes,
            group,
            receives: 0,
            sent_at: unix_millis(),
            visible_at: Instant::now() + delay.min(LONGEST_DELAY),
            receipts: Vec::new(),
            copies: 1,
            holders: Vec::new(),
        }
    }

    fn take(&mut self, queue: QueueName, max: u32, pod: u32) -> Vec<(u64, Received)> {
        let (now, visibility, mut receipt) = (Instant::now(), self.visibility, self.next);
        let mut taken = Vec::new();
        for letter in self.main(queue).iter_mut() {
            if taken.len() < max as usize && letter.visible_at <= now && !letter.is_twin_of(pod) {
                receipt += 1;
                taken.push((letter.id, letter.give(receipt, pod, now + visibility)));
            }
        }
        self.next = receipt;
        taken
    }

    /// The message of a receipt, if the receipt may still change it.
    fn held(&mut self, queue: QueueName, receipt: &Receipt) -> Option<&mut Letter> {
        let receipt = receipt.0.parse::<u64>().unwrap();
        self.main(queue).iter_mut().find(|letter| letter.receipts.contains(&receipt))
    }
}

impl Letter {
    /// A message that comes in twos goes to two pods.
    fn is_twin_of(&self, pod: u32) -> bool {
        !self.holders.is_empty() && self.copies > 0 && self.holders.contains(&pod)
    }

    fn give(&mut self, receipt: u64, pod: u32, until: Instant) -> Received {
        self.receives += 1;
        if self.holders.is_empty() {
            self.receipts.clear();
        }
        self.receipts.push(receipt);
        self.holders.push(pod);
        self.copies -= 1;
        if self.copies == 0 {
            (self.copies, self.visible_at) = (1, until);
            self.holders.clear();
        }
        Received {
            receipt: Receipt(receipt.to_string().into()),
            body: self.body.clone(),
            receive_count: self.receives,
            sent_at: Some(self.sent_at),
            received_at: Some(unix_millis()),
            group: self.group.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

impl World {
    /// Puts a message on a queue; answers its id.
    pub fn put(&self, queue: QueueName, body: impl Into<String>) -> u64 {
        self.put_copies(queue, body, 1)
    }

    /// Puts a message on a queue that is delivered to so many pods at once.
    pub fn put_copies(&self, queue: QueueName, body: impl Into<String>, copies: u32) -> u64 {
        let queues = &mut self.lock().queues;
        let letter = queues.letter(body.into(), Attributes::new(), None, Duration::ZERO);
        let id = letter.id;
        queues.main(queue).push(Letter { copies, ..letter });
        id
    }

    /// Puts a message before all others.
    pub fn put_first(&self, queue: QueueName, body: impl Into<String>) {
        self.put(queue, body);
        self.lock().queues.main(queue).rotate_right(1);
    }

    /// Makes a message visible again, as if its visibility timeout had passed.
    pub fn expire(&self, queue: QueueName, message: u64) {
        for letter in self.lock().queues.main(queue).iter_mut().filter(|letter| letter.id == message) {
            letter.visible_at = Instant::now();
        }
    }

    pub fn dead_letters(&self, of: QueueName) -> Vec<Letter> {
        self.lock().queues.line(Outbox::DeadLetters(of)).clone()
    }

    /// Moves all dead letters of a queue back to it, as they are.
    pub fn redrive(&self, of: QueueName) {
        let queues = &mut self.lock().queues;
        for letter in std::mem::take(queues.line(Outbox::DeadLetters(of))) {
            let back = queues.letter(letter.body, letter.attributes, letter.group, Duration::ZERO);
            queues.main(of).push(back);
        }
    }

    fn entries<T>(
        &self,
        call: &Call,
        items: &[T],
        mut act: impl FnMut(&mut Queues, &T) -> (Entry, Option<Did>),
    ) -> Vec<Entry> {
        let mut world = self.lock();
        if items.is_empty() || items.len() > 10 {
            world.broken.push(format!("a batch of {} entries", items.len()));
        }
        let mut entries = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let (entry, did) =
                call.entry(at).map_or_else(|| act(&mut world.queues, item), |entry| (entry, None));
            entries.push(entry);
            world.journal.extend(did);
        }
        entries
    }
}

pub struct FakeQueue {
    pub world: World,
    pub pod: u32,
}

/// Counts a poll that is under way, also when it is dropped.
struct Poll(World);

impl Poll {
    fn begin(world: &World) -> Self {
        world.lock().queues.polls += 1;
        Self(world.clone())
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.0.lock().queues.polls -= 1;
    }
}

impl FakeQueue {
    fn take(&self, queue: QueueName, max: u32) -> Vec<Received> {
        let mut world = self.world.lock();
        let taken = world.queues.take(queue, max, self.pod);
        let did = taken.iter().map(|(message, _)| Did::Received { queue, message: *message, pod: self.pod });
        world.journal.extend(did);
        taken.into_iter().map(|(_, received)| received).collect()
    }
}

impl Queue for FakeQueue {
    async fn look(&self, queue: QueueName) -> Result<QueueFacts, AwsFault> {
        let call = self.world.call(Op::LookQueues, AwsResource::queue(queue)).await?;
        let letters = AwsResource::outbox(Outbox::DeadLetters(queue));
        let call: Call = call.answer(self.world.call(Op::LookDeadLetters, letters).await?)?;
        call.answer(QueueFacts { max_receive_count: Some(100) })
    }

    async fn receive(&self, queue: QueueName, max: u32, wait: Duration) -> Result<Vec<Received>, AwsFault> {
        let _poll = Poll::begin(&self.world);
        if !(1..=10).contains(&max) || wait > Duration::from_secs(20) {
            self.world.lock().broken.push(format!("a receive of {max} that waits {wait:?}"));
        }
        let call = self.world.call(Op::Receive, AwsResource::queue(queue)).await?;
        let until = Instant::now() + wait.min(LONGEST_POLL);
        loop {
            let taken = self.take(queue, max);
            if !taken.is_empty() || Instant::now() >= until {
                return call.answer(taken);
            }
            time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn change_visibility(
        &self,
        queue: QueueName,
        changes: &[(Receipt, Duration)],
    ) -> Result<Vec<Entry>, AwsFault> {
        let op = match queue {
            QueueName::ExportJobs => Op::ChangeJobVisibility,
            QueueName::DownloadTasks => Op::ChangeVisibility,
        };
        let call = self.world.call(op, AwsResource::queue(queue)).await?;
        let entries = self.world.entries(&call, changes, |queues, (receipt, delay)| {
            let (now, extends) = (Instant::now(), *delay == queues.visibility);
            let Some(letter) = queues.held(queue, receipt).filter(|l| l.visible_at > now) else {
                return (Entry::Gone, None);
            };
            // An extension is told from a return by its length.
            letter.visible_at = now + if extends { *delay } else { (*delay).min(LONGEST_DELAY) };
            let (message, delay) = (letter.id, *delay);
            let returned = Did::Returned { queue, message, delay };
            (Entry::Accepted, Some(if extends { Did::Extended { queue, message } } else { returned }))
        });
        call.answer(entries)
    }

    async fn delete(&self, queue: QueueName, receipts: &[Receipt]) -> Result<Vec<Entry>, AwsFault> {
        let call = self.world.call(Op::Delete, AwsResource::queue(queue)).await?;
        let entries = self.world.entries(&call, receipts, |queues, receipt| {
            let Some(message) = queues.held(queue, receipt).map(|letter| letter.id) else {
                let stale = if queues.stale_deletes_pass { Entry::Accepted } else { Entry::Gone };
                return (stale, None);
            };
            queues.main(queue).retain(|letter| letter.id != message);
            (Entry::Accepted, Some(Did::Deleted { queue, message }))
        });
        call.answer(entries)
    }

    async fn send(&self, to: Outbox, messages: &[Outgoing]) -> Result<Vec<Entry>, AwsFault> {
        let op = match to {
            Outbox::ExportJobs => Op::SendJob,
            Outbox::DownloadTasks => Op::SendTask,
            Outbox::DeadLetters(_) => Op::SendDeadLetter,
        };
        let call = self.world.call(op, AwsResource::outbox(to)).await?;
        if messages.iter().map(Outgoing::bytes).sum::<usize>() > MIB {
            self.world.lock().broken.push("a request of more than 1 MiB".into());
            return Err(fault(AwsKind::Rejected, AwsResource::outbox(to)));
        }
        let entries = self.world.entries(&call, messages, |queues, message| {
            let Outgoing { body, attributes, group, delay } = message.clone();
            let letter = queues.letter(body.clone(), attributes.clone(), group.clone(), delay);
            queues.line(to).push(letter);
            (Entry::Accepted, Some(Did::Sent { to, body, attributes, group, delay }))
        });
        call.answer(entries)
    }
}

/// A throttled entry.
pub fn throttled() -> Entry {
    Entry::Failed("injected: ThrottlingException".into())
}

/// An entry that is no longer ours.
pub const fn gone(at: usize) -> Flaw {
    Flaw::Entry(at, Entry::Gone)
}
