//! Writes a view as lines: a plain table for people and logs, or JSON for scripts. No escape codes.

mod json;
mod table;

use std::io::{self, Write};

use super::{sample::Sample, view::View};

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A table: its heading once, then a line for each queue and consumer of each sample.
    Table,
    /// One JSON document a line for each sample.
    Json,
}

/// Writes samples one after the other.
pub(crate) struct Printer<W> {
    out: W,
    form: Form,
    headed: bool,
}

impl<W: Write> Printer<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W, form: Form) -> Self {
        Self { out, form, headed: false }
    }

    /// Writes one sample, and flushes: whoever reads the pipe sees it now.
    ///
    /// # Errors
    /// The reader went away, or the disk is full.
    pub(crate) fn sample(&mut self, sample: &Sample, view: &View) -> io::Result<()> {
        match self.form {
            Form::Json => {
                serde_json::to_writer(&mut self.out, &json::document(sample.at, view))?;
                writeln!(self.out)?;
            }
            Form::Table => {
                if !self.headed {
                    write!(self.out, "{}", table::heading(view))?;
                    self.headed = true;
                }
                write!(self.out, "{}", table::rows(view))?;
            }
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
