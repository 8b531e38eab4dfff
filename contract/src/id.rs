//! Names of jobs and tasks.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest id, in bytes. Ids become parts of S3 keys (at most 1,024 bytes) and DynamoDB sort keys.
pub const MAX_ID_BYTES: usize = 128;

/// Why a string is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The string is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The string is longer than [`MAX_ID_BYTES`].
    #[error("an id has at most {MAX_ID_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A character outside `[A-Za-z0-9._-]`.
    #[error("the id {id:?} holds {character:?}; allowed are A-Z a-z 0-9 . _ -")]
    Character {
        /// The whole id.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// `.` or `..`, which would climb in a key.
    #[error("the id {0:?} is a path step, not a name")]
    PathStep(String),
}

fn check(text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(InvalidId::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidId::TooLong(text.len()));
    }
    if let Some(character) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
        return Err(InvalidId::Character { id: text.to_owned(), character });
    }
    if matches!(text, "." | "..") {
        return Err(InvalidId::PathStep(text.to_owned()));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a string: `[A-Za-z0-9._-]{1,128}`, neither `.` nor `..`.
            ///
            /// # Errors
            /// [`InvalidId`] names what is wrong with it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                check(text.as_ref()).map(|()| Self(text.as_ref().into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": "^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,128}$",
                })
            }
        }
    };
}

id!(
    /// The name of a job: one export, of one or many files.
    JobId
);
id!(
    /// The name of a task: one file of a job, unique within it.
    TaskId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_and_nothing_else() {
        for good in ["a", "job-1", "A.b_c-9", "...", &"x".repeat(128)] {
            assert!(JobId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "a\n", &"x".repeat(129)] {
            assert!(TaskId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_invalid_id_names_the_character() {
        let error = JobId::new("a/b").unwrap_err().to_string();
        assert!(error.contains("\"a/b\"") && error.contains("'/'"), "{error}");
    }
}
