//! The same message at two consumers at once.

use exportpool_consumer::message::QueueName;
use exportpool_contract::record::JobState;

use crate::{
    fakes::{World, journal::Did, source::Answer},
    letters,
    pod::{Pod, eventually_in, settings},
};

fn closed(world: &World, job: &str) -> bool {
    world.job_state(job) == Some(JobState::Done)
        && QueueName::ALL.into_iter().all(|queue| world.is_empty(queue))
}

fn two_pods(world: &World) -> [Pod; 2] {
    [1, 2].map(|number| Pod::numbered(world, settings(), number))
}

fn delivered_to(world: &World, queue: QueueName) -> usize {
    [1, 2]
        .iter()
        .filter(|n| {
            world.did(|did| matches!(did, Did::Received { queue: q, pod, .. } if *q == queue && pod == *n))
                > 0
        })
        .count()
}

#[test]
fn the_same_job_at_two_consumers_is_stored_and_counted_once() {
    for tasks in [1, 2, 40] {
        let world = World::new();
        // Nobody is through before both have it.
        let first = letters::url("j", "t0");
        world.answer(&first, [Answer::file("x").gated()]);
        world.put_copies(QueueName::ExportJobs, letters::job("j", tasks), 2);
        let pods = two_pods(&world);
        eventually_in(&world, "both have it", || delivered_to(&world, QueueName::ExportJobs) == 2);
        world.open_gate(&first);
        eventually_in(&world, "the job is done", || closed(&world, "j"));
        pods.into_iter().for_each(Pod::stop);
        assert_eq!(world.counted("j"), (i64::try_from(tasks).unwrap(), 0));
        world.assert_sound();
    }
}

#[test]
fn the_same_task_at_two_consumers_is_stored_and_counted_once() {
    for size in [1, 11] {
        let world = World::new();
        let url = letters::url("j", "t");
        world.answer(&url, [Answer::large(size).gated()]);
        world.put_copies(QueueName::DownloadTasks, letters::task("j", "t"), 2);
        let pods = two_pods(&world);
        eventually_in(&world, "both download it", || world.fetches(&url) == 2);
        world.open_gate(&url);
        eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
        pods.into_iter().for_each(Pod::stop);
        assert_eq!(world.counted("j"), (1, 0));
        world.assert_sound();
    }
}

#[test]
fn a_task_that_fails_here_and_is_done_there_is_done() {
    let world = World::new();
    let url = letters::url("j", "t");
    let refused = exportpool_consumer::fail::TaskFault::last(
        exportpool_consumer::fail::Reason::SourceRefused,
        "the source answered 404",
    );
    world.answer(&url, [Answer::fault(refused).gated(), Answer::file("ok")]);
    world.put_copies(QueueName::DownloadTasks, letters::task("j", "t"), 2);
    let pods = two_pods(&world);
    eventually_in(&world, "one has it done", || world.counted("j") == (1, 0));
    world.open_gate(&url);
    eventually_in(&world, "the other is through", || world.did(Did::is_dead_letter) == 1);
    eventually_in(&world, "its message is deleted", || world.is_empty(QueueName::DownloadTasks));
    pods.into_iter().for_each(Pod::stop);
    assert_eq!(world.counted("j"), (1, 0));
    world.assert_sound();
}

#[test]
fn a_pod_whose_slots_are_busy_leaves_the_rest_of_its_job_to_others() {
    let world = World::new();
    let busy = ["t0", "t1"].map(|task| letters::url("j", task));
    busy.iter().for_each(|url| world.answer(url, [Answer::file("x").gated()]));
    world.put(QueueName::ExportJobs, letters::job("j", 200));
    let first = Pod::numbered(&world, settings(), 1);
    eventually_in(&world, "its slots are busy", || busy.iter().all(|url| world.at_gate(url)));
    let second = Pod::numbered(&world, settings(), 2);
    eventually_in(&world, "another pod does the rest", || world.counted("j").0 > 180);
    busy.iter().for_each(|url| world.open_gate(url));
    eventually_in(&world, "the job is done", || closed(&world, "j"));
    first.stop();
    second.stop();
    world.assert_sound();
}

#[test]
fn a_job_that_comes_twice_to_one_consumer_is_stored_and_counted_once() {
    for tasks in [2, 40] {
        let world = World::new();
        let first = letters::url("j", "t0");
        world.answer(&first, [Answer::file("x").gated()]);
        let message = world.put(QueueName::ExportJobs, letters::job("j", tasks));
        let pod = Pod::start(&world);
        eventually_in(&world, "it is under way", || world.at_gate(&first));
        world.expire(QueueName::ExportJobs, message);
        let delivered = |did: &Did| matches!(did, Did::Received { queue: QueueName::ExportJobs, .. });
        eventually_in(&world, "it came again", || world.did(delivered) == 2);
        world.open_gate(&first);
        eventually_in(&world, "the job is done", || closed(&world, "j"));
        pod.stop();
        assert_eq!(world.counted("j"), (i64::try_from(tasks).unwrap(), 0));
        world.assert_sound();
    }
}
