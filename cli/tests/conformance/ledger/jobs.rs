//! Jobs: opened, handed over, closed.

use exportpool_consumer::ports::{Cursor, JobClaim, JobOpening, Ledger as _, Recorded};
use exportpool_contract::record::{attribute, shard_of, shard_pk, task_sk};

use super::setup::{Table, done, failed, job, number, opening, task, text};
use crate::start::Site;

const fn cursor(page: u64, index: usize, tasks: usize) -> Cursor {
    Cursor { page, index, tasks }
}

pub(super) async fn a_job_is_opened_again_in_a_new_epoch_with_what_it_had(site: &Site) {
    let table = Table::make(site).await;
    let opened = table.open(5).await;
    assert_eq!(opened, Some(JobClaim { epoch: 1, local: 2, cursor: cursor(0, 2, 2), listed: true }));
    assert_eq!(table.port.advance(&job(), 1, cursor(0, 4, 4), false).await, Ok(true));
    let again = table.port.open_job(&JobOpening { local: 3, ..opening(5) }).await;
    assert_eq!(again, Ok(Some(JobClaim { epoch: 2, local: 2, cursor: cursor(0, 4, 4), listed: true })));
    let item = table.job().await;
    assert_eq!((text(&item, attribute::STATE), number(&item, attribute::TOTAL)), (Some("running"), Some(5)));
}

pub(super) async fn a_job_with_another_definition_is_refused(site: &Site) {
    let table = Table::make(site).await;
    table.open(5).await;
    let another = JobOpening { digest: "another".to_owned(), ..opening(5) };
    assert_eq!(table.port.open_job(&another).await, Ok(None));
    assert_eq!(number(&table.job().await, attribute::EPOCH), Some(1));
}

pub(super) async fn a_cursor_moves_in_the_newest_epoch_only(site: &Site) {
    let table = Table::make(site).await;
    table.open(5).await;
    table.open(5).await;
    assert_eq!(table.port.advance(&job(), 1, cursor(0, 3, 3), false).await, Ok(false));
    assert_eq!(table.port.advance(&job(), 2, cursor(0, 5, 5), false).await, Ok(true));
    assert_eq!(number(&table.job().await, attribute::CURSOR), Some(5));
}

pub(super) async fn a_job_that_is_listed_in_pages_has_its_total_at_the_end(site: &Site) {
    let table = Table::make(site).await;
    let more = JobOpening { more: true, local: 0, ..opening(0) };
    let opened = table.port.open_job(&more).await;
    assert_eq!(opened, Ok(Some(JobClaim { epoch: 1, local: 0, cursor: cursor(0, 0, 0), listed: false })));
    table.settle("t-0", done).await;
    assert_eq!(table.port.advance(&job(), 1, cursor(1, 0, 1), false).await, Ok(true));
    table.port.close(&job()).await.unwrap();
    let item = table.job().await;
    assert_eq!((text(&item, attribute::STATE), number(&item, attribute::TOTAL)), (Some("listing"), None));
    assert_eq!(table.port.advance(&job(), 1, cursor(1, 0, 1), true).await, Ok(true));
    table.port.close(&job()).await.unwrap();
    let item = table.job().await;
    assert_eq!((text(&item, attribute::STATE), number(&item, attribute::TOTAL)), (Some("done"), Some(1)));
    let again = table.port.open_job(&more).await.unwrap().expect("the same job");
    assert!(again.listed);
}

pub(super) async fn the_end_of_a_listing_written_twice_opens_no_closed_job(site: &Site) {
    let table = Table::make(site).await;
    table.port.open_job(&JobOpening { more: true, ..opening(0) }).await.unwrap();
    table.settle("t-0", done).await;
    assert_eq!(table.port.advance(&job(), 1, cursor(0, 1, 1), true).await, Ok(true));
    table.port.close(&job()).await.unwrap();
    // The first answer was lost.
    assert_eq!(table.port.advance(&job(), 1, cursor(0, 1, 1), true).await, Ok(true));
    let item = table.job().await;
    assert_eq!((text(&item, attribute::STATE), number(&item, attribute::TOTAL)), (Some("done"), Some(1)));
}

pub(super) async fn failures_of_a_listing_are_counted_until_its_cursor_moves(site: &Site) {
    let table = Table::make(site).await;
    table.port.open_job(&JobOpening { more: true, ..opening(0) }).await.unwrap();
    assert_eq!(table.port.listing_failed(&job()).await, Ok(1));
    assert_eq!(table.port.listing_failed(&job()).await, Ok(2));
    assert_eq!(table.port.advance(&job(), 1, cursor(1, 0, 0), false).await, Ok(true));
    assert_eq!(table.port.listing_failed(&job()).await, Ok(1));
}

