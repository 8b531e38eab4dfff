//! Uploads that nobody works on any more are aborted, also those whose id nobody has.

use std::time::Duration;

use exportpool_consumer::{
    fail::{AwsKind, Reason, TaskFault},
    message::QueueName,
};
use exportpool_contract::record::TaskState;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::{Answer, End},
    },
    letters,
    pod::{Pod, eventually_in, settings},
};

fn task_of(world: &World, answers: impl IntoIterator<Item = Answer>) -> String {
    let url = letters::url("j", "t");
    world.answer(&url, answers);
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    url
}

/// Runs a consumer until the only message is gone.
fn run_out(world: &World) {
    let pod = Pod::start(world);
    eventually_in(world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    world.assert_sound();
}

fn claims(world: &World) -> usize {
    world.did(|did| matches!(did, Did::Claimed { .. }))
}

#[test]
fn an_upload_that_only_the_bucket_knows_is_aborted_by_the_next_claim_whatever_comes_of_it() {
    let missing = TaskFault::last(Reason::SourceRefused, "the source answered 404");
    for (answer, state) in [
        (Answer::large(11), TaskState::Done),
        (Answer::file("small"), TaskState::Done),
        (Answer::fault(missing), TaskState::Failed),
    ] {
        let world = World::new();
        task_of(&world, [Answer::failure(), answer]);
        world.leave_upload("j/t");
        run_out(&world);
        assert_eq!((world.task("j", "t").unwrap().state, world.calls(Op::ListUploads)), (state, 1));
    }
}

#[test]
fn an_upload_of_a_task_whose_object_stands_already_is_aborted() {
    let world = World::new();
    task_of(&world, [Answer::file("small")]);
    world.leave_upload("j/t");
    // The object is written, the answer is lost.
    world.fail_next(Op::Put, [Flaw::After(AwsKind::Unreachable)]);
    run_out(&world);
    assert!(world.task("j", "t").unwrap().object.unwrap().adopted);
}

#[test]
fn an_upload_of_a_task_that_is_done_is_aborted_by_its_next_delivery() {
    let world = World::new();
    task_of(&world, [Answer::file("small")]);
    run_out(&world);
    world.leave_upload("j/t");
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    run_out(&world);
    assert_eq!(claims(&world), 1);
}

#[test]
fn uploads_of_other_keys_are_left_alone() {
    let world = World::new();
    task_of(&world, [Answer::failure(), Answer::large(11)]);
    world.leave_upload("j/t2");
    let pod = Pod::start(&world);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!(world.open_uploads(), 1);
}

#[test]
fn a_first_claim_asks_for_no_uploads() {
    let world = World::new();
    task_of(&world, [Answer::large(11)]);
    run_out(&world);
    assert_eq!(world.calls(Op::ListUploads), 0);
}

#[test]
fn an_upload_whose_answer_was_lost_is_aborted_within_the_attempt() {
    let world = World::new();
    let url = task_of(&world, [Answer::large(11)]);
    world.fail_next(Op::CreateUpload, [Flaw::After(AwsKind::Unreachable)]);
    run_out(&world);
    assert_eq!((world.fetches(&url), claims(&world), world.calls(Op::CreateUpload)), (1, 1, 2));
}

/// Another delivery claims the task while this one's list is on its way, and starts its own upload.
#[test]
fn an_upload_of_a_newer_claim_is_left_to_it() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::failure(), Answer::large(11)]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    world.leave_upload("j/t");
    world.fail_next(Op::ListUploads, [Flaw::Wait]);
    let pod = Pod::start(&world);
    eventually_in(&world, "the list is on its way", || world.calls(Op::ListUploads) == 1);
    world.lock().table.tasks.values_mut().for_each(|task| task.epoch += 1);
    world.leave_upload("j/t");
    world.let_go();
    eventually_in(&world, "it looks whether it is the newest", || world.calls(Op::NoteUpload) == 1);
    eventually_in(&world, "it leaves the task", || pod.report().gauges.leased.download_tasks == 0);
    assert_eq!((world.open_uploads(), world.calls(Op::AbortUpload), world.fetches(&url)), (2, 0, 1));
    world.expire(QueueName::DownloadTasks, message);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    world.assert_sound();
}

#[test]
fn where_uploads_may_not_be_listed_work_goes_on_and_costs_no_attempt_more() {
    for kind in [AwsKind::Denied, AwsKind::Rejected] {
        let world = World::new();
        task_of(&world, [Answer::failure(), Answer::large(11)]);
        world.fail_always(Op::ListUploads, Flaw::Before(kind));
        run_out(&world);
        assert_eq!((world.task("j", "t").unwrap().attempts, claims(&world)), (2, 2));
        assert_eq!(world.calls(Op::LookBucket), 1, "the breaker has not opened");
    }
}

#[test]
fn an_upload_that_the_last_attempt_could_not_abort_keeps_its_task_until_it_is() {
    let world = World::new();
    let cut = TaskFault::retry(Reason::Truncated, "the connection broke");
    task_of(&world, [Answer::large(12).ending(End::Fault(cut))]);
    let fails_at_last = [Flaw::None, Flaw::None, Flaw::None, Flaw::None, Flaw::Before(AwsKind::Failed)];
    world.fail_next(Op::AbortUpload, fails_at_last);
    run_out(&world);
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Failed, (0, 1)));
    assert_eq!(world.dead_letters(QueueName::DownloadTasks)[0].attributes["reason"], "truncated");
}

/// A task that has one attempt, of three seconds, and is not told of the upload that it starts.
fn cut_off_at_its_last_attempt(world: &World) {
    task_of(world, [Answer::large(11)]);
    world.fail_next(Op::CreateUpload, [Flaw::NoAnswer]);
    let mut settings = settings();
    (settings.task.max_attempts, settings.task.timeout) = (1, Duration::from_secs(3));
    let pod = Pod::with(world, settings);
    eventually_in(world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    world.assert_sound();
}

#[test]
fn an_upload_that_a_last_attempt_was_cut_off_from_is_aborted_though_no_claim_comes() {
    let world = World::new();
    cut_off_at_its_last_attempt(&world);
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Failed, (0, 1)));
    assert_eq!(world.dead_letters(QueueName::DownloadTasks)[0].attributes["reason"], "taskTimeout");
    assert_eq!((claims(&world), world.calls(Op::AbortUpload)), (1, 1));
}

#[test]
fn a_last_attempt_that_could_not_ask_for_its_uploads_keeps_its_task_until_it_can() {
    let world = World::new();
    world.fail_next(Op::ListUploads, [Flaw::Before(AwsKind::Failed)]);
    cut_off_at_its_last_attempt(&world);
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Done, (1, 0)));
    assert!(world.dead_letters(QueueName::DownloadTasks).is_empty());
}

#[test]
fn an_upload_beside_an_adopted_object_that_could_not_be_aborted_is_aborted_later() {
    let world = World::new();
    task_of(&world, [Answer::large(11)]);
    world.put_object("j/t", b"ours", Some(("j", "t")));
    world.fail_next(Op::AbortUpload, [Flaw::Before(AwsKind::Failed)]);
    run_out(&world);
    assert_eq!(world.counted("j"), (1, 0));
}
