//! Which bytes a request wants: RFC 9110, section 14.

use std::ops::Range;

use http::{HeaderMap, header};

/// The bytes a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of them: no range, several ranges, or one that is no longer valid.
    Whole,
    /// One range, not empty.
    Part(Range<u64>),
    /// A range that the file does not have.
    Nothing,
}

impl Wanted {
    /// What `Range` and `If-Range` say about a file of `size` bytes.
    pub(super) fn read(headers: &HeaderMap, size: u64, etag: &str) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let stale = text(header::IF_RANGE).is_some_and(|validator| validator.trim() != etag);
        match text(header::RANGE) {
            Some(range) if !stale => part(range, size).unwrap_or(Self::Whole),
            _ => Self::Whole,
        }
    }
}

/// `None` when the header is not one range of bytes: such a header is ignored.
fn part(header: &str, size: u64) -> Option<Wanted> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => size.saturating_sub(suffix.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => ordered(first.parse().ok()?, last.parse().ok()?, size)?,
    };
    Some(if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) })
}

fn ordered(first: u64, last: u64, size: u64) -> Option<Range<u64>> {
    (first <= last).then(|| first..size.min(last.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(range: &str, if_range: Option<&'static str>, size: u64) -> Wanted {
        let mut headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        headers.extend(if_range.map(|tag| (header::IF_RANGE, tag.parse().unwrap())));
        Wanted::read(&headers, size, "\"tag\"")
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (range, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=8-99", Wanted::Part(8..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-12", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
        ] {
            assert_eq!(read(range, None, 10), wanted, "{range}");
        }
        assert_eq!(read("bytes=0-", None, 0), Wanted::Nothing);
    }

    #[test]
    fn a_validator_that_changed_brings_the_whole_file() {
        assert_eq!(read("bytes=2-", Some("\"tag\""), 10), Wanted::Part(2..10));
        for other in ["\"other\"", "W/\"tag\"", "Tue, 01 Jan 2030 00:00:00 GMT"] {
            assert_eq!(read("bytes=2-", Some(other), 10), Wanted::Whole, "{other}");
        }
    }
}
