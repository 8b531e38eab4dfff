//! A job from its message to its end.

use std::collections::BTreeMap;

use exportpool_consumer::{fail::AwsKind, message::QueueName, ports::Cursor};
use exportpool_contract::{
    PodReport, TaskMessage,
    record::{JobState, TaskState},
};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        job_id,
        journal::Did,
        queue::throttled,
        source::Answer,
    },
    letters,
    pod::{Pod, eventually_in, settings},
};

fn closed(world: &World, job: &str, state: JobState) -> bool {
    world.job_state(job) == Some(state) && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

#[test]
fn a_job_of_several_tasks_ends_done_and_each_task_is_stored_once() {
    let world = World::new();
    world.put(QueueName::ExportJobs, letters::job("j", 5));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.counted("j"), (5, 0));
    for n in 0..5 {
        let object = world.object(&format!("j/t{n}")).expect("stored");
        assert_eq!((object.body, object.writes), (letters::url("j", &format!("t{n}")).into(), 1));
    }
    world.assert_sound();
}

#[test]
fn a_job_is_closed_before_its_message_is_deleted() {
    let world = World::new();
    let message = world.put(QueueName::ExportJobs, letters::job("j", 2));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    let journal = world.journal();
    let place = |is: &dyn Fn(&Did) -> bool| journal.iter().position(is).expect("it happened");
    let closed = place(&|did| matches!(did, Did::Closed { .. }));
    let deleted = place(&|did| matches!(did, Did::Deleted { message: m, .. } if *m == message));
    assert!(closed < deleted, "{journal:#?}");
}

#[test]
fn a_job_of_no_tasks_is_done() {
    let world = World::new();
    world.put(QueueName::ExportJobs, letters::job("j", 0));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_job_larger_than_the_pool_hands_the_rest_over_and_all_of_it_is_stored() {
    let world = World::new();
    world.put(QueueName::ExportJobs, letters::job("large", 230));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "large", JobState::Done));
    assert_eq!(world.counted("large"), (230, 0));
    let handed_over = world.did(Did::is_hand_over);
    assert!((150..230).contains(&handed_over), "{handed_over} handed over");
    let all = |report: &PodReport| report.counters.handed_over == handed_over as u64;
    let report = pod.reports("all that was handed over", all);
    pod.stop();
    assert_eq!(report.counters.tasks_listed, 230);
    world.assert_sound();
}

#[test]
fn the_cursor_moves_only_over_tasks_that_are_sent_and_a_redelivery_goes_on_from_there() {
    let world = World::new();
    let message = world.put(QueueName::ExportJobs, letters::job("j", 250));
    // Ten requests to a move of the cursor: one of the second ten fails.
    world.fail_next(Op::SendTask, std::iter::repeat_n(Flaw::None, 12).chain([Flaw::Entry(3, throttled())]));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    let delivered = world.did(|did| matches!(did, Did::Received { message: m, .. } if *m == message));
    assert_eq!(delivered, 2, "the failed send gives the job's message back");
    let mut sent = BTreeMap::<String, usize>::new();
    let local = world.lock().table.jobs[&job_id("j")].local;
    for did in world.journal() {
        match did {
            Did::Sent { body, .. } => {
                let task: TaskMessage = serde_json::from_str(&body).unwrap();
                *sent.entry(task.task.task_id.to_string()).or_default() += 1;
            }
            Did::Advanced { cursor, .. } => {
                assert!(
                    (local..cursor.index).all(|n| sent.contains_key(&format!("t{n}"))),
                    "{cursor:?}: {sent:?}"
                );
            }
            _ => {}
        }
    }
    assert!((local..local + 100).all(|n| sent[&format!("t{n}")] == 1), "sent again: {sent:?}");
    assert_eq!(world.counted("j"), (250, 0));
    world.assert_sound();
}

#[test]
fn a_job_that_another_pod_has_taken_over_is_left_to_it() {
    let world = World::new();
    let message = world.put(QueueName::ExportJobs, letters::job("j", 300));
    let local = ["t0", "t1"].map(|task| letters::url("j", task));
    local.iter().for_each(|url| world.answer(url, [Answer::file("x").gated()]));
    // The first pod is held up between two moves of the cursor; meanwhile a second one claims the job.
    world.fail_next(Op::Advance, [Flaw::Wait]);
    let first = Pod::numbered(&world, settings(), 1);
    eventually_in(&world, "the first pod is half through", || world.calls(Op::Advance) == 1);
    eventually_in(&world, "both its slots are busy", || local.iter().all(|url| world.at_gate(url)));
    world.expire(QueueName::ExportJobs, message);
    let second = Pod::numbered(&world, settings(), 2);
    eventually_in(&world, "the second pod has the job", || {
        world.did(|did| matches!(did, Did::Advanced { cursor: Cursor { index: 300, .. }, .. })) == 1
    });
    world.let_go();
    let report = first.reports("the first pod lost it", |report| report.counters.leases_lost > 0);
    assert_eq!(report.queues.export_jobs.settled.done, 0, "its tasks are cancelled");
    local.iter().for_each(|url| world.open_gate(url));
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    first.stop();
    second.stop();
    let moves = world.journal().into_iter().filter_map(|did| match did {
        Did::Advanced { cursor, .. } => Some(cursor),
        _ => None,
    });
    assert!(moves.is_sorted(), "the cursor never goes back");
    assert_eq!(world.counted("j"), (300, 0));
    world.assert_sound();
}

