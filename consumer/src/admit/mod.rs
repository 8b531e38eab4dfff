//! The admit thread: a message becomes tasks. It parses and checks, claims the job in the ledger, and hands over
//! what does not stay here.

mod hand_over;
mod list;
mod listing;
pub mod page;
pub mod parse;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    panic::AssertUnwindSafe,
    rc::Rc,
};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{
    event::Event,
    fail::{Reason, dead_letter, retry_delay},
    kill::{self, Point},
    message::{Carrier, LeaseId, QueueName, Received, Task, TaskNo},
    poll::{Link, SendFault},
    ports::{Ledger, Outbox, Outgoing, Source},
    sync::{JoinSet, mpsc},
    work::fetch::credentials::Credentials,
};
use listing::Listing;
use parse::{Job, Parsed, Refusal};

/// A message to admit.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) lease: LeaseId,
    pub(crate) queue: QueueName,
    pub(crate) message: Received,
    pub(crate) local: usize,
}

/// Something for the admit thread to do.
#[derive(Debug)]
pub(crate) enum AdmitCommand {
    Admit(Admission),
    /// Leave off listing this message's pages soon.
    Yield(LeaseId),
}

/// The admit thread's means.
pub(crate) struct Admitter<L, F> {
    pub(crate) ledger: L,
    /// For pages of Export APIs.
    pub(crate) source: F,
    pub(crate) credentials: Credentials,
    pub(crate) link: Link,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    /// Failures of a listing in a row before it is given up.
    pub(crate) max_attempts: u32,
    /// How those that list are told to leave off.
    pub(crate) yields: RefCell<HashMap<LeaseId, CancellationToken>>,
    /// The next task's name.
    pub(crate) next: Cell<u64>,
}

impl<L: Ledger + 'static, F: Source + 'static> Admitter<L, F> {
    /// Admits messages until the line is closed, several at a time.
    pub(crate) async fn run(self, mut commands: mpsc::UnboundedReceiver<AdmitCommand>) {
        let admitter = Rc::new(self);
        let mut under_way = JoinSet::new();
        while let Some(command) = commands.recv().await {
            match command {
                AdmitCommand::Admit(admission) => {
                    let admitter = Rc::clone(&admitter);
                    under_way.spawn_local(async move { admitter.admit_or_tell(admission).await });
                }
                AdmitCommand::Yield(lease) => {
                    admitter.yields.borrow().get(&lease).map(CancellationToken::cancel);
                }
            }
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    /// A panic is this message's alone: it comes again.
    async fn admit_or_tell(&self, admission: Admission) {
        let (lease, queue, receive_count) =
            (admission.lease, admission.queue, admission.message.receive_count);
        if AssertUnwindSafe(self.admit(admission)).catch_unwind().await.is_err() {
            tracing::error!(
                queue = queue.as_str(),
                receive_count,
                "reading a message panicked: it comes again"
            );
            self.yields.borrow_mut().remove(&lease);
            self.tell(Event::AdmitPanicked { lease, receive_count });
        }
    }

    async fn admit(&self, admission: Admission) {
        let Admission { lease, queue, message, local } = admission;
        let receive_count = message.receive_count;
        let outcome = match parse::parse(queue, &message.body) {
            Ok(Parsed::Job(job)) => self.admit_job(lease, &message, &job, local).await,
            Ok(Parsed::Task(task)) => {
                self.tell(Event::Admitted {
                    lease,
                    tasks: vec![self.task(lease, Carrier::Message, &message, task)],
                    listed: 0,
                    complete: true,
                });
                Ok(())
            }
            Err(refusal) => self.refuse(lease, queue, &message, &refusal).await,
        };
        match outcome {
            Ok(()) => {}
            Err(SendFault::Aws(fault)) => {
                tracing::warn!(queue = queue.as_str(), %fault, "a message is not admitted: it comes again");
                self.tell(Event::AdmitFailed { lease, fault });
            }
            Err(SendFault::Refused(why)) => self.dead_letter_refused(lease, queue, receive_count, &why),
        }
    }

    /// Not even a dead letter can be sent. The message comes again ever later, and its queue's `maxReceiveCount` ends
    /// that.
    fn dead_letter_refused(&self, lease: LeaseId, queue: QueueName, receive_count: u32, why: &str) {
        let delay = retry_delay(receive_count, None, fastrand::f64());
        tracing::error!(
            queue = queue.as_str(),
            why,
            again_in_millis = delay.as_millis(),
            "SQS refuses a dead letter for good: its message comes again"
        );
        self.tell(Event::AdmitLater { came_through: false, lease, delay });
    }

    async fn admit_job(
        &self,
        lease: LeaseId,
        message: &Received,
        job: &Job,
        local: usize,
    ) -> Result<(), SendFault> {
        let yielding = CancellationToken::new();
        self.yields.borrow_mut().insert(lease, yielding.clone());
        let outcome = self.list(&Listing { lease, message, job, local, yielding }).await;
        self.yields.borrow_mut().remove(&lease);
        outcome
    }

    fn tell(&self, event: Event) {
        // Main ends only after the admit thread.
        let _ = self.events.send(event);
    }

    fn task(
        &self,
        lease: LeaseId,
        carrier: Carrier,
        from: &Received,
        message: exportpool_contract::TaskMessage,
    ) -> Task {
        let no = TaskNo(self.next.get());
        self.next.set(no.0 + 1);
        Task {
            no,
            lease,
            carrier,
            group: from.group.clone().unwrap_or_else(|| message.job_id.to_string()),
            job: message.job_id,
            spec: message.task,
            destination: message.destination,
            traceparent: from.traceparent().map(str::to_owned),
            enqueued_at: message.enqueued_at.or_else(|| from.enqueued_at()),
            reopens: from
                .attribute(exportpool_contract::attribute::EPOCH)
                .and_then(|epoch| epoch.parse().ok()),
            page: message.page,
            only: false,
        }
    }

    /// Puts a message that cannot be worked on into its dead-letter queue.
    async fn refuse(
        &self,
        lease: LeaseId,
        queue: QueueName,
        message: &Received,
        refusal: &Refusal,
    ) -> Result<(), SendFault> {
        self.send_dead_letter(queue, message, refusal).await?;
        kill::at(Point::MessageRefused);
        self.tell(Event::Refused { lease });
        Ok(())
    }

    async fn send_dead_letter(
        &self,
        queue: QueueName,
        message: &Received,
        refusal: &Refusal,
    ) -> Result<(), SendFault> {
        let Refusal { reason, detail } = refusal;
        tracing::warn!(queue = queue.as_str(), reason = reason.as_str(), detail, "message refused");
        let letter = dead_letter::of_message(message, *reason, detail);
        self.send(Outbox::DeadLetters(queue), letter).await
    }

    async fn send(&self, to: Outbox, message: Outgoing) -> Result<(), SendFault> {
        self.link.send(to, message).await
    }
}

impl Refusal {
    fn id_reused(job: &exportpool_contract::JobId) -> Self {
        Self {
            reason: Reason::IdReused,
            detail: format!("the job {job:?} stands there with another definition"),
        }
    }
}
