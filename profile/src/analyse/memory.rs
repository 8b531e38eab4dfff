//! How much memory a process has, and what is left of it while little is done.

use crate::record::Moment;

/// A leak is told from a start that warms up after this, in microseconds.
pub const WARM_AFTER_MICROS: u64 = 2_000_000;
/// Where nobody says when there is nothing to do, memory is a leak's if it rises by more than this over the profile, in
/// bytes, and by more than [`LEAK_SHARE`] of what it was.
pub const LEAK_BYTES: f64 = 4.0 * 1024.0 * 1024.0;
/// From 0 to 1.
pub const LEAK_SHARE: f64 = 0.1;
/// What rises is looked for in the floors of so many stretches of the profile.
const STRETCHES: usize = 10;

/// What the allocator gave out, or resident memory where it does not say, in bytes.
#[must_use]
pub fn held(moment: &Moment) -> u64 {
    if moment.allocated_bytes > 0 { moment.allocated_bytes } else { moment.rss_bytes }
}

/// What is after the start, in a few stretches of the same length.
pub fn stretches(moments: &[Moment]) -> impl Iterator<Item = &[Moment]> {
    let warm = moments.partition_point(|moment| moment.at_micros < WARM_AFTER_MICROS);
    let warm = moments.get(warm..).unwrap_or_default();
    warm.chunks(warm.len().div_ceil(STRETCHES).max(1))
}

/// The moment with the least memory. Work comes and goes, and what rises below it stays: of long stretches, these floors are
/// no longer alike as neighbours are, which a test of their trend takes for granted.
#[must_use]
pub fn floor(stretch: &[Moment]) -> Option<&Moment> {
    stretch.iter().min_by_key(|moment| held(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_of_ten_stretches_after_the_start() {
        let moment = |tenth: u64| Moment {
            at_micros: tenth * 100_000,
            allocated_bytes: 1_000 - tenth % 10,
            rss_bytes: 7,
            ..Moment::default()
        };
        let moments: Vec<_> = (1..=219).map(moment).collect();
        let floors: Vec<_> =
            stretches(&moments).filter_map(floor).map(|at| (at.at_micros, held(at))).collect();
        assert_eq!((floors.len(), floors[0]), (10, (2_900_000, 991)));
        assert!(stretches(&moments[..19]).next().is_none() && floor(&[]).is_none());
    }

    #[test]
    fn what_the_allocator_does_not_say_is_resident_memory() {
        assert_eq!(held(&Moment { rss_bytes: 7, ..Moment::default() }), 7);
    }
}
