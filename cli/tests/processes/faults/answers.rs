//! Answers that are lost after the service did what it was asked: each is asked for again, and nothing is lost or
//! doubled for it.

use std::time::Duration;

use futures_util::future::join_all;

use super::proxy::{Fault, Plan, Proxy};
use crate::{
    consumer::Consumer,
    kills::{audit::nothing_is_lost_or_doubled, load::Load},
    process::consumer_binary,
    stand_in::StandIn,
    wait::until,
};

/// Answers of one operation, under a load that needs it.
#[derive(Debug, Clone, Copy)]
struct Case {
    service: &'static str,
    load: Load,
    holds: &'static [&'static str],
    lacks: &'static [&'static str],
    /// In a row. The SDK asks three times; deletes and sends are asked for again after that as well. Others would keep
    /// their message away for 30 s to 300 s: those are in `consumer/tests/rooms`, in paused time.
    times: usize,
}

const fn case(service: &'static str, load: Load, holds: &'static [&'static str], times: usize) -> Case {
    Case { service, load, holds, lacks: &[], times }
}

const SQS: &str = "AWS_ENDPOINT_URL_SQS";
const S3: &str = "AWS_ENDPOINT_URL_S3";
const DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// A consumer whose three services are behind a proxy each, of which one is at fault.
async fn meet(case: Case, fault: Fault) {
    let aws = StandIn::start().await;
    case.load.send(&aws, &consumer_binary()).await;
    let mut environment = case.load.environment(&aws);
    let upstream = environment.remove("AWS_ENDPOINT").unwrap();
    let plan = Plan { holds: case.holds, lacks: case.lacks, fault, times: case.times };
    let mut at_fault = None;
    for service in [SQS, S3, DYNAMODB] {
        let mine = (service == case.service).then(|| plan.clone());
        let proxy = Proxy::start(&upstream, mine);
        environment.insert(service.into(), proxy.url.clone());
        if service == case.service {
            at_fault = Some(proxy);
        }
    }
    let mut consumer = Consumer::start(&environment).await;
    aws.drained().await;
    // The queue may be empty before: what was asked again and again was done the first time.
    let met = async || (at_fault.as_ref().unwrap().met() == case.times).then_some(());
    until(&format!("the fault to be met as often: {case:?}"), met).await;
    nothing_is_lost_or_doubled(&aws, case.load).await;
    assert_eq!(aws.open_uploads().await, 0, "{case:?}");
    assert_eq!(consumer.stop().await, Some(0), "{case:?}");
}

async fn lose_and_cut(cases: &[Case]) {
    let faults = [Fault::Cut(0), Fault::Cut(40)];
    let all = cases.iter().flat_map(|case| faults.map(|fault| meet(*case, fault)));
    join_all(all).await;
}

#[tokio::test]
async fn lost_answers_of_sqs_lose_and_double_nothing() {
    lose_and_cut(&[
        case(SQS, Load::Plain, &["amazonsqs.receivemessage"], 2),
        case(SQS, Load::Plain, &["amazonsqs.deletemessagebatch"], 1),
        case(SQS, Load::Plain, &["amazonsqs.deletemessagebatch"], 4),
        case(SQS, Load::Retried, &["amazonsqs.sendmessagebatch"], 1),
        case(SQS, Load::Failing, &["amazonsqs.sendmessagebatch"], 1),
    ])
    .await;
}

#[tokio::test]
async fn lost_answers_of_dynamodb_lose_and_double_nothing() {
    lose_and_cut(&[
        case(DYNAMODB, Load::Plain, &["dynamodb_20120810.updateitem"], 2),
        case(DYNAMODB, Load::Plain, &["dynamodb_20120810.transactwriteitems"], 1),
        case(DYNAMODB, Load::Paged, &["dynamodb_20120810.batchgetitem"], 1),
        case(DYNAMODB, Load::Failing, &["dynamodb_20120810.transactwriteitems"], 2),
    ])
    .await;
}

#[tokio::test]
async fn lost_answers_of_s3_lose_and_double_nothing() {
    lose_and_cut(&[
        Case { lacks: &["uploadid="], ..case(S3, Load::Plain, &["put /exports/"], 1) },
        case(S3, Load::Large, &["put /exports/", "uploadid="], 1),
        case(S3, Load::Large, &["post /exports/", "uploadid="], 1),
        // Asked again, there is another upload: the first has no parts, and nobody has its id.
        case(S3, Load::Large, &["post /exports/", "?uploads"], 1),
    ])
    .await;
}

#[tokio::test]
async fn late_answers_of_each_service_lose_and_double_nothing() {
    let late = Fault::Late(Duration::from_millis(250));
    let cases = [
        case(SQS, Load::Plain, &["amazonsqs.deletemessagebatch"], 2),
        case(S3, Load::Plain, &["put /exports/"], 4),
        case(DYNAMODB, Load::Plain, &["dynamodb_20120810.updateitem"], 6),
    ];
    join_all(cases.map(|case| meet(case, late))).await;
}
