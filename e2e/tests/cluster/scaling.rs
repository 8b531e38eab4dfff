//! From nothing to many and back to nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{pool::Pool, stand_in::StandIn, team::Team, wait::until};

/// What scales fast: for tests that have a minute.
pub(crate) fn fast(max_replicas: u32) -> Value {
    json!({
        "maxReplicas": max_replicas, "drainTimeSeconds": 10, "idlePollSeconds": 1,
        "activation": {"keepAliveSeconds": 0}, "scaleIn": {"stabilizationSeconds": 5},
    })
}

/// Every task of a load is stored, once.
#[track_caller]
pub(crate) fn all_stored(found: &Value, tasks: u64) {
    assert_eq!((found["tasks"].as_u64(), found["stored"].as_u64()), (Some(tasks), Some(tasks)), "{found}");
    for nothing in ["lost", "doubled", "unclosed", "openUploads", "emptyUploads"] {
        assert_eq!(found[nothing], 0, "{nothing}: {found}");
    }
}

#[test]
fn a_load_makes_pods_appear_work_and_go_away_and_every_file_is_stored_once() {
    let team = Team::new("scale");
    let aws = StandIn::start(&team);
    let pool = Pool::apply(&team, &Pool::object(&team, &aws, &fast(6)));
    pool.has("Ready", "True", "ScaledToZero");
    assert_eq!(pool.replicas(), Some(0));
    let load = aws.load(&["500", "--delay", "400ms", "--size", "10KiB", "--timeout", "3m"]);
    pool.asks_for("the pool to scale out", Duration::from_secs(30), |replicas| replicas == 6);
    pool.has_ready(1);
    all_stored(&load.findings(Duration::from_secs(240)), 500);
    pool.asks_for("the pool to go to zero", Duration::from_secs(180), |replicas| replicas == 0);
    until(
        "the pods to be gone",
        Duration::from_secs(90),
        || pool.pods().is_empty().then_some(()),
        || team.told(),
    );
    pool.has("Ready", "True", "ScaledToZero");
    let events: Vec<_> = team.events("pool").iter().map(|event| event["reason"].clone()).collect();
    assert!(events.contains(&json!("ScaledOut")) && events.contains(&json!("ScaledIn")), "{events:?}");
}
