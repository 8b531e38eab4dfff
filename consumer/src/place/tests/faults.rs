//! Faults of ours, as they last: what they hold up, and when they are forgotten.

use std::time::Duration;

use super::{Scene, missing_bucket, no, receives, returned, started};
use crate::{
    event::{Command, Event, Resource, Settlement, WorkResult},
    fail::{TaskFault, breaker::Allowance},
    message::QueueName,
    place::fixture::task,
};

/// A task of its own meets a fault of ours, and the bucket answers when it is looked at.
fn try_in_vain(scene: &mut Scene) {
    let (_, task) = scene.task_message();
    let fault = TaskFault::Ours(missing_bucket());
    scene.finish(task, WorkResult::Faulted { claimed: None, fault });
    scene.tell(Event::Reachable(Resource::Bucket));
    scene.settle(task, Settlement::Returned(Duration::from_secs(40)));
}

fn answer_empty(scene: &mut Scene, times: usize) {
    for _ in 0..times {
        let queue = scene.polls.first().expect("a poll is under way").queue;
        scene.answer(queue, vec![]);
    }
}

#[test]
fn a_standing_fault_is_not_forgotten_for_polls_that_were_empty_before_it() {
    let mut scene = Scene::open();
    for _ in 0..400 {
        scene.answer(QueueName::ExportJobs, vec![]);
    }
    try_in_vain(&mut scene);
    while !scene.polls.iter().any(|poll| poll.queue == QueueName::DownloadTasks) {
        answer_empty(&mut scene, 1);
    }
    try_in_vain(&mut scene);
    assert!(scene.desk.unavailable().is_some(), "it failed a try");
    answer_empty(&mut scene, 300);
    assert!(scene.desk.unavailable().is_some(), "what failed may be yet to come again");
    answer_empty(&mut scene, 30);
    assert_eq!(scene.desk.unavailable(), None, "others have done it");
}

#[test]
fn a_job_whose_listing_ends_while_the_intake_is_stopped_goes_back_unstarted() {
    let mut scene = Scene::open();
    let (busy, _) = scene.job("busy", 2);
    let lease = scene.receive(QueueName::ExportJobs);
    scene.tell(Event::Admitted { lease, tasks: vec![task("j", 0, lease.0)], listed: 9, complete: false });
    let fault = TaskFault::Ours(missing_bucket());
    scene.finish(no(busy, 0), WorkResult::Faulted { claimed: None, fault });
    let commands =
        scene.tell(Event::Split { lease, listed: 0, handed_over: 0, continued: false, given_up: false });
    let delays = returned(&commands);
    assert!(delays.len() == 1 && (30..=300).contains(&delays[0].as_secs()), "{commands:?}");
    assert_eq!((started(&commands).len(), receives(&commands)), (0, 0));
}

#[test]
fn a_message_of_which_a_task_is_handed_over_is_not_given_back() {
    let mut scene = Scene::open();
    let (busy, _) = scene.job("busy", 2);
    let lease = scene.receive(QueueName::ExportJobs);
    scene.tell(Event::Admitted { lease, tasks: vec![task("j", 0, lease.0)], listed: 9, complete: false });
    let mut handed = false;
    for _ in 0..200 {
        let commands = scene.pass(20);
        handed |= commands.iter().any(|c| matches!(c, Command::HandOver(t) if t.no == no(lease, 0)));
        let entries = [busy, lease].map(|lease| (lease, crate::ports::Entry::Accepted)).into();
        scene.tell(Event::Extended { sent: scene.now, entries });
    }
    assert!(handed, "after an hour it gives way");
    scene.tell(Event::Split { lease, listed: 0, handed_over: 0, continued: false, given_up: false });
    let fault = TaskFault::Ours(missing_bucket());
    let commands = scene.finish(no(busy, 0), WorkResult::Faulted { claimed: None, fault });
    assert!(returned(&commands).is_empty(), "{commands:?}");
}

#[test]
fn a_message_whose_rest_was_passed_on_is_not_given_back_to_be_listed_again() {
    for (continued, given_up) in [(true, false), (false, true)] {
        let mut scene = Scene::open();
        let (busy, _) = scene.job("busy", 2);
        let lease = scene.receive(QueueName::ExportJobs);
        let tasks = vec![task("j", 0, lease.0)];
        scene.tell(Event::Admitted { lease, tasks, listed: 9, complete: false });
        let fault = TaskFault::Ours(missing_bucket());
        scene.finish(no(busy, 0), WorkResult::Faulted { claimed: None, fault });
        let commands = scene.tell(Event::Split { lease, listed: 0, handed_over: 0, continued, given_up });
        assert!(returned(&commands).is_empty(), "{commands:?}");
    }
}

#[test]
fn a_message_for_which_nothing_was_asked_of_aws_ends_no_try() {
    let allowed = |came_through| {
        let mut scene = Scene::open();
        let (busy, _) = scene.job("busy", 2);
        let fault = TaskFault::Ours(missing_bucket());
        scene.finish(no(busy, 0), WorkResult::Faulted { claimed: None, fault });
        scene.tell(Event::Reachable(Resource::Bucket));
        let lease = scene.receive(QueueName::ExportJobs);
        scene.tell(Event::AdmitLater { came_through, lease, delay: Duration::from_secs(1) });
        scene.desk.breaker.allowance()
    };
    assert_eq!(allowed(true), Allowance::Full);
    assert_eq!(allowed(false), Allowance::One);
}
