//! Worker threads: panics, threads that end, get stuck or cannot be started; and what they count for.

use std::time::Duration;

use super::{Scene, claimed, deleted, done, no, returned, started, stored};
use crate::{
    config::Pool,
    event::{Cause, Command, Event, Resource, Settlement, WorkResult, WorkerId},
    fail::{AwsFault, AwsKind, AwsResource, Reason, TaskFault},
    message::QueueName,
    ports::Entry,
};

fn let_go(commands: &[Command]) -> Vec<(WorkerId, Cause)> {
    let workers = commands.iter().filter_map(|command| match command {
        Command::LetGo(worker, cause) => Some((*worker, *cause)),
        _ => None,
    });
    workers.collect()
}

fn hires(commands: &[Command]) -> usize {
    commands.iter().filter(|command| matches!(command, Command::Hire)).count()
}

#[test]
fn a_thread_that_cannot_be_started_is_tried_again_after_a_pause() {
    let mut scene = Scene::open();
    assert_eq!(hires(&scene.tell(Event::NotHired)), 0);
    assert!(scene.desk.wake_at().is_some_and(|at| at > scene.now), "main is woken for it");
    assert_eq!(hires(&scene.pass(1)), 1);
    assert_eq!(hires(&scene.pass(60)), 0, "once");
    scene.tell(Event::NotHired);
    scene.tell(Event::NotHired);
    assert_eq!(hires(&scene.pass(1)), 2, "as many as are missing");
}

#[test]
fn a_stuck_worker_is_replaced_and_its_task_has_had_its_attempt() {
    let mut scene = Scene::open();
    let (lease, task) = scene.task_message();
    let commands = scene.tell(Event::WorkerStuck { worker: WorkerId(0) });
    assert_eq!((let_go(&commands), hires(&commands)), (vec![(WorkerId(0), Cause::Stuck)], 1));
    assert!(
        commands
            .iter()
            .any(|c| matches!(c, Command::Settle { task: t, result: WorkResult::Stuck } if t.no == task))
    );
    assert_eq!((scene.desk.abandoned(), scene.desk.tally.counters.workers_restarted), (1, 1));
    assert_eq!((scene.desk.in_hand().slots, scene.desk.in_hand().busy), (1, 0));
    assert_eq!(
        returned(&scene.settle(task, Settlement::Retry(Duration::from_secs(2)))),
        [Duration::from_secs(2)]
    );
    assert!(deleted(&scene.tell(Event::Deleted { lease, entry: Entry::Accepted })).is_empty());
}

#[test]
fn the_siblings_of_a_stuck_task_end_their_jobs_message() {
    let mut scene = Scene::open();
    let (lease, _) = scene.job("j", 2);
    scene.tell(Event::WorkerStuck { worker: WorkerId(0) });
    let stuck = if scene.desk.running.contains_key(&no(lease, 0)) { 1 } else { 0 };
    assert!(deleted(&scene.settle(no(lease, stuck), Settlement::Resent(Duration::from_secs(1)))).is_empty());
    scene.finish(no(lease, 1 - stuck), stored());
    assert_eq!(deleted(&scene.settle(no(lease, 1 - stuck), done())), [lease]);
}

#[test]
fn a_fault_of_ours_on_a_lost_lease_costs_no_attempt_and_holds_the_intake() {
    let mut scene = Scene::open();
    let (lease, task) = scene.task_message();
    scene.tell(Event::Extended { sent: scene.now, entries: vec![(lease, Entry::Gone)] });
    let denied = AwsFault {
        kind: AwsKind::Denied,
        resource: AwsResource::Bucket("exports".into()),
        detail: "403".into(),
    };
    let result = WorkResult::Faulted { claimed: Some(claimed()), fault: TaskFault::Ours(denied) };
    let commands = scene.finish(task, result);
    assert!(commands.iter().any(|c| matches!(c, Command::GiveBack(of) if of.no == task)), "{commands:?}");
    assert!(commands.iter().any(|c| matches!(c, Command::Look(Resource::Bucket, _))), "{commands:?}");
    assert_eq!(scene.desk.unavailable().as_deref(), Some("bucket exports: 403"));
}

#[test]
fn what_a_worker_that_was_given_up_says_later_is_ignored() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    scene.tell(Event::WorkerStuck { worker: WorkerId(0) });
    scene.settle(task, Settlement::Retry(Duration::from_secs(2)));
    let before = format!("{:?}", scene.desk.tally);
    assert!(scene.finish(task, stored()).iter().all(|c| matches!(c, Command::Receive(_))));
    assert!(scene.tell(Event::WorkerGone { worker: WorkerId(0) }).is_empty());
    assert_eq!(format!("{:?}", scene.desk.tally), before);
}

#[test]
fn a_third_stuck_worker_drains_the_consumer() {
    let mut scene = Scene::with(Pool { workers: 3, tasks_per_worker: 1, max_jobs: 4, max_waiting: 5 });
    let (lease, _) = scene.job("j", 4);
    for worker in [0, 1] {
        assert_eq!(hires(&scene.tell(Event::WorkerStuck { worker: WorkerId(worker) })), 1);
        assert!(!scene.desk.is_draining());
    }
    let commands = scene.tell(Event::WorkerStuck { worker: WorkerId(2) });
    assert_eq!(hires(&commands), 0, "nothing new is begun");
    assert!(scene.desk.is_draining() && scene.desk.too_many_abandoned());
    assert!(commands.iter().any(|c| matches!(c, Command::HandOver(task) if task.no == no(lease, 3))));
}

