//! Parts of a whole, told from chance.

use super::{number::float, zone::Zone};

/// Of fewer nothing is said of failures.
const FEWEST: u64 = 5;
/// More than this share fails: worth a look.
const FAILING: f64 = 0.05;
/// And this must be acted on.
const BROKEN: f64 = 0.5;

/// A part of all, from 0 to 1; 0 of nothing.
pub(crate) fn share(part: u64, all: u64) -> f64 {
    if all > 0 { float(part) / float(all) } else { 0.0 }
}

/// A share that the true one is hardly below: the lower end of the interval that has it in 19 of 20 profiles
/// (E. B. Wilson, Journal of the American Statistical Association 22, 1927; one-sided). From 0 to 1.
pub(super) fn surely(part: u64, all: u64) -> f64 {
    const SCORE: f64 = 1.645;
    if all == 0 {
        return 0.0;
    }
    let (part, all) = (float(part), float(all));
    let (share, squared) = (part / all, SCORE * SCORE);
    let middle = share + squared / (2.0 * all);
    let half = SCORE * (share * (1.0 - share) / all + squared / (4.0 * all * all)).sqrt();
    ((middle - half) / (1.0 + squared / all)).max(0.0)
}

/// How bad it is that so many of all fail; `None`: it may be chance.
pub(super) fn failing(failed: u64, all: u64) -> Option<Zone> {
    let surely = surely(failed, all);
    (all >= FEWEST && surely > FAILING).then_some(if surely > BROKEN { Zone::Red } else { Zone::Yellow })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_surely_above_what_chance_makes_of_it() {
        assert!(surely(6, 50) < 0.1, "12 % of few samples");
        assert!(surely(1_200, 10_000) > 0.1, "12 % of many");
        assert_eq!((surely(0, 0), surely(0, 100)), (0.0, 0.0));
    }

    #[test]
    fn what_fails_is_bad_unless_it_may_be_chance() {
        assert_eq!([failing(4, 4), failing(1, 10), failing(0, 0)], [None; 3]);
        assert_eq!(
            [failing(5, 5), failing(60, 300), failing(300, 300)],
            [Some(Zone::Red), Some(Zone::Yellow), Some(Zone::Red)]
        );
    }
}
