//! What is sent and what must come of it: a function of the options alone, made one message at a time.

use std::time::Duration;

use exportpool_contract::{InvalidId, JobId};
use serde_json::json;

use super::{batch::MAX_MESSAGE_BYTES, mix};
use crate::source::{Asked, Faults};

/// Requests that a flaky file refuses before it comes.
const FLAKY_TIMES: u64 = 2;
/// More than a message has beside its tasks: the job's id (at most 128 bytes), names, attributes.
const ENVELOPE_BYTES: usize = 512;

/// Everything that decides what is sent. The same options make the same messages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// The run's name; job ids are `<prefix>-<run>-<n>`.
    pub(crate) run: String,
    /// What job ids begin with.
    pub(crate) prefix: String,
    /// Messages, each a job.
    pub(crate) messages: u64,
    /// Files of each job.
    pub(crate) tasks_per_job: u32,
    /// Bytes of each file.
    pub(crate) size: u64,
    /// Jobs and files of all kinds instead, see [`mix`].
    pub(crate) mixed: bool,
    /// Time before the first byte of each file.
    pub(crate) delay: Duration,
    /// Share of tasks whose file never comes, 0 to 1: half 404, half 500 for ever.
    pub(crate) failure_rate: f64,
    /// Share of tasks whose file fails twice with 500, then comes; with `failure_rate` at most 1.
    pub(crate) flaky_rate: f64,
    /// Share of messages that no consumer can read.
    pub(crate) invalid_rate: f64,
    /// Which tasks and messages go wrong.
    pub(crate) seed: u64,
    /// The source as consumers reach it, such as `http://127.0.0.1:4566/_source`.
    pub(crate) source: String,
}

/// Why options make no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum InvalidPlan {
    /// Job ids would be refused by every consumer.
    #[error("--job-prefix {prefix:?} makes no job ids: {cause}")]
    Prefix {
        /// As given.
        prefix: String,
        /// What is wrong with the ids.
        cause: InvalidId,
    },
    /// More tasks than there are.
    #[error(
        "--failure-rate {failing} and --flaky-rate {flaky} are shares of the same tasks: together at most 1"
    )]
    Shares {
        /// As given.
        failing: f64,
        /// As given.
        flaky: f64,
    },
    /// A job does not fit into a message.
    #[error(
        "--tasks-per-job {tasks} makes messages of up to {bytes} bytes; SQS takes {MAX_MESSAGE_BYTES}: \
         lower it to {fitting}"
    )]
    TooLarge {
        /// As given.
        tasks: u32,
        /// The largest body.
        bytes: usize,
        /// Tasks that fit.
        fitting: usize,
    },
    /// The source is no address.
    #[error("--source {0:?} is not a URL such as http://127.0.0.1:4566/_source")]
    Source(String),
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// The job's id; the body of an invalid message names it somewhere too.
    pub(crate) job_id: String,
    /// The body as it is sent.
    pub(crate) body: String,
    /// What must come of it.
    pub(crate) expected: Expected,
}

/// What must come of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Its tasks, in their order.
    Tasks(Vec<Expectation>),
    /// The dead-letter queue of `export-jobs`, as it is.
    Invalid(Flaw),
}

/// What must come of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// The task's id.
    pub(crate) task_id: String,
    /// The object's key under the service's prefix, which is the file's name at the source too.
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    /// How it ends.
    pub(crate) outcome: Outcome,
}

/// How a task must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Stored at the first attempt.
    Stored,
    /// Stored after some failures.
    Flaky,
    /// Given up: the source answers nothing but this status.
    Fails {
        /// 404, which is final, or 500, which is tried again until the attempts are used up.
        status: u16,
    },
}

/// What is wrong with an invalid message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is no JSON.
    Malformed,
    /// JSON of another shape.
    Shape,
    /// No `jobId`.
    NoId,
}

