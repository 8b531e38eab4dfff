//! What a recording means, as a page and as JSON.

use std::{fs::File, io::BufReader, path::PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Local};
use exportpool_profile::{
    analyse::{
        baseline::{Baseline, Comparison, Outcome, Shift},
        bubble::{Bubble, bubble},
        doctor::{Examination, examine},
        flame::{self, Flame, flame},
        heap::{Heap, heap},
        series::Course,
        zone::Zone,
    },
    read::Recorded,
    record::{Began, Ending, Tool},
    render,
};
use serde::Serialize;

use super::{
    baselines::compared,
    folder::{Folder, PAGE, RAW, REPORT},
};
use crate::ci::{Case, cases};

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
    /// What has changed, if it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comparison: Option<Comparison>,
}

/// What was found, by the tool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Found {
    Doctor(Examination),
    Bubble(Box<Bubble>),
    Flame(Flame),
    Heap(Box<Heap>),
}

impl Report {
    /// The worst that was found.
    pub(super) fn verdict(&self) -> Zone {
        let changed = self.comparison.as_ref().map_or(Zone::Green, Comparison::verdict);
        changed.max(self.of_its_own())
    }

    const fn of_its_own(&self) -> Zone {
        match &self.found {
            Found::Doctor(examination) => examination.verdict,
            Found::Bubble(bubble) => bubble.verdict,
            Found::Flame(flame) => flame.verdict,
            Found::Heap(heap) => heap.verdict,
        }
    }

    /// What was found, for machines that run this.
    pub(super) fn cases(&self) -> Vec<Case> {
        let suite = self.consumer.tool.name();
        let changed = self.comparison.iter().flat_map(changes);
        let found = match &self.found {
            Found::Doctor(examination) => cases(suite, &examination.diagnoses),
            Found::Bubble(bubble) => cases(suite, &bubble.diagnoses),
            Found::Flame(flame) => cases(suite, &flame.diagnoses),
            Found::Heap(heap) => cases(suite, &heap.diagnoses),
        };
        found.into_iter().chain(changed).collect()
    }
}

/// What is worse than it was, or better.
fn changes(of: &Comparison) -> Vec<Case> {
    let case = |shift: &Shift| {
        let (before, now, change) = (shift.before_words(), shift.now_words(), shift.change_words());
        Case {
            suite: format!("{} since the baseline", of.tool.name()),
            name: shift.quantity.words().into_owned(),
            zone: if shift.outcome == Outcome::Worse { Zone::Red } else { Zone::Green },
            message: format!(
                "{}: {before} {unit}, now {now} {unit} ({change})",
                shift.outcome.words(),
                unit = shift.unit
            ),
        }
    };
    let changed = of.shifts.iter().filter(|shift| matches!(shift.outcome, Outcome::Worse | Outcome::Better));
    changed.map(case).collect()
}

/// What was recorded into a folder.
///
/// # Errors
/// It is no recording.
pub(crate) fn recorded(folder: &Folder) -> anyhow::Result<Recorded> {
    let path = folder.0.join(RAW);
    let none = || format!("{} is no folder of a profile", folder.0.display());
    let file = File::open(&path).with_context(none)?;
    Recorded::read(BufReader::new(file)).with_context(|| format!("{} cannot be read", path.display()))
}

/// Makes the report of what was recorded, into its folder; answers where its page is.
///
/// # Errors
/// It cannot be written.
pub(crate) fn make_page(folder: &Folder, recorded: &Recorded) -> anyhow::Result<PathBuf> {
    make(folder, recorded, None)?;
    Ok(folder.0.join(PAGE))
}

/// Makes the report of what was recorded, into its folder; compared with the first of two baselines, of which the second is its
/// own.
///
/// # Errors
/// It cannot be written.
pub(super) fn make(
    folder: &Folder,
    recorded: &Recorded,
    baselines: Option<&(Baseline, Baseline)>,
) -> anyhow::Result<Report> {
    let millis = i64::try_from(recorded.began.unix_millis).unwrap_or(i64::MAX);
    let when = DateTime::from_timestamp_millis(millis).unwrap_or_default().with_timezone(&Local);
    let before = baselines.and_then(|(before, _)| before.flame.as_ref());
    let (found, page) = found(recorded, &when.format("%-d %B %Y, %H:%M:%S").to_string(), before)?;
    let comparison = baselines.map(|(before, now)| compared(before, now)).transpose()?;
    let page = comparison.as_ref().map_or(page.clone(), |of| render::with_comparison(&page, of));
    folder.write(PAGE, &page)?;
    let report = Report {
        when: when.to_rfc3339(),
        consumer: recorded.began.clone(),
        ending: recorded.ending.clone(),
        found,
        comparison,
    };
    folder.write(REPORT, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    Ok(report)
}

/// What it means, and the page that says so.
fn found(recorded: &Recorded, when: &str, before: Option<&Flame>) -> anyhow::Result<(Found, String)> {
    match recorded.began.tool {
        Tool::Doctor => {
            let (examination, course) =
                (examine(recorded), Course::of(&recorded.moments).with_queues(&recorded.queues));
            let page = render::doctor(&recorded.began, when, &examination, &course)?;
            Ok((Found::Doctor(examination), page))
        }
        Tool::Flame => {
            let (flame, course) = (flame(recorded), Course::of(&recorded.moments));
            let difference = before.map(|before| flame::compare(before, &flame));
            let page = render::flame(&recorded.began, when, &flame, &course, difference.as_ref())?;
            Ok((Found::Flame(flame), page))
        }
        Tool::Bubble => {
            let bubble = bubble(recorded);
            let page = render::bubble(&recorded.began, when, &bubble)?;
            Ok((Found::Bubble(Box::new(bubble)), page))
        }
        Tool::Heap => {
            let heap = heap(recorded);
            let page = render::heap(&recorded.began, when, &heap)?;
            Ok((Found::Heap(Box::new(heap)), page))
        }
    }
}
