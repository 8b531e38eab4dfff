//! What a table says that cannot be used.

use aws_sdk_dynamodb::types::KeyType;
use exportpool_consumer::{
    aws::dynamodb::DynamoLedger,
    fail::AwsKind,
    ports::{ClaimAsk, Claimed, Ledger as _},
};

use super::setup::{Table, done, job, make, opening, port, task};
use crate::start::Site;

/// What each kind of request is refused with.
async fn refusals(port: &DynamoLedger) -> [AwsKind; 4] {
    let (job, task) = (job(), task("t"));
    let (digest, url, token) = ("d", "u", "start");
    let ask = ClaimAsk { job: &job, task: &task, digest, url, enqueued_at: None, reopens: None, token };
    let claimed = Claimed { epoch: 1, attempts: 1, was_failed: false, open_upload: None };
    [
        port.look().await.unwrap_err().kind,
        port.open_job(&opening(1)).await.unwrap_err().kind,
        port.claim(&ask).await.unwrap_err().kind,
        port.commit(&job, 0, &[done("t", &claimed)]).await.unwrap_err().kind,
    ]
}

pub(super) async fn a_missing_table_is_missing(site: &Site) {
    let port = port(&site.ours.dynamodb, &site.name("absent"), None);
    assert_eq!(refusals(&port).await, [AwsKind::Missing; 4]);
}

pub(super) async fn a_table_with_other_keys_is_told(site: &Site) {
    let name = site.name("other");
    make(&site.ours.dynamodb, &name, &[("id", KeyType::Hash)]).await;
    let fault = port(&site.ours.dynamodb, &name, None).look().await.unwrap_err();
    assert_eq!(fault.kind, AwsKind::Rejected);
    assert_eq!(
        fault.to_string(),
        format!(
            "table {name}: its keys are [\"id\"]; a partition key \"pk\" and a sort key \"sk\" are needed"
        )
    );
}

pub(super) async fn wrong_credentials_are_denied(site: &Site) {
    let table = Table::make(site).await;
    assert_eq!(table.port.look().await, Ok(()));
    let port = port(&site.strangers.dynamodb, &table.name, None);
    assert_eq!(refusals(&port).await, [AwsKind::Denied; 4]);
}
