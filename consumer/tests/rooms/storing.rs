//! Objects: written once, adopted when they are ours, uploads that are never left open.

use exportpool_consumer::{
    fail::{AwsKind, Reason, TaskFault},
    message::QueueName,
};
use exportpool_contract::record::{JobState, TaskState};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        source::{Answer, End},
    },
    letters,
    pod::{MIB, Pod, eventually_in, settings},
};

fn task_of(world: &World) -> String {
    world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    letters::url("j", "t")
}

/// Runs a consumer until the only message is gone.
fn run_out(world: &World) {
    let pod = Pod::start(world);
    eventually_in(world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    world.assert_sound();
}

#[test]
fn an_object_of_our_own_is_adopted_and_recorded() {
    let world = World::new();
    task_of(&world);
    world.put_object("j/t", b"stored by an attempt that was not recorded", Some(("j", "t")));
    run_out(&world);
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Done, (1, 0)));
    assert!(world.task("j", "t").unwrap().object.unwrap().adopted);
}

#[test]
fn a_later_attempt_adopts_an_object_of_our_own_without_a_download() {
    let world = World::new();
    let url = task_of(&world);
    // The object is written, the answer is lost.
    world.fail_next(Op::Put, [Flaw::After(AwsKind::Unreachable)]);
    run_out(&world);
    assert_eq!((world.fetches(&url), world.object("j/t").unwrap().writes), (1, 1));
}

#[test]
fn an_object_that_stands_when_the_attempts_are_used_up_is_adopted() {
    let world = World::new();
    let url = task_of(&world);
    // Stored in the last attempt, which is kept from recording it.
    world.answer(&url, [Answer::failure(), Answer::failure(), Answer::file("at last")]);
    world.fail_next(Op::Commit, [Flaw::Before(AwsKind::Denied)]);
    run_out(&world);
    assert_eq!((world.counted("j"), world.fetches(&url)), ((1, 0), 3));
}

#[test]
fn an_object_of_somebody_else_is_a_key_conflict_and_stays() {
    let world = World::new();
    task_of(&world);
    world.put_object("j/t", b"theirs", Some(("other", "t")));
    run_out(&world);
    assert_eq!(world.task("j", "t").unwrap().reason.as_deref(), Some("keyConflict"));
    assert_eq!(&world.object("j/t").unwrap().body[..], b"theirs");
    assert_eq!(world.dead_letters(QueueName::DownloadTasks)[0].attributes["reason"], "keyConflict");
}

#[test]
fn an_object_without_an_owner_is_a_key_conflict_and_stays() {
    let world = World::new();
    task_of(&world);
    world.put_object("j/t", b"a person's", None);
    run_out(&world);
    assert_eq!(world.task("j", "t").unwrap().reason.as_deref(), Some("keyConflict"));
    assert_eq!(&world.object("j/t").unwrap().body[..], b"a person's");
}

#[test]
fn a_conflicting_write_is_tried_again() {
    let world = World::new();
    task_of(&world);
    world.fail_next(Op::Put, [Flaw::Conflict]);
    run_out(&world);
    assert_eq!(world.task("j", "t").unwrap().state, TaskState::Done);
}

#[test]
fn a_large_file_is_an_upload_of_parts() {
    let world = World::new();
    let url = task_of(&world);
    world.answer(&url, [Answer::large(13)]);
    run_out(&world);
    assert_eq!(world.object("j/t").unwrap().body.len() as u64, 13 * MIB);
    assert_eq!((world.calls(Op::CreateUpload), world.calls(Op::PutPart)), (1, 3));
}

#[test]
fn an_upload_that_fails_is_aborted() {
    for (op, flaw) in [
        (Op::PutPart, Flaw::Before(AwsKind::Failed)),
        (Op::PutPart, Flaw::Conflict),
        (Op::CompleteUpload, Flaw::Before(AwsKind::Failed)),
        (Op::CompleteUpload, Flaw::Conflict),
        (Op::NoteUpload, Flaw::Before(AwsKind::Failed)),
    ] {
        let world = World::new();
        let url = task_of(&world);
        world.answer(&url, [Answer::large(11)]);
        world.fail_next(op, [flaw]);
        run_out(&world);
        assert_eq!((world.counted("j"), world.calls(Op::CreateUpload)), ((1, 0), 2), "{op:?}");
    }
}

