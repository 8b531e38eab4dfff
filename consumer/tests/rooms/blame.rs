//! Whose fault it is decides what it costs: every reason and every kind of AWS fault, one after the other.

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
        source::Answer,
    },
    letters,
    pod::{Pod, eventually, eventually_in},
};

fn task_of(reason: Reason) -> String {
    format!("t-{reason}")
}

/// One pod, a task for each reason: the source fails it so, once and then no more.
#[test]
fn a_fault_that_may_pass_costs_an_attempt_and_any_other_ends_the_task_at_once() {
    let world = World::new();
    for reason in Reason::ALL.iter().copied() {
        let fault = if reason.may_pass() {
            TaskFault::retry(reason, "once")
        } else {
            TaskFault::last(reason, "for good")
        };
        world.answer(&letters::url("j", &task_of(reason)), [Answer::fault(fault), Answer::file("ok")]);
        world.put(QueueName::DownloadTasks, letters::task("j", &task_of(reason)));
    }
    let pod = Pod::start(&world);
    eventually_in(&world, "all are settled", || world.is_empty(QueueName::DownloadTasks));
    pod.stop();
    let letters = world.dead_letters(QueueName::DownloadTasks);
    for reason in Reason::ALL.iter().copied() {
        let item = world.task("j", &task_of(reason)).unwrap();
        let letter = letters.iter().find(|letter| letter.body.contains(&format!("\"{}\"", task_of(reason))));
        if reason.may_pass() {
            assert_eq!((item.state, item.attempts, letter.is_none()), (TaskState::Done, 2, true), "{reason}");
        } else {
            let letter = letter.unwrap_or_else(|| panic!("{reason} has no dead letter"));
            assert_eq!((item.state, item.attempts), (TaskState::Failed, 1), "{reason}");
            let said = ["reason", "attempt", "epoch"].map(|name| letter.attributes[name].clone());
            assert_eq!(said, [reason.to_string(), "1".into(), item.epoch.to_string()]);
        }
    }
    world.assert_sound();
}

/// At each of these, each kind of fault comes once, more often than there are attempts.
#[test]
fn no_fault_of_ours_costs_an_attempt_or_reaches_a_dead_letter_queue() {
    for op in [Op::Claim, Op::Put, Op::Commit, Op::Shard, Op::Close] {
        let world = World::new();
        for kind in AwsKind::ALL {
            world.fail_next(op, [Flaw::Before(kind)]);
        }
        world.put(QueueName::DownloadTasks, letters::task("j", "t"));
        let pod = Pod::start(&world);
        eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
        pod.stop();
        let item = world.task("j", "t").unwrap();
        assert_eq!(item.state, TaskState::Done, "{op:?}");
        // What is stored and cannot be recorded is adopted by a later start, which is one more.
        let recording = [Op::Commit, Op::Shard, Op::Close].contains(&op);
        assert!(item.attempts == 1 || recording, "{op:?}: {} attempts", item.attempts);
        assert_eq!(
            world.fetches(&letters::url("j", "t")),
            if op == Op::Put { AwsKind::ALL.len() + 1 } else { 1 }
        );
        assert!(QueueName::ALL.into_iter().all(|queue| world.dead_letters(queue).is_empty()), "{op:?}");
        world.assert_sound();
    }
}

#[test]
fn credentials_that_expire_in_mid_run_cost_nothing_and_work_goes_on_with_new_ones() {
    let world = World::new();
    let everything = [
        Op::Claim,
        Op::Put,
        Op::Commit,
        Op::Receive,
        Op::LookQueues,
        Op::LookBucket,
        Op::LookTable,
        Op::GiveBack,
    ];
    let gated = letters::url("j", "t0");
    world.answer(&gated, [Answer::file("x").gated()]);
    for n in 0..6 {
        world.put(QueueName::DownloadTasks, letters::task("j", &format!("t{n}")));
    }
    let pod = Pod::start(&world);
    eventually_in(&world, "one runs", || world.at_gate(&gated));
    everything.iter().for_each(|op| world.fail_always(*op, Flaw::Before(AwsKind::Denied)));
    world.open_gate(&gated);
    eventually("not ready", || pod.get("/ready").0 == 503);
    everything.iter().for_each(|op| world.mend(*op));
    eventually_in(&world, "all are done", || world.counted("j") == (6, 0));
    eventually("ready", || pod.get("/ready").0 == 200);
    pod.stop();
    assert!(world.dead_letters(QueueName::DownloadTasks).is_empty());
    world.assert_sound();
}

#[test]
fn a_key_that_may_not_be_written_costs_nothing_and_does_not_keep_the_others_from_being_done() {
    let world = World::new();
    world.lock().bucket.denied.insert("j/bad".into());
    // Last: it is away for minutes each time, which here are milliseconds, and the fake's queue is in order.
    for task in ["t0", "t1", "t2", "bad"] {
        world.put(QueueName::DownloadTasks, letters::task("j", task));
    }
    let pod = Pod::start(&world);
    eventually_in(&world, "it was tried", || world.did(|did| matches!(did, Did::GaveBack { .. })) > 0);
    // Before it in the queue, each time.
    world.put_first(QueueName::DownloadTasks, letters::task("j", "late"));
    eventually_in(&world, "the others are done", || world.counted("j") == (4, 0));
    let gave_back = |did: &Did| matches!(did, Did::GaveBack { task } if task == "bad");
    let tried = world.did(gave_back);
    eventually_in(&world, "it is tried again and again", || world.did(gave_back) >= tried + 3);
    world.lock().bucket.denied.clear();
    eventually_in(&world, "it is done", || world.counted("j") == (5, 0));
    pod.stop();
    assert_eq!(world.task("j", "bad").unwrap().attempts, 1);
    assert!(world.dead_letters(QueueName::DownloadTasks).is_empty());
    world.assert_sound();
}
