//! How this program was called. Hints repeat it, so that they can be pasted where they are read.

use std::{ffi::OsString, path::PathBuf, sync::OnceLock};

use crate::aws::run::quoted;

/// The name it is installed by.
const NAME: &str = "exportctl";
/// The name by which `kubectl exportpool` finds it.
const PLUGIN: &str = "kubectl-exportpool";
const AS_PLUGIN: &str = "kubectl exportpool";

static CALLED: OnceLock<String> = OnceLock::new();

/// Remembers the first word of the command line.
pub(crate) fn called(first: Option<OsString>) {
    let _ = CALLED.set(words(first));
}

/// The words that call this program again: `exportctl`, a path, or `kubectl exportpool`.
pub(crate) fn program() -> &'static str {
    CALLED.get().map_or(NAME, |words| words)
}

/// What usages and failures begin with: `exportctl`, or `kubectl exportpool`.
pub(crate) fn title() -> &'static str {
    if program() == AS_PLUGIN { AS_PLUGIN } else { NAME }
}

/// A text about `exportctl`, with the words that call it here.
pub(crate) fn named(text: &str) -> String {
    text.replace(&format!("{NAME} "), &format!("{} ", program()))
}

fn words(first: Option<OsString>) -> String {
    let path = PathBuf::from(first.unwrap_or_default());
    match path.file_name() {
        None => NAME.to_owned(),
        Some(name) if name == PLUGIN => AS_PLUGIN.to_owned(),
        Some(_) => quoted(&path.to_string_lossy()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_hint_are_those_of_the_call() {
        for (first, told) in [
            ("exportctl", "exportctl"),
            ("./target/debug/exportctl", "./target/debug/exportctl"),
            ("/home/me/my tools/exportctl", "'/home/me/my tools/exportctl'"),
            ("/usr/local/bin/kubectl-exportpool", "kubectl exportpool"),
            ("", "exportctl"),
        ] {
            assert_eq!(words(Some(first.into())), told);
        }
        assert_eq!(words(None), "exportctl");
    }
}
