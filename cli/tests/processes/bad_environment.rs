//! A wrong environment stops the start; a missing AWS does not, and nothing is taken from the queues until it is there.

use std::{net::TcpListener, time::Duration};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use exportpool_contract::record::{PK, SK};

use crate::{
    consumer::{Consumer, Environment, refused},
    process::consumer_binary,
    stand_in::{Queue, StandIn},
    wait::until,
};

const SECRET: &str = "wJalrXUtnFEMI-a-secret-that-nobody-may-read";

/// An environment that is right, where nobody listens.
fn somewhere() -> Environment {
    let endpoint = format!("http://{}", free_address());
    let queue = |name| format!("{endpoint}/000000000000/{name}");
    let variables = [
        ("AWS_ENDPOINT", endpoint.clone()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", "test".into()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
        ("SQS_EXPORT_JOBS_URL", queue("export-jobs")),
        ("SQS_DOWNLOAD_TASKS_URL", queue("download-tasks")),
        ("S3_BUCKET", "exports".into()),
        ("DYNAMODB_TABLE", "exports".into()),
        ("PORT", "0".into()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The consumer refuses an environment with one change, and says why in one line.
#[track_caller]
fn refuses(name: &str, value: &str, words: &[&str]) {
    refuses_in(somewhere(), name, value, words);
}

#[track_caller]
fn refuses_in(mut environment: Environment, name: &str, value: &str, words: &[&str]) {
    environment.insert(name.into(), value.into());
    let output = refused(&environment);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!((output.status.code(), err.lines().count()), (Some(78), 1), "{name}={value:?}: {err}{out}");
    for word in [&[name, value], words].concat() {
        assert!(err.contains(word), "{name}={value:?}: {word:?} is not in {err}");
    }
    assert!(!format!("{out}{err}").contains(SECRET), "{err}{out}");
}

#[test]
fn a_wrong_value_stops_the_start_with_one_line() {
    refuses("WORKER_POOL_SIZE", "0", &["from 1 to 256"]);
    refuses("WORKER_POOL_SIZE", "abc", &["from 1 to 256"]);
    refuses("MAX_QUEUE_SIZE", "-1", &["from 0 to 100000"]);
    refuses("MAX_CONCURRENT_JOBS", "99999999999999999999", &["from 1 to 10000"]);
    refuses("TASK_TIMEOUT_SECONDS", "5m", &["from 1 to"]);
    refuses("S3_BUCKET", "", &["not set", "a bucket"]);
    refuses("AWS_REGION", "", &["not set", "a region such as"]);
    refuses("SQS_EXPORT_JOBS_URL", "http://127.0.0.1:4566/000000000000/jobs.fifo", &["a standard queue"]);
    refuses("SQS_DOWNLOAD_TASKS_URL", "download-tasks", &["the URL of a queue"]);
    refuses("AWS_ENDPOINT", "localhost:4566", &["http://127.0.0.1:4566"]);
    refuses("EXPORT_ALLOWED_NETWORKS", "everything", &["CIDR"]);
    refuses("AWS_REGION", "Frankfurt", &["a region such as"]);
    refuses("S3_BUCKET", "s3://exports", &["3 to 63 lower-case letters"]);
    refuses("RUST_LOG", "exportpool_consumer=loud", &["such as info or warn"]);
    refuses("PORT", "65536", &["from 0 to 65535"]);
    refuses("MEMORY_BUDGET_MIB", "1", &["at least 20 MiB", "WORKER_POOL_SIZE"]);
}

#[test]
fn a_queue_of_another_region_or_two_queues_that_are_one_stop_the_start() {
    let elsewhere = "https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs";
    refuses("SQS_EXPORT_JOBS_URL", elsewhere, &["it is in eu-west-1", "AWS_REGION=us-east-1"]);
    for name in ["SQS_DOWNLOAD_TASKS_URL", "SQS_EXPORT_JOBS_DLQ_URL"] {
        let environment = somewhere();
        let jobs = environment["SQS_EXPORT_JOBS_URL"].clone();
        refuses_in(environment, name, &jobs, &["another queue than SQS_EXPORT_JOBS_URL"]);
    }
}

#[test]
fn a_value_that_is_no_text_stops_the_start() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Command};
    let mut command = Command::new(consumer_binary());
    command.env_clear().envs(somewhere()).env("S3_BUCKET", OsStr::from_bytes(b"\xff\xfe"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8(output.stderr).unwrap().contains("S3_BUCKET"));
}

#[tokio::test]
async fn logs_for_people_that_no_terminal_shows_have_no_colours() {
    let mut environment = somewhere();
    environment.insert("LOG_FORMAT".into(), "human".into());
    let mut consumer = Consumer::spawn(&consumer_binary(), &environment);
    until("a consumer to start", async || {
        consumer.said().contains("exportpool-consumer starts").then_some(())
    })
    .await;
    assert_eq!(consumer.stop().await, Some(0));
    let said = consumer.said();
    assert!(said.contains("INFO") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn a_port_in_use_stops_the_start() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refuses("PORT", &port, &["in use", "a free port"]);
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_keeps_it_running_and_not_ready_until_it_is_stopped() {
    let mut consumer = Consumer::start(&somewhere()).await;
    let why = consumer.not_ready("refused").await;
    assert!(["queue", "bucket", "table"].iter().any(|resource| why.contains(resource)), "{why}");
    assert_eq!(consumer.get("/live"), (200, "live\n".into()));
    let health: serde_json::Value = serde_json::from_str(&consumer.get("/health").1).unwrap();
    assert!(health["unavailable"].as_str().is_some_and(|why| why.contains("refused")), "{health}");
    assert_eq!(consumer.stop().await, Some(0));
    assert!(!consumer.said().contains(SECRET));
}

#[tokio::test]
async fn a_missing_bucket_takes_nothing_until_it_is_made() {
    let aws = StandIn::start().await;
    aws.send_job("early", 3, "size=100").await;
    let consumer = Consumer::start(&aws.environment(&[("S3_BUCKET", "made-late")])).await;
    consumer.not_ready("made-late").await;
    nothing_was_taken(&aws, &consumer).await;
    aws.s3.create_bucket().bucket("made-late").send().await.unwrap();
    consumer.ready().await;
    aws.drained().await;
    assert_eq!(aws.table().await.job("early").done, 3);
}

#[tokio::test]
async fn a_missing_table_takes_nothing_until_it_is_made() {
    let aws = StandIn::start().await;
    aws.send_job("early", 3, "size=100").await;
    let consumer = Consumer::start(&aws.environment(&[("DYNAMODB_TABLE", "made-late")])).await;
    consumer.not_ready("made-late").await;
    nothing_was_taken(&aws, &consumer).await;
    make_table(&aws, "made-late").await;
    consumer.ready().await;
    aws.drained().await;
    assert_eq!(aws.versions().await.len(), 3);
}

#[tokio::test]
async fn a_missing_dead_letter_queue_takes_nothing_until_it_is_made() {
    let aws = StandIn::start().await;
    aws.send_job("early", 3, "size=100").await;
    let environment = aws.environment(&[]);
    let late = environment["SQS_DOWNLOAD_TASKS_URL"].replace("download-tasks", "made-late");
    let consumer = Consumer::start(&aws.environment(&[("SQS_DOWNLOAD_TASKS_DLQ_URL", &late)])).await;
    let why = consumer.not_ready("made-late").await;
    assert!(why.contains("dead letters of download-tasks"), "{why}");
    nothing_was_taken(&aws, &consumer).await;
    aws.sqs.create_queue().queue_name("made-late").send().await.unwrap();
    consumer.ready().await;
    aws.drained().await;
    assert_eq!(aws.table().await.job("early").done, 3);
}

#[tokio::test]
async fn a_queue_without_a_dead_letter_queue_takes_nothing_until_it_has_one() {
    let aws = StandIn::start().await;
    let made = aws.sqs.create_queue().queue_name("bare").send().await.unwrap();
    let url = made.queue_url.unwrap();
    let consumer = Consumer::start(&aws.environment(&[("SQS_DOWNLOAD_TASKS_URL", &url)])).await;
    consumer.not_ready("RedrivePolicy").await;
    // Both queues may share one.
    let shared =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:export-jobs-dlq","maxReceiveCount":5}"#;
    let policy = aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy;
    aws.sqs.set_queue_attributes().queue_url(&url).attributes(policy, shared).send().await.unwrap();
    consumer.ready().await;
    assert!(consumer.said().contains("maxReceiveCount is low"), "{}", consumer.said());
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_worked_on_is_refused() {
    let aws = StandIn::start().await;
    let url = aws.environment(&[])["SQS_DOWNLOAD_TASKS_URL"].clone();
    let round =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:export-jobs","maxReceiveCount":100}"#;
    let policy = aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy;
    aws.sqs.set_queue_attributes().queue_url(&url).attributes(policy, round).send().await.unwrap();
    let consumer = Consumer::start(&aws.environment(&[])).await;
    consumer.not_ready("go round for ever").await;
}

#[tokio::test]
async fn a_region_that_differs_from_the_queues_is_named_with_the_remedy() {
    let aws = StandIn::start().await;
    let mut consumer = Consumer::start(&aws.environment(&[("AWS_REGION", "eu-west-1")])).await;
    consumer.not_ready("set AWS_REGION=us-east-1").await;
    assert_eq!((consumer.get("/live").0, consumer.report().queues.export_jobs.received), (200, 0));
    assert_eq!(consumer.stop().await, Some(0));
}

/// Neither ready nor idle: it looked, and left the messages alone.
async fn nothing_was_taken(aws: &StandIn, consumer: &Consumer) {
    let report = consumer.report();
    assert!(report.breaker.open, "{report:?}");
    assert_eq!(report.queues.export_jobs.received, 0);
    assert_eq!(aws.depth(Queue::ExportJobs).await, [1, 0, 0]);
    assert_eq!(aws.depth(Queue::ExportJobsDlq).await, [0, 0, 0]);
    assert_eq!(aws.depth(Queue::DownloadTasksDlq).await, [0, 0, 0]);
}

async fn make_table(aws: &StandIn, name: &str) {
    let mut request = aws.dynamodb.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [(PK, KeyType::Hash), (SK, KeyType::Range)] {
        let key = KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap();
        let text = AttributeDefinition::builder().attribute_name(attribute);
        let text = text.attribute_type(ScalarAttributeType::S).build().unwrap();
        request = request.key_schema(key).attribute_definitions(text);
    }
    request.send().await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_take_nothing_and_dead_letter_nothing() {
    let aws = StandIn::start_with(&["--access-key", "AKIAEXAMPLE"]).await;
    aws.send_job("early", 1, "size=100").await;
    let wrong = [("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let mut consumer = Consumer::start(&aws.environment(&wrong)).await;
    // In the words of SQS and DynamoDB, or of S3 (HEAD has no body).
    let denied = |why: &str| {
        ["InvalidClientTokenId", "UnrecognizedClient", "403"].iter().any(|word| why.contains(word))
    };
    until("a consumer to be denied", async || {
        let (status, why) = consumer.get("/ready");
        (status == 503 && denied(&why)).then_some(())
    })
    .await;
    // Each of the three services was asked more than once.
    until("the consumer to ask again", async || {
        (consumer.report().uptime_ms > Duration::from_secs(2).as_millis().try_into().unwrap()).then_some(())
    })
    .await;
    nothing_was_taken(&aws, &consumer).await;
    assert_eq!(consumer.get("/live").0, 200);
    assert_eq!(consumer.stop().await, Some(0));
    assert!(!consumer.said().contains(SECRET), "{}", consumer.said());
}

/// Also: `environment` is what the README requires, without dead-letter queues; the redrive policies name those.
#[tokio::test]
async fn the_names_in_the_design_are_all_it_needs_and_dead_letter_queues_are_found() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[]);
    let names = [
        "AWS_ACCESS_KEY_ID",
        "AWS_ENDPOINT",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "DYNAMODB_TABLE",
        "EXPORT_ALLOWED_NETWORKS",
        "PORT",
        "S3_BUCKET",
        "SQS_DOWNLOAD_TASKS_URL",
        "SQS_EXPORT_JOBS_URL",
    ];
    assert_eq!(environment.keys().collect::<Vec<_>>(), names);
    aws.send_job("good", 2, "size=100").await;
    aws.send_job("gone", 1, "status=404").await;
    for queue in [Queue::ExportJobs, Queue::DownloadTasks] {
        aws.send(queue, "{not json").await;
    }
    let mut consumer = Consumer::start(&environment).await;
    aws.drained().await;
    let table = aws.table().await;
    assert_eq!(
        (table.job("good").state.as_str(), table.job("gone").state.as_str()),
        ("done", "doneWithFailures")
    );
    let of_jobs = aws.dead_letters(Queue::ExportJobsDlq).await;
    assert_eq!(of_jobs.iter().map(|letter| letter.body.as_str()).collect::<Vec<_>>(), ["{not json"]);
    let of_tasks = aws.dead_letters(Queue::DownloadTasksDlq).await;
    let mut reasons: Vec<_> = of_tasks.iter().map(|letter| letter.attributes["reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["malformed", "sourceRefused"]);
    assert_eq!(consumer.stop().await, Some(0));
}

#[tokio::test]
async fn secrets_are_in_no_log_and_in_no_record() {
    let aws = StandIn::start().await;
    let environment =
        aws.environment(&[("AWS_SECRET_ACCESS_KEY", SECRET), ("MAX_ATTEMPTS", "1"), ("RUST_LOG", "debug")]);
    // A parameter the file server does not know is answered 400; a redirect is told to nobody.
    let refused = aws.file("refused", "X-Amz-Signature=hush-signature");
    let failed = aws.file("failed", "status=500&size=7").replace("http://", "http://me:hush-password@");
    let nobody = format!("http://{}/f?X-Amz-Signature=hush-signature#hush-fragment", free_address());
    let away = aws.file("away", "redirect=http%3A%2F%2F10.0.0.1%2F%3FX-Amz-Signature%3Dhush-signature");
    let tasks = [refused, failed, nobody, away, "hush-signature".into(), aws.file("good", "size=9")];
    let tasks = tasks.iter().enumerate().map(|(n, url)| {
        serde_json::json!({"taskId": n.to_string(), "url": url, "headers": {"authorization": "Bearer hush-token"}})
    });
    let job = serde_json::json!({"jobId": "secret", "tasks": tasks.collect::<Vec<_>>()});
    aws.send(Queue::ExportJobs, job.to_string()).await;
    let consumer = Consumer::start(&environment).await;
    aws.drained().await;
    let table = aws.table().await;
    assert_eq!((table.job("secret").done, table.job("secret").failed), (1, 5), "{table:?}");
    let pages = ["/health", "/report", "/metrics", "/ready"].map(|page| consumer.get(page).1).concat();
    // Debug lines of libraries may hold the URL of a request that they make; ours and the default level never.
    let said = consumer.said();
    for secret in [SECRET, "hush-token", "hush-password", "hush-signature", "hush-fragment"] {
        let lines: Vec<_> = said.lines().filter(|line| line.contains(secret)).collect();
        assert!(lines.is_empty(), "{secret} is in the log: {lines:#?}");
        assert!(!pages.contains(secret), "{secret} is in {pages}");
        assert!(!format!("{table:?}").contains(secret), "{secret} is in {table:?}");
    }
}
