//! What a task's result means for the ledger, the queues and its message. The order is the promise: what a crash
//! cuts short, the next delivery does again.

use std::{rc::Rc, time::Duration};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    RecordRules,
    commit::{Committer, patiently},
};
use crate::{
    event::{Event, Settlement, WorkResult},
    fail::{AwsFault, AwsKind, Reason, TaskFault, dead_letter, fault_delay, retry_delay, stuck_delay},
    kill::{self, Point},
    message::{Carrier, QueueName, Stored, Task},
    observe::log::{Line, tell},
    poll::{Link, SendFault},
    ports::{Claimed, Ending, Ledger, Outbox, Outgoing, Recorded, Settling},
    sync::mpsc,
};

/// Between two tries to send a message.
const RETRY_SEND: Duration = Duration::from_secs(1);

/// A task that is cancelled while its attempt is given back waits so long for that.
const GIVE_BACK_AT_THE_END: Duration = Duration::from_secs(2);

/// The record thread's means.
pub(crate) struct Settler<L> {
    pub(crate) committer: Committer<L>,
    pub(crate) ledger: Rc<L>,
    pub(crate) link: Link,
    pub(crate) rules: RecordRules,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// How a task was settled, and a fault of ours that was met on the way.
pub(crate) struct Settled {
    pub(crate) settlement: Settlement,
    pub(crate) fault: Option<AwsFault>,
}

fn settling(task: &Task, claimed: Claimed, ending: Ending) -> Settling {
    Settling { task: task.id().clone(), claimed, ending, only: task.only }
}

impl From<Settlement> for Settled {
    fn from(settlement: Settlement) -> Self {
        Self { settlement, fault: None }
    }
}

impl<L: Ledger + 'static> Settler<L> {
    /// Settles a task that left its slot.
    pub(crate) async fn settle(
        &self,
        task: &Task,
        result: WorkResult,
        cancel: &CancellationToken,
    ) -> Settled {
        let line = Line::new(task, &result);
        let settled = match result {
            WorkResult::Stored { claimed, object, service } => {
                self.done(task, claimed, object, service).await
            }
            WorkResult::AlreadyDone => self.done_before(task).await,
            WorkResult::Cancelled { claimed } => {
                self.stopped(task, claimed.as_ref(), true, Duration::ZERO, cancel).await
            }
            WorkResult::Panicked => {
                let fault = TaskFault::retry(Reason::Panicked, "the worker panicked");
                self.faulted(task, None, fault, cancel).await
            }
            WorkResult::Stuck => {
                let fault = TaskFault::Retry {
                    reason: Reason::Stuck,
                    detail: "the worker's thread was stuck".into(),
                    after: Some(stuck_delay(fastrand::f64())),
                };
                self.faulted(task, None, fault, cancel).await
            }
            WorkResult::Faulted { claimed, fault } => self.faulted(task, claimed, fault, cancel).await,
        };
        tell(&line, &settled.settlement);
        settled
    }

    /// Hands a waiting task of a job over, at shutdown.
    pub(crate) async fn hand_over(&self, task: &Task, cancel: &CancellationToken) -> Settled {
        let sent =
            self.send(Outbox::DownloadTasks, dead_letter::hand_over(task, 0, Duration::ZERO), cancel).await;
        kill::at(Point::HandedOver);
        if sent { Settlement::HandedOver.into() } else { Settlement::Fenced.into() }
    }

    async fn done(&self, task: &Task, claimed: Claimed, object: Stored, service: Duration) -> Settled {
        let bytes = if object.adopted { 0 } else { object.bytes };
        let ending = Ending::Done { object, service };
        let stored_at = time::Instant::now();
        match self.committer.commit(&task.job, settling(task, claimed, ending)).await {
            Ok(Recorded::Accepted | Recorded::DoneBefore) => {
                kill::at(Point::DoneRecorded);
                Settlement::Done { bytes, service: service + stored_at.elapsed() }.into()
            }
            Ok(Recorded::Fenced) => Settlement::Fenced.into(),
            // The object stands there: the next delivery adopts it.
            Err(fault) => Settled { settlement: self.leave(task), fault: Some(fault) },
        }
    }

    async fn done_before(&self, task: &Task) -> Settled {
        match patiently(async || self.ledger.close(&task.job).await).await {
            Ok(()) => Settlement::Done { bytes: 0, service: Duration::ZERO }.into(),
            Err(fault) => Settled { settlement: self.leave(task), fault: Some(fault) },
        }
    }

    /// The message comes again after a while. A job's message is kept for that as a whole.
    fn leave(&self, task: &Task) -> Settlement {
        match task.carrier {
            Carrier::Job => Settlement::Fenced,
            Carrier::Message => Settlement::Returned(fault_delay(fastrand::f64())),
        }
    }

