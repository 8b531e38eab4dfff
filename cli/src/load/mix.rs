//! Jobs and files of all kinds, as a service sees them: most jobs are of one file, some of several, a few of more
//! than stay on one consumer; most files are small, a few need several parts.

use fastrand::Rng;

/// The most files of a mixed job: more than the 100 that a job sends between two moves of its cursor.
const MOST_FILES: u32 = 240;
const KIB: u64 = 1024;
/// The most files and the most bytes.
pub(super) const MOST: (u32, u64) = (MOST_FILES, SEVERAL_PARTS.end);
/// Files from here on are of more than one part (5 MiB).
const SEVERAL_PARTS: std::ops::Range<u64> = 6 * 1024 * KIB..11 * 1024 * KIB;

/// Files of a job: one of 80 in 100, to 12 of 19, more than 100 of one; 3.6 on average.
pub(super) fn files(dice: &mut Rng) -> u32 {
    match dice.u32(..100) {
        0..80 => 1,
        80..99 => dice.u32(2..=12),
        _ => dice.u32(101..=MOST_FILES),
    }
}

/// Bytes of a file: one of 200 needs several parts, the others at most 8 KiB.
pub(super) fn size(dice: &mut Rng) -> u64 {
    if dice.u32(..200) == 0 { dice.u64(SEVERAL_PARTS) } else { dice.u64(..=8 * KIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_has_all_kinds() {
        let mut dice = Rng::with_seed(1);
        let files: Vec<_> = (0..2_000).map(|_| files(&mut dice)).collect();
        let share = |of: fn(&u32) -> bool| files.iter().filter(|files| of(files)).count();
        assert!(share(|files| *files == 1) > 1_500 && share(|files| (2..=12).contains(files)) > 300);
        assert!(share(|files| *files > 100) > 5 && files.iter().all(|files| *files <= MOST_FILES));
        let sizes: Vec<_> = (0..2_000).map(|_| size(&mut dice)).collect();
        let large = sizes.iter().filter(|size| **size >= 6 * 1024 * KIB).count();
        assert!((2..40).contains(&large), "{large}");
    }
}
