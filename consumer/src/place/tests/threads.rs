//! Threads that have to last, and do not: the desk drains, and the drain comes to its end without them.

use std::time::Duration;

use super::{Scene, VISIBILITY, claimed, deleted, done, no, returned, stored};
use crate::{
    event::{Command, Event, ThreadName, WorkResult},
    message::{QueueName, TaskNo},
    place::fixture::task,
    ports::Entry,
};

fn cancelled(commands: &[Command]) -> Vec<TaskNo> {
    let tasks = commands.iter().filter_map(|command| match command {
        Command::Cancel(no) => Some(*no),
        _ => None,
    });
    tasks.collect()
}

#[test]
fn without_the_admit_thread_unread_messages_go_back_and_what_runs_is_finished() {
    let mut scene = Scene::open();
    let listing = scene.receive(QueueName::ExportJobs);
    let first = vec![task("j", 0, listing.0)];
    scene.tell(Event::Admitted { lease: listing, tasks: first, listed: 9, complete: false });
    scene.receive(QueueName::DownloadTasks);
    let commands = scene.tell(Event::ThreadGone(ThreadName::Admit));
    assert!(scene.desk.is_draining() && scene.desk.gone() == Some(ThreadName::Admit));
    assert_eq!(returned(&commands), [Duration::ZERO], "the message that is not read");
    scene.finish(no(listing, 0), stored());
    let commands = scene.settle(no(listing, 0), done());
    assert!(deleted(&commands).is_empty(), "the rest of the job is not listed");
    assert_eq!(returned(&commands), [VISIBILITY]);
    scene.answer_all();
    assert!(scene.desk.is_empty());
}

#[test]
fn without_the_record_thread_what_runs_stops_and_all_messages_go_back() {
    let mut scene = Scene::open();
    let (job, _) = scene.job("j", 3);
    scene.finish(no(job, 0), stored());
    let commands = scene.tell(Event::ThreadGone(ThreadName::Record));
    let mut stopped = cancelled(&commands);
    stopped.sort_unstable();
    assert_eq!(stopped, [no(job, 1), no(job, 2)]);
    scene.finish(no(job, 1), WorkResult::Cancelled { claimed: Some(claimed()) });
    let commands = scene.finish(no(job, 2), stored());
    assert!(deleted(&commands).is_empty(), "nothing is written down: {commands:?}");
    assert_eq!(returned(&commands), [VISIBILITY]);
    scene.answer_all();
    assert!(scene.desk.is_empty());
}

#[test]
fn a_second_thread_that_ends_holds_up_no_drain() {
    let mut scene = Scene::open();
    let (job, _) = scene.job("j", 1);
    scene.tell(Event::ThreadGone(ThreadName::Admit));
    scene.finish(no(job, 0), stored());
    let commands = scene.tell(Event::ThreadGone(ThreadName::Record));
    assert_eq!(returned(&commands), [VISIBILITY], "nobody writes it down: {commands:?}");
    scene.answer_all();
    assert!(scene.desk.is_empty() && scene.desk.gone() == Some(ThreadName::Admit));
}

#[test]
fn without_the_link_nothing_is_waited_for_but_what_runs() {
    let mut scene = Scene::open();
    let (_, task) = scene.task_message();
    let (job, commands) = scene.job("j", 1);
    drop(commands);
    scene.finish(no(job, 0), stored());
    scene.settle(no(job, 0), done());
    let commands = scene.tell(Event::ThreadGone(ThreadName::Link));
    assert_eq!(cancelled(&commands), [task]);
    assert_eq!(scene.desk.open_polls(), 0, "they are never answered");
    scene.finish(task, WorkResult::Cancelled { claimed: Some(claimed()) });
    assert!(scene.desk.is_empty());
    assert!(scene.tell(Event::Deleted { lease: job, entry: Entry::Accepted }).is_empty());
}