    async fn faulted(
        &self,
        task: &Task,
        claimed: Option<Claimed>,
        fault: TaskFault,
        cancel: &CancellationToken,
    ) -> Settled {
        match fault {
            TaskFault::Final { reason, detail } => self.fail(task, claimed, reason, &detail, cancel).await,
            TaskFault::Retry { reason, detail, after } => {
                let attempts = claimed.as_ref().map_or(0, |claimed| claimed.attempts);
                if attempts >= self.rules.max_attempts {
                    let detail = format!("{detail} (attempt {attempts} of {})", self.rules.max_attempts);
                    return self.fail(task, claimed, reason, &detail, cancel).await;
                }
                self.retry(task, attempts, retry_delay(attempts, after, fastrand::f64()), cancel).await
            }
            TaskFault::Ours(fault) => {
                // A claim that was refused is not there; one that was not answered may be.
                let may_stand = matches!(fault.kind, AwsKind::Unreachable | AwsKind::Failed);
                let delay = fault_delay(fastrand::f64());
                self.stopped(task, claimed.as_ref(), may_stand, delay, cancel).await
            }
            TaskFault::Fenced => Settlement::Fenced.into(),
        }
    }

    /// Dead letter sent, then `failed` and its counter, then the message is deleted.
    async fn fail(
        &self,
        task: &Task,
        claimed: Option<Claimed>,
        reason: Reason,
        detail: &str,
        cancel: &CancellationToken,
    ) -> Settled {
        let letter = dead_letter::of_task(task, claimed.as_ref(), reason, detail);
        if !self.send(Outbox::DeadLetters(QueueName::DownloadTasks), letter, cancel).await {
            return Settlement::Fenced.into();
        }
        kill::at(Point::DeadLetterSent);
        // Without a claim the record is not this task's (`idReused`): the dead letter is all there is to say.
        let Some(claimed) = claimed else { return Settlement::Failed.into() };
        let ending = Ending::Failed { reason };
        match self.committer.commit(&task.job, settling(task, claimed, ending)).await {
            Ok(Recorded::Accepted) => {
                kill::at(Point::FailedRecorded);
                Settlement::Failed.into()
            }
            Ok(Recorded::DoneBefore) => Settlement::Done { bytes: 0, service: Duration::ZERO }.into(),
            Ok(Recorded::Fenced) => Settlement::Fenced.into(),
            Err(fault) => Settled { settlement: self.leave(task), fault: Some(fault) },
        }
    }

    /// A task of a job goes on as a message of its own; a message of its own comes again.
    async fn retry(
        &self,
        task: &Task,
        attempts: u32,
        delay: Duration,
        cancel: &CancellationToken,
    ) -> Settled {
        if task.carrier == Carrier::Message {
            return Settlement::Retry(delay).into();
        }
        let sent =
            self.send(Outbox::DownloadTasks, dead_letter::hand_over(task, attempts, delay), cancel).await;
        kill::at(Point::RetrySent);
        if sent { Settlement::Resent(delay).into() } else { Settlement::Fenced.into() }
    }

    /// Stopped by us, or by a fault of ours: the attempt does not count, also when all that is known is that its
    /// claim may stand.
    async fn stopped(
        &self,
        task: &Task,
        claimed: Option<&Claimed>,
        may_stand: bool,
        delay: Duration,
        cancel: &CancellationToken,
    ) -> Settled {
        let attempts = claimed.map_or(0, |claimed| claimed.attempts.saturating_sub(1));
        if claimed.is_some() || may_stand {
            let too_late = async {
                cancel.cancelled().await;
                time::sleep(GIVE_BACK_AT_THE_END).await;
            };
            tokio::select! {
                biased;
                () = self.give_back(task) => {}
                () = too_late => {}
            }
        }
        if task.carrier == Carrier::Message {
            return Settlement::Returned(delay).into();
        }
        let sent =
            self.send(Outbox::DownloadTasks, dead_letter::hand_over(task, attempts, delay), cancel).await;
        if sent { Settlement::Resent(delay).into() } else { Settlement::Fenced.into() }
    }

    /// Takes back an attempt that was not the task's fault. It is named by its claim's token, so that asking again
    /// takes back no second one.
    pub(crate) async fn give_back(&self, task: &Task) {
        let token = task.claim_token(&self.rules.instance);
        let given = patiently(async || self.ledger.give_back(&task.job, task.id(), &token).await).await;
        if let Err(fault) = given {
            tracing::warn!(job = %task.job, task = %task.id(), %fault, "an attempt was not given back: it counts");
        }
    }

    /// Sends until SQS has it. `false`: SQS will never take it, or the lease was lost meanwhile.
    async fn send(&self, to: Outbox, message: Outgoing, cancel: &CancellationToken) -> bool {
        loop {
            match self.link.send(to, message.clone()).await {
                Ok(()) => return true,
                Err(SendFault::Refused(why)) => {
                    tracing::error!(
                        ?to,
                        why,
                        "SQS refuses a message for good: its task stays on its own message"
                    );
                    return false;
                }
                Err(SendFault::Aws(fault)) => {
                    tracing::warn!(?to, %fault, "a message is not sent yet");
                    let _ = self.events.send(Event::Failing(fault));
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return false,
                () = time::sleep(RETRY_SEND) => {}
            }
        }
    }
}
