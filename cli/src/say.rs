//! To whoever runs this.

use std::io::{Write as _, stderr, stdout};

/// How it goes: a line on standard error.
pub(crate) fn note(line: &str) {
    // Nobody reading it is no fault.
    let _ = writeln!(stderr(), "{line}");
}

/// What came of it, on standard output.
pub(crate) fn print(text: &str) {
    // Nobody reading it is no fault.
    let _ = writeln!(stdout(), "{text}");
}
