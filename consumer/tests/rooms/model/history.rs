//! Histories: deliveries, claims, losses, crashes, give-backs, duplicates and commits in any order, some at the same
//! time. A step that nobody could take then (there is no such claim yet) is passed over.

use exportpool_consumer::{
    fail::Reason,
    message::Stored,
    ports::{Claim, Claimed, Cursor, Ending, JobOpening, Ledger, Settling},
};
use exportpool_contract::{JobId, ObjectKey, TaskId, record::shard_of};
use futures_util::future::join_all;
use proptest::prelude::*;

use super::{
    calls::{Answer, Call},
    rules::{Model, View},
};

/// Tasks of each job. Job 0 lists them, job 1 has them page by page, so that it has many shards; job 2 is never
/// opened: its tasks came alone.
const TASKS: u8 = 2;
const PAGES: u8 = 1;

/// What somebody does. Numbers pick among what is known then.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A job's message is delivered.
    Deliver {
        job: u8,
        local: u8,
        other_definition: bool,
    },
    /// A delivery of a job hands over, perhaps to the end of its list.
    Advance {
        delivery: u8,
        to: u8,
        end: bool,
    },
    ListingFails {
        job: u8,
    },
    LookSettled {
        job: u8,
    },
    /// A task is started.
    Claim {
        job: u8,
        task: u8,
        other_definition: bool,
    },
    /// The dead letter of a start that failed is put back, and started. Alone: one that is put back at the very moment
    /// in which its failure is recorded may count as an ordinary delivery.
    Redrive {
        start: u8,
    },
    NoteUpload {
        start: u8,
    },
    GiveBack {
        start: u8,
    },
    /// Starts of one shard are settled together, each done or failed.
    Commit {
        starts: Vec<(u8, bool)>,
    },
    Close {
        job: u8,
    },
}

/// A deed, and whether its answer is lost on the way: whoever did it knows nothing of it, as after a crash.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) deed: Deed,
    pub(crate) lost: bool,
    /// It is done a second time, unless others act at the same time: its first answer was late.
    pub(crate) again: bool,
}

fn deed() -> impl Strategy<Value = Deed> {
    let n = any::<u8>;
    let odd = || prop::bool::weighted(0.05);
    let commit = || proptest::collection::vec((n(), prop::bool::weighted(0.7)), 1..5);
    prop_oneof![
        1 => (0_u8..2, 0..=TASKS, odd()).prop_map(|(job, local, other_definition)| Deed::Deliver { job, local, other_definition }),
        3 => (n(), 0..=TASKS, any::<bool>()).prop_map(|(delivery, to, end)| Deed::Advance { delivery, to, end }),
        1 => (0_u8..2).prop_map(|job| Deed::ListingFails { job }),
        1 => (0_u8..2).prop_map(|job| Deed::LookSettled { job }),
        6 => (0_u8..3, 0..TASKS, odd()).prop_map(|(job, task, other_definition)| Deed::Claim { job, task, other_definition }),
        1 => n().prop_map(|start| Deed::Redrive { start }),
        1 => n().prop_map(|start| Deed::NoteUpload { start }),
        1 => n().prop_map(|start| Deed::GiveBack { start }),
        6 => commit().prop_map(|starts| Deed::Commit { starts }),
        4 => (0_u8..3).prop_map(|job| Deed::Close { job }),
    ]
}

fn one_step() -> impl Strategy<Value = Step> {
    (deed(), prop::bool::weighted(0.15), prop::bool::weighted(0.1)).prop_map(|(deed, lost, again)| Step {
        deed,
        lost,
        again,
    })
}

/// Groups of steps that happen at the same time, one after the other.
pub(crate) fn history(at_once: usize, groups: usize) -> impl Strategy<Value = Vec<Vec<Step>>> {
    proptest::collection::vec(proptest::collection::vec(one_step(), 1..=at_once), 0..groups)
}

/// What those who act remember, and the rules.
pub(crate) struct Run {
    model: Model,
    /// Named by the run, so that runs share a table.
    name: String,
    deliveries: Vec<(JobId, u64)>,
    starts: Vec<Start>,
    uploads: usize,
    tokens: usize,
}

