//! The status of a pool: computed anew each round, written when it says something new.

use std::time::Duration;

use exportpool_contract::report::ByQueue;
use exportpool_scaling::{Depth, Inputs, Learned};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{QueueRead, Round, conditions::conditions};
use crate::{
    api::{DecisionInput, ExportPool, ExportPoolStatus, LastDecision, LearnedStatus, QueueStatus},
    decide::Verdict,
    names::POOL_LABEL,
};

/// Bare numbers are written at most this often, and if they moved by a tenth.
const NUMBERS_EVERY: Duration = Duration::from_secs(30);
/// What was learned is written at most this often.
const LEARNED_EVERY: Duration = Duration::from_secs(300);
const A_TENTH: f64 = 0.1;
const A_FIFTH: f64 = 0.2;

/// What was written last, and when.
#[derive(Debug, Clone, Default)]
pub struct Written {
    numbers_at: Option<Timestamp>,
    learned_at: Option<Timestamp>,
}

/// A status, and whether it says more than the pool's own one.
#[derive(Debug, Clone)]
pub struct Telling {
    /// The status.
    pub status: ExportPoolStatus,
    /// It has to be written.
    pub is_news: bool,
}

impl Written {
    /// The status of a round.
    #[must_use]
    pub fn news(&self, round: &Round<'_>) -> Telling {
        let before = round.pool.status.clone().unwrap_or_default();
        let mut status = status(round, &before);
        let told = is_due(self.learned_at, LEARNED_EVERY, round.now) && learned_more(&before, &status);
        if !told && before.learned.is_some() {
            status.learned.clone_from(&before.learned);
        }
        let counted = is_due(self.numbers_at, NUMBERS_EVERY, round.now) && moved(&before, &status);
        let is_news = told || counted || words(&before) != words(&status);
        Telling { status, is_news }
    }

    /// A status was written in place of the pool's own one.
    pub fn note(&mut self, pool: &ExportPool, status: &ExportPoolStatus, now: Timestamp) {
        self.numbers_at = Some(now);
        if pool.status.as_ref().and_then(|before| before.learned.as_ref()) != status.learned.as_ref() {
            self.learned_at = Some(now);
        }
    }
}

fn is_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| now.duration_since(last).unsigned_abs() >= every)
}

/// A status without what moves all the time.
fn words(status: &ExportPoolStatus) -> ExportPoolStatus {
    let mut words = status.clone();
    words.counted_at = None;
    words.backlog = None;
    words.oldest_enqueued_at = None;
    words.rate = None;
    words.queues.clear();
    words.learned = None;
    if let Some(decision) = &mut words.last_decision {
        decision.inputs.clear();
        decision.message.clear();
    }
    for condition in &mut words.conditions {
        condition.message.retain(|letter| !letter.is_ascii_digit());
    }
    words
}

fn moved(before: &ExportPoolStatus, now: &ExportPoolStatus) -> bool {
    let rate = |status: &ExportPoolStatus| {
        status.rate.as_ref().and_then(|rate| rate.trim_end_matches("/s").parse().ok()).unwrap_or(0.0)
    };
    #[expect(clippy::cast_precision_loss, reason = "a tenth of it is what matters")]
    let backlog = |status: &ExportPoolStatus| status.backlog.unwrap_or(0) as f64;
    let appeared = before.backlog.is_some() != now.backlog.is_some();
    let oldest = before.oldest_enqueued_at != now.oldest_enqueued_at;
    let messages = |status: &ExportPoolStatus| -> Vec<String> {
        status.conditions.iter().map(|condition| condition.message.clone()).collect()
    };
    appeared
        || oldest
        || messages(before) != messages(now)
        || differs(backlog(before), backlog(now), A_TENTH)
        || differs(rate(before), rate(now), A_TENTH)
}

fn learned_more(before: &ExportPoolStatus, now: &ExportPoolStatus) -> bool {
    let numbers = |status: &ExportPoolStatus| {
        let learned = status.learned.clone().unwrap_or_default();
        [learned.job_task_seconds, learned.task_seconds, learned.tasks_per_job, learned.handed_share]
            .map(|number| number.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0))
    };
    numbers(before).into_iter().zip(numbers(now)).any(|(before, now)| differs(before, now, A_FIFTH))
}

fn differs(before: f64, now: f64, share: f64) -> bool {
    (now - before).abs() > share * before.abs().max(now.abs()) || (before == 0.0) != (now == 0.0)
}

fn status(round: &Round<'_>, before: &ExportPoolStatus) -> ExportPoolStatus {
    let (present, ready) = round.workload.present();
    let verdict = round.verdict.and_then(|verdict| verdict.as_ref().ok());
    let inputs = verdict.and_then(|verdict| verdict.inputs.as_ref());
    ExportPoolStatus {
        observed_generation: round.pool.metadata.generation,
        replicas: signed(present),
        ready_replicas: signed(ready),
        desired_replicas: verdict.map_or(before.desired_replicas, |verdict| signed(verdict.replicas)),
        selector: format!("{POOL_LABEL}={},app.kubernetes.io/name=exportpool-worker", round.pool.name_any()),
        counted_at: Some(Time(round.now)),
        backlog: inputs.map(|inputs| signed(inputs.backlog.export_jobs + inputs.backlog.download_tasks)),
        oldest_enqueued_at: round.oldest.map(Time),
        rate: inputs.map(rate),
        queues: queues(round.queues, inputs),
        learned: learned(round.learned),
        last_decision: verdict.map(|verdict| decision(verdict, round.now, before)),
        conditions: conditions(round, &before.conditions),
    }
}

