//! Tasks, settled with their shard's counter.

use std::time::{Duration, SystemTime};

use exportpool_consumer::ports::{Recorded, Settling};
use exportpool_contract::record::{COUNTER, attribute, shard_pk};

use super::setup::{Item, Table, done, failed, job, number, text};
use crate::start::Site;

pub(super) async fn a_settled_task_is_counted(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(table.settle("t", done).await, Recorded::Accepted);
    assert_eq!(table.counts().await, (1, 0));
    let item = table.task("t").await;
    assert_eq!((text(&item, attribute::STATE), text(&item, attribute::KEY)), (Some("done"), Some("job-1/t")));
    assert_eq!(
        (number(&item, attribute::BYTES), number(&item, attribute::SERVICE_MILLIS)),
        (Some(1_024), Some(250))
    );
    assert_eq!(text(&item, attribute::CRC64NVME), Some("AAAAAAAAAAA="));
}

/// Twenty-five tasks in hand, to be settled.
async fn batch(table: &Table) -> Vec<Settling> {
    let mut batch = Vec::new();
    for n in 0..25 {
        let name = format!("t-{n}");
        let claimed = table.claim(&name).await;
        batch.push(if n < 20 { done(&name, &claimed) } else { failed(&name, &claimed) });
    }
    batch
}

pub(super) async fn twenty_five_tasks_and_their_counter_are_one_transaction(site: &Site) {
    let table = Table::make(site).await;
    let batch = batch(&table).await;
    assert_eq!(table.commit(&batch).await, [Recorded::Accepted; 25]);
    assert_eq!(table.counts().await, (20, 5));
    assert_eq!(text(&table.task("t-24").await, attribute::STATE), Some("failed"));
}

pub(super) async fn a_batch_loses_the_entries_that_may_not_be_written_and_no_other(site: &Site) {
    let table = Table::make(site).await;
    let (fresh, before) = (table.claim("fresh").await, table.claim("before").await);
    let (old, corrected) = (table.claim("old").await, table.claim("corrected").await);
    table.commit(&[done("before", &before)]).await;
    table.claim("old").await;
    // It failed since: done is taken all the same, and moves the count.
    table.commit(&[failed("corrected", &corrected)]).await;
    assert_eq!(table.counts().await, (1, 1));
    let batch = [
        done("before", &before),
        failed("old", &old),
        done("corrected", &corrected),
        failed("fresh", &fresh),
    ];
    let expected = [Recorded::DoneBefore, Recorded::Fenced, Recorded::Accepted, Recorded::Accepted];
    assert_eq!(table.commit(&batch).await, expected);
    assert_eq!(table.counts().await, (2, 1));
}

pub(super) async fn done_is_accepted_from_any_epoch(site: &Site) {
    let table = Table::make(site).await;
    let old = table.claim("t").await;
    let newest = table.claim("t").await;
    assert_eq!(table.commit(&[done("t", &old)]).await, [Recorded::Accepted]);
    assert_eq!(table.commit(&[failed("t", &newest)]).await, [Recorded::DoneBefore]);
    assert_eq!(table.commit(&[done("t", &newest)]).await, [Recorded::DoneBefore]);
    assert_eq!(table.counts().await, (1, 0));
}

pub(super) async fn a_failure_of_an_old_epoch_is_fenced(site: &Site) {
    let table = Table::make(site).await;
    let old = table.claim("t").await;
    table.claim("t").await;
    assert_eq!(table.commit(&[failed("t", &old)]).await, [Recorded::Fenced]);
    assert_eq!(table.counts().await, (0, 0));
    assert_eq!(text(&table.task("t").await, attribute::STATE), Some("running"));
}

pub(super) async fn done_over_failed_moves_the_count(site: &Site) {
    let table = Table::make(site).await;
    table.settle("t", failed).await;
    assert_eq!(table.counts().await, (0, 1));
    table.settle("t", done).await;
    assert_eq!(table.counts().await, (1, 0));
    assert_eq!(text(&table.task("t").await, attribute::REASON), None);
}

pub(super) async fn the_same_batch_again_counts_nothing(site: &Site) {
    let table = Table::make(site).await;
    let batch: Vec<_> = batch(&table).await.into_iter().take(20).collect();
    assert_eq!(table.commit(&batch).await, [Recorded::Accepted; 20]);
    // The answer was lost.
    assert_eq!(table.commit(&batch).await, [Recorded::DoneBefore; 20]);
    assert_eq!(table.counts().await, (20, 0));
}

pub(super) async fn the_same_failure_again_counts_nothing(site: &Site) {
    let table = Table::make(site).await;
    let claimed = table.claim("t").await;
    assert_eq!(table.commit(&[failed("t", &claimed)]).await, [Recorded::Accepted]);
    assert_eq!(table.commit(&[failed("t", &claimed)]).await, [Recorded::Accepted]);
    assert_eq!(table.counts().await, (0, 1));
}

/// What a job, its task and its counter say about their end.
async fn expiries(table: &Table) -> [Option<u64>; 3] {
    table.open(1).await;
    table.settle("t", done).await;
    let counter: Item = table.item(&shard_pk(&job(), 0), COUNTER).await;
    [table.job().await, table.task("t").await, counter].map(|item| number(&item, attribute::EXPIRES_AT))
}

pub(super) async fn records_expire_when_that_was_asked_for(site: &Site) {
    let ttl = Duration::from_secs(30 * 86_400);
    let table = Table::with_expiry(site, Some(ttl)).await;
    let now = || (SystemTime::UNIX_EPOCH.elapsed().unwrap() + ttl).as_secs();
    let before = now();
    let expiries = expiries(&table).await.map(|at| at.expect("an end"));
    assert!(expiries.iter().all(|at| (before..=now()).contains(at)), "{expiries:?}");
}

pub(super) async fn records_stay_when_no_expiry_was_asked_for(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(expiries(&table).await, [None; 3]);
}
