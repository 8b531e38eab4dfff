mod bounds;

use super::*;
use crate::record::{Ending, Moment, Operation, Tool, fixture::began};

/// A millisecond.
const MS: u64 = 1_000;
/// Of a task, with how long each takes in milliseconds, as it is at hand.
const QUICK: [(Step, u64); 6] = [
    (Step::Wait, 2),
    (Step::Claim, 10),
    (Step::FirstByte, 15),
    (Step::Body, 10),
    (Step::Store, 12),
    (Step::Record, 14),
];

/// An operation, with its times in milliseconds.
fn op(message: u64, task: impl Into<Option<u32>>, step: Step, from: u64, to: u64) -> Operation {
    let (from_micros, to_micros) = (from * MS, to * MS);
    Operation { message, task: task.into(), step, from_micros, to_micros, failed: false }
}

const fn failed(operation: Operation) -> Operation {
    Operation { failed: true, ..operation }
}

/// A message's operations one after the other, from a time in milliseconds on: it is received, admitted, its one task goes
/// those steps, and it is deleted.
fn message(number: u64, from: u64, steps: &[(Step, u64)]) -> Vec<Operation> {
    let mut at = from;
    let all = [(Step::Receive, 10), (Step::Admit, 10)].into_iter().chain(steps.iter().copied());
    all.chain([(Step::Acknowledge, 25)])
        .map(|(step, takes)| {
            let is_own = matches!(step, Step::Receive | Step::Admit | Step::Acknowledge);
            let from = at;
            at += takes;
            op(number, (!is_own).then_some(0), step, from, at)
        })
        .collect()
}

/// [`QUICK`], with another time for one step.
fn with(step: Step, takes: u64) -> Vec<(Step, u64)> {
    QUICK.map(|(of, quick)| (of, if of == step { takes } else { quick })).into()
}

fn recorded(operations: Vec<Operation>) -> Recorded {
    Recorded { operations, ending: Some(Ending::Settled), ..Recorded::of(began(Tool::Bubble)) }
}

fn of(operations: Vec<Operation>) -> Bubble {
    bubble(&recorded(operations))
}

/// So many messages, each 100 ms after the other, whose steps depend on their number.
fn many(count: u64, steps: impl Fn(u64) -> Vec<(Step, u64)>) -> Bubble {
    of((0..count).flat_map(|number| message(number, number * 100, &steps(number))).collect())
}

fn found(bubble: &Bubble) -> Vec<(Holdup, Zone)> {
    bubble.diagnoses.iter().map(|diagnosis| (diagnosis.ailment, diagnosis.zone)).collect()
}

fn group(bubble: &Bubble, step: Step) -> &Group {
    bubble.groups.iter().find(|group| group.step == step).unwrap()
}

#[test]
fn a_critical_path_goes_back_from_the_deletion_over_the_task_that_ended_last() {
    let bubble = of(vec![
        op(0, None, Step::Receive, 0, 10),
        op(0, None, Step::Admit, 10, 15),
        op(0, 0, Step::Wait, 15, 16),
        op(0, 0, Step::Claim, 16, 90),
        op(0, 0, Step::Record, 90, 95),
        op(0, 1, Step::Wait, 15, 20),
        op(0, 1, Step::Claim, 20, 40),
        op(0, 1, Step::FirstByte, 47, 80),
        op(0, 1, Step::Record, 80, 100),
        op(0, None, Step::Acknowledge, 103, 120),
    ]);
    let on_path: Vec<_> = bubble.groups.iter().map(|group| (group.step, group.path_micros / MS)).collect();
    assert_eq!(
        on_path,
        [
            (Step::Receive, 10),
            (Step::Admit, 5),
            (Step::Wait, 5),
            (Step::Claim, 20),
            (Step::FirstByte, 33),
            (Step::Record, 20),
            (Step::Acknowledge, 17),
        ]
    );
    let gaps: Vec<_> = bubble.lines.iter().filter(|line| line.gap_micros > 0).collect();
    let named: Vec<_> = gaps.iter().map(|line| (line.before, line.after, line.gap_micros / MS)).collect();
    assert_eq!(named, [(Step::Claim, Step::FirstByte, 7), (Step::Record, Step::Acknowledge, 3)]);
    assert_eq!((bubble.figures.path_micros, bubble.figures.gap_micros), (120 * MS, 10 * MS));
    let critical = bubble.messages[0].rows.iter().filter(|row| row.is_critical);
    assert!(critical.clone().count() == 7 && critical.clone().all(|row| row.task != Some(0)));
}

