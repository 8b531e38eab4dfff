//! A pod is profiled where it is, by whoever may forward its ports.

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{plugin::exportctl, pool::Pool, scaling::fast, stand_in::StandIn, team::Team, wait::until};

/// `exportctl profile TOOL --pod …`, with its reports in a folder that is gone after.
fn profile(team: &Team, tool: &str, pod: &str) -> (Option<i32>, Value, String) {
    let reports = std::env::temp_dir().join(format!("exportpool-e2e-profile-{}", std::process::id()));
    let mut command = Command::new(exportctl());
    command.args(["profile", tool, "--pod", pod, "-n", &team.namespace, "--duration", "3s"]);
    command.args(["--no-open", "--json", "--reports"]).arg(&reports);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let _ = fs::remove_dir_all(&reports);
    let report = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), report, String::from_utf8_lossy(&stderr).into_owned())
}

/// Of the only pod that is not ending.
fn pod(pool: &Pool<'_>) -> Value {
    let alone = || {
        let pods = pool.pods();
        let mut lasting = pods.into_iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        lasting.next().filter(|_| lasting.next().is_none())
    };
    until("one pod", Duration::from_secs(120), alone, || format!("{:#?}", pool.pods()))
}

#[test]
fn a_pod_is_profiled_as_it_is_unless_its_pool_forbids_it() {
    let team = Team::new("profile");
    let aws = StandIn::start(&team);
    let pool = Pool::of_one(&team, &aws, &fast(2));
    let before = pod(&pool);
    let name = before["metadata"]["name"].as_str().unwrap();
    let (code, report, told) = profile(&team, "doctor", name);
    assert_eq!(code, Some(0), "{told}{report:#}");
    assert_eq!((&report["consumer"]["workers"], &report["ending"]["ending"]), (&json!(4), &json!("over")));
    assert!(report["figures"]["seconds"].as_f64().unwrap() > 2.0, "{report:#}");
    for tool in ["bubble", "flame", "heap"] {
        let (code, report, told) = profile(&team, tool, name);
        assert_eq!((code, &report["consumer"]["tool"]), (Some(0), &json!(tool)), "{told}{report:#}");
    }
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].clone();
    let after = pod(&pool);
    assert_eq!((&after["metadata"]["uid"], restarts(&after)), (&before["metadata"]["uid"], json!(0)));

    let (code, _, told) = profile(&team, "doctor", "nobody");
    assert!(code == Some(2) && told.contains("there is no pod nobody"), "{told}");

    pool.change(&json!({"profiling": "Forbidden"}));
    let replaced = || Some(pod(&pool)).filter(|pod| pod["metadata"]["uid"] != before["metadata"]["uid"]);
    let replaced = until("the pod to be replaced", Duration::from_secs(120), replaced, || team.told());
    let (code, _, told) = profile(&team, "doctor", replaced["metadata"]["name"].as_str().unwrap());
    assert!(code == Some(2) && told.contains("spec.profiling: Forbidden"), "{told}");
}
