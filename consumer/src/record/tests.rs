//! The committer, by any order of answers. It runs on one thread, so what can interleave is which call the table
//! answers next, and how: here a table answers when it is told to, as it is told to, and acts at that moment.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use exportpool_contract::{JobId, ObjectKey, TaskId};
use proptest::prelude::*;
use tokio::{sync::oneshot, task::LocalSet};

use super::commit::Committer;
use crate::{
    fail::{AwsFault, AwsKind, AwsResource},
    message::Stored,
    ports::{Claim, ClaimAsk, Claimed, Cursor, Ending, JobClaim, JobOpening, Ledger, Recorded, Settling},
};

/// How the table answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Well,
    /// Nothing happened.
    Throttled,
    /// It happened.
    Lost,
    /// Nothing happened, and nothing will.
    Denied,
}

/// A call that waits for its answer.
pub(super) struct Open {
    commit: Option<(u16, Vec<TaskId>)>,
    pub(super) go: oneshot::Sender<Way>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) open: Vec<Open>,
    pub(super) done: BTreeMap<TaskId, u32>,
    pub(super) counted: usize,
    /// Tasks counted when the job was last looked at to be closed.
    seen_at_close: usize,
    /// Whether each look was one without counters.
    closed_of_one: Vec<bool>,
    pub(super) broken: Vec<String>,
}

#[derive(Clone, Default)]
pub(super) struct Gated(pub(super) Rc<RefCell<Table>>);

impl Gated {
    /// Waits until it is this call's turn.
    async fn turn(&self, commit: Option<(u16, Vec<TaskId>)>) -> Way {
        let (go, told) = oneshot::channel();
        self.0.borrow_mut().open.push(Open { commit, go });
        told.await.unwrap()
    }
}

fn fault(kind: AwsKind) -> AwsFault {
    AwsFault { kind, resource: AwsResource::Table("exports".into()), detail: "injected".into() }
}

fn answer<T>(way: Way, act: impl FnOnce() -> T) -> Result<T, AwsFault> {
    match way {
        Way::Well => Ok(act()),
        Way::Throttled => Err(fault(AwsKind::Throttled)),
        Way::Denied => Err(fault(AwsKind::Denied)),
        Way::Lost => {
            act();
            Err(fault(AwsKind::Unreachable))
        }
    }
}

/// Two shards: tasks are in one by the last figure of their names.
pub(super) fn shard_of(task: &TaskId) -> u16 {
    u16::from(task.as_str().ends_with(['1', '3', '5', '7', '9']))
}

impl Ledger for Gated {
    async fn look(&self) -> Result<(), AwsFault> {
        Ok(())
    }

    async fn open_job(&self, _: &JobOpening) -> Result<Option<JobClaim>, AwsFault> {
        Ok(None)
    }

    async fn advance(&self, _: &JobId, _: u64, _: Cursor, _: bool) -> Result<bool, AwsFault> {
        Ok(false)
    }

    async fn listing_failed(&self, _: &JobId) -> Result<u32, AwsFault> {
        Ok(0)
    }

    async fn settled(&self, _: &JobId, _: &[TaskId]) -> Result<Vec<bool>, AwsFault> {
        Ok(Vec::new())
    }

    async fn claim(&self, _: &ClaimAsk<'_>) -> Result<Claim, AwsFault> {
        Ok(Claim::AlreadyDone)
    }

    async fn note_upload(&self, _: &JobId, _: &TaskId, _: u64, _: &str) -> Result<bool, AwsFault> {
        Ok(false)
    }

    async fn give_back(&self, _: &JobId, _: &TaskId, _: &str) -> Result<(), AwsFault> {
        Ok(())
    }

    async fn shard(&self, _: &JobId, task: &TaskId) -> Result<u16, AwsFault> {
        let way = self.turn(None).await;
        answer(way, || shard_of(task))
    }

    async fn commit(&self, _: &JobId, shard: u16, batch: &[Settling]) -> Result<Vec<Recorded>, AwsFault> {
        let tasks: Vec<_> = batch.iter().map(|settling| settling.task.clone()).collect();
        let way = self.turn(Some((shard, tasks.clone()))).await;
        answer(way, || {
            let mut table = self.0.borrow_mut();
            tasks.into_iter().map(|task| table.record(task)).collect()
        })
    }

    async fn close(&self, _: &JobId) -> Result<(), AwsFault> {
        let way = self.turn(None).await;
        answer(way, || {
            let mut table = self.0.borrow_mut();
            table.seen_at_close = table.counted;
            table.closed_of_one.push(false);
        })
    }

    async fn close_of_one(&self, _: &JobId) -> Result<bool, AwsFault> {
        let way = self.turn(None).await;
        answer(way, || {
            let mut table = self.0.borrow_mut();
            table.seen_at_close = table.counted;
            table.closed_of_one.push(true);
            true
        })
    }
}

impl Table {
    fn record(&mut self, task: TaskId) -> Recorded {
        let moves = self.done.entry(task).or_default();
        if *moves > 0 {
            return Recorded::DoneBefore;
        }
        *moves += 1;
        self.counted += 1;
        Recorded::Accepted
    }

