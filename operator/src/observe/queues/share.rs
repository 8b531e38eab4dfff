//! One read for all who ask within its age.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exportpool_scaling::{Depth, UnknownDepth};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use metrics::counter;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};

use super::{fault::QueueFault, read::ReadDepth, source::QueueSource};

/// After SQS throttled, a queue is read at most this often, and half as often after each time more,
const THROTTLED_EVERY: Duration = Duration::from_secs(10);
/// down to this.
const THROTTLED_AT_LEAST_EVERY: Duration = Duration::from_secs(300);
/// Who may not ask within this has the last answer: a round is for more than waiting.
const WAITS_AT_MOST: Duration = Duration::from_secs(2);
/// A queue that nobody asks for is forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

/// What a queue answered, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Its depth, or why it is unknown.
    pub depth: Depth,
    /// When it was read.
    pub read_at: Instant,
    /// Why it is unknown, for people.
    pub fault: Option<QueueFault>,
}

/// Reads queues, for many pools.
pub struct QueueReader<R> {
    reads: R,
    all: DefaultDirectRateLimiter,
    by_account: DefaultKeyedRateLimiter<String>,
    shared: Mutex<HashMap<QueueSource, Arc<AsyncMutex<Shared>>>>,
}

/// The last read of a queue.
#[derive(Debug, Default)]
struct Shared {
    last: Option<Reading>,
    /// The least time between two reads, while SQS throttles.
    least: Duration,
}

impl<R: ReadDepth> QueueReader<R> {
    /// At most so many requests a second of all pools together, and half of that of one account.
    #[must_use]
    pub fn new(reads: R, requests_per_second: NonZeroU32) -> Self {
        let of_account = NonZeroU32::new(requests_per_second.get().div_ceil(2)).unwrap_or(NonZeroU32::MIN);
        Self {
            reads,
            all: RateLimiter::direct(Quota::per_second(requests_per_second)),
            by_account: RateLimiter::keyed(Quota::per_second(of_account)),
            shared: Mutex::default(),
        }
    }

    /// The depth of a queue, from a reading that is at most so old. Who asks while it is read waits for that reading.
    pub async fn read(&self, source: &QueueSource, at_most_age: Duration) -> Reading {
        let shared = self.shared(source);
        let mut shared = shared.lock().await;
        if let Some(reading) = shared.fresh(at_most_age) {
            return reading;
        }
        if timeout(WAITS_AT_MOST, self.may_ask(source)).await.is_err() {
            counter!("exportpool_sqs_requests_total", "result" => "limited").increment(1);
            return shared.last();
        }
        let answer = self.reads.read(source).await;
        let result = answer.as_ref().map_or_else(QueueFault::reason, |_| "ok");
        counter!("exportpool_sqs_requests_total", "result" => result).increment(1);
        shared.note(answer)
    }

    /// Waits until another request is within the limits.
    async fn may_ask(&self, source: &QueueSource) {
        // The account's first: who waits for it takes nothing from others.
        self.by_account.until_key_ready(&account(source)).await;
        self.all.until_ready().await;
    }

    fn shared(&self, source: &QueueSource) -> Arc<AsyncMutex<Shared>> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(source) {
            return Arc::clone(shared);
        }
        // One that is being read is in use.
        all.retain(|_, shared| {
            shared.try_lock().map_or(true, |shared| shared.fresh(FORGOTTEN_AFTER).is_some())
        });
        self.by_account.retain_recent();
        Arc::clone(all.entry(source.clone()).or_default())
    }
}

/// Accounts of one number are others at other endpoints.
fn account(source: &QueueSource) -> String {
    format!("{}/{}", source.at(), source.account)
}

impl Reading {
    /// The same, or unknown where it is older: SQS throttles, and is asked less often than it should be.
    #[must_use]
    pub fn or_stale(self, at_most_age: Duration) -> Self {
        let known = matches!(self.depth, Depth::Known { .. });
        if known && self.read_at.elapsed() > at_most_age {
            let (depth, fault) = (Depth::Unknown(UnknownDepth::Stale), Some(QueueFault::Throttled));
            return Self { depth, fault, ..self };
        }
        self
    }
}

impl Shared {
    fn fresh(&self, at_most_age: Duration) -> Option<Reading> {
        let age = at_most_age.max(self.least);
        self.last.clone().filter(|reading| reading.read_at.elapsed() < age)
    }

    /// The last reading, however old.
    fn last(&self) -> Reading {
        let none = || Reading {
            depth: Depth::Unknown(UnknownDepth::Throttled),
            read_at: Instant::now(),
            fault: Some(QueueFault::Throttled),
        };
        self.last.clone().unwrap_or_else(none)
    }

    fn note(&mut self, answer: Result<Depth, QueueFault>) -> Reading {
        self.least = match &answer {
            Err(QueueFault::Throttled) => (self.least * 2).clamp(THROTTLED_EVERY, THROTTLED_AT_LEAST_EVERY),
            Ok(_) if self.least > THROTTLED_EVERY => self.least / 2,
            Ok(_) => Duration::ZERO,
            Err(_) => self.least,
        };
        let (depth, fault) = match answer {
            Ok(depth) => (depth, None),
            Err(fault) => (Depth::Unknown(fault.unknown()), Some(fault)),
        };
        let reading = Reading { depth, read_at: Instant::now(), fault };
        self.last = Some(reading.clone());
        reading
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::VecDeque,
        sync::atomic::{AtomicU64, Ordering},
    };