#[test]
fn an_upload_whose_completion_was_answered_by_nobody_is_adopted() {
    let world = World::new();
    let url = task_of(&world);
    world.answer(&url, [Answer::large(11)]);
    world.fail_next(Op::CompleteUpload, [Flaw::After(AwsKind::Unreachable)]);
    run_out(&world);
    assert_eq!((world.fetches(&url), world.counted("j")), (1, (1, 0)));
}

#[test]
fn an_upload_that_finds_our_object_there_is_aborted_and_the_object_adopted() {
    let world = World::new();
    let url = task_of(&world);
    world.answer(&url, [Answer::large(11)]);
    world.put_object("j/t", b"ours", Some(("j", "t")));
    run_out(&world);
    assert_eq!(world.counted("j"), (1, 0));
}

#[test]
fn an_upload_whose_source_breaks_off_is_aborted() {
    let world = World::new();
    let url = task_of(&world);
    let cut = TaskFault::retry(Reason::Truncated, "the connection broke");
    world.answer(&url, [Answer::large(12).ending(End::Fault(cut)), Answer::large(12)]);
    run_out(&world);
    assert_eq!(world.counted("j"), (1, 0));
}

#[test]
fn an_upload_that_could_not_be_aborted_is_aborted_by_the_next_attempt() {
    let world = World::new();
    let url = task_of(&world);
    let cut = TaskFault::retry(Reason::Truncated, "the connection broke");
    world.answer(&url, [Answer::large(12).ending(End::Fault(cut)), Answer::large(12)]);
    world.fail_next(Op::AbortUpload, [Flaw::Before(AwsKind::Failed)]);
    run_out(&world);
    assert_eq!((world.counted("j"), world.calls(Op::AbortUpload)), ((1, 0), 2));
}

#[test]
fn many_small_files_and_a_few_large_ones_are_all_stored() {
    let world = World::new();
    for n in [3, 7] {
        world.answer(&letters::url("j", &format!("t{n}")), [Answer::large(11)]);
    }
    world.put(QueueName::ExportJobs, letters::job("j", 60));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || world.job_state("j") == Some(JobState::Done));
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::ExportJobs));
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_task_that_may_overwrite_replaces_what_stands_there_once() {
    for size in [1, 11] {
        let world = World::new();
        world.answer(&letters::url("j", "t"), [Answer::large(size)]);
        world.put_object("j/t", b"theirs", Some(("other", "t")));
        world.put(QueueName::DownloadTasks, letters::overwriting_task("j", "t"));
        run_out(&world);
        let object = world.object("j/t").unwrap();
        assert_eq!((object.body.len() as u64, object.writes), (size as u64 * MIB, 1));
        assert_eq!(world.counted("j"), (1, 0));
    }
}

#[test]
fn a_redelivered_overwrite_adopts_what_it_wrote_itself_without_a_download() {
    let world = World::new();
    world.put_object("j/t", b"theirs", None);
    world.put(QueueName::DownloadTasks, letters::overwriting_task("j", "t"));
    // The object is written, the answer is lost.
    world.fail_next(Op::Put, [Flaw::After(AwsKind::Unreachable)]);
    run_out(&world);
    assert_eq!((world.fetches(&letters::url("j", "t")), world.object("j/t").unwrap().writes), (1, 1));
    assert!(world.task("j", "t").unwrap().object.unwrap().adopted);
}

#[test]
fn the_same_overwrite_at_two_consumers_is_written_once() {
    for size in [1, 11] {
        let world = World::new();
        let url = letters::url("j", "t");
        world.answer(&url, [Answer::large(size).gated()]);
        world.put_object("j/t", b"theirs", None);
        world.put_copies(QueueName::DownloadTasks, letters::overwriting_task("j", "t"), 2);
        let pods = [1, 2].map(|number| Pod::numbered(&world, settings(), number));
        eventually_in(&world, "both download it", || world.fetches(&url) == 2);
        world.open_gate(&url);
        eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
        pods.into_iter().for_each(Pod::stop);
        assert_eq!((world.object("j/t").unwrap().writes, world.counted("j")), (1, (1, 0)));
        world.assert_sound();
    }
}

#[test]
fn an_upload_in_conflict_begins_again_from_byte_0_within_its_attempt() {
    for op in [Op::PutPart, Op::CompleteUpload] {
        let world = World::new();
        let url = task_of(&world);
        world.answer(&url, [Answer::large(11)]);
        world.fail_next(op, [Flaw::Conflict]);
        run_out(&world);
        assert_eq!(world.task("j", "t").unwrap().attempts, 1, "{op:?}");
        assert_eq!((world.fetches(&url), world.calls(Op::CreateUpload)), (2, 2), "{op:?}");
    }
}

