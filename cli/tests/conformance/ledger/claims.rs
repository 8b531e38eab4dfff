//! Tasks, claimed.

use exportpool_consumer::ports::{Claim, Claimed, Ledger as _, Recorded};
use exportpool_contract::record::attribute;

use super::setup::{Table, done, failed, job, number, task, text};
use crate::start::Site;

pub(super) async fn a_claim_counts_epochs_and_attempts(site: &Site) {
    let table = Table::make(site).await;
    for n in 1..=3 {
        let claimed = table.claim("t").await;
        assert_eq!(claimed, Claimed { epoch: n.into(), attempts: n, was_failed: false, open_upload: None });
    }
    let item = table.task("t").await;
    assert_eq!(
        (text(&item, attribute::STATE), text(&item, attribute::URL)),
        (Some("running"), Some("https://a/b"))
    );
    assert_eq!(
        (text(&item, attribute::CLAIMED_BY), number(&item, attribute::ENQUEUED_AT)),
        (Some("pod-1"), Some(7))
    );
}

pub(super) async fn a_done_task_is_already_done(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(table.settle("t", done).await, Recorded::Accepted);
    assert_eq!(table.ask("t", "digest", None).await, Claim::AlreadyDone);
    let item = table.task("t").await;
    assert_eq!((number(&item, attribute::EPOCH), number(&item, attribute::ATTEMPTS)), (Some(1), Some(1)));
}

pub(super) async fn another_definition_under_the_same_id_is_refused(site: &Site) {
    let table = Table::make(site).await;
    table.claim("t").await;
    assert_eq!(table.ask("t", "another", None).await, Claim::IdReused);
    table.settle("t", done).await;
    assert_eq!(table.ask("t", "another", None).await, Claim::IdReused);
    let item = table.task("t").await;
    assert_eq!((number(&item, attribute::EPOCH), text(&item, attribute::DIGEST)), (Some(2), Some("digest")));
}

pub(super) async fn a_failed_task_is_claimed_as_one_that_failed(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(table.settle("t", failed).await, Recorded::Accepted);
    let item = table.task("t").await;
    assert_eq!(
        (text(&item, attribute::STATE), text(&item, attribute::REASON)),
        (Some("failed"), Some("sourceRefused"))
    );
    let claimed = table.claim("t").await;
    assert_eq!((claimed.epoch, claimed.attempts, claimed.was_failed), (2, 2, true));
}

pub(super) async fn a_dead_letter_of_the_newest_epoch_reopens_its_task(site: &Site) {
    let table = Table::make(site).await;
    table.claim("t").await;
    table.settle("t", failed).await;
    let reopened = Claimed { epoch: 3, attempts: 1, was_failed: true, open_upload: None };
    assert_eq!(table.ask("t", "digest", Some(2)).await, Claim::Granted(reopened));
}

pub(super) async fn a_dead_letter_of_an_older_epoch_is_an_ordinary_delivery(site: &Site) {
    let table = Table::make(site).await;
    table.claim("t").await;
    table.settle("t", failed).await;
    let again = Claimed { epoch: 3, attempts: 3, was_failed: true, open_upload: None };
    assert_eq!(table.ask("t", "digest", Some(1)).await, Claim::Granted(again));
}

pub(super) async fn a_claim_sent_again_is_granted_once(site: &Site) {
    let table = Table::make(site).await;
    let first = table.ask_as("start-1", "t", "digest", None).await;
    assert_eq!(table.ask_as("start-1", "t", "digest", None).await, first);
    assert_eq!(number(&table.task("t").await, attribute::ATTEMPTS), Some(1));
    let Claim::Granted(second) = table.ask_as("start-2", "t", "digest", None).await else {
        panic!("refused")
    };
    assert_eq!((second.epoch, second.attempts), (2, 2));
}

pub(super) async fn an_attempt_is_given_back_by_its_own_start_only(site: &Site) {
    let table = Table::make(site).await;
    table.ask_as("start-1", "t", "digest", None).await;
    table.ask_as("start-2", "t", "digest", None).await;
    let (job, task) = (job(), task("t"));
    assert_eq!(table.port.give_back(&job, &task, "start-1").await, Ok(()));
    assert_eq!(number(&table.task("t").await, attribute::ATTEMPTS), Some(2));
    for _ in 0..2 {
        assert_eq!(table.port.give_back(&job, &task, "start-2").await, Ok(()));
        assert_eq!(number(&table.task("t").await, attribute::ATTEMPTS), Some(1), "once");
    }
}

pub(super) async fn an_upload_is_noted_for_the_next_claimant_in_its_own_epoch_only(site: &Site) {
    let table = Table::make(site).await;
    let first = table.claim("t").await;
    let (job, task) = (job(), task("t"));
    assert_eq!(table.port.note_upload(&job, &task, first.epoch, "upload-1").await, Ok(true));
    let second = table.claim("t").await;
    assert_eq!(second.open_upload.as_deref(), Some("upload-1"));
    assert_eq!(table.port.note_upload(&job, &task, first.epoch, "upload-2").await, Ok(false));
    assert_eq!(table.commit(&[done("t", &second)]).await, [Recorded::Accepted]);
    assert_eq!(text(&table.task("t").await, attribute::UPLOAD_ID), None);
}
