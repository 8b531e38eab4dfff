//! What a URL asks for, read and written.

use std::{fmt::Write as _, time::Duration};

use url::form_urlencoded;

/// Bytes of a file whose URL does not say: a small export.
pub(super) const DEFAULT_SIZE: u64 = 10_240;

/// A file, and how to misbehave about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The file's name; slashes allowed.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// Time before the first byte of the answer; whole milliseconds.
    pub(crate) delay: Duration,
    /// What goes wrong.
    pub(crate) faults: Faults,
}

/// What goes wrong with an answer; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// This status instead of the file, 300 to 599.
    pub(crate) status: Option<u16>,
    /// Seconds of `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    /// Where to redirect to.
    pub(crate) redirect: Option<String>,
    /// What goes wrong with the body.
    pub(crate) body: Option<BodyFault>,
    /// What is wrong with the entity tag.
    pub(crate) etag: Option<TagFault>,
    /// After so many requests of a name, its file is another of the same size; `times` does not end this.
    pub(crate) change_after: Option<u64>,
    /// The faults hold for so many requests of a name; for ever when not given.
    pub(crate) times: Option<u64>,
}

/// What is wrong with an entity tag. Such a file is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagFault {
    /// `W/"…"`.
    Weak,
    /// There is none.
    Missing,
}

/// What goes wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// Half is sent, then the connection closes.
    Truncate,
    /// So many bytes are sent of each answer, then the connection closes.
    Cut(u64),
    /// One byte is missing, and the length agrees with that.
    WrongLength,
    /// Chunked.
    NoLength,
    /// Chunked, without an end.
    Endless,
    /// So many bytes a second.
    Trickle(u64),
    /// Zeros, compressed a thousandfold.
    GzipBomb,
}

/// Why a URL is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnderstood {
    /// No such parameter.
    #[error(
        "the parameter {0:?} is not known; known are size, delay, status, retry-after, redirect, signed, etag, \
         change-etag-after, truncate, cut, wrong-length, no-length, endless, trickle, gzip-bomb, fail-times"
    )]
    Parameter(String),
    /// A value out of its range.
    #[error("{name}={value:?} is not {allowed}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// A body can misbehave in one way at a time.
    #[error(
        "only one of truncate, cut, wrong-length, no-length, endless, trickle and gzip-bomb can be asked for"
    )]
    TwoBodies,
}

impl Asked {
    /// A file without faults or delay.
    pub(crate) fn file(name: impl Into<String>, size: u64) -> Self {
        Self { name: name.into(), size, delay: Duration::ZERO, faults: Faults::default() }
    }

    /// Reads a file's name (decoded) and the query (encoded) of its URL.
    pub(super) fn read(name: &str, query: &str) -> Result<Self, NotUnderstood> {
        let mut asked = Self::file(name, DEFAULT_SIZE);
        for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
            asked.set(&parameter, &value)?;
        }
        Ok(asked)
    }

    fn set(&mut self, parameter: &str, value: &str) -> Result<(), NotUnderstood> {
        let faults = &mut self.faults;
        match parameter {
            "size" => self.size = number("size", value)?,
            "delay" => self.delay = Duration::from_millis(number("delay", value)?),
            "status" => faults.status = Some(status(value)?),
            "retry-after" => faults.retry_after = Some(number("retry-after", value)?),
            // The first signature has expired.
            "signed" if number("signed", value)? == 1 => faults.status = Some(403),
            "signed" => {}
            "redirect" => faults.redirect = Some(value.to_owned()),
            "etag" => faults.etag = Some(tag_fault(value)?),
            "change-etag-after" => faults.change_after = Some(number("change-etag-after", value)?),
            "fail-times" => faults.times = Some(number("fail-times", value)?),
            _ => {
                let fault = body_fault(parameter, value)?;
                if faults.body.replace(fault).is_some_and(|earlier| earlier != fault) {
                    return Err(NotUnderstood::TwoBodies);
                }
            }
        }
        Ok(())
    }

    /// The URL that asks for this from a source at `base`, such as `http://127.0.0.1:4566/_source`.
    pub(crate) fn url(&self, base: &str) -> String {
        let mut url = format!("{}/files/", base.trim_end_matches('/'));
        push_path(&mut url, &self.name);
        url.push('?');
        let length = url.len();
        let mut query = form_urlencoded::Serializer::for_suffix(url, length);
        query.append_pair("size", &self.size.to_string());
        if !self.delay.is_zero() {
            query.append_pair("delay", &self.delay.as_millis().to_string());
        }
        self.faults.write(&mut query);
        query.finish()
    }
}

