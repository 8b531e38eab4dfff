//! Limits per host, shared by all workers.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PerHost;

/// Hosts remembered at a time; beyond, those not in use are forgotten.
const MAX_HOSTS: usize = 1_024;

/// Limits per host.
#[derive(Debug, Clone)]
pub struct Hosts {
    limits: PerHost,
    known: Arc<Mutex<HashMap<String, Arc<Gate>>>>,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    rate: Option<DefaultDirectRateLimiter>,
}

/// A place to download from a host, until this is dropped.
#[derive(Debug)]
pub struct Admission {
    _permit: Option<OwnedSemaphorePermit>,
    _gate: Arc<Gate>,
}

impl Hosts {
    /// No host is known yet.
    #[must_use]
    pub fn new(limits: PerHost) -> Self {
        Self { limits, known: Arc::default() }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> PerHost {
        self.limits
    }

    /// Waits for a place, and for the host's turn.
    pub async fn admit(&self, host: &str) -> Admission {
        let gate = self.gate(host);
        let permit = Arc::clone(&gate.places).acquire_owned().await.ok();
        if let Some(rate) = &gate.rate {
            rate.until_ready().await;
        }
        Admission { _permit: permit, _gate: gate }
    }

    fn gate(&self, host: &str) -> Arc<Gate> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = known.get(host) {
            return Arc::clone(gate);
        }
        if known.len() >= MAX_HOSTS {
            known.retain(|_, gate| Arc::strong_count(gate) > 1);
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
        Self { places: Arc::new(Semaphore::new(limits.concurrency)), rate }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_host_has_so_many_places_and_no_more() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let first = hosts.admit("a").now_or_never().unwrap();
        assert!(hosts.admit("a").now_or_never().is_none());
        assert!(hosts.admit("b").now_or_never().is_some());
        drop(first);
        assert!(hosts.admit("a").now_or_never().is_some());
    }

    #[test]
    fn hosts_not_in_use_are_forgotten() {
        let hosts = Hosts::new(PerHost { concurrency: 1, rate: None });
        let _kept = hosts.admit("kept").now_or_never();
        for n in 0..3 * MAX_HOSTS {
            let _ = hosts.admit(&n.to_string()).now_or_never();
        }
        let known = hosts.known.lock().unwrap();
        assert!(known.len() <= MAX_HOSTS + 1 && known.contains_key("kept"));
    }
}
