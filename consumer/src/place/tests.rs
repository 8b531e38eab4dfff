//! The desk, event by event.

mod faults;
mod threads;
mod workers;

use std::time::{Duration, Instant};

use super::{
    Desk,
    desk::Rules,
    fixture::{received, task},
};
use crate::{
    config::Pool,
    event::{Command, Event, Receive, Resource, Settlement, WorkResult, WorkerId},
    fail::{AwsFault, AwsKind, AwsResource, Reason, TaskFault},
    message::{Carrier, LeaseId, QueueName, Received, Stored, Task, TaskNo},
    ports::{Claimed, Entry},
};

const VISIBILITY: Duration = Duration::from_secs(60);

struct Scene {
    desk: Desk,
    now: Instant,
    polls: Vec<Receive>,
}

impl Scene {
    /// Two workers with one slot each, everything reachable.
    fn open() -> Self {
        Self::with(Pool { workers: 2, tasks_per_worker: 1, max_jobs: 4, max_waiting: 5 })
    }

    fn with(pool: Pool) -> Self {
        let mut desk = Desk::new(Rules { pool, visibility: VISIBILITY }, fastrand::Rng::with_seed(1));
        for worker in 0..pool.workers {
            desk.hire(WorkerId(worker as u64));
        }
        let mut scene = Self { desk, now: Instant::now(), polls: Vec::new() };
        for resource in Resource::ALL {
            scene.tell(Event::Reachable(resource));
        }
        scene
    }

    fn tell(&mut self, event: Event) -> Vec<Command> {
        let commands = self.desk.handle(event, self.now);
        self.polls.extend(commands.iter().filter_map(|command| match command {
            Command::Receive(receive) => Some(*receive),
            _ => None,
        }));
        commands
    }

    /// The oldest poll under way on a queue is answered.
    fn answer(&mut self, queue: QueueName, messages: Vec<Received>) -> Vec<Command> {
        let poll = self.polls.iter().position(|poll| poll.queue == queue).expect("a poll is under way");
        let asked = self.polls.remove(poll).max;
        self.tell(Event::Received { queue, asked, messages })
    }

    fn pass(&mut self, seconds: u64) -> Vec<Command> {
        self.now += Duration::from_secs(seconds);
        self.desk.tick(self.now)
    }

    /// All polls under way come back empty, and none is begun.
    fn answer_all(&mut self) {
        while let Some(Receive { queue, .. }) = self.polls.first().copied() {
            assert_eq!(receives(&self.answer(queue, vec![])), 0);
        }
    }

    /// A message comes in by the poll under way on its queue.
    fn receive(&mut self, queue: QueueName) -> LeaseId {
        let commands = self.answer(queue, vec![received(1)]);
        let admit = commands.into_iter().find_map(|command| match command {
            Command::Admit { lease, .. } => Some(lease),
            _ => None,
        });
        admit.expect("the message is admitted")
    }

    /// A job comes in and lists so many tasks, all of which stay here.
    fn job(&mut self, name: &str, tasks: u64) -> (LeaseId, Vec<Command>) {
        let lease = self.receive(QueueName::ExportJobs);
        let tasks: Vec<_> = (0..tasks).map(|n| task(name, n, lease.0)).collect();
        let listed = tasks.len();
        let commands = self.tell(Event::Admitted { lease, tasks, listed, complete: true });
        (lease, commands)
    }

    fn task_message(&mut self) -> (LeaseId, TaskNo) {
        let lease = self.receive(QueueName::DownloadTasks);
        let task = Task { carrier: Carrier::Message, ..task("solo", 0, lease.0) };
        let no = task.no;
        self.tell(Event::Admitted { lease, tasks: vec![task], listed: 0, complete: true });
        (lease, no)
    }

    fn finish(&mut self, no: TaskNo, result: WorkResult) -> Vec<Command> {
        self.tell(Event::Finished { no, result })
    }

