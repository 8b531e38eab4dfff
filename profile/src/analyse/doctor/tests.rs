use super::*;
use crate::record::{Blocked, Ending, LoopMoment, Moment, Tool, Wave, fixture::began};

fn recorded(moments: Vec<Moment>, blocked: &[Blocked]) -> Recorded {
    Recorded {
        moments,
        blocked: blocked.to_vec(),
        ending: Some(Ending::Settled),
        ..Recorded::of(began(Tool::Doctor))
    }
}

/// A loop that answers within a tenth of a millisecond, and is on a CPU for a tenth of the time.
fn a_loop(name: &str) -> LoopMoment {
    LoopMoment { name: name.into(), late_micros: vec![100; 5], cpu_micros: 10_000, ..LoopMoment::default() }
}

/// Half a minute of a consumer with work, each moment changed.
fn course(change: impl Fn(u64, &mut Moment)) -> Vec<Moment> {
    (1..=300)
        .map(|tenth| {
            let mut moment = Moment {
                at_micros: tenth * 100_000,
                loops: vec![a_loop("main"), a_loop("worker-0"), a_loop("worker-1")],
                cpu_micros: 40_000,
                rss_bytes: 50 << 20,
                allocated_bytes: (20 << 20) + (tenth % 10) * 100_000,
                busy: 1,
                settled: tenth,
                ..Moment::default()
            };
            change(tenth, &mut moment);
            moment
        })
        .collect()
}

fn examined(change: impl Fn(u64, &mut Moment)) -> Examination {
    examine(&recorded(course(change), &[]))
}

fn ailments(of: &Examination) -> Vec<Ailment> {
    of.diagnoses.iter().map(|diagnosis| diagnosis.ailment).collect()
}

#[test]
fn a_consumer_that_does_its_work_is_healthy_and_one_without_work_is_idle() {
    let healthy = examined(|_, _| {});
    assert_eq!((healthy.verdict, ailments(&healthy)), (Zone::Green, vec![Ailment::Healthy]));
    assert_eq!((healthy.figures.settled, healthy.figures.busy_share), (299, 0.5));
    let idle = examined(|_, moment| (moment.busy, moment.settled) = (0, 0));
    assert_eq!((idle.verdict, ailments(&idle)), (Zone::Green, vec![Ailment::Idle]));
}

#[test]
fn a_loop_that_is_late_without_waiting_for_a_cpu_is_blocked_and_its_stack_is_named() {
    let blocked = |name: &str, for_micros| Blocked {
        at_micros: 1_000_000,
        name: name.into(),
        for_micros,
        stack: vec![format!("{name}::culprit")],
    };
    let seen = [blocked("main", 60_000), blocked("main", 120_000), blocked("worker-1", 60_000)];
    for (late, zone) in [(9_000, None), (40_000, Some(Zone::Yellow)), (400_000, Some(Zone::Red))] {
        let moments = course(|tenth, moment| {
            if tenth == 100 {
                moment.loops[0].late_micros[2] = late;
                moment.loops[0].away_micros = u64::from(late);
            }
        });
        let examination = examine(&recorded(moments, &seen));
        let found = examination.diagnoses.iter().find(|found| found.ailment == Ailment::BlockedMain);
        assert_eq!(found.map(|found| found.zone), zone, "{late}");
        if let Some(found) = found {
            assert_eq!(found.stack, ["main::culprit"]);
        }
    }
}

#[test]
fn tasks_that_fail_are_told_unless_they_are_few() {
    let failing = |failed: fn(u64) -> u64| {
        let examination = examined(|tenth, moment| moment.failed = failed(tenth));
        (examination.diagnoses[0].ailment, examination.verdict)
    };
    assert_eq!(failing(|tenth| tenth), (Ailment::Failing, Zone::Red));
    assert_eq!(failing(|tenth| tenth / 5), (Ailment::Failing, Zone::Yellow));
    assert_eq!(failing(|tenth| tenth / 25), (Ailment::Healthy, Zone::Green));
}

#[test]
fn a_blocked_loop_that_could_not_be_asked_for_its_stack_says_why() {
    let moments = course(|tenth, moment| {
        if tenth == 100 {
            (moment.loops[0].late_micros[2], moment.loops[0].away_micros) = (400_000, 400_000);
        }
    });
    let no_stacks = Some("there is no memory for it".to_owned());
    let examination = examine(&Recorded { no_stacks, ..recorded(moments, &[]) });
    let found = &examination.diagnoses[0];
    assert_eq!((found.ailment, found.stack.len()), (Ailment::BlockedMain, 0));
    assert!(found.evidence.ends_with("not asked for its stack: there is no memory for it"), "{found:?}");
}

#[test]
fn a_worker_that_has_not_answered_yet_is_blocked() {
    let examination = examined(|tenth, moment| {
        if tenth > 200 {
            moment.loops[2].late_micros.clear();
            moment.loops[2].unanswered_micros = (tenth - 200) * 100_000;
            moment.loops[2].away_micros = moment.loops[2].unanswered_micros;
        }
    });
    assert_eq!((examination.verdict, ailments(&examination)), (Zone::Red, vec![Ailment::BlockedWorker]));
    assert!(examination.diagnoses[0].evidence.starts_with("worker-1 answered 10000.0 ms late"));
}

