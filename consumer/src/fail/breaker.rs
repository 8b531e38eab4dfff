//! Stops the intake while something we need is unavailable, so that our own faults never cost a message an
//! attempt, and lets one message at a time try whether it is mended.

use std::collections::BTreeSet;

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
    waiting_for: BTreeSet<Resource>,
    trying: bool,
    fault: Option<AwsFault>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { waiting_for: Resource::ALL.into(), trying: false, fault: None }
    }
}

impl Breaker {
    /// A fault of ours. Answers whether the resource is to be looked at: not if somebody looks already.
    pub fn trip(&mut self, resource: Resource, fault: AwsFault) -> bool {
        self.fault = Some(fault);
        self.trying = true;
        self.waiting_for.insert(resource)
    }

    /// Why a resource that is looked at does not answer.
    pub fn explain(&mut self, resource: Resource, fault: AwsFault) {
        if self.waiting_for.contains(&resource) {
            self.fault = Some(fault);
        }
    }

    /// A resource answers.
    pub fn reachable(&mut self, resource: Resource) {
        self.waiting_for.remove(&resource);
    }

    /// Work came through.
    pub fn succeeded(&mut self) {
        if self.waiting_for.is_empty() {
            self.trying = false;
            self.fault = None;
        }
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

    /// The fault that holds work up, in words; `None` when work is taken on.
    #[must_use]
    pub fn unavailable(&self) -> Option<String> {
        if self.waiting_for.is_empty() {
            return None;
        }
        Some(self.fault.as_ref().map_or_else(|| "starting".to_owned(), ToString::to_string))
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
