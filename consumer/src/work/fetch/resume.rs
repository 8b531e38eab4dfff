//! Going on where a body broke off: RFC 9110, 13.1.5 (`If-Range`), 14.2 (`Range`), 15.3.7 (206).

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::answer;
use crate::fail::{Reason, TaskFault};

/// Resumes of one body at most: a source that gives a byte a connection is not followed for ever.
const MAX_RESUMES: u32 = 100;
/// Resumes in a row that may bring nothing.
const MAX_FRUITLESS: u32 = 3;
/// The pause after the first of these; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// What every later answer must agree with, or it is of another file.
#[derive(Debug, Clone)]
pub(super) struct Anchor {
    etag: HeaderValue,
    /// The size of the whole; learned from the first answer that tells it.
    total: Option<u64>,
}

impl Anchor {
    /// Of a first, whole answer. `None`: it cannot be resumed. A weak entity tag says that two files mean the same,
    /// not that their bytes are (RFC 9110, 8.8.1).
    pub(super) fn of(headers: &HeaderMap, length: Option<u64>) -> Option<Self> {
        let no_ranges = headers.get(header::ACCEPT_RANGES).is_some_and(|units| units == "none");
        let mut tags = headers.get_all(header::ETAG).iter();
        let etag = tags.next().filter(|tag| is_strong(tag))?.clone();
        (!no_ranges && tags.next().is_none()).then_some(Self { etag, total: length })
    }

    /// The size of the whole, when it is known.
    pub(super) const fn total(&self) -> Option<u64> {
        self.total
    }

    /// Headers that ask for everything from an offset, of this very file.
    pub(super) fn rest_from(&self, at: u64) -> HeaderMap {
        let range = HeaderValue::try_from(format!("bytes={at}-")).ok();
        let mut headers: HeaderMap = range.map(|range| (header::RANGE, range)).into_iter().collect();
        headers.insert(header::IF_RANGE, self.etag.clone());
        headers
    }

