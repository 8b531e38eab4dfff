//! Messages too large to be sent on, and messages that SQS does not take: each is given up with its reason, and is in
//! the way of no other.

use exportpool_consumer::{
    fail::{Reason, TaskFault, retry_delay},
    message::QueueName,
    ports::{Entry, MAX_MESSAGE_BYTES},
    spec::MAX_TASK_BYTES,
};
use exportpool_contract::record::{JobState, TaskState};
use serde_json::{Value, json};

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        journal::Did,
        source::Answer,
    },
    letters::{self, page, page_url},
    pod::{Pod, eventually_in},
};

fn is_over(world: &World) -> bool {
    QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

/// A task with a header of so many bytes.
fn heavy(job: &str, task: &str, bytes: usize) -> Value {
    let mut spec = letters::spec(job, task);
    spec["headers"] = json!({ "cookie": "c".repeat(bytes) });
    spec
}

/// The only dead letter: its body, reason and detail.
fn dead_letter(world: &World, of: QueueName) -> (String, String, String) {
    let [letter] = &world.dead_letters(of)[..] else { panic!("one dead letter") };
    (letter.body.clone(), letter.attributes["reason"].clone(), letter.attributes["detail"].clone())
}

/// All of it ends, a job of small tasks among it, and no fault of ours is seen.
fn ends_beside_another(world: &World) {
    let pod = Pod::start(world);
    eventually_in(world, "what is to be refused is refused before the other job sends any", || {
        !world.has_flaw(Op::SendTask)
    });
    world.put(QueueName::ExportJobs, letters::job("other", 30));
    eventually_in(world, "all is over", || is_over(world));
    eventually_in(world, "the other job is done", || world.job_state("other") == Some(JobState::Done));
    assert_eq!(pod.report().counters.aws_errors, [].into());
    pod.stop();
    assert_eq!(world.lock().broken, [""; 0], "AWS was asked for what it refuses");
}

fn refused() -> Entry {
    Entry::Refused("InvalidParameterValue: Message must be shorter than 262144 bytes.".into())
}

#[test]
fn a_job_with_a_task_too_large_to_be_sent_on_is_refused_and_names_it() {
    let world = World::new();
    let mut tasks: Vec<_> = (0..40).map(|n| letters::spec("j", &format!("t{n}"))).collect();
    tasks.push(heavy("j", "much", MAX_MESSAGE_BYTES - 4_000));
    let body = json!({ "jobId": "j", "tasks": tasks }).to_string();
    assert!(body.len() <= MAX_MESSAGE_BYTES, "SQS takes the job itself");
    world.put(QueueName::ExportJobs, &*body);
    ends_beside_another(&world);
    let (letter, reason, detail) = dead_letter(&world, QueueName::ExportJobs);
    assert_eq!((letter == body, reason.as_str()), (true, "malformed"));
    let limit = format!("at most {MAX_TASK_BYTES} are allowed: shorten");
    assert!(detail.contains("the task much makes a message of") && detail.contains(&limit), "{detail}");
    assert_eq!(world.job_state("j"), None, "nothing of it has begun");
    world.assert_sound();
}

/// Nothing is made of its tasks: each would carry the prefix.
#[test]
fn a_prefix_that_no_key_has_room_for_is_refused_for_the_job_as_a_whole() {
    let world = World::new();
    let tasks: Vec<_> = (0..2_000).map(|n| letters::spec("j", &format!("t{n}"))).collect();
    let prefix = "p".repeat(MAX_MESSAGE_BYTES / 2);
    let job = json!({ "jobId": "j", "tasks": tasks, "destination": { "prefix": prefix } });
    world.put(QueueName::ExportJobs, job.to_string());
    ends_beside_another(&world);
    let (_, reason, detail) = dead_letter(&world, QueueName::ExportJobs);
    assert!(reason == "malformed" && detail.contains("shorten the prefix"), "{reason}: {detail}");
    assert_eq!(world.job_state("j"), None, "nothing of it has begun");
    world.assert_sound();
}

#[test]
fn a_page_with_a_task_too_large_to_be_sent_on_is_refused_and_what_came_before_is_stored() {
    let world = World::new();
    world.answer(&page_url("j", 0), [Answer::file(page("j", 0..20, Some(1)))]);
    let much = json!({ "tasks": [letters::spec("j", "small"), heavy("j", "much", 2 * MAX_MESSAGE_BYTES)] });
    world.answer(&page_url("j", 1), [Answer::file(much.to_string())]);
    world.put(QueueName::ExportJobs, letters::job_of_pages("j"));
    ends_beside_another(&world);
    let (_, reason, detail) = dead_letter(&world, QueueName::ExportJobs);
    assert_eq!(reason, "exportApiInvalid");
    assert!(detail.starts_with("page 1 of") && detail.contains("the task much makes"), "{detail}");
    assert_eq!(world.counted("j"), (20, 0));
}

#[test]
fn a_job_whose_continuation_could_not_be_sent_is_refused() {
    let world = World::new();
    let mut job: Value = serde_json::from_str(&letters::job_of_pages("j")).unwrap();
    job["exportApi"]["credentials"] = "c".repeat(MAX_MESSAGE_BYTES - 20_000).into();
    world.put(QueueName::ExportJobs, job.to_string());
    ends_beside_another(&world);
    let (_, reason, detail) = dead_letter(&world, QueueName::ExportJobs);
    assert!(reason == "malformed" && detail.contains("shorten"), "{reason}: {detail}");
    assert_eq!(world.fetches(&page_url("j", 0)), 0);
    world.assert_sound();
}

#[test]
fn the_largest_task_is_handed_over_tried_again_and_given_up_with_its_epoch() {
    let world = World::new();
    let much = |bytes| heavy("j", "t", bytes);
    let message = |bytes| {
        let mut message = much(bytes);
        (message["jobId"], message["attempt"]) = ("j".into(), u32::MAX.into());
        message["enqueuedAt"] = u64::MAX.into();
        message.to_string().len()
    };
    let task = much(MAX_TASK_BYTES - message(0));
    let gone =
        TaskFault::last(Reason::SourceRefused, "the source answered 404: ".to_owned() + &"é".repeat(900));
    world.answer(&letters::url("j", "t"), [Answer::failure(), Answer::failure(), Answer::fault(gone)]);
    world.put(QueueName::ExportJobs, json!({ "jobId": "j", "tasks": [task] }).to_string());
    ends_beside_another(&world);
    let [letter] = &world.dead_letters(QueueName::DownloadTasks)[..] else { panic!("one dead letter") };
    assert_eq!((letter.attributes["epoch"].as_str(), letter.attributes["attempt"].as_str()), ("3", "3"));
    assert_eq!((world.task("j", "t").unwrap().state, world.counted("j")), (TaskState::Failed, (0, 1)));
    let larger = json!({ "jobId": "k", "tasks": [much(MAX_TASK_BYTES - message(0) + 1)] });
    world.put(QueueName::ExportJobs, larger.to_string());
    ends_beside_another(&world);
    assert_eq!(dead_letter(&world, QueueName::ExportJobs).1, "malformed");
    world.assert_sound();
}

#[test]
fn a_job_of_which_sqs_takes_no_task_is_a_dead_letter_and_trips_nothing() {
    let world = World::new();
    world.fail_next(Op::SendTask, [Flaw::Entry(0, refused())]);
    let body = letters::job("j", 40);
    world.put(QueueName::ExportJobs, &*body);
    ends_beside_another(&world);
    let (letter, reason, detail) = dead_letter(&world, QueueName::ExportJobs);
    assert_eq!((letter, reason.as_str()), (body, "malformed"));
    assert!(detail.contains("shorter than 262144") && detail.contains("MaximumMessageSize"), "{detail}");
    assert!(world.counted("j").0 > 0, "what was here is done");
    world.assert_sound();
}

#[test]
fn a_job_of_which_sqs_takes_neither_a_task_nor_a_dead_letter_comes_again() {
    let world = World::new();
    world.fail_next(Op::SendTask, [Flaw::Entry(0, refused())]);
    world.fail_next(Op::SendDeadLetter, [Flaw::Entry(0, refused())]);
    world.put(QueueName::ExportJobs, letters::job("j", 40));
    ends_beside_another(&world);
    assert_eq!((world.job_state("j"), world.counted("j")), (Some(JobState::Done), (40, 0)));
    world.assert_sound();
}

#[test]
fn a_listing_that_sqs_does_not_take_on_is_a_dead_letter_and_trips_nothing() {
    let world = World::new();
    world.fail_next(Op::SendJob, [Flaw::Entry(0, refused())]);
    world.answer(&page_url("j", 0), [Answer::file(page("j", 0..20, Some(1)))]);
    world.answer(&page_url("j", 1), [Answer::failure(), Answer::file(page("j", 20..30, None))]);
    let body = letters::job_of_pages("j");
    world.put(QueueName::ExportJobs, &*body);
    ends_beside_another(&world);
    let (letter, reason, _) = dead_letter(&world, QueueName::ExportJobs);
    assert_eq!((letter, reason.as_str()), (body, "exportApiInvalid"));
    world.redrive(QueueName::ExportJobs);
    ends_beside_another(&world);
    assert_eq!((world.job_state("j"), world.counted("j")), (Some(JobState::Done), (30, 0)), "it goes on");
    world.assert_sound();
}

#[test]
fn a_message_whose_dead_letter_sqs_does_not_take_comes_again_ever_later_and_trips_nothing() {
    let world = World::new();
    world.fail_next(Op::SendDeadLetter, [Flaw::Entry(0, refused()), Flaw::Entry(0, refused())]);
    world.put(QueueName::ExportJobs, "no job");
    ends_beside_another(&world);
    assert_eq!(dead_letter(&world, QueueName::ExportJobs).1, "malformed");
    let returned = world.journal().into_iter().filter_map(|did| match did {
        Did::Returned { delay, .. } => Some(delay),
        _ => None,
    });
    let returned: Vec<_> = returned.collect();
    assert!(returned.len() == 2 && returned[1] >= retry_delay(2, None, 0.0), "{returned:?}");
    world.assert_sound();
}