#[test]
fn a_message_that_panics_its_reader_comes_again_ever_later() {
    let mut scene = Scene::open();
    let delays: Vec<_> = [1, 6]
        .into_iter()
        .map(|receive_count| {
            let lease = scene.receive(QueueName::ExportJobs);
            let commands = scene.tell(Event::AdmitPanicked { lease, receive_count });
            let [delay] = returned(&commands)[..] else { panic!("it goes back: {commands:?}") };
            delay
        })
        .collect();
    assert!(delays[0] <= Duration::from_secs(2) && delays[1] >= Duration::from_secs(32), "{delays:?}");
    assert_eq!((scene.desk.leased(QueueName::ExportJobs), scene.desk.in_hand().waiting), (0, 0));
    assert_eq!(scene.desk.unavailable(), None, "it is no fault of AWS");
}

#[test]
fn the_time_of_a_task_counts_while_it_runs_and_once() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let busy = |scene: &Scene| scene.desk.counters(scene.now).download_tasks.busy_slot_millis;
    scene.now += Duration::from_secs(3);
    assert_eq!(busy(&scene), 3_000);
    scene.finish(task, stored());
    scene.now += Duration::from_secs(5);
    assert_eq!(busy(&scene), 3_000);
}

#[test]
fn retries_are_counted_until_they_are_due() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let fault = TaskFault::retry(Reason::SourceFailed, "500");
    scene.finish(task, WorkResult::Faulted { claimed: Some(claimed()), fault });
    scene.settle(task, Settlement::Retry(Duration::from_secs(4)));
    assert_eq!(scene.desk.scheduled_retries(scene.now), 1);
    assert_eq!(scene.desk.scheduled_retries(scene.now + Duration::from_secs(4)), 0);
}

#[test]
fn a_worker_is_renewed_after_a_panic_when_its_siblings_are_through() {
    let mut scene = Scene::with(Pool { workers: 1, tasks_per_worker: 2, max_jobs: 4, max_waiting: 5 });
    let (lease, _) = scene.job("j", 3);
    let commands = scene.finish(no(lease, 0), WorkResult::Panicked);
    assert!(started(&commands).is_empty(), "a worker that panicked takes no more");
    assert!(let_go(&commands).is_empty());
    let commands = scene.finish(no(lease, 1), stored());
    assert_eq!((let_go(&commands), hires(&commands)), (vec![(WorkerId(0), Cause::Panicked)], 1));
    scene.desk.hire(WorkerId(9));
    assert_eq!(started(&scene.settle(no(lease, 1), done())), [no(lease, 2)]);
    assert_eq!(scene.desk.tally.counters.workers_restarted, 1);
}

#[test]
fn a_thread_that_ends_fails_its_tasks_and_is_renewed() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let commands = scene.tell(Event::WorkerGone { worker: WorkerId(0) });
    assert!(
        commands
            .iter()
            .any(|c| matches!(c, Command::Settle { task: t, result: WorkResult::Panicked } if t.no == task))
    );
    assert_eq!((let_go(&commands), hires(&commands)), (vec![(WorkerId(0), Cause::Ended)], 0));
    assert_eq!(hires(&scene.pass(1)), 1, "after a pause: the next may end as soon");
}

#[test]
fn the_service_time_is_learned_from_work_alone() {
    let mut scene = Scene::open();
    let adopted = |result| match result {
        WorkResult::Stored { claimed, mut object, service } => {
            object.adopted = true;
            WorkResult::Stored { claimed, object, service }
        }
        other => other,
    };
    let faulted = |fault| WorkResult::Faulted { claimed: Some(claimed()), fault };
    let mut learn = |result, seconds| {
        let (lease, task) = scene.task_message();
        scene.now += Duration::from_secs(seconds);
        scene.finish(task, result);
        scene.settle(task, done());
        scene.tell(Event::Deleted { lease, entry: Entry::Accepted });
        scene.desk.tally.service().map(|mean| mean.as_secs_f64())
    };
    for idle in [
        WorkResult::AlreadyDone,
        WorkResult::Cancelled { claimed: None },
        adopted(stored()),
        faulted(TaskFault::last(Reason::SourceRefused, "404")),
        faulted(TaskFault::retry(Reason::Connect, "refused")),
        faulted(TaskFault::Fenced),
    ] {
        assert_eq!(learn(idle.clone(), 0), None, "{idle:?}");
    }
    assert_eq!(learn(stored(), 10), Some(10.0));
    assert_eq!(learn(WorkResult::AlreadyDone, 0), Some(10.0));
    assert_eq!(learn(faulted(TaskFault::retry(Reason::TaskTimeout, "600 s")), 20), Some(12.0));
}

#[test]
fn the_same_seed_and_the_same_events_have_the_same_commands() {
    let told = |seed| {
        let mut scene = Scene::open();
        scene.desk.rng = fastrand::Rng::with_seed(seed);
        let mut commands = Vec::new();
        for receive_count in [1, 3, 6, 9] {
            let lease = scene.receive(QueueName::ExportJobs);
            commands.extend(returned(&scene.tell(Event::AdmitPanicked { lease, receive_count })));
        }
        commands
    };
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}