#[derive(Debug, Clone)]
struct Start {
    job: JobId,
    task: TaskId,
    token: String,
    claimed: Claimed,
}

impl Run {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            model: Model::default(),
            name: name.into(),
            deliveries: Vec::new(),
            starts: Vec::new(),
            uploads: 0,
            tokens: 0,
        }
    }

    /// Plays a history against a ledger. After each group, what is written down and what was answered must be what
    /// the rules make of it in some order.
    pub(crate) async fn play<L: Ledger>(
        mut self,
        ledger: &L,
        history: &[Vec<Step>],
        view: impl AsyncFn(&str) -> View,
    ) -> Result<(), String> {
        let mut before = View::default();
        for group in history {
            let alone = group.len() == 1;
            let group = group.iter().filter(|step| alone || !matches!(step.deed, Deed::Redrive { .. }));
            let calls: Vec<_> = group.filter_map(|step| Some((self.call(&step.deed)?, step))).collect();
            let made = calls.iter().map(async |(call, step)| {
                let first = call.make(ledger).await;
                if calls.len() == 1 && step.again && repeats(call) { call.make(ledger).await } else { first }
            });
            let answers: Result<Vec<_>, _> = join_all(made).await.into_iter().collect();
            let answers = answers.map_err(|fault| format!("{calls:#?}\n{fault:?}"))?;
            let after = view(&self.name).await;
            after.check_after(&before).map_err(|why| format!("{why}\nafter {calls:#?}\n{after:#?}"))?;
            self.model = self.explain(&calls, &answers, &after).ok_or_else(|| {
                let model = self.in_order(&calls, &(0..calls.len()).collect::<Vec<_>>());
                format!("no order explains {calls:#?}\nwith {answers:#?}\nand {after:#?}\n\nby the rules, in order: {model:#?}")
            })?;
            let known = calls.iter().zip(answers).filter(|((_, step), _)| !step.lost);
            known.for_each(|((call, _), answer)| self.learn(call, answer));
            before = after;
        }
        Ok(())
    }

    fn in_order(&self, calls: &[(Call, &Step)], order: &[usize]) -> (Vec<Answer>, View) {
        let (answers, model) = self.apply(calls, order);
        (answers, model.view())
    }

    fn apply(&self, calls: &[(Call, &Step)], order: &[usize]) -> (Vec<Answer>, Model) {
        let mut model = self.model.clone();
        let mut answers = vec![Answer::Nothing; calls.len()];
        for at in order {
            let (call, step) = &calls[*at];
            answers[*at] = model.apply(call);
            if calls.len() == 1 && step.again && repeats(call) {
                answers[*at] = model.apply(call);
            }
        }
        (answers, model)
    }

    fn explain(&self, calls: &[(Call, &Step)], answers: &[Answer], after: &View) -> Option<Model> {
        orders(calls.len()).into_iter().find_map(|order| {
            let (expected, model) = self.apply(calls, &order);
            (expected == answers && model.view() == *after).then_some(model)
        })
    }

    fn learn(&mut self, call: &Call, answer: Answer) {
        match (call, answer) {
            (Call::Open(opening), Answer::Opened(Some(claim))) => {
                self.deliveries.push((opening.job.clone(), claim.epoch));
            }
            (Call::Claim { job, task, token, .. }, Answer::Claimed(Claim::Granted(claimed))) => {
                self.starts.push(Start {
                    job: job.clone(),
                    task: task.clone(),
                    token: token.clone(),
                    claimed,
                });
            }
            _ => {}
        }
    }

    fn job(&self, job: u8) -> JobId {
        JobId::new(format!("{}-{job}", self.name)).unwrap()
    }

    fn start(&self, start: u8) -> Option<usize> {
        (!self.starts.is_empty()).then(|| usize::from(start) % self.starts.len())
    }

    /// What a deed comes to, by what is known.
    fn call(&mut self, deed: &Deed) -> Option<Call> {
        match deed {
            Deed::Deliver { job, local, other_definition } => {
                let (job, more) = (self.job(*job), *job == PAGES);
                let digest = if *other_definition { "other" } else { "one" }.to_owned();
                let tasks = usize::from(TASKS);
                Some(Call::Open(JobOpening { job, digest, tasks, more, local: usize::from(*local) }))
            }
            Deed::Advance { delivery, to, end } => {
                let known = self.deliveries.len();
                let (job, epoch) = self.deliveries.get(usize::from(*delivery) % known.max(1))?.clone();
                let end = *end && job == self.job(PAGES);
                let tasks = usize::from(if end { TASKS } else { *to });
                let cursor = Cursor { page: u64::from(end), index: tasks, tasks };
                Some(Call::Advance { job, epoch, cursor, end })
            }
            Deed::ListingFails { job } => Some(Call::ListingFailed(self.job(*job))),
            Deed::LookSettled { job } => {
                let job = self.job(*job);
                self.is_known(&job).then(|| Call::Settled { job, tasks: (0..TASKS).map(task_id).collect() })
            }
            Deed::Claim { job, task, other_definition } => {
                let (job, task) = (self.job(*job), task_id(*task));
                let digest = if *other_definition { "other" } else { "one" }.to_owned();
                Some(Call::Claim { job, task, token: self.token(), digest, reopens: None })
            }
            Deed::Redrive { start } => {
                let Start { job, task, claimed, .. } = self.starts[self.start(*start)?].clone();
                let (token, digest, reopens) = (self.token(), "one".into(), Some(claimed.epoch));
                Some(Call::Claim { job, task, token, digest, reopens })
            }
            Deed::NoteUpload { start } => {
                let Start { job, task, claimed, .. } = self.starts[self.start(*start)?].clone();
                self.uploads += 1;
                let upload = format!("upload-{}", self.uploads);
                Some(Call::NoteUpload { job, task, epoch: claimed.epoch, upload })
            }
            Deed::GiveBack { start } => {
                let Start { job, task, token, .. } = self.starts[self.start(*start)?].clone();
                Some(Call::GiveBack { job, task, token })
            }
            Deed::Commit { starts } => self.commit(starts),
            Deed::Close { job } => {
                let job = self.job(*job);
                self.is_known(&job).then_some(Call::Close(job))
            }
        }
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("start-{}", self.tokens)
    }

    fn is_known(&self, job: &JobId) -> bool {
        self.model.jobs.get(job).is_some_and(|job| job.shards > 0)
    }

    /// The first start says the shard; the others are those of it, each task once.
    fn commit(&self, starts: &[(u8, bool)]) -> Option<Call> {
        let first = &self.starts[self.start(starts[0].0)?];
        let shards = self.model.jobs[&first.job].shards;
        let shard = |start: &Start| (start.job.clone(), shard_of(&start.task, shards));
        let mut batch: Vec<Settling> = Vec::new();
        for (pick, done) in starts {
            let start = &self.starts[self.start(*pick)?];
            if shard(start) == shard(first) && batch.iter().all(|other| other.task != start.task) {
                batch.push(settling(start, *done));
            }
        }
        Some(Call::Commit { job: first.job.clone(), batch })
    }
}

fn settling(start: &Start, done: bool) -> Settling {
    let key = ObjectKey::new(start.task.as_str()).unwrap();
    let object = Stored { key, bytes: start.claimed.epoch, crc64nvme: None, etag: None, adopted: false };
    let ending = if done {
        Ending::Done { object, service: std::time::Duration::from_millis(5) }
    } else {
        Ending::Failed { reason: Reason::SourceRefused }
    };
    Settling { task: start.task.clone(), claimed: start.claimed.clone(), ending, only: false }
}

/// Whether a call may be made a second time when its answer does not come. Deliveries are new each time.
const fn repeats(call: &Call) -> bool {
    !matches!(call, Call::Open(_) | Call::ListingFailed(_))
}

fn task_id(task: u8) -> TaskId {
    TaskId::new(format!("t{task}")).unwrap()
}

/// All orders of up to three.
fn orders(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in orders(of - 1) {
        for place in 0..of {
            let mut order = shorter.clone();
            order.insert(place, of - 1);
            all.push(order);
        }
    }
    all
}
