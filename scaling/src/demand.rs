//! What the work asks for, in slots and replicas.
//!
//! `slots = Σ_q w_q · (λ_q / ρ + B_q / T_eff)`: what arrives keeps at most the share ρ of the slots busy, and the
//! backlog is gone in the time T_eff. w: slot time of a message; λ: messages a second; B: backlog.

use std::time::Duration;

use exportpool_contract::report::ByQueue;

use crate::census::Census;
use crate::decision::Inputs;
use crate::history::History;
use crate::learn::Learned;
use crate::observation::{Depth, Observation, Queue, UnknownDepth};
use crate::policy::Policy;

/// At least this share of the drain time is left to drain, however long pods take to start.
const LEAST_SHARE: u32 = 4;
/// Work that is done within this share of the drain time is no tail worth holding replicas for.
const TAIL_SHARE: f64 = 10.0;
/// Pods that do not start are made up for by at most this share of what the work asks for: those in their place may not
/// start either.
const COMPENSATED_SHARE: u32 = 4;
/// What a division may be off by before it costs a replica.
const ROUNDING: f64 = 1e-9;

/// What the work asks for, before any limit.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    /// The numbers it comes from.
    pub inputs: Inputs,
    /// The pods, added up.
    pub census: Census,
    /// Messages visible on both queues.
    pub visible: u64,
    /// Replicas for the objective, if all of them work.
    pub wanted: u32,
    /// Replicas that are enough at the lower utilization and the unsmoothed rate: what to scale in to. None before
    /// the rate is known.
    pub enough: Option<u32>,
    /// The fewest replicas into whose slots all that is left fits.
    pub fits: u32,
}

impl Demand {
    /// Measures it; a queue of unknown depth is the error.
    pub(crate) fn measure(
        policy: &Policy,
        history: &History,
        seen: &Observation,
    ) -> Result<Self, (Queue, UnknownDepth)> {
        let census = Census::take(policy, history, seen);
        let backlog = Backlog::of(policy, seen, &census)?;
        let prices = Prices::of(policy, history.learned());
        let work = Work { policy, backlog, prices, drain: effective_drain(policy, history.learned()) };
        let smoothed = history.arrivals.smoothed();
        let slots = work.slots(policy.target_utilization, smoothed).min(work.tasks());
        let recent = history.arrivals.recent(policy.arrival_span());
        Ok(Self {
            wanted: work.wanted(slots, seen.replicas),
            enough: recent.map(|recent| made_up(work.enough(recent, smoothed), &census)),
            fits: work.fits(),
            visible: work.backlog.visible,
            inputs: work.inputs(history.learned(), smoothed, slots, seen.replicas, &census),
            census,
        })
    }

    /// Replicas to scale out to: for the objective, and in place of some that do not start.
    pub(crate) fn target(&self) -> u32 {
        made_up(self.wanted, &self.census)
    }
}

/// So many replicas that work, and more in place of some that do not start.
fn made_up(replicas: u32, census: &Census) -> u32 {
    replicas.saturating_add(census.stuck.min(replicas.div_ceil(COMPENSATED_SHARE)))
}

/// The drain time that is left when pods are up.
fn effective_drain(policy: &Policy, learned: &Learned) -> Duration {
    let start = learned.pod_start_p90().unwrap_or_default();
    policy.drain_time.saturating_sub(start).max(policy.drain_time / LEAST_SHARE)
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    visible: u64,
    /// Messages to be received, by queue: visible, and delayed if that is soon.
    messages: ByQueue<u64>,
    /// Received and in no known hands, by queue. Most are not yet due for another attempt: shown, never work.
    deferred: ByQueue<u64>,
    /// In the hands of pods, not yet counted as received, and so still counted as visible, by queue.
    twice: ByQueue<u64>,
    waiting: u64,
    busy: u64,
    hidden_slots: u64,
}

impl Backlog {
    fn of(policy: &Policy, seen: &Observation, census: &Census) -> Result<Self, (Queue, UnknownDepth)> {
        let jobs = known(Queue::ExportJobs, seen.queues.export_jobs, policy)?;
        let tasks = known(Queue::DownloadTasks, seen.queues.download_tasks, policy)?;
        let received = ByQueue { export_jobs: jobs.not_visible, download_tasks: tasks.not_visible };
        let early = less(census.leased, received);
        // Retries of jobs' tasks are delayed by up to 15 minutes on a queue without a delay of its own.
        let soon = tasks.soon.saturating_sub(census.scheduled_retries);
        Ok(Self {
            visible: jobs.visible.saturating_add(tasks.visible),
            messages: ByQueue {
                export_jobs: jobs.visible.saturating_add(jobs.soon),
                download_tasks: tasks.visible.saturating_add(soon),
            },
            deferred: less(received, census.leased),
            twice: ByQueue {
                export_jobs: early.export_jobs.min(jobs.visible),
                download_tasks: early.download_tasks.min(tasks.visible),
            },
            waiting: census.waiting,
            busy: census.busy,
            hidden_slots: census.hidden_slots,
        })
    }
}

fn less(a: ByQueue<u64>, b: ByQueue<u64>) -> ByQueue<u64> {
    ByQueue {
        export_jobs: a.export_jobs.saturating_sub(b.export_jobs),
        download_tasks: a.download_tasks.saturating_sub(b.download_tasks),
    }
}

struct Known {
    visible: u64,
    not_visible: u64,
    /// Delayed messages that are due within the drain time.
    soon: u64,
}

fn known(queue: Queue, depth: Depth, policy: &Policy) -> Result<Known, (Queue, UnknownDepth)> {
    match depth {
        Depth::Known { visible, not_visible, delayed, delay } => {
            Ok(Known { visible, not_visible, soon: if delay <= policy.drain_time { delayed } else { 0 } })
        }
        Depth::Unknown(why) => Err((queue, why)),
    }
}

