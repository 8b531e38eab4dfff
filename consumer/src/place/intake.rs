//! How many messages may be asked for now: as many as there are free places, refilled per place.
//!
//! A message that is asked for has its place already. A queue that answered nothing is asked for one message at a
//! time, so that an idle poll holds one place and no more; the first answer opens it. The longer a queue is empty,
//! the longer its poll waits: a drain has to await it, and pods that are scaled in have mostly been idle for a while
//! only.

use std::time::Duration;

use crate::{config::Pool, event::Receive, message::QueueName};

/// SQS answers at most ten messages (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
pub const MAX_RECEIVE: usize = 10;
/// Receives at a time on one queue that has messages.
const MAX_POLLS: usize = 4;
/// The wait of a poll that leaves no place for the other queue.
const SHARED_WAIT: Duration = Duration::from_secs(1);
const LONG_WAIT: Duration = Duration::from_secs(crate::aws::connect::LONG_POLL_SECONDS);
/// A pod keeps only what it expects to start within this.
const START_WITHIN: Duration = Duration::from_secs(5);
/// Messages of `download-tasks` can start on any pod: of these it keeps what starts within this, or one a slot.
const MESSAGES_START_WITHIN: Duration = Duration::from_secs(1);

/// What is known of one queue's polls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polls {
    /// Receives under way.
    pub open: usize,
    /// Messages they asked for.
    pub asked: usize,
    /// The last answer brought something.
    pub hot: bool,
    /// Answers in a row that brought nothing.
    pub empties: u32,
    /// When the last message received was sent, in milliseconds since the Unix epoch.
    pub head_sent_at: Option<u64>,
    /// Polls begun since the start: whose turn it is when there is one place.
    pub begun: u64,
}

/// What is in hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InHand {
    /// Slots of live workers.
    pub slots: usize,
    /// Slots with a task.
    pub busy: usize,
    /// Tasks waiting, and messages received that may yet become one.
    pub waiting: usize,
    /// Of these, messages of `download-tasks`.
    pub waiting_messages: usize,
    /// Jobs with work not yet stored.
    pub jobs: usize,
    /// Mean time of a task on a slot, once learned.
    pub service: Option<Duration>,
}

/// Tasks that may wait: what is expected to start within five seconds, before that is learned one a slot, and
/// never more than `MAX_QUEUE_SIZE`.
#[must_use]
pub fn waiting_places(pool: Pool, hand: &InHand) -> usize {
    starting_within(START_WITHIN, hand).min(pool.max_waiting)
}

/// Messages of `download-tasks` that may wait: what is expected to start within a second, at least one a slot.
fn message_places(hand: &InHand) -> usize {
    starting_within(MESSAGES_START_WITHIN, hand).max(hand.slots)
}

/// Tasks that all slots together start within a time, once their service time is learned; before that one a slot.
fn starting_within(time: Duration, hand: &InHand) -> usize {
    let Some(service) = hand.service else { return hand.slots };
    let each = time.as_micros() / service.as_micros().max(1);
    usize::try_from(each).unwrap_or(usize::MAX).saturating_mul(hand.slots)
}

/// How many of a job's first tasks stay here: its fair share of the waiting places, one at least.
#[must_use]
pub fn local_share(pool: Pool, hand: &InHand, asked: usize) -> usize {
    let places = hand.slots.saturating_sub(hand.busy) + waiting_places(pool, hand);
    let all = hand.slots + waiting_places(pool, hand);
    let free = (places + 1).saturating_sub(hand.waiting + asked);
    free.min(all / hand.jobs.max(1)).max(1)
}

/// One queue, and what it may be asked for.
struct Want<'a> {
    queue: QueueName,
    polls: &'a Polls,
    other: &'a Polls,
    /// Places for its messages, taken or not.
    places: usize,
    free: usize,
}

impl Want<'_> {
    /// While each slot has a follower, a batch is worth waiting for.
    fn is_worth_it(&self, hand: &InHand) -> bool {
        let least = if hand.waiting >= hand.slots { (self.places / 2).clamp(1, MAX_RECEIVE) } else { 1 };
        self.free >= least
    }

    /// Half of what is free while the other queue wants places too.
    fn share(&self) -> usize {
        let contended = self.other.hot || self.other.open == 0;
        match (self.polls.hot, contended) {
            (false, _) => 1,
            (true, true) => self.free.div_ceil(2).min(MAX_RECEIVE),
            (true, false) => self.free.min(MAX_RECEIVE),
        }
    }
}