impl Faults {
    fn write(&self, query: &mut form_urlencoded::Serializer<'_, String>) {
        let numbers = [
            ("status", self.status.map(u64::from)),
            ("retry-after", self.retry_after),
            ("fail-times", self.times),
            ("change-etag-after", self.change_after),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                query.append_pair(name, &value.to_string());
            }
        }
        if let Some(target) = &self.redirect {
            query.append_pair("redirect", target);
        }
        if let Some(fault) = self.etag {
            query.append_pair("etag", if fault == TagFault::Weak { "weak" } else { "none" });
        }
        match self.body {
            None => query,
            Some(BodyFault::Cut(bytes)) => query.append_pair("cut", &bytes.to_string()),
            Some(BodyFault::GzipBomb) => query.append_key_only("gzip-bomb"),
            Some(BodyFault::Truncate) => query.append_key_only("truncate"),
            Some(BodyFault::WrongLength) => query.append_key_only("wrong-length"),
            Some(BodyFault::NoLength) => query.append_key_only("no-length"),
            Some(BodyFault::Endless) => query.append_key_only("endless"),
            Some(BodyFault::Trickle(rate)) => query.append_pair("trickle", &rate.to_string()),
        };
    }

    /// The faults that hold for the `turn`-th request (from 1) of a name.
    pub(super) fn of_turn(&self, turn: u64) -> Self {
        match self.times {
            Some(times) if turn > times => Self { change_after: self.change_after, ..Self::default() },
            Some(_) if *self == (Self { times: self.times, ..Self::default() }) => {
                Self { status: Some(500), ..Self::default() }
            }
            _ => self.clone(),
        }
    }
}

fn body_fault(parameter: &str, value: &str) -> Result<BodyFault, NotUnderstood> {
    match parameter {
        "truncate" => Ok(BodyFault::Truncate),
        "cut" => number("cut", value).map(BodyFault::Cut),
        "gzip-bomb" => Ok(BodyFault::GzipBomb),
        "wrong-length" => Ok(BodyFault::WrongLength),
        "no-length" => Ok(BodyFault::NoLength),
        "endless" => Ok(BodyFault::Endless),
        "trickle" => number("trickle", value).map(|rate| BodyFault::Trickle(rate.max(1))),
        unknown => Err(NotUnderstood::Parameter(unknown.to_owned())),
    }
}

fn number(name: &'static str, value: &str) -> Result<u64, NotUnderstood> {
    value.parse().map_err(|_| NotUnderstood::Value {
        name,
        value: value.to_owned(),
        allowed: "a whole number",
    })
}

fn tag_fault(value: &str) -> Result<TagFault, NotUnderstood> {
    match value {
        "weak" => Ok(TagFault::Weak),
        "none" => Ok(TagFault::Missing),
        _ => Err(NotUnderstood::Value { name: "etag", value: value.to_owned(), allowed: "weak or none" }),
    }
}

fn status(value: &str) -> Result<u16, NotUnderstood> {
    let wrong = || NotUnderstood::Value {
        name: "status",
        value: value.to_owned(),
        allowed: "a status from 300 to 599",
    };
    value.parse().ok().filter(|status| (300..600).contains(status)).ok_or_else(wrong)
}

fn push_path(url: &mut String, name: &str) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults() -> impl Strategy<Value = Faults> {
        let body = prop_oneof![
            Just(BodyFault::Truncate),
            Just(BodyFault::GzipBomb),
            any::<u64>().prop_map(BodyFault::Cut),
            Just(BodyFault::WrongLength),
            Just(BodyFault::NoLength),
            Just(BodyFault::Endless),
            (1..u64::MAX).prop_map(BodyFault::Trickle),
        ];
        let numbers = (prop::option::of(300_u16..600), any::<Option<u64>>(), any::<Option<u64>>());
        let tag = prop::option::of(prop_oneof![Just(TagFault::Weak), Just(TagFault::Missing)]);
        let of_tag = (tag, any::<Option<u64>>());
        (numbers, prop::option::of(".{0,20}"), prop::option::of(body), of_tag).prop_map(
            |((status, retry_after, times), redirect, body, (etag, change_after))| Faults {
                status,
                retry_after,
                redirect,
                body,
                etag,
                change_after,
                times,
            },
        )
    }

    proptest! {
        #[test]
        fn a_url_reads_as_it_was_written(name in "[^?#/][^?#]{0,20}", size: u64, ms: u32, faults in faults()) {
            let asked = Asked { name, size, delay: Duration::from_millis(ms.into()), faults };
            let url = asked.url("http://host/prefix/");
            let (path, query) = url.strip_prefix("http://host/prefix/files/").unwrap().split_once('?').unwrap();
            let decoded = form_urlencoded::parse(path.as_bytes()).next().unwrap().0.into_owned();
            prop_assert_eq!(Asked::read(&decoded, query).unwrap(), asked);
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_a_small_file() {
        assert_eq!(Asked::read("a", "").unwrap(), Asked::file("a", DEFAULT_SIZE));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (query, word) in [
            ("size=1k", "size=\"1k\""),
            ("status=200", "300 to 599"),
            ("colour=red", "\"colour\""),
            ("trickle", "whole number"),
            ("etag=soft", "weak or none"),
            ("truncate&endless", "only one"),
        ] {
            let error = Asked::read("a", query).unwrap_err().to_string();
            assert!(error.contains(word), "{query}: {error}");
        }
    }

    #[test]
    fn faults_with_a_count_end() {
        let only_times = Faults { times: Some(2), ..Faults::default() };
        let statuses: Vec<_> = (1..4).map(|turn| only_times.of_turn(turn).status).collect();
        assert_eq!(statuses, [Some(500), Some(500), None]);
        let truncated = Faults { body: Some(BodyFault::Truncate), times: Some(1), ..Faults::default() };
        assert_eq!(truncated.of_turn(1).body, Some(BodyFault::Truncate));
        assert_eq!(truncated.of_turn(1).status, None);
        assert_eq!(truncated.of_turn(2), Faults::default());
    }
}
