//! How large a heap is, and what holds for any.

use proptest::prelude::*;

use super::*;

#[test]
fn a_heap_is_small_however_many_stacks_and_waves_there_are() {
    let mut recorded = waves(&vec![10 * MIB; 1_000]);
    let frames = |at: u32| {
        let frame = |level: u32| {
            format!(
                "<aws_smithy::level_{level}::{}{} as core::Future>::poll",
                "T<A,B>".repeat(9),
                at >> level.min(31)
            )
        };
        (0..60).map(frame).collect()
    };
    recorded.stacks = (0..4_000).map(|id| Stack { id, frames: frames(id) }).collect();
    let live = |at_micros: u64| Live {
        at_micros,
        allocations: (0..4_000)
            .map(|stack| Allocation {
                stack,
                bytes: KIB * u64::from(stack + 1) * (1 + at_micros / 10_000_000),
            })
            .collect(),
    };
    recorded.live = (1..200).map(|second| live(second * 1_000_000)).collect();
    let heap = heap(&recorded);
    assert_eq!(heap.trees.len(), 3);
    assert!(heap.trees.iter().all(|tree| tree.nodes.len() > 100), "they are there");
    assert_eq!((heap.stretches.len(), heap.growth.floors), (300, 998));
    let size = serde_json::to_string(&heap).unwrap().len();
    assert!(size < 700_000, "{size}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However floors jitter by half a mebibyte.
    #[test]
    fn a_leak_is_always_found_and_jitter_never_taken_for_one(
        jitter in prop::collection::vec(0..512_u64, 10),
        leak in 300..3_000_u64,
    ) {
        let of = |by: u64| {
            let floors: Vec<_> = (0..).zip(&jitter).map(|(wave, jitter)| 30 * MIB + (wave * by + jitter) * KIB).collect();
            found(&heap(&waves(&floors)))[0].0
        };
        prop_assert_eq!(of(0), Finding::Sawtooth);
        prop_assert_eq!(of(leak + 300), Finding::Leak);
    }

    #[test]
    fn a_heap_is_read_as_it_was_written(floors in prop::collection::vec(1..100_000_u64, 0..12), is_live: bool) {
        let floors: Vec<_> = floors.iter().map(|floor| floor * KIB).collect();
        let recorded = waves(&floors);
        let heap = heap(&if is_live { with_live(recorded) } else { recorded });
        let written = serde_json::to_string(&heap).unwrap();
        prop_assert_eq!(serde_json::from_str::<Heap>(&written).unwrap(), heap);
    }
}
