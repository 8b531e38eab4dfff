//! A measurement's results on disk: `docs/benchmarks/<name>.json`.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::machine::{Machine, commit};

/// Results, and how they came about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sheet<T> {
    /// When it was taken, UTC.
    pub(crate) date: String,
    /// Of which commit; `+`: with changes.
    pub(crate) commit: String,
    /// The command that repeats it.
    pub(crate) command: String,
    /// A trial: fewer messages and runs than the documents ask for.
    pub(crate) quick: bool,
    /// Where.
    pub(crate) machine: Machine,
    /// The results.
    pub(crate) results: T,
}

impl<T: Serialize + DeserializeOwned> Sheet<T> {
    /// Writes results down.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub(crate) fn write(
        folder: &Path,
        name: &str,
        quick: bool,
        machine: Machine,
        results: T,
    ) -> anyhow::Result<()> {
        let sheet = Self {
            date: chrono::Utc::now().format("%Y-%m-%d %H:%M").to_string(),
            commit: commit(),
            command: format!("make bench-consumer ONLY={name}{}", if quick { " QUICK=1" } else { "" }),
            quick,
            machine,
            results,
        };
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.json"));
        fs::write(&path, serde_json::to_string_pretty(&sheet)? + "\n")
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Reads results, if there are any.
    ///
    /// # Errors
    /// The file is there and is not understood.
    pub(crate) fn read(folder: &Path, name: &str) -> anyhow::Result<Option<Self>> {
        let path = folder.join(format!("{name}.json"));
        let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
        let sheet = serde_json::from_str(&text);
        sheet.map(Some).with_context(|| format!("{} is not understood: measure again", path.display()))
    }
}
