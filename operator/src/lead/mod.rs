//! Who leads: one operator of several, by a Lease.
//!
//! As in client-go's `leaderelection`: the clocks of two operators are never compared. A record counts from when it was
//! *seen* here, by the monotonic clock; who leads gives up before others may take over
//! (<https://github.com/kubernetes/client-go/blob/master/tools/leaderelection/leaderelection.go>).

mod decide;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, api::PostParams};
use metrics::gauge;
use tokio::time::{self, Instant};

use decide::{Seen, Step, step};

/// A record that was not renewed for so long is nobody's.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// Who could not renew for so long leads no more. Less than [`LEASE`] by more than a request takes.
pub(crate) const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// A place in the election.
pub(crate) struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    seen: Option<Seen>,
}

impl Election {
    /// A place in the election by the Lease of that name. `identity` is of this process alone, such as its pod's name.
    #[must_use]
    pub(crate) fn new(leases: Api<Lease>, name: String, identity: String) -> Self {
        Self { leases, name, identity, seen: None }
    }

    /// Waits until this process leads, and answers since when: others may count from when it asked to.
    pub(crate) async fn won(&mut self) -> Instant {
        loop {
            let asked = Instant::now();
            // An answer that takes longer is of a Lease that is lost already.
            if time::timeout(RENEW_WITHIN, self.tried()).await == Ok(true) {
                return asked;
            }
            time::sleep(TRY_EVERY).await;
        }
    }

    /// Renews a Lease that was won, until this process leads no more: others may lead, and nothing may be written any more.
    pub(crate) async fn lost(&mut self, won: Instant) {
        let mut renewed = won;
        loop {
            time::sleep(TRY_EVERY).await;
            let left = RENEW_WITHIN.saturating_sub(renewed.elapsed());
            let asked = Instant::now();
            match time::timeout(left, self.tried()).await {
                Ok(true) => renewed = asked,
                Ok(false) if self.is_others() => return,
                Ok(false) => {}
                Err(_) => return,
            }
        }
    }

    /// Gives the Lease back, for another to lead at once.
    pub(crate) async fn release(&mut self) {
        let Some(Seen { lease, .. }) = self.seen.take() else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.identity) {
            return;
        }
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            ..lease.spec.unwrap_or_default()
        };
        let lease = Lease { spec: Some(spec), ..lease };
        if let Err(error) = self.leases.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::warn!(%error, "the Lease is not given back: it runs out by itself");
        }
    }

    fn is_others(&self) -> bool {
        let holder = self.seen.as_ref().and_then(|seen| seen.holder());
        holder.is_some_and(|holder| holder != self.identity)
    }

    /// Looks at the Lease, and takes or renews it where that may be. Answers whether this process leads.
    async fn tried(&mut self) -> bool {
        let leads = match self.try_once().await {
            Ok(leads) => leads,
            // Another one was first.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => false,
            Err(error) => {
                tracing::warn!(lease = self.name, %error, "the Lease cannot be read or written");
                return false;
            }
        };
        gauge!("exportpool_leader").set(f64::from(u8::from(leads)));
        leads
    }

    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        let found = self.leases.get_opt(&self.name).await?;
        let now = Instant::now().into_std();
        self.seen = found.map(|lease| Seen::next(self.seen.take(), lease, now));
        let written = match step(self.seen.as_ref(), &self.identity, now) {
            Step::Wait => return Ok(false),
            Step::Create => self.leases.create(&PostParams::default(), &self.mine(None)).await?,
            Step::Take(lease) | Step::Renew(lease) => {
                let mine = self.mine(Some(lease.clone()));
                self.leases.replace(&self.name, &PostParams::default(), &mine).await?
            }
        };
        self.seen = Some(Seen { lease: written, at: now });
        Ok(true)
    }

    /// The Lease as held by this process. The read resourceVersion stays in it: a write over another's is refused.
    fn mine(&self, before: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let (metadata, spec) = before.map_or_else(
            || (ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, LeaseSpec::default()),
            |lease| (lease.metadata, lease.spec.unwrap_or_default()),
        );
        let is_mine = spec.holder_identity.as_deref() == Some(&self.identity);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: if is_mine { spec.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!is_mine)),
            ..spec
        };
        Lease { metadata, spec: Some(spec) }
    }
}
