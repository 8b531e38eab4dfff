//! The table is true: any history of deliveries, claims, losses, give-backs, duplicates and commits, up to three at
//! the same time, ends in the state of the ledger's reference model. The model and the histories are the consumer's
//! (`consumer/tests/rooms/model/`); here they are played against the real ledger over `exportctl aws` as a process.
//!
//! Few histories in `make test`; `PROPTEST_CASES` says how many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is how it fails"
)]

#[path = "../../../consumer/tests/rooms/model/calls.rs"]
mod calls;
#[path = "../../../consumer/tests/rooms/model/history.rs"]
mod history;
#[path = "../../../consumer/tests/rooms/model/rules.rs"]
mod rules;
mod table;

use std::cell::Cell;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use history::{Run, history};
use table::Stand;

fn cases(usual: u32) -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { usual };
    Config { cases, max_shrink_iters: 200, failure_persistence: None, ..default }
}

#[test]
fn any_history_ends_in_the_models_state() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stand = runtime.block_on(Stand::start());
    let played = Cell::new(0);
    let told = TestRunner::new(cases(12)).run(&history(3, 30), |history| {
        // All share a table; each has jobs of its own.
        played.set(played.get() + 1);
        let run = Run::new(&format!("h{}", played.get()));
        let ledger = stand.ledger();
        let played = runtime.block_on(run.play(&ledger, &history, async |name| stand.view(name).await));
        played.map_err(TestCaseError::fail)
    });
    if let Err(why) = told {
        panic!("{why}");
    }
}
