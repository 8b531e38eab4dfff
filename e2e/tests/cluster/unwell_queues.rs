//! Queues that are not well: pods stay as many as they are, and the pool says what it is and what helps.

use serde_json::{Value, json};

use crate::{pool::Pool, scaling::fast, stand_in::StandIn, team::Team};

/// As many pods as before, by decision.
#[track_caller]
fn is_held(pool: &Pool<'_>, reason: &str, remedy: &str) {
    let told = pool.has("QueuesReadable", "False", reason);
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with("exportJobs cannot be read: "), "{message}");
    assert!(message.contains(remedy), "{remedy:?} is not in: {message}");
    pool.has("ScalingActive", "False", "HeldUnknown");
    pool.has("Ready", "False", reason);
    assert_eq!((pool.replicas(), pool.pods().len()), (Some(1), 1));
}

#[test]
fn a_queue_that_is_not_well_holds_its_pods_is_told_with_the_remedy_and_affects_no_other_pool() {
    let (team, others) = (Team::new("unwell"), Team::new("wellqueue"));
    let (aws, aws_of_others) = (StandIn::start(&team), StandIn::start(&others));
    let pool = Pool::of_one(&team, &aws, &fast(3));
    let other = Pool::of_one(&others, &aws_of_others, &fast(3));
    pool.has("QueuesReadable", "True", "Read");
    aws.run(&["--sqs", "garbage"]);
    is_held(&pool, "Malformed", "does not answer as SQS does");
    aws.run(&["--sqs", "missing"]);
    is_held(&pool, "NotFound", "create it");
    aws.run(&["--access-key", "another"]);
    is_held(&pool, "Denied", "the keys of Secret aws may not read it: allow sqs:GetQueueAttributes");
    aws.end();
    is_held(&pool, "Unreachable", "look whether the operator may reach it");
    aws.run(&["--sqs", "throttled"]);
    is_held(&pool, "Throttled", "asked less often");
    // Meanwhile.
    other.has("QueuesReadable", "True", "Read");
    other.change(&json!({"scaling": {"minReplicas": 2}}));
    other.has_ready(2);
    assert_eq!(warnings(&others), Vec::<Value>::new());
    aws.run(&[]);
    pool.has("QueuesReadable", "True", "Read");
    pool.has("Ready", "True", "PodsReady");
}

/// Reasons of what was warned of.
fn warnings(team: &Team) -> Vec<Value> {
    let events = team.events("pool").into_iter();
    let warned = events.filter(|event| event["type"] == "Warning" && event["reason"] != "MovingTag");
    warned.map(|event| event["reason"].clone()).collect()
}