    /// Reads the answer to that.
    ///
    /// # Errors
    /// `sourceChanged`: the next attempt begins at byte 0. Other faults as the status says.
    pub(super) fn check(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        at: u64,
    ) -> Result<(), TaskFault> {
        let same = headers.get(header::ETAG) == Some(&self.etag);
        match status {
            StatusCode::PARTIAL_CONTENT if same => self.check_range(headers, at),
            StatusCode::OK if same => {
                Err(TaskFault::retry(Reason::Truncated, "the source broke off and answers no ranges"))
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::OK => {
                Err(changed("the source broke off and came back with another entity tag"))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(changed(format!("the source no longer has bytes from {at} on")))
            }
            status => Err(not_now(answer::refused(status, headers, SystemTime::now()))),
        }
    }

    fn check_range(&mut self, headers: &HeaderMap, at: u64) -> Result<(), TaskFault> {
        let text = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let range = text.and_then(read_range);
        let fits = |(first, last, total): &(u64, u64, u64)| {
            *first == at && first <= last && last < total && self.total.is_none_or(|known| known == *total)
        };
        let Some((_, _, total)) = range.filter(fits) else {
            let asked = self.total.map_or("the rest".to_owned(), |total| format!("the rest of {total}"));
            return Err(changed(format!(
                "asked for {asked} from {at} on, the source answered Content-Range {text:?}"
            )));
        };
        self.total = Some(total);
        Ok(())
    }
}

/// A source that refuses the rest has not refused the file: a presigned URL may have expired meanwhile. The next attempt
/// asks for the whole, and hears it then.
fn not_now(fault: TaskFault) -> TaskFault {
    match fault {
        TaskFault::Final { detail, .. } => TaskFault::retry(
            Reason::Truncated,
            format!("the source broke off and refused the rest: {detail}"),
        ),
        fault => fault,
    }
}

fn is_strong(tag: &HeaderValue) -> bool {
    let tag = tag.as_bytes();
    tag.len() >= 2 && tag.starts_with(b"\"") && tag.ends_with(b"\"")
}

/// `bytes <first>-<last>/<total>`.
fn read_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

fn changed(detail: impl Into<String>) -> TaskFault {
    TaskFault::retry(Reason::SourceChanged, detail)
}

/// How often a body was resumed, and how often for nothing.
#[derive(Debug, Default)]
pub(super) struct Tries {
    resumes: u32,
    fruitless: u32,
    last_at: u64,
}

impl Tries {
    /// The pause before a body is asked for again from an offset; `None`: it was asked often enough.
    pub(super) fn again(&mut self, at: u64) -> Option<Duration> {
        self.fruitless = if at > self.last_at { 0 } else { self.fruitless + 1 };
        self.resumes += 1;
        self.last_at = at;
        let goes_on = self.resumes <= MAX_RESUMES && self.fruitless <= MAX_FRUITLESS;
        goes_on
            .then(|| self.fruitless.checked_sub(1).map_or(Duration::ZERO, |doubled| PAUSE * (1 << doubled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn anchor(lines: &[(&'static str, &'static str)]) -> Option<Anchor> {
        Anchor::of(&headers(lines), Some(10))
    }

    #[test]
    fn only_a_strong_entity_tag_is_resumed_with() {
        assert!(anchor(&[("etag", "\"a\"")]).is_some());
        assert!(anchor(&[("etag", "\"a\""), ("accept-ranges", "bytes")]).is_some());
        for none in [
            &[("etag", "W/\"a\"")][..],
            &[("etag", "a")],
            &[("etag", "\"")],
            &[("etag", "\"a\""), ("accept-ranges", "none")],
            &[("etag", "\"a\""), ("etag", "\"b\"")],
            &[("last-modified", "Tue, 01 Jan 2030 00:00:00 GMT")],
        ] {
            assert!(anchor(none).is_none(), "{none:?}");
        }
    }

    #[test]
    fn the_rest_is_asked_for_of_this_very_file() {
        let asked = anchor(&[("etag", "\"a\"")]).unwrap().rest_from(7);
        assert_eq!(asked, headers(&[("range", "bytes=7-"), ("if-range", "\"a\"")]));
    }

    fn answered(status: u16, lines: &[(&'static str, &'static str)]) -> &'static str {
        let mut anchor = anchor(&[("etag", "\"a\"")]).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        anchor.check(status, &headers(lines), 4).err().map_or("goes on", |fault| fault.reason())
    }

    #[test]
    fn an_answer_goes_on_when_start_total_and_entity_tag_agree() {
        assert_eq!(answered(206, &[("etag", "\"a\""), ("content-range", "bytes 4-9/10")]), "goes on");
        // Less than was asked for: the rest of it is asked for then.
        assert_eq!(answered(206, &[("etag", "\"a\""), ("content-range", "bytes 4-5/10")]), "goes on");
    }

    #[test]
    fn an_answer_of_another_file_begins_again_at_byte_0() {
        for (status, lines) in [
            (206, &[("etag", "\"b\""), ("content-range", "bytes 4-9/10")][..]),
            (206, &[("etag", "W/\"a\""), ("content-range", "bytes 4-9/10")]),
            (206, &[("content-range", "bytes 4-9/10")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 0-9/10")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 5-9/10")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 4-9/11")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 4-9/*")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 4-10/10")]),
            (206, &[("etag", "\"a\""), ("content-range", "bytes 4-3/10")]),
            (206, &[("etag", "\"a\""), ("content-range", "lines 4-9/10")]),
            (206, &[("etag", "\"a\""), ("content-type", "multipart/byteranges")]),
            (200, &[("etag", "\"b\"")]),
            (200, &[]),
            (416, &[("content-range", "bytes */3")]),
        ] {
            assert_eq!(answered(status, lines), "sourceChanged", "{status} {lines:?}");
        }
    }

    #[test]
    fn a_source_that_knows_no_ranges_is_told_from_one_that_changed() {
        assert_eq!(answered(200, &[("etag", "\"a\"")]), "truncated");
    }

    #[test]
    fn other_statuses_mean_what_they_mean_without_a_range() {
        assert_eq!(answered(403, &[]), "truncated", "asked for as a whole, it may be answered");
        assert_eq!(answered(503, &[]), "sourceFailed");
    }

    #[test]
    fn a_size_learned_from_one_answer_binds_the_next() {
        let mut anchor = Anchor::of(&headers(&[("etag", "\"a\"")]), None).unwrap();
        let range = |range| headers(&[("etag", "\"a\""), ("content-range", range)]);
        anchor.check(StatusCode::PARTIAL_CONTENT, &range("bytes 4-9/10"), 4).unwrap();
        assert_eq!(anchor.total(), Some(10));
        assert!(anchor.check(StatusCode::PARTIAL_CONTENT, &range("bytes 6-9/20"), 6).is_err());
    }

    #[test]
    fn a_few_resumes_without_progress_end_it_and_progress_begins_anew() {
        let mut tries = Tries::default();
        let millis = |pause: Option<Duration>| pause.map(|pause| pause.as_millis());
        let pauses: Vec<_> = [10, 10, 20, 20, 20, 20, 20].map(|at| millis(tries.again(at))).into();
        assert_eq!(pauses, [Some(0), Some(250), Some(0), Some(250), Some(500), Some(1_000), None]);
    }

    #[test]
    fn a_byte_a_connection_is_not_followed_for_ever() {
        let mut tries = Tries::default();
        assert_eq!((1..).take_while(|at| tries.again(*at).is_some()).count(), 100);
    }
}