#[test]
fn lines_say_what_waits_for_what_and_how_often() {
    let mut operations = message(0, 0, &QUICK);
    operations.extend([
        op(0, 1, Step::Wait, 20, 21),
        op(0, 1, Step::Claim, 21, 22),
        op(0, 1, Step::FirstByte, 22, 23),
        op(0, 1, Step::Body, 23, 24),
        op(0, 1, Step::FirstByte, 24, 25),
        failed(op(0, 1, Step::Record, 25, 26)),
    ]);
    let counts: Vec<_> =
        of(operations).lines.iter().map(|line| (line.before, line.after, line.count)).collect();
    assert_eq!(
        counts,
        [
            (Step::Receive, Step::Admit, 1),
            (Step::Admit, Step::Wait, 2),
            (Step::Wait, Step::Claim, 2),
            (Step::Claim, Step::FirstByte, 2),
            (Step::FirstByte, Step::Body, 2),
            (Step::FirstByte, Step::Record, 1),
            (Step::Body, Step::FirstByte, 1),
            (Step::Body, Step::Store, 1),
            (Step::Store, Step::Record, 1),
            (Step::Record, Step::Acknowledge, 2),
        ]
    );
}

#[test]
fn a_message_without_tasks_and_one_that_is_given_back_have_a_path_and_one_in_hand_has_none() {
    let bubble = of(vec![
        op(0, None, Step::Receive, 0, 10),
        op(0, None, Step::Admit, 10, 20),
        op(0, None, Step::Acknowledge, 25, 40),
        op(1, None, Step::Receive, 0, 10),
        failed(op(1, None, Step::Admit, 10, 90)),
        op(2, None, Step::Receive, 0, 10),
        op(2, None, Step::Admit, 10, 20),
        op(2, 0, Step::Wait, 20, 30),
        failed(op(2, 0, Step::Claim, 30, 50)),
        failed(op(2, 0, Step::Record, 50, 60)),
        op(3, None, Step::Receive, 0, 10),
        op(3, None, Step::Admit, 10, 20),
        op(3, 0, Step::Wait, 20, 30),
    ]);
    assert_eq!((bubble.figures.messages, bubble.figures.unfinished), (3, 1));
    assert_eq!(bubble.figures.path_micros, (40 + 90 + 60) * MS);
    assert_eq!(bubble.figures.gap_micros, 5 * MS);
}

#[test]
fn a_failure_is_of_the_step_that_failed_and_a_task_that_had_no_slot_has_no_record() {
    let bubble = of(vec![
        failed(op(0, 0, Step::FirstByte, 30, 50)),
        failed(op(0, 0, Step::Record, 50, 60)),
        failed(op(0, 1, Step::Record, 50, 70)),
        op(0, 1, Step::Claim, 40, 50),
        op(0, 2, Step::Record, 20, 9_000),
        failed(op(0, 3, Step::Connect, 30, 40)),
        failed(op(0, 3, Step::FirstByte, 40, 41)),
        failed(op(0, 3, Step::Record, 50, 60)),
    ]);
    let failures = |step| (group(&bubble, step).count, group(&bubble, step).failures);
    assert_eq!((failures(Step::FirstByte), failures(Step::Connect)), ((2, 1), (1, 1)));
    assert_eq!(failures(Step::Record), (3, 1), "that of task 1, whose claim did not fail");
    assert_eq!((failures(Step::Wait), group(&bubble, Step::Wait).max_micros), ((1, 1), 8_980 * MS));
}

#[test]
fn a_consumer_at_hand_is_green_and_what_has_most_of_the_time_is_told() {
    let even = many(100, |_| QUICK.into());
    assert_eq!((even.verdict, found(&even)), (Zone::Green, vec![(Holdup::Balanced, Zone::Green)]));
    let source = many(100, |number| with(Step::FirstByte, 300 + number));
    assert_eq!(found(&source), [(Holdup::Dominant, Zone::Green)]);
    assert!(source.diagnoses[0].evidence.starts_with("the source (first byte, body) has 8"));
    let waiting = |number| message(number, number * 100, &with(Step::Wait, 50 * number));
    let loaded = saying(2, (0..100).flat_map(waiting).collect());
    assert_eq!(found(&loaded), [(Holdup::Saturated, Zone::Green)]);
    let slow = many(100, |_| with(Step::FirstByte, 2_000));
    assert_eq!(slow.verdict, Zone::Green, "two seconds are what some sources take");
}