pub(super) async fn a_task_may_come_before_its_job(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(table.settle("t", done).await, Recorded::Accepted);
    assert_eq!(table.port.close(&job()).await, Ok(()));
    let item = table.job().await;
    assert_eq!((number(&item, attribute::SHARDS), number(&item, attribute::TOTAL)), (Some(1), None));
    // A large job keeps the one shard that it has now.
    assert_eq!(table.open(500).await.map(|claim| claim.epoch), Some(1));
    assert_eq!(table.port.shard(&job(), &task("t")).await, Ok(0));
}

pub(super) async fn settled_tasks_of_a_large_job_are_told(site: &Site) {
    let table = Table::make(site).await;
    table.open(150).await;
    let tasks: Vec<_> = (0..150).map(|n| task(&format!("t-{n}"))).collect();
    table.claim("t-1").await;
    table.settle("t-3", failed).await;
    table.settle("t-149", done).await;
    let settled = table.port.settled(&job(), &tasks).await.unwrap();
    let settled: Vec<_> = (0..150).filter(|n| settled[*n]).collect();
    assert_eq!(settled, [3, 149]);
}

pub(super) async fn a_large_job_is_counted_over_its_shards(site: &Site) {
    let table = Table::make(site).await;
    table.open(101).await;
    let names: Vec<_> = (0..101).map(|n| format!("t-{n}")).collect();
    for name in &names {
        assert_eq!(table.settle(name, done).await, Recorded::Accepted);
    }
    let last = task("t-100");
    let shard = shard_of(&last, 16);
    assert_eq!(table.port.shard(&job(), &last).await, Ok(shard));
    let item = table.item(&shard_pk(&job(), shard), &task_sk(&last)).await;
    assert_eq!(text(&item, attribute::STATE), Some("done"));
    let mut sum = 0;
    for shard in 0..16 {
        sum += table.counts_of(shard).await.0;
    }
    assert_eq!(sum, 101);
    table.port.close(&job()).await.unwrap();
    assert_eq!(text(&table.job().await, attribute::STATE), Some("done"));
}

pub(super) async fn a_job_is_closed_when_its_last_task_is_settled(site: &Site) {
    let table = Table::make(site).await;
    table.open(2).await;
    table.settle("t-0", done).await;
    table.port.close(&job()).await.unwrap();
    assert_eq!(text(&table.job().await, attribute::STATE), Some("running"));
    table.settle("t-1", done).await;
    table.port.close(&job()).await.unwrap();
    let item = table.job().await;
    assert_eq!(text(&item, attribute::STATE), Some("done"));
    assert!(number(&item, attribute::CLOSED_AT).is_some());
    // A redelivery of its message does not open it again.
    table.open(2).await;
    assert_eq!(text(&table.job().await, attribute::STATE), Some("done"));
}

pub(super) async fn a_running_job_of_one_task_is_closed_once(site: &Site) {
    let table = Table::make(site).await;
    table.open(1).await;
    table.settle("t-0", done).await;
    assert_eq!(table.port.close_of_one(&job()).await, Ok(true));
    let item = table.job().await;
    assert_eq!(text(&item, attribute::STATE), Some("done"));
    assert!(number(&item, attribute::CLOSED_AT).is_some());
    assert_eq!(table.port.close_of_one(&job()).await, Ok(false), "it runs no more");
}

pub(super) async fn a_job_of_two_tasks_is_not_closed_by_one(site: &Site) {
    let table = Table::make(site).await;
    table.open(2).await;
    table.settle("t-0", done).await;
    assert_eq!(table.port.close_of_one(&job()).await, Ok(false));
    assert_eq!(text(&table.job().await, attribute::STATE), Some("running"));
}

pub(super) async fn a_job_with_a_failed_task_is_done_with_failures(site: &Site) {
    let table = Table::make(site).await;
    table.open(2).await;
    table.settle("t-0", done).await;
    table.settle("t-1", failed).await;
    table.port.close(&job()).await.unwrap();
    assert_eq!(text(&table.job().await, attribute::STATE), Some("doneWithFailures"));
    // Redriven, and done after all.
    table.settle("t-1", done).await;
    table.port.close(&job()).await.unwrap();
    assert_eq!(text(&table.job().await, attribute::STATE), Some("done"));
}