#[test]
fn an_upload_always_in_conflict_ends_as_a_write_conflict_after_a_few_downloads_an_attempt() {
    let world = World::new();
    let url = task_of(&world);
    world.answer(&url, [Answer::large(11)]);
    world.fail_always(Op::CompleteUpload, Flaw::Conflict);
    run_out(&world);
    assert_eq!(world.task("j", "t").unwrap().reason.as_deref(), Some("writeConflict"));
    assert_eq!((world.task("j", "t").unwrap().attempts, world.fetches(&url)), (3, 9));
}

#[test]
fn a_put_in_conflict_is_sent_again_without_another_download() {
    let world = World::new();
    let url = task_of(&world);
    world.fail_next(Op::Put, [Flaw::Conflict, Flaw::Conflict]);
    run_out(&world);
    assert_eq!((world.fetches(&url), world.task("j", "t").unwrap().attempts), (1, 1));
}

/// Another delivery, somewhere else, claims the task.
fn claimed_elsewhere(world: &World) {
    world.lock().table.tasks.values_mut().for_each(|task| task.epoch += 1);
}

#[test]
fn an_upload_whose_task_was_claimed_by_another_delivery_is_not_completed() {
    let world = World::new();
    world.answer(&letters::url("j", "t"), [Answer::large(11)]);
    world.fail_next(Op::PutPart, [Flaw::None, Flaw::None, Flaw::Wait]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "the last part is on its way", || world.calls(Op::PutPart) == 3);
    claimed_elsewhere(&world);
    world.let_go();
    eventually_in(&world, "the upload is dropped", || world.open_uploads() == 0);
    assert_eq!((world.calls(Op::CompleteUpload), world.object("j/t").is_some()), (0, false));
    world.expire(QueueName::DownloadTasks, message);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!((world.calls(Op::CompleteUpload), world.counted("j")), (1, (1, 0)));
    world.assert_sound();
}

#[test]
fn an_upload_that_another_delivery_aborted_is_given_up_to_it() {
    let world = World::new();
    let url = letters::url("j", "t");
    world.answer(&url, [Answer::large(11)]);
    world.fail_next(Op::PutPart, [Flaw::None, Flaw::Wait]);
    let message = world.put(QueueName::DownloadTasks, letters::task("j", "t"));
    let pod = Pod::start(&world);
    eventually_in(&world, "a part is on its way", || world.calls(Op::PutPart) == 2);
    claimed_elsewhere(&world);
    world.lock().bucket.uploads.clear();
    world.let_go();
    eventually_in(&world, "its upload is seen to be gone", || world.calls(Op::AbortUpload) == 1);
    assert_eq!(world.fetches(&url), 1, "no second download for a task that another delivery has");
    world.expire(QueueName::DownloadTasks, message);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    assert_eq!((world.fetches(&url), world.calls(Op::CreateUpload)), (2, 2), "one download a claim");
    world.assert_sound();
}

#[test]
fn many_large_files_of_unknown_length_share_a_budget_of_one_part_a_slot() {
    let world = World::new();
    let mut tight = settings();
    tight.memory_budget = 10 * MIB;
    for n in 0..8 {
        world.answer(&letters::url("j", &format!("t{n}")), [Answer::large(12)]);
    }
    world.put(QueueName::ExportJobs, letters::job("j", 8));
    let pod = Pod::with(&world, tight);
    eventually_in(&world, "the job is done", || world.job_state("j") == Some(JobState::Done));
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::ExportJobs));
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_file_whose_parts_never_fit_the_budget_is_refused_with_the_numbers() {
    let world = World::new();
    let url = task_of(&world);
    let mut tight = settings();
    (tight.memory_budget, tight.task.max_file_bytes) = (12 * MIB, u64::MAX);
    world.answer(&url, [Answer::file("x").promising(80_000 * MIB)]);
    let pod = Pod::with(&world, tight);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    let letter = &world.dead_letters(QueueName::DownloadTasks)[0];
    assert_eq!(letter.attributes["reason"], "tooLarge");
    assert!(letter.attributes["detail"].contains("MEMORY_BUDGET_MIB"), "{}", letter.attributes["detail"]);
    world.assert_sound();
}