#[test]
fn a_step_that_should_be_quick_and_is_not_is_named() {
    for (step, holdup, worst) in [
        (Step::Store, Holdup::SlowStore, Zone::Red),
        (Step::Claim, Holdup::SlowTable, Zone::Red),
        (Step::Record, Holdup::SlowTable, Zone::Red),
    ] {
        for (takes, zone) in [(400, Zone::Green), (1_500, Zone::Yellow), (2_500, worst)] {
            let slow = many(100, |_| with(step, takes));
            assert_eq!(slow.verdict, zone, "{step:?} {takes}");
            assert_eq!(found(&slow).contains(&(holdup, zone)), zone > Zone::Green, "{step:?} {takes}");
        }
    }
    let store = many(20, |_| with(Step::Store, 1_500));
    assert!(store.diagnoses[0].evidence.starts_with("store takes 1.50 s (p50)"), "{:?}", store.diagnoses);
}

#[test]
fn slow_admission_and_slow_acknowledgement_are_worth_a_look_and_never_red() {
    for (step, holdup) in [(Step::Admit, Holdup::SlowAdmit), (Step::Acknowledge, Holdup::SlowAcknowledge)] {
        let operations = (0..20).flat_map(|number| {
            let mut operations = message(number, number * 100, &QUICK);
            for operation in operations.iter_mut().filter(|of| of.step == step) {
                operation.from_micros = operation.to_micros;
                operation.to_micros += 9_000 * MS;
            }
            operations
        });
        let slow = of(operations.collect());
        assert_eq!((slow.verdict, found(&slow)[0]), (Zone::Yellow, (holdup, Zone::Yellow)));
    }
}

#[test]
fn one_that_is_slow_now_and_then_is_no_slow_step_and_a_tail_of_many_is() {
    let now_and_then = many(20, |number| with(Step::Store, if number == 7 { 4_000 } else { 12 }));
    assert_eq!(now_and_then.verdict, Zone::Green, "{:?}", now_and_then.diagnoses);
    let tail =
        |step, takes| many(300, |number| with(step, if number.is_multiple_of(50) { takes } else { 12 }));
    assert_eq!(found(&tail(Step::Store, 900))[0], (Holdup::SlowStore, Zone::Yellow));
    assert_eq!(found(&tail(Step::FirstByte, 1_200))[0], (Holdup::SlowSource, Zone::Yellow));
    assert_eq!(tail(Step::FirstByte, 900).verdict, Zone::Green, "files differ");
    assert_eq!(tail(Step::Body, 60_000).verdict, Zone::Green, "files differ in size");
    assert_eq!(found(&many(100, |_| with(Step::FirstByte, 6_000)))[0], (Holdup::SlowSource, Zone::Yellow));
}

#[test]
fn a_step_that_fails_is_named_and_must_be_acted_on_when_it_mostly_does() {
    let failing = |of_ten: u64| {
        let operations = (0..100).flat_map(|number| {
            let fails = number % 10 < of_ten;
            message(number, number * 100, &QUICK)
                .into_iter()
                .map(move |of| Operation {
                    failed: fails && matches!(of.step, Step::FirstByte | Step::Record),
                    ..of
                })
                .collect::<Vec<_>>()
        });
        of(operations.collect())
    };
    assert_eq!(failing(0).verdict, Zone::Green);
    for (of_ten, zone) in [(2, Zone::Yellow), (8, Zone::Red)] {
        let bubble = failing(of_ten);
        assert_eq!((bubble.verdict, found(&bubble)[0]), (zone, (Holdup::Failing, zone)));
        assert!(bubble.diagnoses[0].evidence.starts_with("first byte: "), "{:?}", bubble.diagnoses);
        assert!(!found(&bubble)[1..].iter().any(|(holdup, _)| *holdup == Holdup::Failing));
    }
}

/// Messages of four tasks, a second of work each, of which the pool did so many at a time.
fn of_four(count: u64, at_a_time: u32) -> Vec<Operation> {
    let each = |number: u64| {
        let begin = number * 10_000;
        let mut operations =
            vec![op(number, None, Step::Receive, begin, begin), op(number, None, Step::Admit, begin, begin)];
        for task in 0..4 {
            let starts = begin + u64::from(task / at_a_time) * 1_000;
            operations.extend([
                op(number, task, Step::Wait, begin, starts),
                op(number, task, Step::FirstByte, starts, starts + 1_000),
                op(number, task, Step::Record, starts + 1_000, starts + 1_010),
            ]);
        }
        let ends = begin + u64::from(4_u32.div_ceil(at_a_time)) * 1_000 + 10;
        operations.push(op(number, None, Step::Acknowledge, ends, ends + 10));
        operations
    };
    (0..count).flat_map(each).collect()
}

