//! `exportctl load --verify` against consumers, and against nobody.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{
    consumer::{Consumer, Environment},
    process::EXPORTCTL,
    stand_in::{BUCKET, StandIn},
};

fn load(environment: &Environment, arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(EXPORTCTL);
    command.env_clear().envs(environment).args(["load", "--json", "--verify"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn ended(child: std::process::Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

/// The last document that it printed.
fn findings(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{output:?}"))
}

#[tokio::test]
async fn a_load_that_is_verified_waits_until_every_file_is_there() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[]);
    let load = load(&environment, &["20", "--tasks-per-job", "3", "--delay", "10ms", "--flaky-rate", "0.1"]);
    let _consumer = Consumer::start(&environment).await;
    let output = ended(load).await;
    let found = findings(&output);
    assert_eq!(output.status.code(), Some(0), "{found}");
    assert_eq!((found["tasks"].as_u64(), found["stored"].as_u64()), (Some(60), Some(60)), "{found}");
    assert_eq!(aws.versions().await.len(), 60);
}

#[tokio::test]
async fn what_nobody_works_on_is_lost_when_the_patience_is_over() {
    let aws = StandIn::start().await;
    let output = ended(load(&aws.environment(&[]), &["2", "--timeout", "1s"])).await;
    let found = findings(&output);
    assert_eq!((output.status.code(), found["lost"].as_u64()), (Some(1), Some(2)), "{found}");
    assert!(found["problems"][0].as_str().unwrap().starts_with("lost: "), "{found}");
}

#[tokio::test]
async fn an_object_that_is_not_what_the_source_sends_is_found() {
    let aws = StandIn::start().await;
    let environment = aws.environment(&[]);
    let first = load(&environment, &["1", "--seed", "1", "--delay", "1500ms"]);
    let _consumer = Consumer::start(&environment).await;
    // The consumer adopts nothing that differs: the task fails as keyConflict.
    let key = crate::wait::until("the job to be on its way", async || {
        aws.table().await.tasks.keys().next().cloned()
    });
    let (job, task) = key.await;
    let put = aws.s3.put_object().bucket(BUCKET).key(format!("{job}/{task}")).body(b"other".to_vec().into());
    put.send().await.unwrap();
    let output = ended(first).await;
    assert_eq!(output.status.code(), Some(1), "{}", findings(&output));
}
