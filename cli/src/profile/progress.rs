//! How far a profile is.

use std::io::{IsTerminal as _, Write as _, stderr};

use exportpool_profile::record::Moment;
use indicatif::ProgressBar;

/// How far it is: on a terminal always, else now and then.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    told: u64,
    waves: u32,
}

impl Progress {
    /// Seconds between two lines where there is no terminal.
    const LINE_EVERY: u64 = 10;

    pub(super) fn new() -> Self {
        Self { bar: stderr().is_terminal().then(ProgressBar::new_spinner), told: 0, waves: 0 }
    }

    pub(super) fn wave(&mut self, jobs: u64) {
        self.waves += u32::from(jobs > 0);
    }

    pub(super) fn tell(&mut self, moment: &Moment) {
        let second = moment.at_micros / 1_000_000;
        let wave = if self.waves > 1 { format!("wave {}, ", self.waves) } else { String::new() };
        let line = || format!("profiling: {second} s, {wave}{} tasks settled", moment.settled);
        if let Some(bar) = &self.bar {
            bar.set_message(line());
            bar.tick();
        } else if second >= self.told + Self::LINE_EVERY {
            self.told = second;
            // Nobody reading it is no fault.
            let _ = writeln!(stderr(), "{}", line());
        }
    }

    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
