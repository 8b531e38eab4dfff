//! Where in the bucket an object goes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{JobId, TaskId};

/// The longest S3 object key, in bytes of UTF-8
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
pub const MAX_KEY_BYTES: usize = 1_024;

/// Why a string cannot be a key, or part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing left to name the object.
    #[error("an object key must not be empty")]
    Empty,
    /// Longer than S3 takes, the prefix counted.
    #[error("an object key has at most {MAX_KEY_BYTES} bytes, this one has {0} (prefix counted)")]
    TooLong(usize),
    /// It starts with `/`.
    #[error("the object key {0:?} must be relative: it may not start with '/'")]
    Absolute(String),
    /// A step that climbs, stands still, or is empty.
    #[error("the object key {key:?} holds the path step {step:?}; steps may not be empty, '.' or '..'")]
    PathStep {
        /// The whole key.
        key: String,
        /// The step that is refused.
        step: String,
    },
    /// A control character, or a backslash, which some tools read as a path step.
    #[error("the object key {key:?} holds {character:?}, which is not allowed in a key")]
    Character {
        /// The whole key.
        key: String,
        /// The first character that is refused.
        character: char,
    },
}

/// A checked key of an object: relative, no climbing steps, at most 1,024 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks and takes a whole key.
    ///
    /// # Errors
    /// [`InvalidKey`] names what is wrong with it.
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidKey> {
        let key = key.into();
        if key.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(InvalidKey::TooLong(key.len()));
        }
        if key.starts_with('/') {
            return Err(InvalidKey::Absolute(key));
        }
        if let Some(character) = key.chars().find(|c| c.is_control() || *c == '\\') {
            return Err(InvalidKey::Character { key, character });
        }
        if let Some(step) = key.split('/').find(|step| matches!(*step, "" | "." | "..")) {
            let step = step.to_owned();
            return Err(InvalidKey::PathStep { key, step });
        }
        Ok(Self(key))
    }

    /// The key of a task's object, the same on every delivery:
    /// `<service prefix>/<job's prefix>/<key>`, where the key is the task's own or `<jobId>/<taskId>`.
    ///
    /// # Errors
    /// [`InvalidKey`] when the parts do not make a key.
    pub fn of_task(
        prefixes: [Option<&str>; 2],
        own: Option<&str>,
        job: &JobId,
        task: &TaskId,
    ) -> Result<Self, InvalidKey> {
        let name = match own {
            // Checked alone first: a key that starts with '/' must not become relative by a prefix before it.
            Some(own) => Self::new(own)?.0,
            None => format!("{job}/{task}"),
        };
        let steps = prefixes.into_iter().flatten().map(|p| p.trim_end_matches('/')).filter(|p| !p.is_empty());
        let mut key: String = steps.flat_map(|prefix| [prefix, "/"]).collect();
        key.push_str(&name);
        Self::new(key)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = InvalidKey;
    fn try_from(key: String) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(prefixes: [Option<&str>; 2], own: Option<&str>) -> Result<String, InvalidKey> {
        let (job, task) = (JobId::new("j").unwrap(), TaskId::new("t").unwrap());
        ObjectKey::of_task(prefixes, own, &job, &task).map(String::from)
    }

    #[test]
    fn a_task_without_a_key_is_named_by_its_ids() {
        assert_eq!(of([None, None], None).unwrap(), "j/t");
        assert_eq!(of([Some("exports/"), Some("2026")], None).unwrap(), "exports/2026/j/t");
        assert_eq!(of([Some(""), None], Some("a/b.csv")).unwrap(), "a/b.csv");
    }

    #[test]
    fn keys_that_climb_are_refused() {
        for bad in ["../x", "a/../x", "/x", "a//b", "", ".", "a/..", "a\\b", "a\u{0}"] {
            assert!(of([Some("safe"), None], Some(bad)).is_err(), "{bad:?}");
        }
        assert!(of([None, Some("../out")], None).is_err());
        assert!(of([None, None], Some(&"k".repeat(1_025))).is_err());
    }

    proptest! {
        #[test]
        fn a_key_stays_under_its_prefix(own in ".{0,40}", prefix in "[a-z]{1,8}") {
            if let Ok(key) = of([Some(&prefix), None], Some(&own)) {
                let under = format!("{prefix}/");
                prop_assert!(key.starts_with(&under));
                prop_assert!(key.split('/').all(|step| step != ".." && !step.is_empty()));
            }
        }
    }
}
