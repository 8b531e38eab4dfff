//! Stops the intake while something we need is unavailable, so that our own faults never cost a message an
//! attempt, and lets one message at a time try whether it is mended.

use std::{collections::BTreeMap, time::Duration};

use exportpool_contract::report;

use crate::{
    event::Resource,
    fail::{AwsFault, AwsResource, look},
};

/// While one message at a time tries, polls take turns of a second: after so many empty ones since the last fault,
/// what failed has come again (at most 300 s later), and others have done it.
const NOTHING_TO_TRY: u32 = 320;

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
    /// Tries in a row that failed.
    failed: u32,
    /// Why the last of them did.
    last: Option<AwsFault>,
    /// Receives in a row that brought nothing, since the last fault.
    empty: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let waiting_for = Resource::ALL.map(|resource| (resource, None)).into();
        Self { waiting_for, trying: false, failed: 0, last: None, empty: 0 }
    }
}

impl Breaker {
    /// A fault of ours. Answers after what pause the resource is to be looked at; `None` if somebody looks already.
    pub fn trip(&mut self, fault: AwsFault) -> Option<Duration> {
        let resource = fault.resource.needed();
        if self.allowance() == Allowance::One {
            self.failed += 1;
            self.last = Some(fault.clone());
        }
        (self.trying, self.empty) = (true, 0);
        let looked_at = self.waiting_for.insert(resource, Some(fault)).is_some();
        (!looked_at).then(|| self.pause())
    }

    /// A resource that answers, and fails what is tried, is looked at after a pause. None before the first try.
    fn pause(&self) -> Duration {
        self.failed.checked_sub(1).map_or(Duration::ZERO, look::pause)
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
        if !self.trying {
            (self.failed, self.last) = (0, None);
        }
    }

    /// A queue was asked for messages, and answered so many: receiving is mended. Of sending that says nothing.
    ///
    /// When there was nothing to try for longer than what failed stays away, others have done it, and nothing says any
    /// more that a resource fails what is tried. The next message still tries alone.
    pub fn queue_answered(&mut self, messages: usize) {
        self.empty = if messages == 0 { self.empty.saturating_add(1) } else { 0 };
        let nothing_to_try = self.empty > NOTHING_TO_TRY;
        self.last.take_if(|fault| nothing_to_try || matches!(fault.resource, AwsResource::Queue(_)));
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

    /// What holds work up, in words; `None` when work is taken on. A resource that answers when it is looked at, and
    /// has failed a try even so, counts as unavailable until a try succeeds.
    #[must_use]
    pub fn unavailable(&self) -> Option<String> {
        if self.waiting_for.is_empty() {
            return self.last.as_ref().map(ToString::to_string);
        }
        let known = self.waiting_for.values().flatten().map(ToString::to_string);
        let known = known.collect::<Vec<_>>().join("; ");
        Some(if known.is_empty() { report::Breaker::STARTING.to_owned() } else { known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fail::AwsKind, message::QueueName, ports::Outbox};

    fn fault() -> AwsFault {
        AwsFault {
            kind: AwsKind::Missing,
            resource: AwsResource::Bucket("exports".into()),
            detail: "NoSuchBucket".into(),
        }
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
        assert_eq!(breaker.trip(fault()), Some(Duration::ZERO), "to be looked at");
        assert_eq!(breaker.trip(fault()), None, "once");
        assert_eq!(breaker.unavailable().as_deref(), Some("bucket exports: NoSuchBucket"));
        breaker.succeeded();
        assert_eq!(breaker.allowance(), Allowance::Nothing, "an older success does not close it");
        breaker.reachable(Resource::Bucket);
        assert_eq!(breaker.allowance(), Allowance::One);
        breaker.succeeded();
        assert_eq!(breaker.allowance(), Allowance::Full);
    }

    #[test]
    fn a_resource_that_answers_and_fails_what_is_tried_stays_unavailable_until_a_try_succeeds() {
        let mut breaker = Breaker::default();
        Resource::ALL.into_iter().for_each(|resource| breaker.reachable(resource));
        breaker.trip(fault());
        breaker.reachable(Resource::Bucket);
        assert_eq!(breaker.unavailable(), None, "one fault may be a chance");
        breaker.trip(fault());
        breaker.reachable(Resource::Bucket);
        assert_eq!(breaker.unavailable().as_deref(), Some("bucket exports: NoSuchBucket"));
        breaker.succeeded();
        assert_eq!(breaker.unavailable(), None);
    }

    /// Fails a try, and is asked for messages after that: what is unavailable then?
    fn after_a_receive(breaker: &mut Breaker, resource: &AwsResource) -> Option<String> {
        for _ in 0..2 {
            breaker.trip(AwsFault { resource: resource.clone(), ..fault() });
            breaker.reachable(resource.needed());
        }
        breaker.queue_answered(0);
        breaker.unavailable()
    }

    #[test]
    fn a_receive_that_answers_mends_receiving_and_not_sending() {
        let mut breaker = Breaker::default();
        Resource::ALL.into_iter().for_each(|resource| breaker.reachable(resource));
        assert_eq!(after_a_receive(&mut breaker, &AwsResource::queue(QueueName::ExportJobs)), None);
        let letters = AwsResource::outbox(Outbox::DeadLetters(QueueName::ExportJobs));
        let told = after_a_receive(&mut breaker, &letters);
        assert_eq!(told.as_deref(), Some("queue of dead letters of export-jobs: NoSuchBucket"));
    }

    #[test]
    fn what_failed_a_try_is_told_until_one_succeeds_or_nothing_is_left_to_try() {
        let mut breaker = Breaker::default();
        Resource::ALL.into_iter().for_each(|resource| breaker.reachable(resource));
        let told = after_a_receive(&mut breaker, &fault().resource);
        assert_eq!(told.as_deref(), Some("bucket exports: NoSuchBucket"));
        (1..=NOTHING_TO_TRY).for_each(|_| breaker.queue_answered(0));
        assert_eq!((breaker.unavailable(), breaker.allowance()), (None, Allowance::One));
    }

    #[test]
    fn tries_that_fail_are_ever_further_apart() {
        let mut breaker = Breaker::default();
        Resource::ALL.into_iter().for_each(|resource| breaker.reachable(resource));
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                let pause = breaker.trip(fault());
                breaker.reachable(Resource::Bucket);
                pause.unwrap().as_millis()
            })
            .collect();
        assert_eq!(pauses, [0, 250, 500, 1_000, 2_000, 4_000, 5_000]);
        breaker.succeeded();
        assert_eq!(breaker.trip(fault()), Some(Duration::ZERO));
    }
}
