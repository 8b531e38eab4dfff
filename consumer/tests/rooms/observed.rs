//! Port 3000.

use exportpool_consumer::{fail::AwsKind, message::QueueName};
use exportpool_contract::report::MAX_REPORT_BYTES;

use crate::{
    fakes::{
        World,
        flaw::{Flaw, Op},
        source::Answer,
    },
    letters,
    pod::{Pod, eventually, eventually_in},
};

#[test]
fn everything_that_is_asked_of_port_3000_is_answered() {
    let world = World::new();
    world.answer(&letters::url("k", "t"), [Answer::failure()]);
    let pod = Pod::start(&world);
    eventually("ready", || pod.get("/ready") == (200, "ready\n".into()));
    assert_eq!(pod.get("/live"), (200, "live\n".into()));
    world.put(QueueName::ExportJobs, letters::job("j", 30));
    world.put(QueueName::DownloadTasks, letters::task("k", "t"));
    eventually_in(&world, "all is settled", || {
        world.counted("j") == (30, 0)
            && world.counted("k") == (0, 1)
            && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
    });
    let report = pod.reports("nothing in hand", |report| {
        let leased = report.gauges.leased;
        let idle = leased.export_jobs + leased.download_tasks == 0 && report.slots.busy == 0;
        idle && report.queues.download_tasks.settled.failed == 1 && report.counters.tasks_listed == 30
    });
    let (jobs, tasks) = (&report.queues.export_jobs, &report.queues.download_tasks);
    assert_eq!((report.schema, report.draining, report.breaker.open), (1, false, false));
    assert_eq!((report.slots.total, report.counters.tasks_listed), (2, 30));
    assert_eq!(jobs.settled.done + tasks.settled.done, 30);
    assert_eq!((tasks.settled.failed, tasks.settled.retried, report.counters.dead_lettered), (1, 2, 1));
    assert_eq!((jobs.received, tasks.received), (1, report.counters.handed_over + 3));
    assert_eq!((jobs.redelivered, tasks.redelivered), (0, 2));
    let bytes: usize =
        (0..30).map(|n| world.object(&format!("j/t{n}")).map_or(0, |object| object.body.len())).sum();
    assert_eq!(report.counters.bytes, bytes as u64);
    assert!(report.last_real_message_at.is_some() && report.oldest_enqueued_at.is_none());
    assert!(pod.get("/report").1.len() <= MAX_REPORT_BYTES);
    let (status, metrics) = pod.get("/metrics");
    assert!(
        status == 200 && metrics.lines().any(|line| !line.starts_with('#') && line.ends_with(" 30")),
        "{metrics}"
    );
    let (status, health) = pod.get("/health");
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(
        (status, health["status"].as_str(), &health["workers"]["alive"]),
        (200, Some("ok"), &2.into())
    );
    assert_eq!(pod.get("/nothing").0, 404);
    pod.stop();
    world.assert_sound();
}

#[test]
fn what_is_in_hand_is_reported_while_it_is_in_hand() {
    let world = World::new();
    let urls = ["t0", "t1"].map(|task| letters::url("j", task));
    urls.iter().for_each(|url| world.answer(url, [Answer::file("x").gated()]));
    world.put(QueueName::ExportJobs, letters::job("j", 3));
    let pod = Pod::start(&world);
    let report = pod.reports("busy", |report| report.slots.busy == 2);
    assert_eq!((report.gauges.jobs, report.gauges.waiting, report.gauges.leased.export_jobs), (1, 1, 1));
    assert!(report.oldest_enqueued_at.is_some());
    urls.iter().for_each(|url| world.open_gate(url));
    eventually_in(&world, "the job is done", || world.is_empty(QueueName::ExportJobs));
    pod.stop();
    world.assert_sound();
}

#[test]
fn a_pod_is_live_and_not_ready_until_queues_bucket_and_table_have_answered() {
    for (op, resource) in
        [(Op::LookQueues, "queue export-jobs"), (Op::LookBucket, "bucket"), (Op::LookTable, "table")]
    {
        let world = World::new();
        world.fail_always(op, Flaw::Before(AwsKind::Unreachable));
        world.put(QueueName::DownloadTasks, letters::task("j", "t"));
        let pod = Pod::start(&world);
        eventually("not ready, and says why", || {
            let (status, why) = pod.get("/ready");
            status == 503 && why.contains(resource)
        });
        assert_eq!((pod.get("/live").0, world.calls(Op::Receive)), (200, 0));
        world.mend(op);
        eventually("ready", || pod.get("/ready").0 == 200);
        eventually_in(&world, "the task is done", || world.is_empty(QueueName::DownloadTasks));
        pod.stop();
        world.assert_sound();
    }
}
