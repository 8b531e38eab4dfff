//! What a recording means, as a page and as JSON.

use std::{
    fs::{self, File},
    io::{self, BufReader},
    path::PathBuf,
};

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
use serde::{Deserialize, Serialize};

use super::{
    baselines::compared,
    folder::{COMPARED, Folder, PAGE, RAW, REPORT},
};
use crate::ci::{Case, cases};

/// Of [`Report::schema`]: another one has other fields.
const SCHEMA: u32 = 1;

/// What `report.json` has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// [`SCHEMA`].
    pub(super) schema: u32,
    /// What was profiled.
    pub(super) tool: Tool,
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

impl Found {
    const fn verdict(&self) -> Zone {
        match self {
            Self::Doctor(examination) => examination.verdict,
            Self::Bubble(bubble) => bubble.verdict,
            Self::Flame(flame) => flame.verdict,
            Self::Heap(heap) => heap.verdict,
        }
    }

    /// At least as bad as this.
    fn at_least(&mut self, zone: Zone) {
        let verdict = match self {
            Self::Doctor(examination) => &mut examination.verdict,
            Self::Bubble(bubble) => &mut bubble.verdict,
            Self::Flame(flame) => &mut flame.verdict,
            Self::Heap(heap) => &mut heap.verdict,
        };
        *verdict = zone.max(*verdict);
    }
}

impl Report {
    /// The worst that was found, and that has changed.
    pub(super) const fn verdict(&self) -> Zone {
        self.found.verdict()
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

/// What is worse than it was, or better, or that nothing can be told; and what makes it say less than it seems to.
fn changes(of: &Comparison) -> Vec<Case> {
    let suite = format!("{} since the baseline", of.tool.name());
    let warning = |warning: &String| Case {
        suite: suite.clone(),
        name: "beware".to_owned(),
        zone: Zone::Yellow,
        message: warning.clone(),
    };
    let case = |shift: &Shift| {
        let (before, now, change) = (shift.before_words(), shift.now_words(), shift.change_words());
        Case {
            suite: suite.clone(),
            name: shift.quantity.words().into_owned(),
            zone: of.zone_of(shift.outcome).unwrap_or(Zone::Green),
            message: format!(
                "{}: {before} {unit}, now {now} {unit} ({change})",
                shift.outcome.words(),
                unit = shift.unit
            ),
        }
    };
    let changed = of.shifts.iter().filter(|shift| matches!(shift.outcome, Outcome::Worse | Outcome::Better));
    let mut cases: Vec<_> = changed.map(case).collect();
    if cases.is_empty() && of.verdict() > Zone::Green {
        let message = "too few windows to tell chance from change: profile more jobs, or for longer";
        let (name, message) = ("nothing can be told".to_owned(), message.to_owned());
        cases.push(Case { suite: suite.clone(), name, zone: of.verdict(), message });
    }
    cases.extend(of.warnings.iter().map(warning));
    cases
}

/// What was recorded into a folder.
///
/// # Errors
/// It is no recording, or one of nothing.
pub(crate) fn recorded(folder: &Folder) -> anyhow::Result<Recorded> {
    let path = folder.0.join(RAW);
    let none = || {
        format!(
            "{} is no folder of a profile: a profile's, and a scenario's run's, has {RAW}",
            folder.0.display()
        )
    };
    let file = File::open(&path).with_context(none)?;
    let recorded = Recorded::read(BufReader::new(file));
    let recorded = recorded.with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(!recorded.moments.is_empty(), "{}: nothing was recorded", path.display());
    Ok(recorded)
}

/// Makes the report of what was recorded, into its folder; answers where its page is.
///
/// # Errors
/// It cannot be written.
pub(crate) fn make_page(folder: &Folder, recorded: &Recorded) -> anyhow::Result<PathBuf> {
    make(recorded, None)?.write(folder, None)?;
    Ok(folder.0.join(PAGE))
}

/// A profile's own baseline, and the one that it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Pair {
    pub(super) before: Baseline,
    pub(super) now: Baseline,
}

/// What a profile in that folder was compared with, if it was.
///
/// # Errors
/// It cannot be read.
pub(super) fn pair(folder: &Folder) -> anyhow::Result<Option<Pair>> {
    let path = folder.0.join(COMPARED);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => {
            let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(Some(
                serde_json::from_slice(&text)
                    .with_context(|| format!("{} is no comparison", path.display()))?,
            ))
        }
    }
}

/// What a recording means, and its page.
pub(super) struct Made {
    pub(super) report: Report,
    page: String,
}

impl Made {
    /// Into the folder of the recording.
    ///
    /// # Errors
    /// The disk takes it not.
    pub(super) fn write(&self, folder: &Folder, pair: Option<&Pair>) -> anyhow::Result<()> {
        folder.write(REPORT, &(serde_json::to_string_pretty(&self.report)? + "\n"))?;
        if let Some(pair) = pair {
            folder.write(COMPARED, &(serde_json::to_string(pair)? + "\n"))?;
        }
        folder.write(PAGE, &self.page)?;
        Ok(())
    }
}

/// Makes the report of what was recorded; compared, if there is something to compare it with.
///
/// # Errors
/// They cannot be compared.
pub(super) fn make(recorded: &Recorded, pair: Option<&Pair>) -> anyhow::Result<Made> {
    let millis = i64::try_from(recorded.began.unix_millis).unwrap_or(i64::MAX);
    let when = DateTime::from_timestamp_millis(millis).unwrap_or_default().with_timezone(&Local);
    let mut found = found(recorded);
    let comparison = pair.map(|Pair { before, now }| compared(before, now)).transpose()?;
    if let Some(of) = &comparison {
        found.at_least(of.verdict());
    }
    let before = pair.and_then(|pair| pair.before.flame.as_ref());
    let page = page(recorded, &when.format("%-d %B %Y, %H:%M:%S").to_string(), &found, before)?;
    let page = match &comparison {
        Some(of) => render::with_comparison(&page, of),
        None => page,
    };
    let report = Report {
        schema: SCHEMA,
        tool: recorded.began.tool,
        when: when.to_rfc3339(),
        consumer: recorded.began.clone(),
        ending: recorded.ending.clone(),
        found,
        comparison,
    };
    Ok(Made { report, page })
}

/// What it means.
fn found(recorded: &Recorded) -> Found {
    match recorded.began.tool {
        Tool::Doctor => Found::Doctor(examine(recorded)),
        Tool::Flame => Found::Flame(flame(recorded)),
        Tool::Bubble => Found::Bubble(Box::new(bubble(recorded))),
        Tool::Heap => Found::Heap(Box::new(heap(recorded))),
    }
}

/// The page that says so; of a flame graph beside the one before.
fn page(recorded: &Recorded, when: &str, found: &Found, before: Option<&Flame>) -> anyhow::Result<String> {
    let began = &recorded.began;
    let course = || Course::of(&recorded.moments);
    Ok(match found {
        Found::Doctor(examination) => {
            render::doctor(began, when, examination, &course().with_queues(&recorded.queues))?
        }
        Found::Flame(flame) => {
            let difference = before.map(|before| flame::compare(before, flame));
            render::flame(began, when, flame, &course(), difference.as_ref())?
        }
        Found::Bubble(bubble) => render::bubble(began, when, bubble)?,
        Found::Heap(heap) => render::heap(began, when, heap)?,
    })
}