/// The next receive to begin, if any. Called again after each, until nothing is to be begun.
#[must_use]
pub fn next(pool: Pool, hand: &InHand, jobs: &Polls, tasks: &Polls) -> Option<Receive> {
    let free_slots = hand.slots.saturating_sub(hand.busy);
    let asked = jobs.asked + tasks.asked;
    let waiting = waiting_places(pool, hand);
    let free = (free_slots + waiting).saturating_sub(hand.waiting + asked);
    let for_jobs = Want {
        queue: QueueName::ExportJobs,
        polls: jobs,
        other: tasks,
        places: (hand.slots + waiting).min(pool.max_jobs),
        free: free.min(pool.max_jobs.saturating_sub(hand.jobs + jobs.asked)),
    };
    let messages = message_places(hand);
    let free_for_messages = (free_slots + messages).saturating_sub(hand.waiting_messages + tasks.asked);
    let for_tasks = Want {
        queue: QueueName::DownloadTasks,
        polls: tasks,
        other: jobs,
        places: hand.slots + messages.min(waiting),
        free: free.min(free_for_messages),
    };
    let wants =
        [for_jobs, for_tasks].into_iter().filter(|want| may_begin(want.polls) && want.is_worth_it(hand));
    let want = wants.min_by_key(|want| turn(want.polls))?;
    let wait = if free == 1 && want.other.open == 0 { SHARED_WAIT } else { patience(want.polls.empties) };
    Some(Receive { queue: want.queue, max: want.share(), wait })
}

/// One second for a queue that has just had messages, doubling with every fourth empty answer to the longest poll.
fn patience(empties: u32) -> Duration {
    SHARED_WAIT.saturating_mul(1 << (empties / 4).min(8)).min(LONG_WAIT)
}

const fn may_begin(polls: &Polls) -> bool {
    polls.open == 0 || (polls.hot && polls.open < MAX_POLLS)
}

