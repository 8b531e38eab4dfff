//! What a recording means, as a page and as JSON.

use std::{fs::File, io::BufReader};

use anyhow::Context as _;
use chrono::{DateTime, Local};
use exportpool_profile::{
    analyse::{
        doctor::{Examination, examine},
        flame::{Flame, flame},
        series::Course,
        zone::Zone,
    },
    read::Recorded,
    record::{Began, Ending, Tool},
    render,
};
use serde::Serialize;

use super::folder::{Folder, PAGE, RAW, REPORT};

/// What `report.json` has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// When it began, as of RFC 3339.
    pub(super) when: String,
    /// Whose it is.
    pub(super) consumer: Began,
    /// How it ended; null: the recording was cut off.
    pub(super) ending: Option<Ending>,
    /// What was found.
    #[serde(flatten)]
    pub(super) found: Found,
}

/// What was found, by the tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Doctor(Examination),
    Flame(Flame),
}

impl Report {
    /// The worst that was found.
    pub(super) const fn verdict(&self) -> Zone {
        match &self.found {
            Found::Doctor(examination) => examination.verdict,
            Found::Flame(flame) => flame.verdict,
        }
    }
}

/// What was recorded into a folder.
///
/// # Errors
/// It is no recording.
pub(super) fn recorded(folder: &Folder) -> anyhow::Result<Recorded> {
    let path = folder.0.join(RAW);
    let none = || format!("{} is no folder of a profile", folder.0.display());
    let file = File::open(&path).with_context(none)?;
    Recorded::read(BufReader::new(file)).with_context(|| format!("{} cannot be read", path.display()))
}

/// Makes the report of what was recorded, into its folder.
///
/// # Errors
/// It cannot be written.
pub(super) fn make(folder: &Folder, recorded: &Recorded) -> anyhow::Result<Report> {
    let millis = i64::try_from(recorded.began.unix_millis).unwrap_or(i64::MAX);
    let when = DateTime::from_timestamp_millis(millis).unwrap_or_default().with_timezone(&Local);
    let (found, page) = found(recorded, &when.format("%-d %B %Y, %H:%M:%S").to_string())?;
    folder.write(PAGE, &page)?;
    let report = Report {
        when: when.to_rfc3339(),
        consumer: recorded.began.clone(),
        ending: recorded.ending.clone(),
        found,
    };
    folder.write(REPORT, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    Ok(report)
}

/// What it means, and the page that says so.
fn found(recorded: &Recorded, when: &str) -> anyhow::Result<(Found, String)> {
    match recorded.began.tool {
        Tool::Doctor => {
            let (examination, course) = (examine(recorded), Course::of(&recorded.moments));
            let page = render::doctor(&recorded.began, when, &examination, &course)?;
            Ok((Found::Doctor(examination), page))
        }
        Tool::Flame => {
            let (flame, course) = (flame(recorded), Course::of(&recorded.moments));
            let page = render::flame(&recorded.began, when, &flame, &course, None)?;
            Ok((Found::Flame(flame), page))
        }
        tool => anyhow::bail!("there is no report of {} yet", tool.name()),
    }
}
