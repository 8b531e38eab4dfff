//! How the outcome is told.

use std::{env, path::Path};

use exportpool_profile::analyse::zone::Zone;
use serde::Serialize;

use crate::{
    ci::{self, Case},
    say::{note, print},
};

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

    /// Prints `text` for people, or `report` as JSON, opens the page, if there is one, and tells whatever runs this what was looked at.
    ///
    /// # Errors
    /// A file cannot be written: everything else was told before.
    pub(crate) fn tell(
        &self,
        text: &str,
        report: &impl Serialize,
        cases: &[Case],
        page: Option<&Path>,
    ) -> anyhow::Result<()> {
        if self.json {
            print(&serde_json::to_string_pretty(report)?);
        } else {
            print(text);
        }
        let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some());
        if !self.no_open
            && has_display
            && let Some(page) = page
            && let Err(error) = open::that_detached(page)
        {
            note(&format!("the page cannot be opened: {error}"));
        }
        self.ci.tell(cases)
    }

    /// Tells whatever runs this that nothing was collected, and why.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn nothing(&self, of: &str, why: &str) -> anyhow::Result<()> {
        let name = "nothing was collected".to_owned();
        self.ci.tell(&[Case { suite: of.to_owned(), name, zone: Zone::Red, message: why.to_owned() }])
    }
}
