use proptest::prelude::*;

use super::{
    super::tests::{many, of},
    *,
};

#[test]
fn a_function_that_has_more_than_before_is_told_and_one_that_may_have_by_chance_is_not() {
    let before = many(&[("main;a::f", 100), ("main;a::g", 900), ("main;a::gone", 100)]);
    let after = many(&[("main;a::f", 400), ("main;a::g", 880), ("main;a::new", 100)]);
    let difference = compare(&before, &after);
    let of = |name: &str| difference.changes.iter().find(|change| change.name == name).unwrap();
    assert!(of("a::f").total.is_sure && of("a::f").own.rise() > 0.15);
    assert!(of("a::new").total.is_sure && of("a::new").total.before == 0.0);
    assert!(of("a::gone").total.is_sure && of("a::gone").total.after == 0.0);
    assert!(!of("main").total.is_sure);
    let slight = compare(
        &many(&[("main;a::f", 20), ("main;a::g", 80)]),
        &many(&[("main;a::f", 25), ("main;a::g", 75)]),
    );
    assert!(slight.changes.iter().all(|change| !change.total.is_sure), "{slight:?}");
}

#[test]
fn a_function_that_was_left_out_before_has_not_come_from_nothing() {
    let mut before = many(&[("main;a::f", 10_000)]);
    (before.figures.least_of_functions, before.figures.left_out_functions) = (40, 1);
    let after = many(&[("main;a::f", 10_000), ("main;a::rare", 38)]);
    let difference = compare(&before, &after);
    let rare = difference.changes.iter().find(|change| change.name == "a::rare").unwrap();
    assert!(!rare.total.is_sure && rare.total.rise().abs() < 1e-4, "{rare:?}");
}

#[test]
fn a_function_that_was_left_out_before_and_is_common_now_has_risen() {
    let mut before = many(&[("main;a::f", 10_000)]);
    (before.figures.least_of_functions, before.figures.left_out_functions) = (40, 1);
    let difference = compare(&before, &many(&[("main;a::f", 10_000), ("main;a::new", 1_000)]));
    let new = difference.changes.iter().find(|change| change.name == "a::new").unwrap();
    assert!(new.total.is_sure && new.total.before < 0.004 && new.total.before > 0.0, "{new:?}");
}

#[test]
fn two_samples_of_a_function_are_no_change() {
    let before = many(&[("main;a::f", 100_000)]);
    let difference = compare(&before, &many(&[("main;a::f", 98), ("main;a::rare", 2)]));
    assert!(difference.changes.iter().all(|change| !change.total.is_sure), "{difference:?}");
}

#[test]
fn of_nothing_there_is_nothing_to_compare() {
    let (nothing, some) = (of(&[]), many(&[("main;a::f", 100)]));
    assert!(compare(&nothing, &nothing).changes.is_empty());
    assert!(compare(&nothing, &some).changes.iter().all(|change| !change.total.is_sure));
    assert!(serde_json::to_string(&compare(&some, &nothing)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Two profiles of the same thing hardly ever differ for sure.
    #[test]
    fn chance_is_rarely_taken_for_a_change(seed in 0_u64..1_000_000) {
        let mut random = seed;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(random >> 40).unwrap() % 100
        };
        let names: Vec<String> = (0..50).map(|at| format!("main;a::f{at}")).collect();
        let mut draw = || {
            let mut counts = vec![0_u32; 50];
            // The smaller of two: some functions have much more than others.
            (0..3_000).for_each(|_| counts[(next().min(next()) / 2) as usize] += 1);
            many(&names.iter().map(String::as_str).zip(counts).collect::<Vec<_>>())
        };
        let wrong = (0..20).filter(|_| {
            compare(&draw(), &draw()).changes.iter().any(|change| change.total.is_sure || change.own.is_sure)
        });
        prop_assert!(wrong.count() <= 6, "a profile in twenty");
    }
}
