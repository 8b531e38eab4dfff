//! The fake ledger is true: any history ends in the state of the reference model. The same histories are played
//! against the table in `cli/tests/model/`.

mod calls;
mod history;
mod rules;

use proptest::{prelude::*, test_runner::Config};

use crate::fakes::{World, ledger::FakeLedger};
use history::{Run, history};
use rules::{Job, Task, View};

fn cases(usual: u32) -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { usual };
    Config { cases, max_shrink_iters: 10_000, failure_persistence: None, ..default }
}

fn view(world: &World) -> View {
    let world = world.lock();
    let table = &world.table;
    let job = |item: &crate::fakes::ledger::JobItem| Job {
        epoch: item.epoch,
        digest: item.digest.clone(),
        total: item.total.map(|total| total as u64),
        local: item.local,
        cursor: item.cursor,
        failures: item.failures,
        state: item.state,
        shards: item.shards,
    };
    let task = |item: &crate::fakes::ledger::TaskItem| Task {
        state: item.state,
        epoch: item.epoch,
        attempts: item.attempts.into(),
        claim: item.claim.clone(),
        digest: item.digest.clone(),
        reason: item.reason.clone(),
        upload: item.upload.clone(),
        bytes: item.object.as_ref().map(|object| object.bytes),
    };
    let counters = table.counters.iter().filter(|(_, counted)| **counted != (0, 0));
    View {
        jobs: table.jobs.iter().map(|(id, item)| (id.clone(), job(item))).collect(),
        tasks: table.tasks.iter().map(|(name, item)| (name.clone(), task(item))).collect(),
        counters: counters.map(|(shard, counted)| (shard.clone(), *counted)).collect(),
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_history_ends_in_the_models_state(history in history(3, 60)) {
        let world = World::new();
        let run = async {
            let ledger = FakeLedger(world.clone());
            Run::new("j").play(&ledger, &history, async |_| view(&world)).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(run);
        prop_assert!(told.is_ok(), "{}", told.unwrap_err());
        prop_assert!(world.lock().table.tasks.values().all(|item| item.moves_to_done <= 1));
        prop_assert!(world.lock().broken.is_empty());
    }
}