/// A consumer of two slots that says that so many are busy.
fn saying(busy: u32, operations: Vec<Operation>) -> Bubble {
    let moment = |tenth: u64| Moment { at_micros: tenth * 100 * MS, busy, ..Moment::default() };
    bubble(&Recorded { moments: (1..=1_000).map(moment).collect(), ..recorded(operations) })
}

#[test]
fn tasks_that_are_done_one_after_another_although_slots_are_free_are_named_with_what_it_costs() {
    let serial = saying(1, of_four(10, 1));
    assert_eq!(found(&serial)[0], (Holdup::Serial, Zone::Yellow));
    let Chains { messages, serial, side_by_side, span_micros, longest_micros, saving_micros, .. } =
        serial.chains;
    assert_eq!((messages, serial, side_by_side), (10, 10, 1.0));
    assert_eq!((span_micros, longest_micros), (4_000 * MS, 1_000 * MS));
    // The one free slot is given to one task after the other: the last one would have had it for its last second.
    assert_eq!(saving_micros, 1_000 * MS);
}

#[test]
fn tasks_that_wait_for_busy_slots_are_nothing_to_blame() {
    for bubble in [saying(2, of_four(10, 1)), saying(0, of_four(10, 2)), saying(0, of_four(10, 4))] {
        assert_eq!((bubble.verdict, bubble.chains.serial, bubble.chains.held), (Zone::Green, 0, 0));
    }
    assert_eq!(saying(0, of_four(10, 2)).chains.side_by_side, 2.0);
}

#[test]
fn a_task_that_waits_although_a_slot_is_free_is_named() {
    let held = many(100, |_| with(Step::Wait, 90));
    assert_eq!((held.verdict, held.chains.held), (Zone::Green, 0), "noise");
    let alone = |number| message(number, number * 1_000, &with(Step::Wait, 300));
    let held = saying(0, (0..20).flat_map(alone).collect());
    assert_eq!(found(&held)[0], (Holdup::Held, Zone::Yellow));
    assert_eq!((held.chains.held, held.chains.held_micros), (20, 300 * MS));
    let busy = saying(2, (0..20).flat_map(alone).collect());
    assert_eq!((busy.verdict, busy.chains.held), (Zone::Green, 0), "by tasks from before the profile");
}

#[test]
fn time_on_no_operation_is_told_with_where_it_is() {
    let late = |number| {
        let mut operations = message(number, number * 100, &QUICK);
        for operation in operations.iter_mut().filter(|of| of.step >= Step::Record) {
            operation.from_micros += 700 * MS;
            operation.to_micros += 700 * MS;
        }
        operations
    };
    let bubble = of((0..20).flat_map(late).collect());
    assert_eq!(found(&bubble)[0], (Holdup::Gaps, Zone::Yellow));
    assert!(bubble.diagnoses[0].evidence.ends_with("most of it between store and record"));
}

#[test]
fn a_profile_that_did_not_end_as_it_should_says_so() {
    let ended = |ending| {
        let operations = (0..20).flat_map(|number| message(number, 0, &QUICK)).collect();
        found(&bubble(&Recorded { ending, ..recorded(operations) }))[0]
    };
    assert_eq!(ended(None), (Holdup::Incomplete, Zone::Yellow));
    assert_eq!(ended(Some(Ending::Overdue)), (Holdup::Incomplete, Zone::Red));
    assert_eq!(ended(Some(Ending::Gone { why: "killed".into() })), (Holdup::Incomplete, Zone::Red));
    assert_eq!(ended(Some(Ending::Interrupted)).1, Zone::Green);
}

#[test]
fn what_was_not_told_is_no_part_of_it_and_that_is_said() {
    let operations = (0..20).flat_map(|number| message(number, 0, &QUICK)).collect();
    let bubble = bubble(&Recorded { left_out: 7, ..recorded(operations) });
    assert_eq!(found(&bubble)[0], (Holdup::Incomplete, Zone::Yellow));
    assert!(bubble.diagnoses[0].evidence.starts_with("7 operations are left out"), "{:?}", bubble.diagnoses);
}

#[test]
fn of_few_operations_or_none_nothing_is_said_but_that() {
    assert_eq!(found(&many(6, |_| QUICK.into())), [(Holdup::Balanced, Zone::Green)]);
    assert_eq!(found(&many(5, |_| QUICK.into())), [(Holdup::TooFew, Zone::Green)]);
    assert_eq!(found(&of(vec![])), [(Holdup::Idle, Zone::Green)]);
    let working = Moment { in_hand: 1, ..Moment::default() };
    let nothing_seen = Recorded { moments: vec![working], ..recorded(vec![]) };
    assert_eq!(found(&bubble(&nothing_seen)), [(Holdup::TooFew, Zone::Green)]);
}
