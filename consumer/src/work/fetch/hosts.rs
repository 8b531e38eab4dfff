//! Limits per host, shared by all workers.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::{
    config::PerHost,
    sync::{Mutex, Semaphore},
    work::{clock::waiting, loans::Loan},
};

/// Hosts remembered at a time. Beyond, those not in use are forgotten; while all are in use, others share one gate.
const MAX_HOSTS: usize = 1_024;
/// A rate is so many a second: a limiter that granted nothing for this long is as good as a new one.
const RATE_RECOVERS: Duration = Duration::from_secs(1);

/// Limits per host.
#[derive(Debug, Clone)]
pub struct Hosts {
    limits: PerHost,
    /// So many are remembered at a time.
    most: usize,
    known: Arc<Mutex<HashMap<String, Arc<Gate>>>>,
    others: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    rate: Option<DefaultDirectRateLimiter>,
    granted: Mutex<Instant>,
}

/// A place to download from a host, until this is dropped.
#[derive(Debug)]
pub struct Admission {
    _permit: Option<Loan>,
    _gate: Arc<Gate>,
}

impl Hosts {
    /// No host is known yet.
    #[must_use]
    pub fn new(limits: PerHost) -> Self {
        Self::of_at_most(MAX_HOSTS, limits)
    }

    pub(in crate::work) fn of_at_most(most: usize, limits: PerHost) -> Self {
        Self { limits, most, known: Arc::default(), others: Arc::new(Gate::new(limits)) }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> PerHost {
        self.limits
    }

    /// Waits for a place, and for the host's turn. A task's time limit does not count that.
    pub async fn admit(&self, host: &str) -> Admission {
        let gate = self.gate(host);
        let permit = waiting(Arc::clone(&gate.places).acquire_owned()).await.ok();
        if let Some(rate) = &gate.rate {
            waiting(rate.until_ready()).await;
            *gate.granted.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        Admission { _permit: permit.map(Loan::here), _gate: gate }
    }

    fn gate(&self, host: &str) -> Arc<Gate> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = known.get(host) {
            return Arc::clone(gate);
        }
        if known.len() >= self.most {
            let now = Instant::now();
            known.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.still_counts(now));
        }
        if known.len() >= self.most {
            return Arc::clone(&self.others);
        }
        let gate = Arc::new(Gate::new(self.limits));
        known.insert(host.to_owned(), Arc::clone(&gate));
        gate
    }
}

impl Gate {
    fn new(limits: PerHost) -> Self {
        let rate =
            limits.rate.and_then(NonZeroU32::new).map(|rate| RateLimiter::direct(Quota::per_second(rate)));
        let places = Arc::new(Semaphore::new(limits.concurrency));
        Self { places, rate, granted: Mutex::new(Instant::now()) }
    }

    /// Forgotten now, its host could be asked faster than its rate.
    fn still_counts(&self, now: Instant) -> bool {
        let granted = *self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        self.rate.is_some() && now.saturating_duration_since(granted) < RATE_RECOVERS
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::work::clock::within;

    #[test]
    fn a_host_has_so_many_places_and_no_more() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let first = hosts.admit("a").now_or_never().unwrap();
        assert!(hosts.admit("a").now_or_never().is_none());
        assert!(hosts.admit("b").now_or_never().is_some());
        drop(first);
        assert!(hosts.admit("a").now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_place_counts_for_no_time_limit() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let first = hosts.admit("a").await;
        let freed = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(within(Duration::from_secs(1), hosts.admit("a")), freed);
        assert!(second.is_some());
    }

    /// Its limiter keeps its own time: here nothing is paused.
    #[tokio::test]
    async fn a_wait_for_a_hosts_turn_counts_for_no_time_limit() {
        let hosts = Hosts::new(PerHost { concurrency: 9, rate: Some(2) });
        let begun = Instant::now();
        for _ in 0..3 {
            assert!(within(Duration::from_millis(100), hosts.admit("a")).await.is_some());
        }
        assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    }

    #[test]
    fn hosts_not_in_use_are_forgotten() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let _kept = hosts.admit("kept").now_or_never();
        for n in 0..3 * MAX_HOSTS {
            let _ = hosts.admit(&n.to_string()).now_or_never();
        }
        let known = hosts.known.lock().unwrap();
        assert!(known.len() <= MAX_HOSTS && known.contains_key("kept"));
    }

    #[test]
    fn while_all_hosts_are_in_use_others_share_one_gate() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let all = |prefix: &str| {
            let names = (0..MAX_HOSTS).map(|n| format!("{prefix}{n}"));
            names.map(|name| hosts.admit(&name).now_or_never()).collect::<Vec<_>>()
        };
        let in_use = all("used");
        assert!(in_use.iter().all(Option::is_some));
        let beyond = all("beyond");
        assert_eq!(beyond.iter().flatten().count(), 1, "one place for them all");
        assert_eq!(hosts.known.lock().unwrap().len(), MAX_HOSTS);
        drop((in_use, beyond));
        assert!(all("beyond").iter().all(Option::is_some), "and none of them is stuck with it");
    }

    #[test]
    fn a_host_that_is_forgotten_is_not_asked_faster_than_its_rate() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: NonZeroU32::new(1).map(NonZeroU32::get) });
        drop(hosts.admit("limited").now_or_never().unwrap());
        for n in 0..3 * MAX_HOSTS {
            let _ = hosts.gate(&n.to_string());
        }
        let gate = hosts.gate("limited");
        let now = Instant::now();
        assert!(gate.rate.as_ref().unwrap().check().is_err() || !gate.still_counts(now));
        assert!(!gate.still_counts(now + RATE_RECOVERS));
    }

    #[tokio::test]
    async fn a_rate_is_kept_by_all_who_share_it() {
        let hosts = Hosts::new(PerHost { concurrency: 100, rate: Some(20) });
        let begun = Instant::now();
        let threads = [(); 3].map(|()| {
            let hosts = hosts.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..10 {
                        hosts.admit("h").await;
                    }
                });
            })
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Twenty at once, the other ten at twenty a second.
        assert!(begun.elapsed() >= Duration::from_millis(450), "{:?}", begun.elapsed());
    }
}
