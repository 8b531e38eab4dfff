//! The desk, by any legal sequence of events. Around it is all that it commands: queues that answer, a thread that
//! admits, workers, a thread that records. What happens next is drawn, also that a lease is lost, a worker dies, a
//! resource fails, or the drain begins; and after each event all that must hold is looked at, and every counter is
//! kept beside the desk's. A failure is shrunk, and shown as what the desk was told and what it said.

mod admitting;
mod around;
mod check;
mod fates;
mod passing;
mod steps;
mod working;

use std::time::Duration;

use proptest::{prelude::*, test_runner::Config};

use crate::{config::Pool, place::workers::MAX_ABANDONED};
use around::Around;
use steps::{Step, step};

/// So many cases, unless `PROPTEST_CASES` says how many.
fn cases(usual: u32) -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { usual };
    Config { cases, max_shrink_iters: 20_000, failure_persistence: None, ..default }
}

fn pool() -> impl Strategy<Value = Pool> {
    (1_usize..4, 1_usize..4, 1_usize..5, 0_usize..9).prop_map(
        |(workers, tasks_per_worker, max_jobs, max_waiting)| Pool {
            workers,
            tasks_per_worker,
            max_jobs,
            max_waiting,
        },
    )
}

fn walk(pool: Pool, steps: &[Step]) -> Around {
    let mut around = Around::new(pool);
    steps.iter().for_each(|step| around.take(step));
    around
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_happens_then_a_drain_ends_with_nothing_in_hand(
        pool in pool(), steps in proptest::collection::vec(step(), 0..160),
    ) {
        let mut around = walk(pool, &steps);
        around.take(&Step::Drain);
        around.calm_down();
        around.assert_empty();
    }

    #[test]
    fn whatever_happens_when_all_is_well_again_everything_in_hand_ends_and_more_is_asked_for(
        pool in pool(), steps in proptest::collection::vec(step(), 0..160),
    ) {
        let mut stuck = 0;
        let steps: Vec<_> = steps.into_iter().filter(|step| {
            stuck += usize::from(matches!(step, Step::WorkerSticks { .. }));
            !matches!(step, Step::Drain) && (stuck <= MAX_ABANDONED || !matches!(step, Step::WorkerSticks { .. }))
        }).collect();
        let mut around = walk(pool, &steps);
        around.calm_down();
        around.assert_idle_and_asking();
    }

    #[test]
    fn no_lease_is_lost_while_extensions_are_answered(
        pool in pool(), steps in proptest::collection::vec(step(), 0..160), every in 1_u64..3,
    ) {
        let mut around = Around::new(pool);
        for step in steps.iter().filter(|step| step.keeps_leases()) {
            around.take(step);
            around.pass_with_extensions(Duration::from_secs(every));
        }
        around.assert_none_lost();
    }
}