#[test]
fn threads_that_wait_for_cpus_are_crowded_and_not_blocked() {
    let examination = examined(|_, moment| {
        for each in &mut moment.loops {
            (each.late_micros[0], each.run_queue_micros) = (25_000, 30_000);
        }
    });
    assert_eq!((examination.verdict, ailments(&examination)), (Zone::Yellow, vec![Ailment::CrowdedCpus]));
}

#[test]
fn cpus_that_a_hypervisor_gives_to_others_are_crowded() {
    let of = |stolen_micros, late| {
        let examination = examined(|_, moment| {
            moment.stolen_micros = stolen_micros;
            moment.loops[0].late_micros[0] = late;
        });
        ailments(&examination)
    };
    assert_eq!(of(12_000, 25_000), [Ailment::CrowdedCpus]);
    assert_eq!((of(12_000, 2_000), of(1_000, 25_000)), (vec![Ailment::Healthy], vec![Ailment::Healthy]));
}

#[test]
fn memory_that_rises_between_waves_is_a_leak_and_waves_are_not() {
    let waves = examined(|tenth, moment| moment.allocated_bytes += (tenth % 100) * 400_000);
    assert_eq!(ailments(&waves), [Ailment::Healthy]);
    let leak = examined(|tenth, moment| moment.allocated_bytes += tenth * 100_000 + (tenth % 100) * 50_000);
    assert_eq!((leak.verdict, ailments(&leak)), (Zone::Red, vec![Ailment::Leak]));
    assert!(leak.diagnoses[0].evidence.starts_with("memory rises by 2."), "{:?}", leak.diagnoses);
    let slight = examined(|tenth, moment| moment.allocated_bytes += tenth * 1_000);
    assert_eq!(ailments(&slight), [Ailment::Healthy], "300 KB in half a minute");
}

#[test]
fn memory_that_rose_once_and_stands_is_no_leak() {
    for from in [100, 150, 200] {
        let jump =
            examined(|tenth, moment| moment.allocated_bytes += if tenth > from { 40 << 20 } else { 0 });
        assert_eq!(ailments(&jump), [Ailment::Healthy], "{from}");
        let plateau = examined(|tenth, moment| moment.allocated_bytes += tenth.min(from) * 400_000);
        assert!(from > 150 || ailments(&plateau) == [Ailment::Healthy], "{from}: {:?}", plateau.diagnoses);
    }
}

#[test]
fn a_full_pool_says_what_it_waits_for() {
    let waiting = examined(|_, moment| (moment.busy, moment.waiting) = (2, 7));
    assert_eq!(
        (waiting.verdict, ailments(&waiting)),
        (Zone::Green, vec![Ailment::Saturated, Ailment::IoBound])
    );
    let computing = examined(|_, moment| {
        (moment.busy, moment.cpu_micros) = (2, 190_000);
        moment.loops[1].cpu_micros = 90_000;
    });
    assert_eq!(ailments(&computing), [Ailment::CpuBound]);
}

#[test]
fn of_nothing_there_is_nothing_to_say() {
    let nothing = examine(&recorded(vec![], &[]));
    assert_eq!((nothing.verdict, ailments(&nothing)), (Zone::Green, vec![Ailment::Idle]));
    assert_eq!(nothing.figures, Figures::default());
}

#[test]
fn a_profile_that_did_not_end_as_it_should_says_so() {
    let examined = |ending: Option<Ending>| {
        let examination = examine(&Recorded { ending, ..recorded(course(|_, _| {}), &[]) });
        (examination.verdict, ailments(&examination))
    };
    assert_eq!(
        examined(Some(Ending::Gone { why: "signal: 9 (SIGKILL)".into() })),
        (Zone::Red, vec![Ailment::Gone])
    );
    assert_eq!(examined(Some(Ending::Overdue)), (Zone::Red, vec![Ailment::Overdue]));
    assert_eq!(
        examined(Some(Ending::BrokenOff { why: "no table".into() })),
        (Zone::Red, vec![Ailment::CutOff])
    );
    assert_eq!(examined(None), (Zone::Yellow, vec![Ailment::CutOff]));
    assert_eq!(examined(Some(Ending::Interrupted)), (Zone::Green, vec![Ailment::Healthy]));
    let before_its_jobs_were_done = |ending| {
        // In the pause before the next ones.
        let waves = vec![Wave { at_micros: 0, jobs: 400 }, Wave { at_micros: 9, jobs: 0 }];
        let recorded = Recorded { ending: Some(ending), waves, ..recorded(course(|_, _| {}), &[]) };
        let examination = examine(&recorded);
        (examination.verdict, ailments(&examination))
    };
    for ending in [Ending::Interrupted, Ending::Over] {
        assert_eq!(before_its_jobs_were_done(ending), (Zone::Yellow, vec![Ailment::CutOff]));
    }
}