    fn settle(&mut self, no: TaskNo, settlement: Settlement) -> Vec<Command> {
        self.tell(Event::Settled { no, settlement, fault: None })
    }
}

fn claimed() -> Claimed {
    Claimed { epoch: 1, attempts: 1, was_failed: false, open_upload: None }
}

fn stored() -> WorkResult {
    let key = exportpool_contract::ObjectKey::new("k").unwrap();
    let object = Stored { key, bytes: 1, crc64nvme: None, etag: None, adopted: false };
    WorkResult::Stored { claimed: claimed(), object, service: Duration::from_millis(10) }
}

fn done() -> Settlement {
    Settlement::Done { bytes: 1, service: Duration::from_millis(10) }
}

fn no(lease: LeaseId, n: u64) -> TaskNo {
    TaskNo(lease.0 * 1_000 + n)
}

fn missing_bucket() -> AwsFault {
    AwsFault {
        kind: AwsKind::Missing,
        resource: AwsResource::Bucket("exports".into()),
        detail: "NoSuchBucket".into(),
    }
}

fn started(commands: &[Command]) -> Vec<TaskNo> {
    let tasks = commands.iter().filter_map(|command| match command {
        Command::Start { task, .. } => Some(task.no),
        _ => None,
    });
    tasks.collect()
}

fn deleted(commands: &[Command]) -> Vec<LeaseId> {
    let leases = commands.iter().filter_map(|command| match command {
        Command::Delete { lease, .. } => Some(*lease),
        _ => None,
    });
    leases.collect()
}

fn returned(commands: &[Command]) -> Vec<Duration> {
    let delays = commands.iter().filter_map(|command| match command {
        Command::Return { delay, .. } => Some(*delay),
        _ => None,
    });
    delays.collect()
}

fn receives(commands: &[Command]) -> usize {
    commands.iter().filter(|command| matches!(command, Command::Receive(_))).count()
}

#[test]
fn nothing_is_received_before_everything_is_reachable() {
    let pool = Pool { workers: 1, tasks_per_worker: 1, max_jobs: 1, max_waiting: 1 };
    let mut desk = Desk::new(Rules { pool, visibility: VISIBILITY }, fastrand::Rng::with_seed(1));
    desk.hire(WorkerId(0));
    let now = Instant::now();
    assert_eq!(receives(&desk.handle(Event::Reachable(Resource::Queues), now)), 0);
    assert_eq!(receives(&desk.handle(Event::Reachable(Resource::Bucket), now)), 0);
    assert!(!desk.has_started());
    assert!(receives(&desk.handle(Event::Reachable(Resource::Table), now)) > 0);
    assert!(desk.has_started());
}

#[test]
fn a_message_is_deleted_when_each_of_its_tasks_is_settled() {
    let mut scene = Scene::open();
    let (lease, commands) = scene.job("j", 3);
    assert_eq!(started(&commands), [no(lease, 0), no(lease, 1)], "as many as there are slots");
    let commands = scene.finish(no(lease, 0), stored());
    assert_eq!(started(&commands), [no(lease, 2)], "a slot is free when the object is stored");
    scene.finish(no(lease, 1), stored());
    scene.finish(no(lease, 2), stored());
    assert!(deleted(&scene.settle(no(lease, 0), done())).is_empty());
    assert!(deleted(&scene.settle(no(lease, 1), Settlement::Failed)).is_empty());
    assert_eq!(deleted(&scene.settle(no(lease, 2), Settlement::Resent(Duration::ZERO))), [lease]);
}

#[test]
fn a_job_that_is_being_split_is_not_deleted_before_its_last_task_is_sent() {
    let mut scene = Scene::open();
    let lease = scene.receive(QueueName::ExportJobs);
    scene.tell(Event::Admitted { lease, tasks: vec![task("j", 0, lease.0)], listed: 9, complete: false });
    scene.finish(no(lease, 0), stored());
    assert!(deleted(&scene.settle(no(lease, 0), done())).is_empty());
    assert_eq!(
        deleted(&scene.tell(Event::Split {
            lease,
            listed: 0,
            handed_over: 8,
            continued: false,
            given_up: false
        })),
        [lease]
    );
    assert_eq!((scene.desk.tally.counters.tasks_listed, scene.desk.tally.counters.handed_over), (9, 8));
}

