//! Stops the intake while something we need is unavailable, so that our own faults never cost a message an
//! attempt, and lets one message at a time try whether it is mended.

use std::collections::BTreeMap;

use crate::{event::Resource, fail::AwsFault};

/// Whether work may be taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// As much as there are places.
    Full,
    /// One message at a time, to try.
    One,
    /// None.
    Nothing,
}

/// The breaker. It starts open: nothing is taken before queues, bucket and table have answered.
#[derive(Debug)]
pub struct Breaker {
    /// What does not answer, and why, when that is known.
    waiting_for: BTreeMap<Resource, Option<AwsFault>>,
    trying: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { waiting_for: Resource::ALL.map(|resource| (resource, None)).into(), trying: false }
    }
}

impl Breaker {
    /// A fault of ours. Answers whether the resource is to be looked at: not if somebody looks already.
    pub fn trip(&mut self, resource: Resource, fault: AwsFault) -> bool {
        self.trying = true;
        self.waiting_for.insert(resource, Some(fault)).is_none()
    }

    /// Why a resource that is looked at does not answer.
    pub fn explain(&mut self, resource: Resource, fault: AwsFault) {
        if let Some(why) = self.waiting_for.get_mut(&resource) {
            *why = Some(fault);
        }
    }

    /// A resource answers.
    pub fn reachable(&mut self, resource: Resource) {
        self.waiting_for.remove(&resource);
    }

    /// Work came through.
    pub fn succeeded(&mut self) {
        self.trying &= !self.waiting_for.is_empty();
    }

    /// What may be taken on.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        match (self.waiting_for.is_empty(), self.trying) {
            (false, _) => Allowance::Nothing,
            (true, true) => Allowance::One,
            (true, false) => Allowance::Full,
        }
    }

    /// What holds work up, in words; `None` when work is taken on.
    #[must_use]
    pub fn unavailable(&self) -> Option<String> {
        if self.waiting_for.is_empty() {
            return None;
        }
        let known = self.waiting_for.values().flatten().map(ToString::to_string);
        let known = known.collect::<Vec<_>>().join("; ");
        Some(if known.is_empty() { "starting".to_owned() } else { known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::AwsKind;

    fn fault() -> AwsFault {
        AwsFault { kind: AwsKind::Missing, resource: "bucket exports".into(), detail: "NoSuchBucket".into() }
    }

    #[test]
    fn nothing_is_taken_before_everything_answered() {
        let mut breaker = Breaker::default();
        for resource in Resource::ALL {
            assert_eq!(breaker.allowance(), Allowance::Nothing);
            breaker.reachable(resource);
        }
        assert_eq!((breaker.allowance(), breaker.unavailable()), (Allowance::Full, None));
    }

    #[test]
    fn one_message_tries_before_all_may_pass() {
        let mut breaker = Breaker::default();
        Resource::ALL.into_iter().for_each(|resource| breaker.reachable(resource));
        assert!(breaker.trip(Resource::Bucket, fault()), "to be looked at");
        assert!(!breaker.trip(Resource::Bucket, fault()), "once");
        assert_eq!(breaker.unavailable().as_deref(), Some("bucket exports: NoSuchBucket"));
        breaker.succeeded();
        assert_eq!(breaker.allowance(), Allowance::Nothing, "an older success does not close it");
        breaker.reachable(Resource::Bucket);
        assert_eq!(breaker.allowance(), Allowance::One);
        breaker.succeeded();
        assert_eq!(breaker.allowance(), Allowance::Full);
    }
}
