//! Jobs whose files an Export API lists, page by page.

use std::{fs, time::Duration};

use exportpool_consumer::{
    fail::{AwsKind, Reason, TaskFault},
    message::QueueName,
    ports::{Cursor, Outbox},
    work::fetch::credentials::Credentials,
};
use exportpool_contract::{JobMessage, record::JobState};
use serde_json::json;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        job_id,
        journal::Did,
        source::{Answer, End},
    },
    letters::{self, page, page_url},
    pod::{Pod, eventually_in, settings},
};

/// Puts a job on its queue of which each page lists so many tasks.
fn put_job(world: &World, job: &str, pages: &[usize]) -> u64 {
    let mut first = 0;
    for (number, tasks) in pages.iter().enumerate() {
        let next = (number + 1 < pages.len()).then_some(number + 1);
        world.answer(&page_url(job, number), [Answer::file(page(job, first..first + tasks, next))]);
        first += tasks;
    }
    world.put(QueueName::ExportJobs, letters::job_of_pages(job))
}

fn ended(world: &World, job: &str, state: JobState) -> bool {
    world.job_state(job) == Some(state) && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

fn run_to_the_end(world: &World, job: &str) {
    let pod = Pod::start(world);
    eventually_in(world, "the job is done", || ended(world, job, JobState::Done));
    pod.stop();
    world.assert_sound();
}

fn continuations(world: &World) -> Vec<JobMessage> {
    let sent = world.journal().into_iter().filter_map(|did| match did {
        Did::Sent { to: Outbox::ExportJobs, body, .. } => Some(serde_json::from_str(&body).unwrap()),
        _ => None,
    });
    sent.collect()
}

/// The reason of the only dead letter of `export-jobs`, once it is there.
fn refusal(world: &World) -> (String, String) {
    let pod = Pod::start(world);
    let letters = || world.dead_letters(QueueName::ExportJobs);
    eventually_in(world, "the job is given up", || letters().len() == 1);
    eventually_in(world, "its message is deleted", || world.is_empty(QueueName::ExportJobs));
    pod.stop();
    let attributes = letters().remove(0).attributes;
    (attributes["reason"].clone(), attributes["detail"].clone())
}

#[test]
fn a_job_of_one_page_is_as_one_that_lists_its_files() {
    for tasks in [0, 1, 5, 230] {
        let world = World::new();
        put_job(&world, "j", &[tasks]);
        run_to_the_end(&world, "j");
        assert_eq!(world.counted("j"), (i64::try_from(tasks).unwrap(), 0));
        let shards = world.lock().table.jobs[&job_id("j")].shards;
        assert_eq!(shards, if tasks > 100 { 16 } else { 1 }, "{tasks} tasks");
    }
}

#[test]
fn a_job_of_many_pages_is_stored_whole_and_closed_when_all_of_it_is_listed() {
    let world = World::new();
    put_job(&world, "j", &[3, 0, 120, 1, 40, 0]);
    run_to_the_end(&world, "j");
    assert_eq!(world.counted("j"), (164, 0));
    assert_eq!(world.lock().table.jobs[&job_id("j")].total, Some(164));
}

#[test]
fn a_job_is_listing_until_its_last_page_is_read() {
    let world = World::new();
    put_job(&world, "j", &[2, 2]);
    let last = page_url("j", 1);
    world.lock().web.gate(&last);
    let pod = Pod::start(&world);
    eventually_in(&world, "all of the first page is done", || world.counted("j") == (2, 0));
    assert_eq!(world.job_state("j"), Some(JobState::Listing));
    pod.reports("it is not listed", |report| report.gauges.unlisted == 1);
    world.open_gate(&last);
    eventually_in(&world, "the job is done", || ended(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.counted("j"), (4, 0));
    world.assert_sound();
}

#[test]
fn a_task_on_two_pages_counts_once() {
    let world = World::new();
    world.answer(&page_url("j", 0), [Answer::file(page("j", 0..5, Some(1)))]);
    world.answer(&page_url("j", 1), [Answer::file(page("j", 3..8, None))]);
    world.put(QueueName::ExportJobs, letters::job_of_pages("j"));
    run_to_the_end(&world, "j");
    assert_eq!(world.counted("j"), (8, 0));
}

#[test]
fn a_page_that_fails_is_asked_for_again_from_the_cursor() {
    let world = World::new();
    put_job(&world, "j", &[150, 20]);
    let failing = page_url("j", 1);
    world.lock().web.prepend(&failing, [Answer::failure(), Answer::later(Duration::from_secs(70))]);
    run_to_the_end(&world, "j");
    assert_eq!(world.counted("j"), (170, 0));
    assert_eq!((world.fetches(&page_url("j", 0)), world.fetches(&failing)), (1, 3));
    let continued = continuations(&world);
    assert_eq!(continued.len(), 1, "the second time its own message comes again: {continued:?}");
    let at = continued[0].continues.as_ref().unwrap();
    assert_eq!((at.page, at.url.as_str()), (1, failing.as_str()));
    let asked = world.journal().into_iter().filter_map(|did| match did {
        Did::Returned { queue: QueueName::ExportJobs, delay, .. } => Some(delay),
        _ => None,
    });
    assert_eq!(asked.collect::<Vec<_>>(), [Duration::from_secs(70)], "as the API asked for");
}

#[test]
fn a_first_page_that_fails_brings_the_message_again() {
    let world = World::new();
    put_job(&world, "j", &[4]);
    world.lock().web.prepend(&page_url("j", 0), [Answer::failure(), Answer::failure()]);
    run_to_the_end(&world, "j");
    assert!(continuations(&world).is_empty());
    assert_eq!(world.did(|did| matches!(did, Did::Received { queue: QueueName::ExportJobs, .. })), 3);
}

#[test]
fn an_export_api_that_keeps_failing_is_given_up_and_can_be_redriven() {
    let world = World::new();
    put_job(&world, "j", &[3, 2]);
    let failing = page_url("j", 1);
    world.lock().web.prepend(&failing, [Answer::failure(), Answer::failure(), Answer::failure()]);
    let (reason, detail) = refusal(&world);
    assert_eq!(reason, "sourceFailed");
    assert!(detail.contains("page 1") && detail.contains("listing failed 3 times"), "{detail}");
    assert_eq!(world.job_state("j"), Some(JobState::Listing));
    world.redrive(QueueName::ExportJobs);
    run_to_the_end(&world, "j");
    assert_eq!(world.counted("j"), (5, 0));
}

#[test]
fn an_export_api_that_lies_loops_or_refuses_is_given_up_with_the_reason() {
    let own = page_url("j", 0);
    let large = json!({ "tasks": [], "padding": "x".repeat(5 * 1024 * 1024) }).to_string();
    let cases = [
        (Answer::file("<html>not found</html>"), "exportApiInvalid", "expected value"),
        (Answer::file(page("j", 0..1_001, None)), "exportApiInvalid", "1001 tasks"),
        (Answer::file(large), "exportApiInvalid", "more than 4194304 bytes"),
        (Answer::large(1).ending(End::Endless), "exportApiInvalid", "more than 4194304 bytes"),
        (Answer::file(page("j", 0..2, Some(0))), "exportApiInvalid", "repeats its page"),
        (
            Answer::fault(TaskFault::last(Reason::SourceRefused, "the source answered 404")),
            "sourceRefused",
            "page 0 of the Export API at http://api.test/j: the source answered 404",
        ),
    ];
    for (answer, reason, detail) in cases {
        let world = World::new();
        world.answer(&own, [answer]);
        world.put(QueueName::ExportJobs, letters::job_of_pages("j"));
        let told = refusal(&world);
        assert_eq!(told.0, reason, "{told:?}");
        assert!(told.1.contains(detail), "{told:?}");
    }
}

#[test]
fn an_export_api_that_never_ends_is_given_up_at_a_million_tasks() {
    let world = World::new();
    let message = put_job(&world, "j", &[1, 2, 1]);
    let pod = Pod::start(&world);
    world.lock().web.gate(&page_url("j", 1));
    eventually_in(&world, "the first page is handed over", || world.at_gate(&page_url("j", 1)));
    // As if nearly a million had been listed before.
    world.lock().table.jobs.get_mut(&job_id("j")).unwrap().cursor =
        Cursor { page: 1, index: 0, tasks: 999_999 };
    world.expire(QueueName::ExportJobs, message);
    world.open_gate(&page_url("j", 1));
    eventually_in(&world, "it is given up", || world.dead_letters(QueueName::ExportJobs).len() == 1);
    pod.stop();
    let letter = world.dead_letters(QueueName::ExportJobs).remove(0);
    assert!(letter.attributes["detail"].contains("more than 1000000 tasks"), "{letter:?}");
}

#[test]
fn a_listing_that_is_told_to_stop_goes_on_as_another_message() {
    let world = World::new();
    put_job(&world, "j", &[150, 150, 20]);
    let held = page_url("j", 1);
    world.lock().web.gate(&held);
    let mut first = Pod::numbered(&world, settings(), 1);
    eventually_in(&world, "the second page is asked for", || world.at_gate(&held));
    first.tell_to_stop();
    first.reports("it drains", |report| report.draining);
    world.open_gate(&held);
    first.stop();
    let continued = continuations(&world);
    assert_eq!(continued.len(), 1);
    assert_eq!(continued[0].continues.as_ref().map(|at| at.page), Some(2), "the page it had is sent");
    run_to_the_end(&world, "j");
    assert_eq!((world.counted("j"), world.fetches(&page_url("j", 0))), ((320, 0), 1));
}

#[test]
fn a_redelivered_job_goes_on_at_its_cursor_and_admits_what_is_not_settled() {
    let world = World::new();
    let message = put_job(&world, "j", &[150, 150]);
    // The first delivery dies between two moves of the cursor on the second page.
    world.fail_next(Op::Advance, [Flaw::None, Flaw::None, Flaw::None, Flaw::Before(AwsKind::Denied)]);
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is done", || ended(&world, "j", JobState::Done));
    pod.stop();
    assert_eq!(world.did(|did| matches!(did, Did::Received { message: m, .. } if *m == message)), 2);
    assert_eq!(world.counted("j"), (300, 0));
    assert!(world.did(Did::is_hand_over) < 300 + 101, "at most a hundred are sent again");
    world.assert_sound();
}

#[test]
fn a_continued_listing_that_another_delivery_overtakes_leaves_the_job_to_it() {
    let world = World::new();
    let message = put_job(&world, "j", &[10, 10, 10]);
    let held = page_url("j", 1);
    world.lock().web.gate(&held);
    let first = Pod::numbered(&world, settings(), 1);
    eventually_in(&world, "the first is at the second page", || world.at_gate(&held));
    world.expire(QueueName::ExportJobs, message);
    let second = Pod::numbered(&world, settings(), 2);
    eventually_in(&world, "so is the second", || world.lock().web.at_gate[&held] == 2);
    world.open_gate(&held);
    eventually_in(&world, "the job is done", || ended(&world, "j", JobState::Done));
    first.stop();
    second.stop();
    assert_eq!(world.counted("j"), (30, 0));
    world.assert_sound();
}

#[test]
fn a_presigned_url_that_has_expired_is_read_anew_from_its_page_once() {
    let world = World::new();
    let signed = |n: usize, signature: usize| format!("http://files.test/j/t{n}?signature={signature}");
    let listed = |signature| {
        let tasks: Vec<_> =
            (0..3).map(|n| json!({ "taskId": format!("t{n}"), "url": signed(n, signature) })).collect();
        Answer::file(json!({ "tasks": tasks }).to_string())
    };
    world.answer(&page_url("j", 0), [listed(1), listed(2)]);
    let expired =
        || Answer::fault(TaskFault::last(Reason::SourceForbidden, "the source answered 403 Forbidden"));
    (0..3).for_each(|n| world.answer(&signed(n, 1), [expired()]));
    // The last one is forbidden whatever its signature.
    world.answer(&signed(2, 2), [expired()]);
    world.put(QueueName::ExportJobs, letters::job_of_pages("j"));
    let pod = Pod::start(&world);
    eventually_in(&world, "the job is settled", || ended(&world, "j", JobState::DoneWithFailures));
    pod.stop();
    assert_eq!(world.counted("j"), (2, 1));
    assert_eq!(world.task("j", "t2").unwrap().reason.as_deref(), Some("sourceForbidden"));
    assert_eq!((0..3).map(|n| world.fetches(&signed(n, 2))).sum::<usize>(), 3);
    assert!(["t0", "t1", "t2"].iter().all(|task| world.task("j", task).unwrap().attempts == 1));
    world.assert_sound();
}

#[test]
fn credentials_are_named_and_sent_to_their_origin_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("reports"), "http://api.test\nAuthorization: Bearer hush\n").unwrap();
    let world = World::new();
    let (first, second) = (page_url("j", 0), "http://elsewhere.test/2");
    let body = json!({ "tasks": [letters::spec("j", "t0")], "next": second }).to_string();
    world.answer(&first, [Answer::file(body)]);
    world.answer(second, [Answer::file(page("j", 1..2, None))]);
    let job = |url: &str| {
        json!({ "jobId": "j", "exportApi": { "url": url, "credentials": "reports" } }).to_string()
    };
    world.put(QueueName::ExportJobs, job(&first));
    let mut settings = settings();
    settings.credentials = Credentials::new(Some(folder.path().into()));
    let pod = Pod::with(&world, settings);
    eventually_in(&world, "the job is done", || ended(&world, "j", JobState::Done));
    assert_eq!(world.lock().web.authorized.get(&first).map(String::as_str), Some("Bearer hush"));
    assert!(!world.lock().web.authorized.contains_key(second), "another origin");
    assert!(!world.journal().iter().any(|did| format!("{did:?}").contains("hush")), "never in a message");
    world.put(QueueName::ExportJobs, job("http://elsewhere.test/1"));
    eventually_in(&world, "it is refused", || world.dead_letters(QueueName::ExportJobs).len() == 1);
    pod.stop();
    let letter = world.dead_letters(QueueName::ExportJobs).remove(0);
    assert_eq!(letter.attributes["reason"], "credentialsUnknown");
    assert!(letter.attributes["detail"].contains("are for http://api.test"), "{letter:?}");
}
