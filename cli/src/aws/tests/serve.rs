//! The port: what answers on it, when it stops, and who is let in.

use std::time::Duration;

use axum::{Router, extract::Request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time,
};

use crate::{
    aws::{
        Error, Options, StandIn,
        ill::Illness,
        make_resources,
        testing::{Fixture, clients, plain_http, until},
    },
    target::Target,
};

async fn get(url: &str) -> (u16, String) {
    let response = plain_http().get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn it_tells_its_health() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let (status, body) = get(&format!("{}/_health", stand_in.endpoint())).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &"running".into()));
}

#[tokio::test]
async fn a_source_answers_below_its_prefix() {
    let router = Router::new().fallback(async |request: Request| request.uri().to_string());
    let options = Options { source: Some(router), ..Options::default() };
    let with = StandIn::start(options).await.unwrap();
    let url = |stand_in: &StandIn| format!("{}/_source/files/1?size=2", stand_in.endpoint());
    assert_eq!(get(&url(&with)).await, (200, "/files/1?size=2".to_owned()));
    let without = StandIn::start(Options::default()).await.unwrap();
    assert_eq!(get(&url(&without)).await.0, 404);
}

#[tokio::test]
async fn the_old_query_protocol_is_refused_with_the_remedy() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let request = plain_http().post(stand_in.endpoint());
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body("Action=ListQueues");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("JSON protocol"));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let first = StandIn::start(Options::default()).await.unwrap();
    let port = first.address().port();
    let second = StandIn::start(Options { port, ..Options::default() }).await.err().unwrap();
    assert!(matches!(second, Error::InUse(_)));
    let words = second.to_string();
    assert!(words.starts_with(&first.address().to_string()) && words.contains("--port"), "{words}");
}

#[tokio::test]
async fn an_emulator_that_is_not_there_is_named_with_the_cause() {
    let aws = Fixture::start().await;
    let target = aws.target.clone();
    aws.stand_in.shutdown().await;
    let words = make_resources(&target).await.unwrap_err().to_string();
    assert!(words.contains("export-jobs-dlq") && words.contains("onnect"), "{words}");
}

#[tokio::test]
async fn stopping_answers_open_long_polls() {
    let aws = Fixture::start().await;
    let address = aws.stand_in.address();
    let mut poll = TcpStream::connect(address).await.unwrap();
    let body = serde_json::json!({"QueueUrl": aws.target.export_jobs, "WaitTimeSeconds": 20}).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    poll.write_all(head.as_bytes()).await.unwrap();
    // The stand-in asks for the body: from here on the request is under way.
    let mut begun = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    poll.read_exact(&mut begun).await.unwrap();
    poll.write_all(body.as_bytes()).await.unwrap();
    time::timeout(Duration::from_secs(3), aws.stand_in.shutdown())
        .await
        .expect("it does not wait for the poll");
    let mut answer = String::new();
    poll.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("ReceiptHandle"), "{answer}");
    TcpStream::connect(address).await.expect_err("the port is free");
}

#[tokio::test]
async fn dropping_it_frees_the_port() {
    let stand_in = StandIn::start(Options::default()).await.unwrap();
    let port = stand_in.address().port();
    drop(stand_in);
    until(async || StandIn::start(Options { port, ..Options::default() }).await.ok()).await;
}

#[tokio::test]
async fn another_access_key_is_refused_in_each_services_words() {
    let options = Options { access_key: Some("AKIAEXPECTED".into()), ..Options::default() };
    let aws = Fixture::start_with(options).await;
    let mut stranger = aws.target.clone();
    stranger.access.key.as_mut().unwrap().id = "AKIASTRANGER".into();
    let (sqs, s3, dynamodb) = clients(&stranger).await;

    let received = sqs.receive_message().queue_url(&stranger.export_jobs).send().await.unwrap_err();
    assert_eq!(received.raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(received.into_service_error().meta().code(), Some("InvalidClientTokenId"));

    let body = vec![0; 1 << 20].into();
    let put = s3.put_object().bucket("exports").key("k").body(body).send().await.unwrap_err();
    assert_eq!(put.raw_response().unwrap().status().as_u16(), 403);
    assert_eq!(put.into_service_error().meta().code(), Some("InvalidAccessKeyId"));

    let described = dynamodb.describe_table().table_name("exports").send().await.unwrap_err();
    assert_eq!(described.raw_response().unwrap().status().as_u16(), 400);
    assert_eq!(described.into_service_error().meta().code(), Some("UnrecognizedClientException"));

    let words = make_resources(&stranger).await.unwrap_err().to_string();
    assert!(words.contains("security token") && words.contains("keys"), "{words}");
    assert_eq!(get(&format!("{}/_health", aws.stand_in.endpoint())).await.0, 200);
    assert_eq!(get(&format!("{}/exports/k", aws.stand_in.endpoint())).await.0, 403);
}

#[tokio::test]
async fn queues_that_are_not_well_answer_as_those_of_aws_and_the_rest_is_well() {
    let told = async |illness| {
        let options = Options { illness: Some(illness), ..Options::default() };
        let stand_in = StandIn::start(options).await.unwrap();
        let target = Target::emulator(&stand_in.endpoint()).unwrap();
        let (sqs, s3, _) = clients(&target).await;
        s3.list_buckets().send().await.unwrap();
        let asked = sqs.get_queue_attributes().queue_url(&target.export_jobs).send().await.unwrap_err();
        let status = asked.raw_response().unwrap().status().as_u16();
        (status, asked.as_service_error().and_then(|error| error.meta().code()).map(str::to_owned))
    };
    let code = |code: &str| Some(code.to_owned());
    assert_eq!(told(Illness::Throttled).await, (400, code("ThrottlingException")));
    assert_eq!(told(Illness::Missing).await, (400, code("QueueDoesNotExist")));
    assert_eq!(told(Illness::Garbage).await, (200, None));
}
