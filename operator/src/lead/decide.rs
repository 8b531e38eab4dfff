//! What to do about the Lease. Pure.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;

use super::LEASE;

/// The Lease, and since when it is as it is.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub lease: Lease,
    pub at: Instant,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step<'a> {
    /// There is none.
    Create,
    /// It is nobody's.
    Take(&'a Lease),
    /// It is ours.
    Renew(&'a Lease),
    /// It is another's.
    Wait,
}

impl Seen {
    /// The Lease as read now: a record that did not change counts from when it was first seen.
    pub(super) fn next(before: Option<Self>, lease: Lease, now: Instant) -> Self {
        let same = before.filter(|before| before.lease.spec == lease.spec);
        Self { lease, at: same.map_or(now, |same| same.at) }
    }

    pub(super) fn holder(&self) -> Option<&str> {
        let holder = self.lease.spec.as_ref()?.holder_identity.as_deref();
        holder.filter(|holder| !holder.is_empty())
    }

    /// As long as its holder says; one that gave it back says a second.
    fn duration(&self) -> Duration {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(LEASE, Duration::from_secs)
    }
}

pub(super) fn step<'a>(seen: Option<&'a Seen>, identity: &str, now: Instant) -> Step<'a> {
    let Some(seen) = seen else { return Step::Create };
    match seen.holder() {
        Some(holder) if holder == identity => Step::Renew(&seen.lease),
        Some(_) if now.saturating_duration_since(seen.at) < seen.duration() => Step::Wait,
        _ => Step::Take(&seen.lease),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
    };

    use super::*;

    fn lease(holder: Option<&str>, renewed: i64) -> Lease {
        let renew_time = Timestamp::from_second(renewed).ok().map(MicroTime);
        let holder_identity = holder.map(str::to_owned);
        let spec = LeaseSpec {
            holder_identity,
            renew_time,
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    fn seen(lease: &Lease, at: Instant) -> Seen {
        Seen { lease: lease.clone(), at }
    }

    #[test]
    fn a_lease_that_is_not_there_is_made_and_one_of_nobody_is_taken() {
        let now = Instant::now();
        assert_eq!(step(None, "a", now), Step::Create);
        let free = lease(None, 0);
        assert_eq!(step(Some(&seen(&free, now)), "a", now), Step::Take(&free));
    }

    #[test]
    fn another_ones_lease_is_taken_only_when_it_did_not_change_for_its_whole_duration() {
        let now = Instant::now();
        // What its clock says is a year ago.
        let other = lease(Some("b"), 0);
        let first = seen(&other, now);
        assert_eq!(step(Some(&first), "a", now + Duration::from_millis(14_999)), Step::Wait);
        assert_eq!(step(Some(&first), "a", now + LEASE), Step::Take(&other));
        let renewed = Seen::next(Some(first), lease(Some("b"), 1), now + Duration::from_secs(14));
        assert_eq!(step(Some(&renewed), "a", now + LEASE), Step::Wait);
    }

    #[test]
    fn a_record_that_is_the_same_counts_from_when_it_was_first_seen() {
        let now = Instant::now();
        let other = lease(Some("b"), 0);
        let again = Seen::next(Some(seen(&other, now)), other.clone(), now + Duration::from_secs(10));
        assert_eq!(again.at, now);
    }

    #[test]
    fn ones_own_is_renewed_however_old_it_is() {
        let now = Instant::now();
        let mine = lease(Some("a"), 0);
        assert_eq!(step(Some(&seen(&mine, now)), "a", now + LEASE * 10), Step::Renew(&mine));
    }
}