/// What work costs, in seconds of slot time, and how many tasks it is.
#[derive(Debug, Clone, Copy)]
struct Prices {
    /// Tasks of a job.
    tasks_per_job: f64,
    /// By message. None: not learned, and nothing expected.
    message: Option<ByQueue<f64>>,
    /// A task in a pod's memory, of either queue: the dearer one.
    waiting: f64,
}

impl Prices {
    /// The tasks that a job hands over cost what `download-tasks` learned: they are counted where they are executed,
    /// and priced with the job until they are on that queue. Their sending is no arrival there.
    fn of(policy: &Policy, learned: &Learned) -> Self {
        let expected = policy.expected_task.map(|task| task.as_secs_f64());
        let of_job = learned.job_task_seconds.or(learned.task_seconds).or(expected);
        let of_queue = learned.task_seconds.or(learned.job_task_seconds).or(expected);
        let tasks_per_job = learned.tasks_per_job.unwrap_or(1.0).max(1.0);
        let handed = learned.handed_share.unwrap_or(0.0).clamp(0.0, 1.0);
        let message = of_job.zip(of_queue).map(|(of_job, of_queue)| ByQueue {
            export_jobs: tasks_per_job * ((1.0 - handed) * of_job + handed * of_queue),
            download_tasks: of_queue,
        });
        Self { tasks_per_job, message, waiting: of_job.unwrap_or_default().max(of_queue.unwrap_or_default()) }
    }
}

struct Work<'a> {
    policy: &'a Policy,
    backlog: Backlog,
    prices: Prices,
    drain: Duration,
}

impl Work<'_> {
    /// Tasks that could be worked on at this moment, each counted once.
    fn tasks(&self) -> f64 {
        let Backlog { messages, twice, waiting, busy, .. } = self.backlog;
        let in_hand = waiting as f64 + busy as f64 + self.hidden() - self.tasks_of(twice);
        self.tasks_of(messages) + in_hand.max(0.0)
    }

    /// Tasks in pods that could not be read: their slots are full, as far as there are messages for them.
    fn hidden(&self) -> f64 {
        self.tasks_of(self.backlog.deferred).min(self.backlog.hidden_slots as f64)
    }

    fn tasks_of(&self, messages: ByQueue<u64>) -> f64 {
        messages.export_jobs as f64 * self.prices.tasks_per_job + messages.download_tasks as f64
    }

    /// Slots for the objective. Without a price: one for each task.
    fn slots(&self, utilization: f64, rate: ByQueue<f64>) -> f64 {
        let Some(price) = self.prices.message else { return self.tasks() };
        let Backlog { messages, waiting, .. } = self.backlog;
        let arriving = price.export_jobs * rate.export_jobs + price.download_tasks * rate.download_tasks;
        let backlog = price.export_jobs * messages.export_jobs as f64
            + price.download_tasks * messages.download_tasks as f64
            + self.prices.waiting * waiting as f64;
        arriving / utilization + backlog / self.drain.as_secs_f64()
    }

    /// From zero, only what is visible counts.
    fn wanted(&self, slots: f64, replicas: u32) -> u32 {
        match (self.backlog.visible, replicas) {
            (0, 0) => 0,
            (0, _) => self.replicas(slots),
            _ => self.replicas(slots).max(1),
        }
    }

    /// Not bounded by the tasks of this moment: those are few whenever the slots are enough. By the larger of both
    /// rates: a rate that is still rising must not take replicas away.
    fn enough(&self, recent: ByQueue<f64>, smoothed: ByQueue<f64>) -> u32 {
        let rate = ByQueue {
            export_jobs: recent.export_jobs.max(smoothed.export_jobs),
            download_tasks: recent.download_tasks.max(smoothed.download_tasks),
        };
        let slots = self.slots(self.policy.scale_in_utilization(), rate);
        self.replicas(slots).max(u32::from(self.backlog.visible > 0))
    }

    /// A slot for each task that is left; fewer for tasks so short that the slots are through with them within a
    /// tenth of the drain time: of those a few are visible at any moment.
    fn fits(&self) -> u32 {
        let tail = self.drain.as_secs_f64() / TAIL_SHARE;
        let rounds = self.prices.message.map_or(1.0, |_| (self.prices.waiting / tail).min(1.0));
        self.replicas(self.tasks() * rounds)
    }

    fn replicas(&self, slots: f64) -> u32 {
        ceil(slots / f64::from(self.policy.slots_per_pod) - ROUNDING)
    }

    fn inputs(
        &self,
        learned: &Learned,
        arrival_rate: ByQueue<f64>,
        slots: f64,
        replicas: u32,
        census: &Census,
    ) -> Inputs {
        Inputs {
            backlog: self.backlog.messages,
            waiting: self.backlog.waiting,
            busy: self.backlog.busy,
            hidden: self.hidden(),
            deferred: self.backlog.deferred,
            tasks: self.tasks(),
            arrival_rate,
            message_seconds: self.prices.message,
            tasks_per_job: self.prices.tasks_per_job,
            drain_seconds: self.drain.as_secs_f64(),
            pod_start_seconds: learned.pod_start_p90().map(|start| start.as_secs_f64()),
            slots,
            wanted: self.wanted(slots, replicas),
            replicas,
            terminating: census.terminating,
            stuck: census.stuck,
            reports_asked: census.asked,
            reports_read: census.answered,
        }
    }
}

/// Rounds up; nothing below zero, nothing above what fits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, as wanted"
)]
fn ceil(value: f64) -> u32 {
    value.ceil() as u32
}