#[test]
fn a_lease_lives_until_its_delete_is_confirmed() {
    let mut scene = Scene::open();
    let (lease, task) = scene.task_message();
    scene.finish(task, stored());
    assert_eq!(deleted(&scene.settle(task, done())), [lease]);
    assert_eq!(scene.desk.leased(QueueName::DownloadTasks), 1);
    let again = scene.tell(Event::Deleted { lease, entry: Entry::Failed("InternalError".into()) });
    assert_eq!(deleted(&again), [lease], "a failed delete is asked for again");
    scene.tell(Event::Deleted { lease, entry: Entry::Accepted });
    assert_eq!(scene.desk.leased(QueueName::DownloadTasks), 0);
}

#[test]
fn a_lost_lease_cancels_its_task() {
    let mut scene = Scene::open();
    let (lease, task) = scene.task_message();
    let extend = scene.pass(20);
    assert!(extend.iter().any(|c| matches!(c, Command::Extend { leases, .. } if leases[0].0 == lease)));
    let commands = scene.pass(40);
    assert!(commands.iter().any(|c| matches!(c, Command::Cancel(no) if *no == task)), "{commands:?}");
    let commands = scene.finish(task, WorkResult::Cancelled { claimed: Some(claimed()) });
    assert!(
        !commands.iter().any(|c| matches!(c, Command::Settle { .. })),
        "the next delivery has it: {commands:?}"
    );
    assert_eq!(scene.desk.tally.counters.leases_lost, 1);
}

#[test]
fn what_was_stored_is_recorded_even_after_the_lease_is_lost() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    scene.pass(61);
    let commands = scene.finish(task, stored());
    assert!(commands.iter().any(|c| matches!(c, Command::Settle { .. })));
    assert!(deleted(&scene.settle(task, done())).is_empty());
}

#[test]
fn one_dead_entry_never_fails_its_siblings() {
    let mut scene = Scene::open();
    let (first, _) = scene.task_message();
    let (second, _) = scene.task_message();
    let sent = scene.now + Duration::from_secs(20);
    scene.pass(20);
    scene.tell(Event::Extended { sent, entries: vec![(first, Entry::Gone), (second, Entry::Accepted)] });
    assert_eq!(scene.desk.leased(QueueName::DownloadTasks), 1);
    assert!(scene.pass(45).iter().all(|c| !matches!(c, Command::Cancel(_))), "the sibling was extended");
}

#[test]
fn a_fenced_task_keeps_the_message() {
    let mut scene = Scene::open();
    let (lease, _) = scene.job("j", 2);
    scene.finish(no(lease, 0), stored());
    scene.finish(no(lease, 1), stored());
    scene.settle(no(lease, 0), Settlement::Fenced);
    let commands = scene.settle(no(lease, 1), done());
    assert!(deleted(&commands).is_empty());
    assert_eq!(returned(&commands), [VISIBILITY]);
}

#[test]
fn our_own_fault_stops_the_intake_and_returns_what_has_not_started() {
    let mut scene = Scene::open();
    let (running, _) = scene.job("a", 2);
    scene.job("b", 2);
    let fault = TaskFault::Ours(missing_bucket());
    let commands = scene.finish(no(running, 0), WorkResult::Faulted { claimed: Some(claimed()), fault });
    assert!(commands.iter().any(|c| matches!(c, Command::Look(Resource::Bucket, _))));
    let delays = returned(&commands);
    assert_eq!(delays.len(), 1, "job b had not started: {commands:?}");
    assert!(delays.iter().all(|d| (30..=300).contains(&d.as_secs())), "{delays:?}");
    assert_eq!((receives(&commands), started(&commands).len()), (0, 0));
    assert_eq!(scene.desk.unavailable().as_deref(), Some("bucket exports: NoSuchBucket"));
}

