//! A released consumer has no kill points.

use std::fs;

use super::load::Load;
use crate::{
    consumer::Consumer,
    process::{consumer_binary, killable_consumer},
    stand_in::StandIn,
};

#[test]
fn a_default_build_does_not_know_the_variables_that_kill() {
    let knows = |binary| {
        let bytes = fs::read(binary).unwrap();
        let name: &[u8] = b"EXPORTPOOL_KILL_AT";
        bytes.windows(name.len()).any(|window| window == name)
    };
    assert!(knows(killable_consumer()), "the search finds nothing anywhere");
    assert!(!knows(consumer_binary()), "a default build has kill points");
}

#[tokio::test]
async fn a_default_build_passes_where_another_would_die() {
    let aws = StandIn::start().await;
    Load::Plain.send(&aws, &consumer_binary()).await;
    let mut environment = Load::Plain.environment(&aws);
    environment.insert("EXPORTPOOL_KILL_AT".into(), "received:1".into());
    let mut consumer = Consumer::start(&environment).await;
    aws.drained().await;
    assert_eq!(consumer.stop().await, Some(0));
}

#[tokio::test]
async fn a_point_that_nobody_knows_ends_a_build_that_has_points() {
    let aws = StandIn::start().await;
    Load::Plain.send(&aws, &killable_consumer()).await;
    let mut environment = Load::Plain.environment(&aws);
    environment.insert("EXPORTPOOL_KILL_AT".into(), "recieved:1".into());
    let mut consumer = Consumer::spawn(&killable_consumer(), &environment);
    assert_eq!(consumer.process.exit().await.code(), Some(78));
    let told = consumer.said();
    assert!(told.contains("\"recieved:1\"") && told.contains("received, "), "{told}");
}
