//! Which worker threads still move. Each runtime beats for itself; main looks at the beats and does nothing else.
//!
//! Silence is counted in looks, not read from a clock: while the whole process was stopped, or main was late, nobody
//! looked, and nobody is blamed for it.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use exportpool_contract::ObjectKey;
use tokio::time;

use crate::{
    event::WorkerId,
    fail::{AwsFault, AwsKind, AwsResource},
    ports::{Head, ObjectStore, Part, Place, StoreFault},
    sync::atomic::{AtomicBool, AtomicU64},
    work::loans::Loans,
};

/// Looks in a row without a beat after which a runtime counts as stuck.
const LOOKS: u32 = 20;

/// How often runtimes beat, and main looks, when one that is silent for `stuck_after` is to be found.
#[must_use]
pub(crate) fn beat_every(stuck_after: Duration) -> Duration {
    stuck_after / LOOKS
}

/// The pulse of one worker thread, and whether the thread still counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    beats: AtomicU64,
    revoked: AtomicBool,
    loans: Loans,
}

impl Pulse {
    /// Beats for as long as the runtime that runs this moves.
    pub(crate) async fn beat(self, every: Duration) {
        loop {
            self.0.beats.fetch_add(1, Ordering::Relaxed);
            time::sleep(every).await;
        }
    }

    /// The thread that runs is the one whose pulse this is.
    pub(crate) fn is_of_this_thread(&self) {
        self.0.loans.are_of_this_thread();
    }

    /// The thread is given up: it may complete, record and report nothing any more, and what it was lent is for others.
    /// Its buffers stay where they are: what takes their place in the budget is beyond it, by [`MAX_ABANDONED`] threads
    /// at most.
    ///
    /// [`MAX_ABANDONED`]: crate::place::workers::MAX_ABANDONED
    pub(crate) fn revoke(&self) {
        self.0.revoked.store(true, Ordering::Release);
        self.0.loans.take_back();
    }

    /// The thread was given up.
    pub(crate) fn is_revoked(&self) -> bool {
        self.0.revoked.load(Ordering::Acquire)
    }

    fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }
}

/// Looks at the pulses.
#[derive(Debug, Default)]
pub(crate) struct Watchdog(HashMap<WorkerId, Seen>);

#[derive(Debug)]
struct Seen {
    beats: u64,
    silent_looks: u32,
}

impl Watchdog {
    /// Looks once at each worker, and answers those that are silent for too long.
    pub(crate) fn look<'a>(&mut self, workers: impl Iterator<Item = (WorkerId, &'a Pulse)>) -> Vec<WorkerId> {
        let mut before = std::mem::take(&mut self.0);
        let mut stuck = Vec::new();
        for (id, pulse) in workers {
            let beats = pulse.beats();
            let silent_looks = match before.remove(&id) {
                Some(seen) if seen.beats == beats => seen.silent_looks + 1,
                _ => 0,
            };
            if silent_looks >= LOOKS {
                stuck.push(id);
            } else {
                self.0.insert(id, Seen { beats, silent_looks });
            }
        }
        stuck
    }
}

/// The bucket, for a thread that may be given up: from then on nothing is written for it. Uploads of its own it may
/// still abort.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    store: S,
    pulse: Pulse,
}

impl<S> Watched<S> {
    pub(crate) const fn new(store: S, pulse: Pulse) -> Self {
        Self { store, pulse }
    }

    fn check(&self) -> Result<(), AwsFault> {
        if self.pulse.is_revoked() {
            let detail = "this worker was given up as stuck: another has its task".into();
            return Err(AwsFault {
                kind: AwsKind::Rejected,
                resource: AwsResource::Bucket(String::new()),
                detail,
            });
        }
        Ok(())
    }
}