#[test]
fn a_hand_over_that_fails_gives_the_jobs_message_back_and_deletes_nothing() {
    let world = World::new();
    let message = world.put(QueueName::ExportJobs, letters::job("j", 30));
    world.fail_always(Op::SendTask, Flaw::Before(AwsKind::Throttled));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job's message goes back", || {
        world.did(|did| matches!(did, Did::Returned { message: m, .. } if *m == message)) > 0
    });
    assert!(!world.is_empty(QueueName::ExportJobs), "nothing is deleted");
    world.mend(Op::SendTask);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    world.assert_sound();
}

#[test]
fn two_jobs_take_turns() {
    let world = World::new();
    let mut settings = settings();
    (settings.pool.workers, settings.pool.max_waiting) = (1, 40);
    let pod = Pod::with(&world, settings);
    for n in 0..3 {
        let job = format!("short-{n}");
        world.put(QueueName::ExportJobs, letters::job(&job, 1));
        eventually_in(&world, "the pod learns that tasks are short", || closed(&world, &job, JobState::Done));
    }
    // The only slot is held until both jobs are in hand.
    let held = letters::url("held", "t");
    world.answer(&held, [Answer::file("x").gated()]);
    world.put(QueueName::DownloadTasks, letters::task("held", "t"));
    eventually_in(&world, "the slot is taken", || world.at_gate(&held));
    world.put(QueueName::ExportJobs, letters::job("large", 6));
    pod.reports("the large job waits", |report| report.gauges.waiting == 6);
    world.put(QueueName::ExportJobs, letters::job("small", 2));
    pod.reports("the small job waits too", |report| report.gauges.waiting == 8);
    world.open_gate(&held);
    eventually_in(&world, "both jobs are done", || {
        closed(&world, "large", JobState::Done) && closed(&world, "small", JobState::Done)
    });
    pod.stop();
    let fetched = world.journal().into_iter().filter_map(|did| match did {
        Did::Fetched { url } => url.split('/').nth(3).map(str::to_owned),
        _ => None,
    });
    let order: Vec<_> = fetched.skip(4).take(5).collect();
    assert_eq!(order, ["large", "small", "large", "small", "large"]);
    world.assert_sound();
}

#[test]
fn a_task_message_of_an_unknown_job_is_done_all_the_same() {
    let world = World::new();
    world.put(QueueName::DownloadTasks, letters::task("nobody", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.task("nobody", "t").unwrap().state, TaskState::Done);
    assert_eq!((world.counted("nobody"), world.job_state("nobody")), ((1, 0), None));
    world.assert_sound();
}

#[test]
fn a_job_that_comes_after_its_tasks_is_closed_by_what_is_done() {
    let world = World::new();
    world.put(QueueName::DownloadTasks, letters::task("j", "t0"));
    let pod = Pod::start(&world);
    eventually_in(&world, "the task is done", || world.is_empty(QueueName::DownloadTasks));
    world.put(QueueName::ExportJobs, letters::job("j", 1));
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.fetches(&letters::url("j", "t0")), 1);
    world.assert_sound();
}

#[test]
fn a_delivery_that_finds_done_is_deleted_without_a_download() {
    let world = World::new();
    let pod = Pod::start(&world);
    for _ in 0..2 {
        world.put(QueueName::DownloadTasks, letters::task("j", "t"));
        eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    }
    pod.stop();
    assert_eq!(world.fetches(&letters::url("j", "t")), 1);
    assert_eq!(world.counted("j"), (1, 0));
    world.assert_sound();
}

#[test]
fn a_delete_that_fails_for_one_entry_is_asked_for_again() {
    let world = World::new();
    world.fail_next(Op::Delete, [Flaw::Entry(0, throttled()), Flaw::Entry(0, throttled())]);
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || closed(&world, "j", JobState::Done));
    assert_eq!(pod.report().counters.leases_lost, 0);
    pod.stop();
    assert!(world.calls(Op::Delete) >= 3);
    assert_eq!(world.did(|did| matches!(did, Did::Received { queue: QueueName::ExportJobs, .. })), 1);
    world.assert_sound();
}

#[test]
fn a_delete_of_which_the_answer_is_lost_does_no_harm() {
    let world = World::new();
    world.fail_next(Op::Delete, [Flaw::After(AwsKind::Unreachable)]);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "the delete is asked for again", || world.calls(Op::Delete) == 2);
    pod.stop();
    assert_eq!(world.counted("j"), (1, 0));
    world.assert_sound();
}

#[test]
fn a_stale_delete_that_deletes_nothing_ends_in_a_delivery_that_finds_done() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::file("x").gated()]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let first = Pod::numbered(&world, settings(), 1);
    eventually_in(&world, "the first pod has it", || world.at_gate(&url));
    world.expire(QueueName::DownloadTasks, message);
    let second = Pod::numbered(&world, settings(), 2);
    eventually_in(&world, "the second pod has it too", || world.fetches(&url) == 2);
    world.open_gate(&url);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    first.stop();
    second.stop();
    assert_eq!((world.counted("j"), world.object("j/t").unwrap().writes), ((1, 0), 1));
    world.assert_sound();
}
