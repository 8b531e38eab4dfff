//! What a profile measured, small enough to be kept, and compared with later ones.
//!
//! A quantity is kept as a sample, a value for each of up to 64 windows of the profile, and not as one number: what a later one
//! differs by is told from noise by how much either profile differs from itself. See [`compare()`] and the module `windows`.

pub mod compare;
mod measure;
mod quantity;
mod rank;
mod table;
#[cfg(test)]
mod tests;
mod windows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::flame::Flame;
use crate::{
    read::Recorded,
    record::{Began, Tool},
};
pub use compare::{Comparison, Incomparable, Origin, Outcome, Shift, compare};
pub use quantity::Quantity;

/// Of [`Baseline::schema`]: one of another is not compared.
pub const SCHEMA: u32 = 1;

/// What a profile measured. Its name is where it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of exportpool that made it.
    pub made_by: String,
    /// By what it was measured.
    pub tool: Tool,
    /// The consumer's version.
    pub version: String,
    /// When the profile began, in milliseconds since the Unix epoch.
    pub unix_millis: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What was asked of the consumer, and how: what numbers depend on.
    pub settings: BTreeMap<String, String>,
    /// What was measured, each once.
    pub measured: Vec<Measured>,
    /// Of a flame graph the functions' shares: without its trees and its diagnoses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flame: Option<Flame>,
}

/// Where a consumer ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// CPUs that it may use, at least 1.
    pub cpus: u32,
    /// The operating system in a word, such as `linux`.
    pub os: String,
    /// Its processor, such as `x86_64, AMD EPYC 7763 64-Core Processor`.
    pub processor: String,
}

/// A quantity's sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Which.
    pub quantity: Quantity,
    /// Of each window, in the order of time, in the quantity's unit. Of some there is one number of the whole profile.
    pub values: Vec<f64>,
}

/// Why something is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is something else.
    #[error("it is no baseline: {0}")]
    NoBaseline(serde_json::Error),
    /// Another version made it.
    #[error(
        "it was made by version {made_by} with schema {schema}, and this version reads schema {SCHEMA}: make it again with \
         --save-baseline"
    )]
    OtherSchema {
        /// That version.
        made_by: String,
        /// Its schema.
        schema: u32,
    },
    /// Something in it is not what it was.
    #[error("it was made by version {made_by}, and is damaged: {error}; make it again with --save-baseline")]
    Damaged {
        /// That version.
        made_by: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// What every schema has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema: u32,
    made_by: String,
}

impl Baseline {
    /// What a profile measured, with what was asked of the consumer. Its workers and the tasks of each are known by the
    /// recording, where they are not given.
    #[must_use]
    pub fn of(recorded: &Recorded, settings: BTreeMap<String, String>) -> Self {
        let Began { tool, version, unix_millis, cpus, os, processor, .. } = recorded.began.clone();
        Self {
            schema: SCHEMA,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            tool,
            version,
            unix_millis,
            machine: Machine { cpus, os, processor },
            settings: with_workers(settings, &recorded.began),
            measured: measure::measured(tool, recorded),
            flame: (tool == Tool::Flame).then(|| measure::shares(recorded)),
        }
    }

    /// Whether anything of it can be told from chance, of a later one that measures as much.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.measured.iter().any(|measured| measured.values.len() >= rank::FEWEST)
    }

    /// Reads one, as it is kept.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(json: &str) -> Result<Self, Unreadable> {
        let Head { schema, made_by } = serde_json::from_str(json).map_err(Unreadable::NoBaseline)?;
        if schema != SCHEMA {
            return Err(Unreadable::OtherSchema { made_by, schema });
        }
        serde_json::from_str(json).map_err(|error| Unreadable::Damaged { made_by, error })
    }

    /// A quantity's sample; empty: it was not measured.
    #[must_use]
    pub fn values(&self, quantity: &Quantity) -> &[f64] {
        let found = self.measured.iter().find(|measured| measured.quantity == *quantity);
        found.map_or(&[], |measured| &measured.values)
    }
}

/// Of a consumer that somebody else started, these are known as well.
fn with_workers(mut settings: BTreeMap<String, String>, began: &Began) -> BTreeMap<String, String> {
    for (name, value) in [("WORKER_POOL_SIZE", began.workers), ("TASKS_PER_WORKER", began.tasks_per_worker)] {
        settings.entry(name.to_owned()).or_insert_with(|| value.to_string());
    }
    settings
}