#[test]
fn one_message_tries_whether_a_fault_is_mended() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let fault = TaskFault::Ours(missing_bucket());
    scene.finish(task, WorkResult::Faulted { claimed: Some(claimed()), fault });
    scene.settle(task, Settlement::Returned(Duration::from_secs(40)));
    // The polls that were under way come back empty: they were begun before the fault.
    scene.answer_all();
    assert_eq!(receives(&scene.tell(Event::Reachable(Resource::Bucket))), 1, "one place, one poll");
    assert_eq!(scene.desk.unavailable(), None);
}

#[test]
fn a_try_that_fails_leaves_it_at_one_place() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let fault = TaskFault::Ours(missing_bucket());
    scene.finish(task, WorkResult::Faulted { claimed: Some(claimed()), fault });
    // The bucket answers, and takes nothing.
    scene.tell(Event::Reachable(Resource::Bucket));
    scene.settle(task, Settlement::Returned(Duration::from_secs(40)));
    for Receive { queue, .. } in scene.polls.clone() {
        scene.answer(queue, vec![]);
    }
    assert_eq!(scene.polls.iter().map(|poll| poll.max).sum::<usize>(), 1, "{:?}", scene.polls);
}

#[test]
fn a_retry_of_a_message_of_its_own_is_a_redelivery() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let fault = TaskFault::retry(Reason::SourceFailed, "500");
    scene.finish(task, WorkResult::Faulted { claimed: Some(claimed()), fault });
    let commands = scene.settle(task, Settlement::Retry(Duration::from_secs(4)));
    assert_eq!(returned(&commands), [Duration::from_secs(4)]);
    assert_eq!(scene.desk.leased(QueueName::DownloadTasks), 0);
}

#[test]
fn a_drain_returns_the_unstarted_hands_over_the_waiting_and_finishes_the_started() {
    let mut scene = Scene::open();
    let (begun, _) = scene.job("begun", 4);
    scene.job("unbegun", 2);
    let commands = scene.desk.drain();
    assert_eq!(returned(&commands), [Duration::ZERO], "the job of which nothing has started");
    let handed: Vec<_> = commands
        .iter()
        .filter_map(|c| match c {
            Command::HandOver(t) => Some(t.no),
            _ => None,
        })
        .collect();
    assert_eq!(handed, [no(begun, 2), no(begun, 3)]);
    assert!(!scene.desk.is_empty());
    for n in [2, 3] {
        scene.settle(no(begun, n), Settlement::HandedOver);
    }
    for n in [0, 1] {
        assert_eq!(receives(&scene.finish(no(begun, n), stored())), 0);
    }
    scene.settle(no(begun, 0), done());
    assert_eq!(deleted(&scene.settle(no(begun, 1), done())), [begun]);
    scene.tell(Event::Deleted { lease: begun, entry: Entry::Accepted });
    assert!(!scene.desk.is_empty(), "polls under way are awaited");
    scene.answer_all();
    assert!(scene.desk.is_empty());
}

#[test]
fn a_message_that_arrives_during_a_drain_goes_back_at_once() {
    let mut scene = Scene::open();
    scene.desk.drain();
    let commands = scene.answer(QueueName::ExportJobs, vec![received(1)]);
    assert_eq!(returned(&commands), [Duration::ZERO]);
    scene.answer_all();
    assert!(scene.desk.is_empty());
}

#[test]
fn a_job_taken_over_by_another_pod_is_left_to_it() {
    let mut scene = Scene::open();
    let (lease, _) = scene.job("j", 3);
    let commands = scene.tell(Event::JobLost { lease });
    assert_eq!(commands.iter().filter(|c| matches!(c, Command::Cancel(_))).count(), 2);
    assert!(deleted(&commands).is_empty() && returned(&commands).is_empty());
    assert_eq!(scene.desk.in_hand().waiting, 0);
}
