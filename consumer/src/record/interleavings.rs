//! The committer, as a scheduler draws whose turn it is: threads that send tasks to be committed, some of which are no
//! longer waited for, a table that answers in any order and any way, and the time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{cell::RefCell, rc::Rc, time::Duration};

use exportpool_contract::JobId;
use shuttle::{
    rand::{Rng, thread_rng},
    thread,
};
use tokio::time;

use super::{
    commit::Committer,
    tests::{Gated, Told, Way, settling},
};
use crate::{
    schedule::explore_in_time,
    sync::{mpsc, on_this_thread, spawn_local},
};

/// A sender sends so many tasks; together more than fit into a transaction.
const EACH: usize = 40;

fn way() -> Way {
    match thread_rng().gen_range(0..12) {
        0 | 1 => Way::Throttled,
        2 | 3 => Way::Lost,
        4 => Way::Denied,
        _ => Way::Well,
    }
}

/// Answers any of the calls that are open, again and again.
async fn answer_all(gated: Gated) {
    loop {
        time::sleep(Duration::from_millis(thread_rng().gen_range(0..4))).await;
        let mut table = gated.0.borrow_mut();
        table.look();
        if !table.open.is_empty() {
            let at = thread_rng().gen_range(0..table.open.len());
            let _ = table.open.swap_remove(at).go.send(way());
        }
    }
}

/// Commits what is asked for, and gives up waiting for some of it.
async fn commit_all(gated: Gated, mut asked: mpsc::UnboundedReceiver<u8>) {
    let committer = Rc::new(Committer::new(Rc::new(gated.clone())));
    let told: Rc<RefCell<Told>> = Rc::default();
    let answering = spawn_local(answer_all(gated.clone()));
    let (mut waiting, mut all, mut given_up) = (Vec::new(), 0, 0);
    while let Some(task) = asked.recv().await {
        all += 1;
        let (committer, told, gated) = (Rc::clone(&committer), Rc::clone(&told), gated.clone());
        waiting.push(spawn_local(async move {
            let answer = committer.commit(&JobId::new("j").unwrap(), settling(task)).await;
            told.borrow_mut().hear(answer.as_ref().ok(), task, &gated);
        }));
        if thread_rng().gen_range(0..12) == 0 {
            let at = thread_rng().gen_range(0..waiting.len());
            waiting[at].abort();
        }
    }
    for waits in waiting {
        given_up += usize::from(waits.await.is_err());
    }
    while !committer.is_idle() {
        time::sleep(Duration::from_millis(1)).await;
    }
    answering.abort();
    let (told, table) = (told.take(), gated.0.borrow());
    assert!(table.broken.is_empty(), "{:?}", table.broken);
    assert_eq!(
        told.accepted + told.before + told.failed + given_up,
        all,
        "somebody is told nothing, or twice"
    );
    assert!(table.done.values().all(|moves| *moves == 1) && table.counted == table.done.len());
    assert!(!told.early, "told before it was recorded and the job looked at");
}

#[test]
fn whoever_comes_first_each_commit_is_answered_once_and_no_line_is_left() {
    explore_in_time(60, |_| {
        let (ask, asked) = mpsc::unbounded_channel();
        let senders = [0, 1, 2].map(|_| {
            let ask = ask.clone();
            thread::spawn(move || {
                for _ in 0..EACH {
                    // Most of them in one shard.
                    let task = thread_rng().gen_range(0..120_u8);
                    let _ = ask.send(if task < 100 { task & !1 } else { task });
                }
            })
        });
        drop(ask);
        let record = thread::spawn(move || {
            let _ = on_this_thread(async { commit_all(Gated::default(), asked).await });
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        record.join().unwrap();
    });
}
