//! What is kept of many messages, and what holds for any.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_open_at_a_time_is_averaged_and_its_peak_is_kept() {
    let mut operations: Vec<_> =
        (0..60).map(|at| op(at, 0, Step::Store, at * 1_000, at * 1_000 + 500)).collect();
    operations.extend((0..9).map(|task| op(99, task, Step::Store, 30_100, 30_101)));
    operations.push(op(99, 0, Step::Record, 0, 60_000));
    let parallelism = of(operations).parallelism;
    assert_eq!((parallelism.seconds.len(), parallelism.seconds[599]), (600, 60.0));
    let [store, record] = parallelism.steps.try_into().unwrap();
    assert_eq!((store.average[0], store.average[7], store.peak[0], store.peak[7]), (1.0, 0.0, 1, 0));
    assert_eq!((store.average[301], store.peak[301]), (1.09, 10));
    assert!(record.average.iter().all(|open| *open == 1.0));
}

#[test]
fn the_slowest_operations_and_some_messages_are_kept() {
    let bubble = many(100, |number| with(Step::Store, 2 * number + u64::from(number == 3) * 500));
    let slow: Vec<_> = group(&bubble, Step::Store).slowest.iter().map(|slow| slow.message).collect();
    assert_eq!(slow, [3, 99, 98, 97, 96]);
    let kept = |why| -> Vec<_> {
        bubble.messages.iter().filter(|message| message.kept == why).map(|message| message.message).collect()
    };
    assert_eq!((kept(Kept::Slow), kept(Kept::Typical)), (vec![3, 99, 98, 97, 96], vec![52, 51, 50, 49, 48]));
    let messages = bubble.groups.iter().flat_map(|group| &group.slowest).map(|slow| slow.message);
    for number in messages {
        assert!(bubble.messages.iter().any(|message| message.message == number), "{number}");
    }
    let first = &bubble.messages[0];
    assert_eq!((first.rows.len(), first.left_out, first.tasks), (9, 0, 1));
    assert_eq!(
        (first.rows[0].from_micros, first.rows[8].from_micros + first.rows[8].micros),
        (0, first.micros)
    );
}

#[test]
fn of_a_message_with_many_tasks_the_critical_path_is_kept() {
    let mut operations = vec![op(0, None, Step::Receive, 0, 1), op(0, None, Step::Admit, 1, 2)];
    for task in 0..5_000 {
        let ends = 10_000 + u64::from(task);
        operations.extend([op(0, task, Step::Wait, 2, 3), op(0, task, Step::FirstByte, 3, ends)]);
        operations.push(op(0, task, Step::Record, ends, ends + 1));
    }
    operations.push(op(0, None, Step::Acknowledge, 15_000, 15_001));
    let bubble = of(operations);
    let message = &bubble.messages[0];
    assert_eq!((message.rows.len(), message.left_out, message.tasks), (40, 15_003 - 40, 5_000));
    let critical: Vec<_> =
        message.rows.iter().filter(|row| row.is_critical).map(|row| (row.task, row.step)).collect();
    assert_eq!(
        critical,
        [
            (None, Step::Receive),
            (None, Step::Admit),
            (Some(4_999), Step::Wait),
            (Some(4_999), Step::FirstByte),
            (Some(4_999), Step::Record),
            (None, Step::Acknowledge)
        ]
    );
}

#[test]
fn a_profile_of_many_messages_is_small() {
    let bubble = of((0..10_000).flat_map(|number| message(number, number * 6, &QUICK)).collect());
    assert!(serde_json::to_string(&bubble).unwrap().len() < 200_000);
}

/// Any operations of a few messages, at any time.
fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let task = prop::option::of(0..4_u32);
    let step = prop::sample::select(STEPS.to_vec());
    let operation = (0..6_u64, task, step, 0..5_000_u64, 0..5_000_u64, prop::bool::weighted(0.1));
    let operation = operation.prop_map(|(message, task, step, from, takes, fails)| {
        let operation = op(message, task, step, from, from + takes);
        if fails { failed(operation) } else { operation }
    });
    prop::collection::vec(operation, 0..60)
}

proptest! {
    /// Whatever was done, a message's time is on its critical path once.
    #[test]
    fn paths_add_up(operations in operations()) {
        let messages = Messages::of(&operations);
        for message in messages.each() {
            let path = path::path(message);
            let on_steps: u64 = path.legs.iter().map(|leg| leg.micros).sum();
            prop_assert_eq!(on_steps + path.gap_micros(), path.micros());
        }
        let bubble = of(operations.clone());
        let on_steps: u64 = bubble.groups.iter().map(|group| group.path_micros).sum();
        prop_assert_eq!(on_steps + bubble.figures.gap_micros, bubble.figures.path_micros);
        let gaps: u64 = bubble.lines.iter().map(|line| line.gap_micros).sum();
        prop_assert_eq!(gaps, bubble.figures.gap_micros);
        prop_assert_eq!(bubble.groups.iter().map(|group| group.count).sum::<u64>(), operations.len() as u64);
    }

    /// Nothing of the time that operations are open is lost.
    #[test]
    fn parallelism_adds_up(operations in operations()) {
        let (told, parallelism) = (Messages::of(&operations), of(operations.clone()).parallelism);
        // Times are rounded: of the last of them, that is little.
        let seconds = &parallelism.seconds;
        let length = seconds.last().copied().unwrap_or(0.0) / float(seconds.len().max(1) as u64);
        for open in &parallelism.steps {
            let took = told.all().iter().filter(|of| of.step == open.step).map(group::took).sum::<u64>();
            let sum = open.average.iter().sum::<f64>() * length;
            prop_assert!((sum - float(took) / 1e6).abs() < 0.02 + float(took) / 1e6 * 0.1, "{} {}", sum, took);
            for (average, peak) in open.average.iter().zip(&open.peak) {
                prop_assert!(*average <= f64::from(*peak) + 1e-3);
            }
        }
    }

    #[test]
    fn a_bubble_is_read_as_it_was_written(operations in operations()) {
        let bubble = of(operations);
        let written = serde_json::to_string(&bubble).unwrap();
        prop_assert_eq!(serde_json::from_str::<Bubble>(&written).unwrap(), bubble);
    }
}