/// A queue without a poll comes first, then the one with the older head, then the one polled less often.
fn turn(polls: &Polls) -> (bool, u64, u64) {
    (polls.open > 0, polls.head_sent_at.filter(|_| polls.hot).unwrap_or(u64::MAX), polls.begun)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POOL: Pool = Pool { workers: 4, tasks_per_worker: 1, max_jobs: 20, max_waiting: 100 };

    fn idle() -> InHand {
        InHand { slots: 4, ..InHand::default() }
    }

    fn all(pool: Pool, hand: &InHand, mut jobs: Polls, mut tasks: Polls) -> Vec<Receive> {
        let mut begun = Vec::new();
        while let Some(receive) = next(pool, hand, &jobs, &tasks) {
            let polls = if receive.queue == QueueName::ExportJobs { &mut jobs } else { &mut tasks };
            polls.open += 1;
            polls.asked += receive.max;
            polls.begun += 1;
            begun.push(receive);
            assert!(begun.len() <= 2 * MAX_POLLS, "intake does not settle: {begun:?}");
        }
        begun
    }

    #[test]
    fn an_idle_pod_waits_on_both_queues_for_one_message_each() {
        let polls = Polls { empties: 20, ..Polls::default() };
        let begun = all(POOL, &idle(), polls, polls);
        let asked: Vec<_> = begun.iter().map(|r| (r.queue, r.max, r.wait)).collect();
        assert_eq!(asked, [(QueueName::ExportJobs, 1, LONG_WAIT), (QueueName::DownloadTasks, 1, LONG_WAIT)]);
    }

    #[test]
    fn a_poll_waits_the_longer_the_longer_its_queue_is_empty() {
        let waits: Vec<_> = (0..28).step_by(4).map(|empties| patience(empties).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 20, 20]);
        assert_eq!(patience(3), SHARED_WAIT);
    }

    #[test]
    fn a_full_pod_asks_for_nothing() {
        let hand = InHand { busy: 4, waiting: 4, ..idle() };
        assert!(all(POOL, &hand, Polls::default(), Polls::default()).is_empty());
    }

    #[test]
    fn jobs_stay_on_their_queue_while_no_place_for_a_job_is_free() {
        let hand = InHand { jobs: 20, ..idle() };
        let begun = all(POOL, &hand, Polls::default(), Polls::default());
        assert!(begun.iter().all(|r| r.queue == QueueName::DownloadTasks));
    }

    #[test]
    fn one_place_goes_to_the_queues_in_turn_and_is_not_held_long() {
        let pool = Pool { workers: 1, max_waiting: 0, ..POOL };
        let hand = InHand { slots: 1, ..InHand::default() };
        let begun = all(pool, &hand, Polls { begun: 1, ..Polls::default() }, Polls::default());
        assert_eq!(begun, [Receive { queue: QueueName::DownloadTasks, max: 1, wait: SHARED_WAIT }]);
    }

    #[test]
    fn a_queue_with_messages_is_asked_for_many() {
        let hot = Polls { hot: true, ..Polls::default() };
        let hand = InHand { service: Some(Duration::from_millis(100)), ..idle() };
        let begun = all(POOL, &hand, hot, Polls::default());
        assert!(
            begun.iter().filter(|r| r.queue == QueueName::ExportJobs).map(|r| r.max).sum::<usize>() >= 15
        );
        assert!(begun.iter().any(|r| r.queue == QueueName::DownloadTasks));
    }

    #[test]
    fn slow_tasks_leave_their_followers_on_the_queue() {
        let slow = InHand { service: Some(Duration::from_secs(60)), ..idle() };
        let fast = InHand { service: Some(Duration::from_millis(50)), ..idle() };
        assert_eq!((waiting_places(POOL, &slow), waiting_places(POOL, &fast)), (0, 100));
        assert_eq!(waiting_places(POOL, &idle()), 4, "not learned yet: one a slot");
    }

    #[test]
    fn a_job_keeps_its_fair_share_here() {
        let pool = Pool { workers: 2, max_waiting: 5, max_jobs: 4, ..POOL };
        let service = Some(Duration::from_millis(10));
        let hand = |jobs, waiting| InHand { slots: 2, jobs, waiting, service, ..InHand::default() };
        assert_eq!(local_share(pool, &hand(1, 1), 0), 7);
        assert_eq!(local_share(pool, &hand(4, 1), 0), 1);
        assert_eq!(local_share(pool, &hand(1, 9), 0), 1, "never less than one");
    }

    #[test]
    fn a_pod_with_followers_for_its_slots_waits_until_a_batch_is_worth_it() {
        let polls = Polls { hot: true, ..Polls::default() };
        let other = Polls { open: 1, ..Polls::default() };
        let service = Some(Duration::from_millis(20));
        let asked = |waiting| {
            let hand = InHand { busy: 4, waiting, waiting_messages: waiting, service, ..idle() };
            all(POOL, &hand, other, polls).iter().map(|r| r.max).sum::<usize>()
        };
        assert_eq!((asked(95), asked(91)), (0, 0), "fewer than ten places are free");
        assert_eq!((asked(90), asked(3)), (10, 40));
    }

    #[test]
    fn messages_of_slow_tasks_wait_one_a_slot() {
        let slow = InHand { service: Some(Duration::from_secs(3)), ..idle() };
        let fast = InHand { service: Some(Duration::from_millis(100)), ..idle() };
        assert_eq!((message_places(&slow), message_places(&fast)), (4, 40));
    }

    proptest! {
        #[test]
        fn never_more_is_asked_for_than_there_are_places(
            workers in 1_usize..16, max_waiting in 0_usize..50, max_jobs in 1_usize..30,
            busy in 0_usize..16, waiting in 0_usize..60, in_hand in 0_usize..30, ms in 0_u64..10_000,
            hot in any::<[bool; 2]>(),
        ) {
            let pool = Pool { workers, tasks_per_worker: 1, max_jobs, max_waiting };
            let service = (ms > 0).then(|| Duration::from_millis(ms));
            let hand = InHand { slots: workers, busy: busy.min(workers), waiting, waiting_messages: 0, jobs: in_hand, service };
            let polls = |hot| Polls { hot, ..Polls::default() };
            let begun = all(pool, &hand, polls(hot[0]), polls(hot[1]));
            let asked: usize = begun.iter().map(|r| r.max).sum();
            let places = workers - hand.busy + waiting_places(pool, &hand);
            prop_assert!(asked <= places.saturating_sub(waiting));
            let jobs: usize = begun.iter().filter(|r| r.queue == QueueName::ExportJobs).map(|r| r.max).sum();
            prop_assert!(jobs <= max_jobs.saturating_sub(in_hand));
            prop_assert!(begun.iter().all(|r| (1..=MAX_RECEIVE).contains(&r.max)));
        }
    }
}
