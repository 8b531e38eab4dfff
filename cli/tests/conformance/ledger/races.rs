//! Several pods at once.

use std::collections::BTreeSet;

use exportpool_consumer::ports::{Ledger as _, Recorded};
use exportpool_contract::record::attribute;
use futures_util::future::{join, join_all};

use super::setup::{Table, done, job, patiently, text};
use crate::start::Site;

pub(super) async fn committers_of_one_shard_at_once_all_get_through(site: &Site) {
    let table = Table::make(site).await;
    let mut batches = Vec::new();
    for n in 0..8 {
        let name = format!("t-{n}");
        let claimed = table.claim(&name).await;
        batches.push([done(&name, &claimed)]);
    }
    let pods: Vec<_> = batches.iter().map(|batch| (table.another(), batch)).collect();
    let recorded = join_all(pods.iter().map(|(pod, batch)| patiently(pod, *batch))).await;
    assert_eq!(recorded, vec![vec![Recorded::Accepted]; 8]);
    assert_eq!(table.counts().await, (8, 0));
}

pub(super) async fn of_many_done_at_once_exactly_one_is_counted(site: &Site) {
    let table = Table::make(site).await;
    let mut claims = Vec::new();
    for _ in 0..8 {
        claims.push([done("t", &table.claim("t").await)]);
    }
    let pods: Vec<_> = claims.iter().map(|batch| (table.another(), batch)).collect();
    let recorded = join_all(pods.iter().map(|(pod, batch)| patiently(pod, *batch))).await.concat();
    let accepted = recorded.iter().filter(|recorded| **recorded == Recorded::Accepted).count();
    let before = recorded.iter().filter(|recorded| **recorded == Recorded::DoneBefore).count();
    assert_eq!((accepted, before), (1, 7));
    assert_eq!(table.counts().await, (1, 0));
}

pub(super) async fn claims_at_once_have_an_epoch_each(site: &Site) {
    let table = Table::make(site).await;
    let claims = join_all((0..20).map(|_| table.claim("t"))).await;
    let epochs: BTreeSet<_> = claims.iter().map(|claimed| claimed.epoch).collect();
    assert!(epochs.into_iter().eq(1..=20));
}

pub(super) async fn a_job_closed_twice_at_once_is_closed(site: &Site) {
    let table = Table::make(site).await;
    table.open(1).await;
    table.settle("t", done).await;
    let another = table.another();
    assert_eq!(join(table.port.close(&job()), another.close(&job())).await, (Ok(()), Ok(())));
    assert_eq!(text(&table.job().await, attribute::STATE), Some("done"));
}