    /// One transaction a shard at a time, of up to 25 different tasks of it.
    pub(super) fn look(&mut self) {
        let commits: Vec<_> = self.open.iter().filter_map(|open| open.commit.clone()).collect();
        let shards: BTreeSet<_> = commits.iter().map(|(shard, _)| shard).collect();
        if shards.len() < commits.len() {
            self.broken.push("two transactions of a shard at a time".into());
        }
        for (shard, tasks) in &commits {
            let different: BTreeSet<_> = tasks.iter().collect();
            let right = tasks.iter().all(|task| shard_of(task) == *shard);
            if !right || different.len() < tasks.len() || tasks.len() > 25 {
                self.broken.push(format!("a transaction of {tasks:?} in shard {shard}"));
            }
        }
    }
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        6 => Just(Way::Well),
        2 => Just(Way::Throttled),
        2 => Just(Way::Lost),
        1 => Just(Way::Denied),
    ]
}

/// What happens next: a task comes to be committed, or a call is answered.
#[derive(Debug, Clone)]
enum Step {
    Commit { task: u8 },
    Answer { call: u8, way: Way },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..60).prop_map(|task| Step::Commit { task }),
        (any::<u8>(), way()).prop_map(|(call, way)| Step::Answer { call, way }),
    ]
}

pub(super) fn settling(task: u8) -> Settling {
    let key = ObjectKey::new("k").unwrap();
    let object = Stored { key, bytes: 1, crc64nvme: None, etag: None, adopted: false };
    Settling {
        task: TaskId::new(format!("t{task}")).unwrap(),
        claimed: Claimed { epoch: 1, attempts: 1, was_failed: false, open_upload: None },
        ending: Ending::Done { object, service: Duration::ZERO },
        only: task.is_multiple_of(7),
    }
}

/// What everybody who committed was told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) accepted: usize,
    pub(super) before: usize,
    pub(super) failed: usize,
    /// Somebody was told that it is recorded before the job was looked at.
    pub(super) early: bool,
}

async fn play(steps: Vec<Step>) -> (Gated, Told, usize) {
    let gated = Gated::default();
    let committer = Rc::new(Committer::new(Rc::new(gated.clone())));
    let told: Rc<RefCell<Told>> = Rc::default();
    let mut asked = 0;
    // In the end whatever is open is answered well.
    let rest = std::iter::repeat_n(Step::Answer { call: 0, way: Way::Well }, 700);
    for step in steps.into_iter().chain(rest) {
        match step {
            Step::Commit { task } => {
                asked += 1;
                let (committer, told, gated) = (Rc::clone(&committer), Rc::clone(&told), gated.clone());
                tokio::task::spawn_local(async move {
                    let job = JobId::new("j").unwrap();
                    let answer = committer.commit(&job, settling(task)).await;
                    told.borrow_mut().hear(answer.as_ref().ok(), task, &gated);
                });
            }
            Step::Answer { call, way } => {
                let mut table = gated.0.borrow_mut();
                if !table.open.is_empty() {
                    let at = usize::from(call) % table.open.len();
                    let _ = table.open.remove(at).go.send(way);
                }
            }
        }
        // Time is paused: it passes when nothing else can happen, so that pauses between tries end.
        tokio::time::sleep(Duration::from_secs(10)).await;
        gated.0.borrow_mut().look();
    }
    let told = told.take();
    (gated, told, asked)
}

impl Told {
    pub(super) fn hear(&mut self, answer: Option<&Recorded>, task: u8, gated: &Gated) {
        let table = gated.0.borrow();
        let recorded = table.done.contains_key(&settling(task).task);
        match answer {
            Some(told) => {
                self.early |= !recorded || table.seen_at_close == 0;
                self.accepted += usize::from(*told == Recorded::Accepted);
                self.before += usize::from(*told != Recorded::Accepted);
            }
            None => self.failed += 1,
        }
    }
}

#[test]
fn the_only_task_of_a_job_closes_it_if_it_ended_it() {
    let answer = Step::Answer { call: 0, way: Way::Well };
    let once = || std::iter::once(Step::Commit { task: 7 }).chain(std::iter::repeat_n(answer.clone(), 3));
    let (gated, told, _) = on_paused_time(play(once().chain(once()).collect()));
    assert_eq!((told.accepted, told.before), (1, 1));
    assert_eq!(
        gated.0.borrow().closed_of_one,
        [true, false],
        "what was recorded before may have ended otherwise"
    );
}

fn on_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, work)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn in_any_order_of_answers_each_task_is_counted_once_and_everybody_is_told(
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let (gated, told, asked) = on_paused_time(play(steps));
        let table = gated.0.borrow();
        prop_assert!(table.broken.is_empty(), "{:?}", table.broken);
        prop_assert!(table.done.values().all(|moves| *moves == 1) && table.counted == table.done.len());
        prop_assert_eq!(told.accepted + told.before + told.failed, asked, "somebody is told nothing");
        prop_assert!(told.accepted <= table.counted, "more were told that they recorded than did");
        prop_assert!(!told.early, "told before it was recorded and the job looked at");
    }
}
