use exportpool_contract::report::{self, LoopDelay, Slots};

use super::*;
use crate::monitor::{
    fixture,
    sample::Depth,
    view::{Presence, Trend},
};

const THRESHOLDS: Thresholds = Thresholds { warn: 100, critical: 1000 };

fn sample(second: u64, queues: Vec<QueueReading>, consumers: Vec<ConsumerReading>) -> Sample {
    Sample { at: fixture::at(), elapsed: Duration::from_secs(second), pool: None, queues, consumers }
}

fn reading(queue: &str, depth: Result<Depth, Unreadable>) -> QueueReading {
    QueueReading { queue: queue.into(), url: None, dead_letters: queue.ends_with("-dlq"), depth }
}

fn holds(queue: &str, visible: u64) -> QueueReading {
    reading(queue, Ok(Depth { visible, in_flight: 1, delayed: 2 }))
}

fn history(samples: impl IntoIterator<Item = Sample>) -> History {
    let mut history = History::default();
    samples.into_iter().for_each(|sample| history.push(sample));
    history
}

/// One queue holding `visible` messages at each second.
fn over(visible: &[u64]) -> History {
    history((0..).zip(visible).map(|(second, visible)| sample(second, vec![holds("jobs", *visible)], vec![])))
}

fn only_queue(history: &History) -> QueueRow {
    let mut rows = history.queues(THRESHOLDS);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

#[test]
fn a_first_sample_has_counts_and_no_rate() {
    let row = only_queue(&over(&[97]));
    assert_eq!(row.depth.map(|depth| depth.total()), Ok(100));
    assert_eq!((row.rate, row.trend, row.level), (None, Trend::Unknown, Level::Warn));
}

#[test]
fn a_queue_that_drains_has_a_rate_below_zero() {
    let row = only_queue(&over(&[500, 480, 460]));
    assert_eq!((row.rate, row.trend), (Some(-20.0), Trend::Draining));
    let row = only_queue(&over(&[0, 7]));
    assert_eq!((row.rate, row.trend), (Some(7.0), Trend::Filling));
}

#[test]
fn a_rate_forgets_what_is_older_than_its_window() {
    let row = only_queue(&over(&[9000, 10, 10, 10, 10, 10, 10]));
    assert_eq!((row.rate, row.trend), (Some(0.0), Trend::Steady));
}

#[test]
fn a_queue_that_cannot_be_read_is_unknown_and_the_others_go_on() {
    let at =
        |second, depth| sample(second, vec![reading("jobs", depth), holds("tasks", 10 * second)], vec![]);
    let depth = Ok(Depth { visible: 5, in_flight: 0, delayed: 0 });
    let rows = history([at(0, depth), at(1, Err(fixture::unreachable()))]).queues(THRESHOLDS);
    assert_eq!(rows[0].depth, Err(fixture::unreachable()));
    assert_eq!((rows[0].rate, rows[0].trend, rows[0].level), (None, Trend::Unknown, Level::Unknown));
    assert_eq!((rows[1].rate, rows[1].level), (Some(10.0), Level::Ok));
}

#[test]
fn a_sample_that_failed_is_left_out_of_the_rate_and_is_no_zero() {
    let depths = [Some(100), None, Some(80)].map(|total| {
        total.map(|visible| Depth { visible, in_flight: 0, delayed: 0 }).ok_or_else(fixture::unreachable)
    });
    let samples =
        (0..).zip(depths).map(|(second, depth)| sample(second, vec![reading("jobs", depth)], vec![]));
    assert_eq!(only_queue(&history(samples)).rate, Some(-10.0));
}

#[test]
fn after_a_restart_rates_begin_anew() {
    let mut history = over(&[500, 480, 460]);
    history.restart();
    assert_eq!(only_queue(&history).rate, None);
    history.push(sample(9, vec![holds("jobs", 520)], vec![]));
    assert_eq!(only_queue(&history).rate, Some(60.0 / 7.0));
}

fn report(instance: &str, jobs_done: u64, tasks_done: u64) -> PodReport {
    let mut report = PodReport { instance_id: instance.into(), ..PodReport::default() };
    report.queues.export_jobs.settled.done = jobs_done;
    report.queues.download_tasks.settled.done = tasks_done;
    report
}

fn says(optional: bool, report: Result<PodReport, Unreadable>) -> ConsumerReading {
    ConsumerReading { consumer: "pod".into(), url: "http://pod/report".into(), optional, report }
}

fn only_consumer(readings: impl IntoIterator<Item = ConsumerReading>) -> Presence {
    let samples = (0..).zip(readings).map(|(second, reading)| sample(second, vec![], vec![reading]));
    let mut rows = history(samples).consumers();
    assert_eq!(rows.len(), 1);
    rows.remove(0).state
}

fn here(state: Presence) -> Pool {
    let Presence::Here(pool) = state else { panic!("{state:?}") };
    *pool
}

#[test]
fn done_per_second_counts_the_tasks_of_both_queues() {
    let pool =
        here(only_consumer([says(false, Ok(report("a", 10, 5))), says(false, Ok(report("a", 13, 9)))]));
    assert_eq!((pool.done, pool.done_per_second), (22, Some(7.0)));
}

#[test]
fn a_restarted_consumer_has_no_rate_from_before() {
    let before = [report("a", 900, 0), report("a", 950, 0)];
    let readings = before.into_iter().chain([report("b", 3, 0)]).map(|report| says(false, Ok(report)));
    let pool = here(only_consumer(readings));
    assert_eq!((pool.done, pool.done_per_second), (3, None));
}

#[test]
fn a_report_becomes_a_row() {
    let full = PodReport {
        version: "1.2.3".into(),
        draining: true,
        breaker: report::Breaker { open: true, resource: Some("s3 exports".into()) },
        slots: Slots { total: 8, busy: 3, abandoned: 1 },
        loop_delay: LoopDelay { p99_micros: 250, max_micros: 900, ..LoopDelay::default() },
        ..report("a", 1, 2)
    };
    let pool = here(only_consumer([says(false, Ok(full))]));
    assert_eq!((pool.busy, pool.total, pool.abandoned), (3, 8, 1));
    assert_eq!((pool.loop_p99, pool.loop_max), (Duration::from_micros(250), Duration::from_micros(900)));
    assert_eq!(pool.breaker.words(), "open: s3 exports");
    assert_eq!(pool.word(), "breaker open");
}

#[test]
fn a_consumer_that_has_just_begun_is_starting_and_not_broken() {
    let breaker = report::Breaker { open: true, resource: Some("starting".into()) };
    let pool = here(only_consumer([says(false, Ok(PodReport { breaker, ..report("a", 1, 2) }))]));
    assert_eq!((pool.word(), pool.breaker), ("starting", Breaker::Starting));
}

#[test]
fn a_consumer_nobody_named_may_be_missing_and_a_named_one_may_not() {
    let missing = || Err(Unreadable::NoConsumer { url: "http://pod/report".into() });
    assert_eq!(only_consumer([says(true, missing())]), Presence::None);
    assert_eq!(only_consumer([says(false, missing())]).word(), "unknown");
    let other = Unreadable::NotAReport { url: "http://pod/report".into(), why: "status 404".into() };
    assert_eq!(only_consumer([says(true, Err(other.clone()))]), Presence::Unknown(other));
}
