//! Items and transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{
        AttributeValue, KeysAndAttributes, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, Update,
    },
};
use futures_util::{StreamExt as _, future::join_all, stream};

use crate::aws::testing::Fixture;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(sk: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), s("p")), ("sk".to_owned(), s(sk))])
}

fn adding(sk: &str) -> TransactWriteItem {
    let update = Update::builder().table_name("exports").set_key(Some(key(sk)));
    let update = update.update_expression("ADD done :one").expression_attribute_values(":one", n(1));
    TransactWriteItem::builder().update(update.build().unwrap()).build()
}

/// Puts an item that must not be there.
fn putting(sk: &str, return_old: bool) -> TransactWriteItem {
    let put = Put::builder().table_name("exports").set_item(Some(key(sk)));
    let put = put.condition_expression("attribute_not_exists(pk)");
    let old = return_old.then_some(ReturnValuesOnConditionCheckFailure::AllOld);
    let put = put.set_return_values_on_condition_check_failure(old);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

impl Fixture {
    async fn item(&self, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let request = self.dynamodb.get_item().table_name("exports").set_key(Some(key(sk)));
        request.consistent_read(true).send().await.unwrap().item
    }
}

#[tokio::test]
async fn an_update_counts_keeps_and_tells() {
    let aws = Fixture::start().await;
    let claim = || {
        let request = aws.dynamodb.update_item().table_name("exports").set_key(Some(key("task#1")));
        let request = request.update_expression(
            "SET digest = if_not_exists(digest, :digest), epoch = if_not_exists(epoch, :zero) + :one, \
             #state = :running REMOVE reason ADD attempts :one",
        );
        let request = request.condition_expression("attribute_not_exists(#state) OR #state <> :done");
        let request = request.expression_attribute_names("#state", "state");
        let request =
            request.expression_attribute_values(":digest", s("d")).expression_attribute_values(":zero", n(0));
        let request =
            request.expression_attribute_values(":one", n(1)).expression_attribute_values(":done", s("done"));
        request.expression_attribute_values(":running", s("running"))
    };
    claim().send().await.unwrap();
    let second = claim().return_values(ReturnValue::AllNew).send().await.unwrap().attributes.unwrap();
    assert_eq!((&second["epoch"], &second["attempts"]), (&n(2), &n(2)));
    assert_eq!(second["digest"], s("d"));
    let before = claim().return_values(ReturnValue::UpdatedOld).send().await.unwrap().attributes.unwrap();
    assert_eq!(before["epoch"], n(2));
    assert!(!before.contains_key("pk"));
}

#[tokio::test]
async fn a_failed_condition_shows_the_item() {
    let aws = Fixture::start().await;
    let put = || {
        let request = aws.dynamodb.put_item().table_name("exports").set_item(Some(key("job")));
        request.condition_expression("attribute_not_exists(pk)")
    };
    put().send().await.unwrap();
    let old = ReturnValuesOnConditionCheckFailure::AllOld;
    let refused = put().return_values_on_condition_check_failure(old).send().await.unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.is_conditional_check_failed_exception());
    let PutItemError::ConditionalCheckFailedException(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.item, Some(key("job")));
}

#[tokio::test]
async fn a_transaction_is_done_whole_or_not_at_all_and_says_why() {
    let aws = Fixture::start().await;
    let write = async |items: Vec<TransactWriteItem>| {
        let request = aws.dynamodb.transact_write_items().set_transact_items(Some(items));
        request.send().await.map_err(SdkError::into_service_error)
    };
    write(vec![putting("task#1", false), adding("counter")]).await.unwrap();
    let items = vec![adding("counter"), putting("task#1", false), putting("task#2", false)];
    let cancelled = write(items).await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = cancelled else {
        panic!("{cancelled}")
    };
    let codes = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap());
    assert_eq!(codes.collect::<Vec<_>>(), ["None", "ConditionalCheckFailed", "None"]);
    assert_eq!(cancelled.cancellation_reasons()[0].message(), None);
    assert_eq!(cancelled.cancellation_reasons()[1].item(), None);
    assert!(cancelled.message().unwrap().ends_with("[None, ConditionalCheckFailed, None]"));
    assert_eq!(aws.item("counter").await.unwrap()["done"], n(1));
    assert_eq!(aws.item("task#2").await, None);

    let cancelled = write(vec![putting("task#1", true)]).await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = cancelled else {
        panic!("{cancelled}")
    };
    assert_eq!(cancelled.cancellation_reasons()[0].item(), Some(&key("task#1")));
}

#[tokio::test]
async fn a_transaction_with_the_same_token_is_done_once() {
    let aws = Fixture::start().await;
    let write = |items: Vec<TransactWriteItem>| {
        let request = aws.dynamodb.transact_write_items().client_request_token("token-1");
        request.set_transact_items(Some(items)).send()
    };
    write(vec![adding("counter")]).await.unwrap();
    write(vec![adding("counter")]).await.unwrap();
    assert_eq!(aws.item("counter").await.unwrap()["done"], n(1));
    let other = write(vec![adding("counter"), adding("other")]).await.unwrap_err().into_service_error();
    assert!(other.is_idempotent_parameter_mismatch_exception());
}

#[tokio::test]
async fn there_is_no_limit_to_the_number_of_transactions() {
    let aws = Fixture::start().await;
    let one = |number: usize| {
        let request = aws.dynamodb.transact_write_items().transact_items(adding("counter"));
        request.transact_items(putting(&format!("task#{number}"), false)).send()
    };
    // The crate refuses the 1,025th token of ten minutes, and the SDK makes one for each.
    let written = stream::iter(0..1_100).map(one).buffer_unordered(32).collect::<Vec<_>>().await;
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(aws.item("counter").await.unwrap()["done"], n(1_100));
}

#[tokio::test]
async fn many_requests_at_a_time_wait_for_each_other() {
    let aws = Fixture::start().await;
    let add = |_| {
        let request = aws.dynamodb.update_item().table_name("exports").set_key(Some(key("counter")));
        request.update_expression("ADD done :one").expression_attribute_values(":one", n(1)).send()
    };
    let added = join_all((0..300).map(add)).await;
    assert!(added.iter().all(Result::is_ok));
    assert_eq!(aws.item("counter").await.unwrap()["done"], n(300));
}

#[tokio::test]
async fn items_are_read_in_batches_and_pages() {
    let aws = Fixture::start().await;
    for number in 0..30 {
        let item = key(&format!("task#{number:02}"));
        aws.dynamodb.put_item().table_name("exports").set_item(Some(item)).send().await.unwrap();
    }
    let keys = (0..30).map(|number| key(&format!("task#{number:02}"))).chain([key("absent")]).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().unwrap();
    let read = aws.dynamodb.batch_get_item().request_items("exports", keys).send().await.unwrap();
    assert_eq!(read.responses.unwrap()["exports"].len(), 30);
    assert!(read.unprocessed_keys.is_none_or(|keys| keys.is_empty()));
    let query = aws.dynamodb.query().table_name("exports").consistent_read(true).limit(7);
    let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)");
    let query =
        query.expression_attribute_values(":pk", s("p")).expression_attribute_values(":prefix", s("task#"));
    let mut pages = query.into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(item) = pages.try_next().await.unwrap() {
        found.push(item["sk"].as_s().unwrap().clone());
    }
    assert_eq!(found, (0..30).map(|number| format!("task#{number:02}")).collect::<Vec<_>>());
}