impl<S: ObjectStore> ObjectStore for Watched<S> {
    async fn look(&self) -> Result<(), AwsFault> {
        self.store.look().await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>, AwsFault> {
        self.store.head(key).await
    }

    async fn put(&self, place: &Place, body: Bytes, crc64nvme: &str) -> Result<Option<String>, StoreFault> {
        self.check()?;
        self.store.put(place, body, crc64nvme).await
    }

    async fn create_upload(&self, place: &Place) -> Result<String, StoreFault> {
        self.check()?;
        self.store.create_upload(place).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        number: i32,
        body: Bytes,
        crc64nvme: &str,
    ) -> Result<Part, StoreFault> {
        self.check()?;
        self.store.put_part(key, upload, number, body, crc64nvme).await
    }

    async fn complete_upload(
        &self,
        place: &Place,
        upload: &str,
        parts: &[Part],
        crc64nvme: &str,
    ) -> Result<Option<String>, StoreFault> {
        self.check()?;
        self.store.complete_upload(place, upload, parts, crc64nvme).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &str) -> Result<(), AwsFault> {
        self.store.abort_upload(key, upload).await
    }

    async fn list_uploads(&self, key: &ObjectKey) -> Result<Vec<String>, AwsFault> {
        self.store.list_uploads(key).await
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ONE: WorkerId = WorkerId(1);

    fn looks(dog: &mut Watchdog, pulse: &Pulse, times: u32) -> Vec<WorkerId> {
        (0..times).flat_map(|_| dog.look([(ONE, pulse)].into_iter())).collect()
    }

    #[test]
    fn a_runtime_that_is_silent_for_twenty_looks_is_stuck() {
        let (mut dog, pulse) = (Watchdog::default(), Pulse::default());
        assert!(looks(&mut dog, &pulse, 20).is_empty(), "the first look only remembers");
        assert_eq!(looks(&mut dog, &pulse, 1), [ONE]);
    }

    #[test]
    fn one_beat_begins_the_count_anew() {
        let (mut dog, pulse) = (Watchdog::default(), Pulse::default());
        assert!(looks(&mut dog, &pulse, 20).is_empty());
        pulse.0.beats.fetch_add(1, Ordering::Relaxed);
        assert!(looks(&mut dog, &pulse, 20).is_empty());
    }

    #[test]
    fn a_worker_that_was_let_go_is_forgotten() {
        let (mut dog, pulse) = (Watchdog::default(), Pulse::default());
        looks(&mut dog, &pulse, 20);
        assert!(dog.look(std::iter::empty()).is_empty());
        assert!(looks(&mut dog, &pulse, 20).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_moves_beats_at_every_look() {
        let every = beat_every(Duration::from_secs(10));
        assert_eq!(every, Duration::from_millis(500));
        let (mut dog, pulse) = (Watchdog::default(), Pulse::default());
        let beating = tokio::spawn(pulse.clone().beat(every));
        for _ in 0..100 {
            time::sleep(every).await;
            assert!(looks(&mut dog, &pulse, 1).is_empty());
        }
        beating.abort();
        let mut after = Duration::ZERO;
        loop {
            time::sleep(every).await;
            after += every;
            if !looks(&mut dog, &pulse, 1).is_empty() {
                break;
            }
        }
        assert!((Duration::from_secs(10)..=Duration::from_secs(11)).contains(&after), "{after:?}");
    }

    /// Counts what it is asked for, and takes everything.
    #[derive(Default)]
    pub(in crate::work) struct Counting(std::cell::Cell<u32>);

    impl Counting {
        fn count<T>(&self, answer: T) -> T {
            self.0.set(self.0.get() + 1);
            answer
        }
    }

    impl ObjectStore for Counting {
        async fn look(&self) -> Result<(), AwsFault> {
            self.count(Ok(()))
        }
        async fn head(&self, _: &ObjectKey) -> Result<Option<Head>, AwsFault> {
            self.count(Ok(None))
        }
        async fn put(&self, _: &Place, _: Bytes, _: &str) -> Result<Option<String>, StoreFault> {
            self.count(Ok(None))
        }
        async fn create_upload(&self, _: &Place) -> Result<String, StoreFault> {
            self.count(Ok("u".into()))
        }
        async fn put_part(
            &self,
            _: &ObjectKey,
            _: &str,
            number: i32,
            _: Bytes,
            _: &str,
        ) -> Result<Part, StoreFault> {
            self.count(Ok(Part { number, etag: String::new(), crc64nvme: String::new() }))
        }
        async fn complete_upload(
            &self,
            _: &Place,
            _: &str,
            _: &[Part],
            _: &str,
        ) -> Result<Option<String>, StoreFault> {
            self.count(Ok(None))
        }
        async fn abort_upload(&self, _: &ObjectKey, _: &str) -> Result<(), AwsFault> {
            self.count(Ok(()))
        }
        async fn list_uploads(&self, _: &ObjectKey) -> Result<Vec<String>, AwsFault> {
            self.count(Ok(Vec::new()))
        }
    }

    pub(in crate::work) fn place() -> Place {
        let task = crate::place::fixture::task("j", 1, 1);
        let owner = crate::ports::Owner { job: task.job, task: task.spec.task_id, attempt: 1 };
        Place { key: ObjectKey::new("k").unwrap(), owner, content_type: None, replaces: None }
    }

    #[tokio::test]
    async fn a_thread_that_was_given_up_completes_no_object_and_aborts_its_uploads() {
        let pulse = Pulse::default();
        let watched = Watched::new(Counting::default(), pulse.clone());
        let place = place();
        let key = place.key.clone();
        let wrote = async || {
            [
                watched.put(&place, Bytes::new(), "").await.is_ok(),
                watched.create_upload(&place).await.is_ok(),
                watched.put_part(&key, "u", 1, Bytes::new(), "").await.is_ok(),
                watched.complete_upload(&place, "u", &[], "").await.is_ok(),
            ]
        };
        assert_eq!((wrote().await, watched.store.0.get()), ([true; 4], 4));
        pulse.revoke();
        assert_eq!((wrote().await, watched.store.0.get()), ([false; 4], 4));
        assert!(watched.abort_upload(&key, "u").await.is_ok());
        assert_eq!(watched.store.0.get(), 5);
    }
}
