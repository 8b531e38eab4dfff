//! What was found, by whatever tool.

use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// What may be found, as a word for machines when it is serialized.
pub trait Named: Copy {
    /// In words.
    fn words(self) -> &'static str;
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis<A> {
    /// What.
    pub ailment: A,
    /// How bad.
    pub zone: Zone,
    /// What it is told by.
    pub evidence: String,
    /// What to do.
    pub remedy: String,
    /// What a thread was doing, the innermost function first, where that was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
}

impl<A> Diagnosis<A> {
    /// One without a stack.
    #[must_use]
    pub fn new(ailment: A, zone: Zone, evidence: String, remedy: &str) -> Self {
        Self { ailment, zone, evidence, remedy: remedy.to_owned(), stack: Vec::new() }
    }
}

/// The worst of them: green of none.
pub fn verdict<A>(diagnoses: &[Diagnosis<A>]) -> Zone {
    diagnoses.iter().map(|diagnosis| diagnosis.zone).max().unwrap_or(Zone::Green)
}