impl Planned {
    /// The message group: each job its own, so that none starves another.
    pub(crate) fn group(&self) -> &str {
        &self.job_id
    }

    /// Tasks it lists.
    pub(crate) fn tasks(&self) -> u64 {
        match &self.expected {
            Expected::Tasks(tasks) => tasks.len() as u64,
            Expected::Invalid(_) => 0,
        }
    }
}

impl Options {
    /// Whether consumers and SQS could take what these options make.
    ///
    /// # Errors
    /// [`InvalidPlan`] names the option and the remedy.
    pub(crate) fn check(&self) -> Result<(), InvalidPlan> {
        let invalid_prefix = |cause| InvalidPlan::Prefix { prefix: self.prefix.clone(), cause };
        JobId::new(self.job_id(self.messages)).map_err(invalid_prefix)?;
        if self.failure_rate + self.flaky_rate > 1.0 {
            return Err(InvalidPlan::Shares { failing: self.failure_rate, flaky: self.flaky_rate });
        }
        let source = url::Url::parse(&self.source).ok();
        if !source.is_some_and(|url| url.has_host() && url.scheme().starts_with("http")) {
            return Err(InvalidPlan::Source(self.source.clone()));
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), InvalidPlan> {
        // The last task of the last job has the longest names, and a flaky one the longest URL.
        let (tasks, size) = if self.mixed { mix::MOST } else { (self.tasks_per_job, self.size) };
        let longest = self.expectation(&self.job_id(self.messages), tasks, Outcome::Flaky, size);
        let each = self.task(&longest).to_string().len() + ",".len();
        let (bytes, room) = (each.saturating_mul(tasks as usize), MAX_MESSAGE_BYTES - ENVELOPE_BYTES);
        if bytes > room {
            return Err(InvalidPlan::TooLarge { tasks, bytes, fitting: room / each });
        }
        Ok(())
    }

    /// The `n`-th job's id.
    pub(crate) fn job_id(&self, n: u64) -> String {
        format!("{}-{}-{n}", self.prefix, self.run)
    }

    /// The `n`-th message, from 0; the same whichever were made before.
    pub(crate) fn message(&self, n: u64) -> Planned {
        let mut dice = fastrand::Rng::with_seed(spread(self.seed, n));
        let flaw = [Flaw::Malformed, Flaw::Shape, Flaw::NoId][dice.usize(..3)];
        let invalid = dice.f64() < self.invalid_rate;
        let job_id = self.job_id(n);
        let files = if self.mixed { mix::files(&mut dice) } else { self.tasks_per_job };
        let file = |task| {
            let size = if self.mixed { mix::size(&mut dice) } else { self.size };
            self.expectation(&job_id, task, self.outcome(&mut dice), size)
        };
        let tasks: Vec<_> = (0..files).map(file).collect();
        let listed: Vec<_> = tasks.iter().map(|task| self.task(task)).collect();
        let (body, expected) = if invalid {
            (flawed(flaw, &job_id, &listed), Expected::Invalid(flaw))
        } else {
            (json!({"jobId": job_id, "tasks": listed}).to_string(), Expected::Tasks(tasks))
        };
        Planned { job_id, body, expected }
    }

    fn outcome(&self, dice: &mut fastrand::Rng) -> Outcome {
        // Under kills, a source that is down for good is tried far too often to wait for.
        let (draw, status) = (dice.f64(), if dice.bool() || self.mixed { 404 } else { 500 });
        if draw < self.failure_rate {
            Outcome::Fails { status }
        } else if draw < self.failure_rate + self.flaky_rate {
            Outcome::Flaky
        } else {
            Outcome::Stored
        }
    }

    fn expectation(&self, job_id: &str, task: u32, outcome: Outcome, size: u64) -> Expectation {
        let task_id = format!("t{task}");
        Expectation { key: format!("{job_id}/{task_id}"), task_id, size, outcome }
    }

    fn task(&self, expected: &Expectation) -> serde_json::Value {
        let faults = match expected.outcome {
            Outcome::Stored => Faults::default(),
            Outcome::Flaky => Faults { times: Some(FLAKY_TIMES), ..Faults::default() },
            Outcome::Fails { status } => Faults { status: Some(status), ..Faults::default() },
        };
        let asked = Asked { delay: self.delay, faults, ..Asked::file(&expected.key, expected.size) };
        json!({"taskId": expected.task_id, "url": asked.url(&self.source)})
    }
}

/// The messages of a run, made as they are asked for. The iterator borrows nothing, so that a task may own it.
pub(crate) fn plan(options: &Options) -> impl Iterator<Item = Planned> + Send + use<> {
    let options = options.clone();
    (0..options.messages).map(move |n| options.message(n))
}

fn flawed(flaw: Flaw, job_id: &str, tasks: &[serde_json::Value]) -> String {
    match flaw {
        Flaw::Malformed => {
            let mut body = json!({"jobId": job_id, "tasks": tasks}).to_string();
            body.pop();
            body
        }
        Flaw::Shape => json!({"jobId": job_id, "tasks": "all of them"}).to_string(),
        Flaw::NoId => json!({"job": job_id, "tasks": tasks}).to_string(),
    }
}

/// Neighbouring numbers make unrelated dice: fastrand's seeds are not spread by themselves.
fn spread(seed: u64, n: u64) -> u64 {
    fastrand::Rng::with_seed(seed).u64(..).wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[cfg(test)]
pub(in crate::load) mod tests {
    use exportpool_contract::{JobMessage, ObjectKey};

    use super::*;

    pub(in crate::load) fn options() -> Options {
        Options {
            run: "r1".into(),
            prefix: "load".into(),
            messages: 1_000,
            tasks_per_job: 3,
            size: 10_240,
            mixed: false,
            delay: Duration::from_millis(400),
            failure_rate: 0.0,
            flaky_rate: 0.0,
            invalid_rate: 0.0,
            seed: 1,
            source: "http://h:1/_source".into(),
        }
    }

    fn outcomes(options: &Options) -> Vec<Outcome> {
        let tasks = plan(options).filter_map(|message| match message.expected {
            Expected::Tasks(tasks) => Some(tasks),
            Expected::Invalid(_) => None,
        });
        tasks.flatten().map(|task| task.outcome).collect()
    }

    fn share(outcomes: &[Outcome], of: impl Fn(Outcome) -> bool) -> f64 {
        outcomes.iter().filter(|outcome| of(**outcome)).count() as f64 / outcomes.len() as f64
    }

    #[test]
    fn the_same_options_make_the_same_messages_in_any_order() {
        let options = Options { failure_rate: 0.3, flaky_rate: 0.3, invalid_rate: 0.3, ..options() };
        let all: Vec<_> = plan(&options).collect();
        assert_eq!(all.len(), 1_000);
        for n in [999, 0, 500] {
            assert_eq!(options.message(n), all[usize::try_from(n).unwrap()]);
        }
        let reseeded = Options { seed: 2, ..options.clone() };
        assert!(plan(&reseeded).zip(&all).any(|(one, other)| one != *other));
        let renamed = Options { run: "r2".into(), ..options.clone() };
        assert_eq!(outcomes(&renamed), outcomes(&options), "the run's name decides nothing");
    }

    #[test]
    fn bodies_are_jobs_that_a_consumer_reads_as_expected() {
        let options = Options { failure_rate: 0.3, flaky_rate: 0.3, ..options() };
        for planned in plan(&options) {
            let job: JobMessage = serde_json::from_str(&planned.body).unwrap();
            let Expected::Tasks(expected) = &planned.expected else { panic!("valid: {planned:?}") };
            let tasks = job.tasks.unwrap();
            assert_eq!((job.job_id.as_str(), tasks.len(), planned.tasks()), (planned.group(), 3, 3));
            for (task, expected) in tasks.iter().zip(expected) {
                let key = ObjectKey::of_task([None, None], None, &job.job_id, &task.task_id).unwrap();
                assert_eq!((task.task_id.as_str(), key.as_str()), (&*expected.task_id, &*expected.key));
                let fault = match expected.outcome {
                    Outcome::Stored => String::new(),
                    Outcome::Flaky => "&fail-times=2".to_owned(),
                    Outcome::Fails { status } => format!("&status={status}"),
                };
                let url = format!("http://h:1/_source/files/{}?size=10240&delay=400{fault}", expected.key);
                assert_eq!(task.url, url);
            }
        }
    }

    #[test]
    fn invalid_messages_are_invalid_in_each_way_and_name_their_job() {
        let options = Options { invalid_rate: 1.0, messages: 100, ..options() };
        let mut flaws = Vec::new();
        for planned in plan(&options) {
            assert!(serde_json::from_str::<JobMessage>(&planned.body).is_err(), "{}", planned.body);
            assert!(planned.body.contains(&planned.job_id));
            let Expected::Invalid(flaw) = planned.expected else { panic!("invalid: {planned:?}") };
            flaws.push(flaw);
        }
        for flaw in [Flaw::Malformed, Flaw::Shape, Flaw::NoId] {
            assert!(flaws.contains(&flaw), "{flaw:?}");
        }
    }

    #[test]
    fn shares_are_about_what_was_asked() {
        let some = outcomes(&Options { failure_rate: 0.2, flaky_rate: 0.1, ..options() });
        // 3,000 draws: 0.03 is four standard deviations, and the seed is fixed.
        for (status, asked) in [(404, 0.1), (500, 0.1)] {
            let seen = share(&some, |outcome| outcome == Outcome::Fails { status });
            assert!((seen - asked).abs() < 0.03, "{status}: {seen}");
        }
        assert!((share(&some, |outcome| outcome == Outcome::Flaky) - 0.1).abs() < 0.03);
        let none = outcomes(&options());
        assert!(none.iter().all(|outcome| *outcome == Outcome::Stored));
        let all = outcomes(&Options { failure_rate: 1.0, ..options() });
        assert!(all.iter().all(|outcome| matches!(outcome, Outcome::Fails { .. })));
        let invalid = plan(&Options { invalid_rate: 0.1, ..options() })
            .filter(|message| matches!(message.expected, Expected::Invalid(_)))
            .count();
        assert!((60..140).contains(&invalid), "{invalid}");
    }

    #[test]
    fn options_that_nobody_could_work_with_are_refused_with_the_remedy() {
        assert_eq!(options().check(), Ok(()));
        let too_long = Options { prefix: "x".repeat(125), ..options() };
        assert!(matches!(too_long.check(), Err(InvalidPlan::Prefix { .. })));
        let slash = Options { prefix: "a/b".into(), ..options() }.check().unwrap_err().to_string();
        assert!(slash.contains("--job-prefix \"a/b\""), "{slash}");
        let shares = Options { failure_rate: 0.7, flaky_rate: 0.4, ..options() };
        assert!(matches!(shares.check(), Err(InvalidPlan::Shares { .. })));
        let source = Options { source: "localhost:80".into(), ..options() };
        assert!(matches!(source.check(), Err(InvalidPlan::Source(_))));
    }

    #[test]
    fn as_many_tasks_as_are_said_to_fit_do_fit() {
        let huge = Options { tasks_per_job: 100_000, flaky_rate: 1.0, ..options() };
        let Err(InvalidPlan::TooLarge { fitting, .. }) = huge.check() else { panic!("too large") };
        let fits = Options { tasks_per_job: u32::try_from(fitting).unwrap(), ..huge };
        assert_eq!(fits.check(), Ok(()));
        let length = fits.message(999).body.len();
        assert!(length <= MAX_MESSAGE_BYTES && length > MAX_MESSAGE_BYTES * 9 / 10, "{length}");
    }
}
