//! What was found, by whatever tool.

use serde::{Deserialize, Serialize};

use super::zone::Zone;
use crate::{read::Recorded, record::Ending};

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

/// How bad it is that a recording is not all of it, what that is told by, and what to do. `None`: it ended as it should have.
/// The last moment was after so many seconds.
pub(super) fn unfinished(recorded: &Recorded, seconds: f64) -> Option<(Zone, String, &'static str)> {
    // Whoever gave it jobs ends it when they are settled.
    let has_jobs = !recorded.waves.is_empty();
    match &recorded.ending {
        Some(ending @ (Ending::Over | Ending::Interrupted)) if has_jobs => {
            let how = if *ending == Ending::Over { "its time was over" } else { "it was interrupted" };
            let evidence = format!("{how} after {seconds:.1} s, before its jobs were settled");
            Some((Zone::Yellow, evidence, "what was before is as it was; profile again for the rest"))
        }
        Some(Ending::Settled | Ending::Over | Ending::Interrupted) => None,
        Some(Ending::Gone { why }) => {
            let evidence = format!("the consumer went away after {seconds:.1} s: {why}");
            Some((Zone::Red, evidence, "its log says why, unless it was killed: by its memory limit?"))
        }
        Some(Ending::Overdue) => {
            let evidence = format!("its jobs were not settled in {seconds:.1} s");
            Some((Zone::Red, evidence, "its log says what failed; PROCESSING_WAIT is how long it may take"))
        }
        Some(Ending::BrokenOff { why }) => {
            let evidence = format!("it was broken off after {seconds:.1} s: {why}");
            Some((Zone::Red, evidence, "mend that, and profile again; what was before is as it was"))
        }
        None => {
            let evidence = format!("the recording was cut off after {seconds:.1} s");
            Some((Zone::Yellow, evidence, "what was before is as it was; profile again for the rest"))
        }
    }
}
