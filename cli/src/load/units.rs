//! Sizes, shares and durations as people write them.

use std::time::Duration;

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// `10240`, `10KiB`, `1.5 MB`: bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size such as 10240, 10KiB or 1.5GB");
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1,
    };
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor).ok_or_else(wrong),
        Err(_) => whole_bytes(number.parse::<f64>().map_err(|_| wrong())? * factor as f64).ok_or_else(wrong),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole_bytes(bytes: f64) -> Option<u64> {
    (0.0..1e18).contains(&bytes).then_some(bytes.round() as u64)
}

/// Bytes for people: `10 KiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string().replace(".00 ", " ")
}

/// A share: `0.1` or `10%`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    let share = number.ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is not a share: 0 to 1, or 0% to 100%"))
}

/// The longest duration anyone means: beyond it clocks overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// `400ms`, `2s`, `1m 30s`, at most a year. A number alone would leave its unit to guesses.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).ok().filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| format!("{text:?} is not a duration with its unit, such as 400ms, 30s or 5m"))
}

/// As [`duration`], and more than nothing.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("{text:?} is no time at all")),
        span => Ok(span),
    }
}

/// A span, or a number of seconds, as scripts have it in the environment.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(_) => span(&format!("{text}s")),
        Err(_) => span(text),
    }
}

/// Messages a second, 0.001 to a million.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| format!("{text:?} is not a rate: messages a second, 0.001 to 1000000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_families_of_units() {
        for (text, bytes) in [
            ("0", 0),
            ("10240", 10_240),
            ("10KiB", 10_240),
            ("10 kib", 10_240),
            ("1.5GB", 1_500_000_000),
            ("5TiB", 5 << 40),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "-1", "KiB", "1e3", "10 potatoes", "99999999999TiB", "1.2.3"] {
            assert!(size(bad).unwrap_err().contains(bad), "{bad}");
        }
    }

    #[test]
    fn sizes_are_written_without_needless_digits() {
        assert_eq!([10_240, 1_536, 0].map(bytes_text), ["10 KiB", "1.50 KiB", "0 B"]);
    }

    #[test]
    fn shares_are_numbers_or_per_cent() {
        assert_eq!(
            [share("0"), share("0.25"), share("25%"), share("1")],
            [Ok(0.0), Ok(0.25), Ok(0.25), Ok(1.0)]
        );
        for bad in ["1.1", "-0.1", "nan", "101%", "x", ""] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("400ms"), Ok(Duration::from_millis(400)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert!(duration("400").unwrap_err().contains("unit"));
        assert!(duration("2years").is_err());
        assert!(span("0s").is_err());
        assert_eq!(span("1m"), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn rates_are_neither_nothing_nor_boundless() {
        assert_eq!(rate("2.5"), Ok(2.5));
        for bad in ["0", "-1", "inf", "nan", "1e7", "fast"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