fn rate(inputs: &Inputs) -> String {
    format!("{:.1}/s", inputs.arrival_rate.export_jobs + inputs.arrival_rate.download_tasks)
}

fn queues(read: &ByQueue<QueueRead>, inputs: Option<&Inputs>) -> Vec<QueueStatus> {
    let deferred = inputs.map(|inputs| inputs.deferred).unwrap_or_default();
    let named = [
        ("exportJobs", &read.export_jobs, deferred.export_jobs),
        ("downloadTasks", &read.download_tasks, deferred.download_tasks),
    ];
    named.into_iter().filter_map(|(name, read, deferred)| queue(name, read, deferred)).collect()
}

fn queue(name: &str, read: &QueueRead, deferred: u64) -> Option<QueueStatus> {
    let Some(Depth::Known { visible, not_visible, delayed, .. }) = read.depth else { return None };
    Some(QueueStatus {
        name: name.to_owned(),
        visible: signed(visible),
        not_visible: signed(not_visible),
        delayed: signed(delayed),
        deferred: signed(deferred),
    })
}

/// The time is of when it was first decided so: the same decision again is the same.
fn decision(verdict: &Verdict, now: Timestamp, before: &ExportPoolStatus) -> LastDecision {
    let reason = verdict.why.word().to_owned();
    let same = before.last_decision.as_ref().filter(|last| {
        last.reason == reason && before.desired_replicas == signed::<_, i32>(verdict.replicas)
    });
    LastDecision {
        time: same.map_or(Time(now), |last| last.time.clone()),
        message: verdict.why.to_string().chars().take(1024).collect(),
        inputs: verdict.inputs.as_ref().map(inputs).unwrap_or_default(),
        reason,
    }
}

fn inputs(inputs: &Inputs) -> Vec<DecisionInput> {
    let seconds = |seconds: Option<f64>| {
        seconds.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds:.3}"))
    };
    let per_message = inputs.message_seconds;
    let numbers = [
        ("backlogExportJobs", inputs.backlog.export_jobs.to_string()),
        ("backlogDownloadTasks", inputs.backlog.download_tasks.to_string()),
        ("waiting", inputs.waiting.to_string()),
        ("busy", inputs.busy.to_string()),
        ("hidden", format!("{:.1}", inputs.hidden)),
        ("tasks", format!("{:.1}", inputs.tasks)),
        ("arrivalsExportJobs", format!("{:.2}", inputs.arrival_rate.export_jobs)),
        ("arrivalsDownloadTasks", format!("{:.2}", inputs.arrival_rate.download_tasks)),
        ("secondsPerExportJob", seconds(per_message.map(|of| of.export_jobs))),
        ("secondsPerDownloadTask", seconds(per_message.map(|of| of.download_tasks))),
        ("tasksPerJob", format!("{:.2}", inputs.tasks_per_job)),
        ("drainSeconds", format!("{:.1}", inputs.drain_seconds)),
        ("podStartSeconds", seconds(inputs.pod_start_seconds)),
        ("slots", format!("{:.1}", inputs.slots)),
        ("wanted", inputs.wanted.to_string()),
        ("replicas", inputs.replicas.to_string()),
        ("terminating", inputs.terminating.to_string()),
        ("stuck", inputs.stuck.to_string()),
        ("reportsAsked", inputs.reports_asked.to_string()),
        ("reportsRead", inputs.reports_read.to_string()),
    ];
    numbers.into_iter().map(|(name, value)| DecisionInput { name: name.to_owned(), value }).collect()
}

fn learned(learned: &Learned) -> Option<LearnedStatus> {
    let number = |number: Option<f64>| number.map(|number| format!("{number:.6}"));
    let starts = learned.pod_starts.iter().map(|millis| signed(*millis)).collect();
    let status = LearnedStatus {
        job_task_seconds: number(learned.job_task_seconds),
        task_seconds: number(learned.task_seconds),
        tasks_per_job: number(learned.tasks_per_job),
        handed_share: number(learned.handed_share),
        pod_start_milliseconds: starts,
    };
    (status != LearnedStatus::default()).then_some(status)
}

/// What a leader before us had learned.
#[must_use]
pub fn relearned(status: Option<&ExportPoolStatus>) -> Learned {
    let Some(status) = status.and_then(|status| status.learned.as_ref()) else { return Learned::default() };
    let number = |number: &Option<String>| number.as_ref().and_then(|number| number.parse::<f64>().ok());
    let number = |text| number(text).filter(|number| number.is_finite() && *number >= 0.0);
    Learned {
        job_task_seconds: number(&status.job_task_seconds),
        task_seconds: number(&status.task_seconds),
        tasks_per_job: number(&status.tasks_per_job),
        handed_share: number(&status.handed_share),
        pod_starts: status
            .pod_start_milliseconds
            .iter()
            .filter_map(|millis| u64::try_from(*millis).ok())
            .collect(),
    }
}

/// Kubernetes counts in signed numbers.
fn signed<N, S: TryFrom<N> + Bounded>(number: N) -> S {
    S::try_from(number).unwrap_or(S::LARGEST)
}

trait Bounded {
    const LARGEST: Self;
}

impl Bounded for i32 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for i64 {
    const LARGEST: Self = Self::MAX;
}