    use tokio::time::{advance, sleep};

    use super::*;
    use crate::observe::queues::Principal;

    /// Answers what it was given, then depths that count up; each takes a second.
    #[derive(Default)]
    struct Fake {
        answers: Mutex<VecDeque<QueueFault>>,
        asked: Arc<AtomicU64>,
    }

    impl ReadDepth for Fake {
        async fn read(&self, _: &QueueSource) -> Result<Depth, QueueFault> {
            sleep(Duration::from_secs(1)).await;
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let answer = self.answers.lock().unwrap().pop_front();
            answer.map_or(Ok(Depth::visible(asked)), Err)
        }
    }

    fn source(name: &str, principal: Principal) -> QueueSource {
        let (region, account) = ("eu-west-1".into(), "123456789012".into());
        QueueSource { endpoint: None, region, account, name: name.into(), principal }
    }

    fn reader(answers: impl IntoIterator<Item = QueueFault>) -> (QueueReader<Fake>, Arc<AtomicU64>) {
        let asked = Arc::<AtomicU64>::default();
        let fake = Fake { answers: Mutex::new(answers.into_iter().collect()), asked: Arc::clone(&asked) };
        (QueueReader::new(fake, NonZeroU32::new(1_000).unwrap()), asked)
    }

    const FIVE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn pools_on_one_queue_share_a_reading_for_its_age() {
        let (reader, asked) = reader([]);
        let jobs = source("jobs", Principal::Operator);
        let both = tokio::join!(reader.read(&jobs, FIVE), reader.read(&jobs, FIVE));
        assert_eq!((both.0, asked.load(Ordering::Relaxed)), (both.1, 1));
        advance(Duration::from_millis(4_999)).await;
        assert_eq!(reader.read(&jobs, FIVE).await.depth, Depth::visible(1));
        advance(Duration::from_millis(1)).await;
        assert_eq!(reader.read(&jobs, FIVE).await.depth, Depth::visible(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_read_a_queue_learns_nothing_for_who_may_not() {
        let (reader, asked) = reader([]);
        let secret = |namespace: &str| Principal::Secret { namespace: namespace.into(), name: "aws".into() };
        reader.read(&source("jobs", Principal::Operator), FIVE).await;
        reader.read(&source("jobs", secret("a")), FIVE).await;
        reader.read(&source("jobs", secret("b")), FIVE).await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_queue_is_read_half_as_often_each_time_and_more_often_when_it_answers() {
        let (reader, asked) = reader([QueueFault::Throttled, QueueFault::Throttled]);
        let jobs = source("jobs", Principal::Operator);
        let mut reads_at = Vec::new();
        for second in 0..120_u64 {
            let before = asked.load(Ordering::Relaxed);
            reader.read(&jobs, Duration::ZERO).await;
            if asked.load(Ordering::Relaxed) > before {
                reads_at.push(second);
            } else {
                advance(Duration::from_secs(1)).await;
            }
        }
        let gaps: Vec<_> = reads_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[..4], [11, 21, 11, 1], "{reads_at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_unknown_with_its_reason_and_is_read_again() {
        let (reader, _) = reader([QueueFault::Unreachable { at: "x".into() }]);
        let jobs = source("jobs", Principal::Operator);
        let first = reader.read(&jobs, FIVE).await;
        assert_eq!(first.depth, Depth::Unknown(UnknownDepth::Unreachable));
        assert_eq!(first.fault.unwrap().reason(), "Unreachable");
        advance(FIVE).await;
        assert_eq!(reader.read(&jobs, FIVE).await.depth, Depth::visible(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_queues_last_answer_is_not_taken_for_a_new_one() {
        let (reader, _) = reader([QueueFault::Throttled, QueueFault::Throttled, QueueFault::Throttled]);
        let jobs = source("jobs", Principal::Operator);
        let read = async || reader.read(&jobs, FIVE).await.or_stale(3 * FIVE);
        while read().await.fault.is_some() {
            advance(Duration::from_secs(1)).await;
        }
        advance(3 * FIVE).await;
        assert_eq!(read().await.depth, Depth::visible(4));
        advance(Duration::from_millis(1)).await;
        let stale = read().await;
        assert_eq!(
            (stale.depth, stale.fault.unwrap().reason()),
            (Depth::Unknown(UnknownDepth::Stale), "Throttled")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_not_ask_has_the_last_answer_or_none_and_does_not_wait_long() {
        let reader = QueueReader::new(Fake::default(), NonZeroU32::MIN);
        let (jobs, tasks) = (source("jobs", Principal::Operator), source("tasks", Principal::Operator));
        let first = reader.read(&jobs, FIVE).await;
        advance(FIVE).await;
        let begun = Instant::now();
        assert_eq!(reader.read(&jobs, FIVE).await, first);
        assert_eq!(reader.read(&tasks, FIVE).await.fault, Some(QueueFault::Throttled));
        assert!(begun.elapsed() <= 2 * WAITS_AT_MOST, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn queues_that_nobody_asks_for_are_forgotten() {
        let (reader, _) = reader([]);
        for n in 0..10 {
            reader.read(&source(&format!("q{n}"), Principal::Operator), FIVE).await;
        }
        advance(FORGOTTEN_AFTER).await;
        reader.read(&source("new", Principal::Operator), FIVE).await;
        assert_eq!(reader.shared.lock().unwrap().len(), 1);
    }
}
