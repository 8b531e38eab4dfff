//! How the outcome is told.

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use exportpool_profile::analyse::zone::Zone;
use serde::Serialize;

use crate::{
    ci::{self, Case},
    program::title,
    say::{note, print},
    usage::Usage,
};

/// Exit code when nothing was collected.
const EXIT_NOTHING: u8 = 2;
/// Of what somebody stopped before it was through: 128 and SIGINT, as of a shell.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// How the outcome is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Telling {
    /// Do not open the page in a browser.
    #[arg(long)]
    no_open: bool,
    /// Print the report as JSON.
    #[arg(long, conflicts_with = "ci")]
    json: bool,
    #[command(flatten)]
    ci: ci::Args,
}

impl Telling {
    /// Whether it can be told as it is asked for, before anything is done.
    ///
    /// # Errors
    /// There is no folder for a file.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.ci.check()
    }

    /// Prints `text` for people, or `report` as JSON, with where the page was written, opens it, and tells whatever runs this what
    /// was looked at.
    ///
    /// # Errors
    /// A file cannot be written, the page's among them: everything else was told before.
    pub(crate) fn tell(
        &self,
        text: &str,
        report: &impl Serialize,
        cases: &[Case],
        page: anyhow::Result<PathBuf>,
    ) -> anyhow::Result<()> {
        let place = page.as_ref().map_or_else(|_| String::new(), |page| format!("page  {}", page.display()));
        if self.json {
            print(&serde_json::to_string_pretty(report)?);
        } else {
            print(&format!("{text}{place}"));
        }
        if let Ok(page) = &page {
            self.open(page);
        }
        both(page.map(drop), self.ci.tell(cases))
    }

    fn open(&self, page: &Path) {
        let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
        if !self.no_open
            && has_display
            && let Err(error) = open::that_detached(page)
        {
            note(&format!("the page cannot be opened: {error}"));
        }
    }

    /// Tells that nothing was collected of a tool, and why, whatever runs this as well.
    ///
    /// # Errors
    /// The caller's own, which is told like any other.
    pub(crate) fn nothing(&self, of: &str, why: anyhow::Error) -> anyhow::Result<ExitCode> {
        let (name, message) = ("nothing was collected".to_owned(), format!("{why:#}"));
        let is_usage = why.is::<Usage>();
        if !is_usage {
            note(&format!("{}: {name}: {message}", title()));
        }
        if let Err(error) = self.ci.tell(&[Case { suite: of.to_owned(), name, zone: Zone::Red, message }]) {
            note(&format!("{error:#}"));
        }
        if is_usage { Err(why) } else { Ok(ExitCode::from(EXIT_NOTHING)) }
    }
}

/// The first error of two; the other one is told.
fn both(first: anyhow::Result<()>, second: anyhow::Result<()>) -> anyhow::Result<()> {
    match (first, second) {
        (Err(first), Err(second)) => {
            note(&format!("{second:#}"));
            Err(first)
        }
        (first, second) => first.and(second),
    }
}
