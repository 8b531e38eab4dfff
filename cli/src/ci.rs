//! What was found, for whatever runs this before each release: annotations and a summary of GitHub's, JUnit's XML.

use std::{
    env,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use exportpool_profile::analyse::{
    diagnosis::{Diagnosis, Named},
    zone::Zone,
};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::{say::print, usage::usage};

/// Where GitHub's runners want a summary, as Markdown.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// How the outcome is told to a machine.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Print each finding as an annotation of GitHub Actions, and add them to the job's summary.
    #[arg(long)]
    pub(crate) ci: bool,
    /// Write what was found as JUnit XML: red is a failure.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// What it is one of, such as `doctor`.
    pub(crate) suite: String,
    /// In a few words.
    pub(crate) name: String,
    pub(crate) zone: Zone,
    /// What was seen, and what to do.
    pub(crate) message: String,
}

/// What a tool found.
pub(crate) fn cases<A: Named>(suite: &str, diagnoses: &[Diagnosis<A>]) -> Vec<Case> {
    let case = |found: &Diagnosis<A>| Case {
        suite: suite.to_owned(),
        name: found.ailment.words().to_owned(),
        zone: found.zone,
        message: format!("{}. What to do: {}", found.evidence, found.remedy),
    };
    diagnoses.iter().map(case).collect()
}

impl Args {
    /// Whether there is a place for what will be told.
    ///
    /// # Errors
    /// There is no such folder.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let folder =
            self.junit.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        match folder.filter(|folder| !folder.is_dir()) {
            Some(folder) => {
                Err(usage(anyhow::anyhow!("--junit: there is no folder {}", folder.display())).into())
            }
            None => Ok(()),
        }
    }

    /// Tells as it is asked for.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn tell(&self, cases: &[Case]) -> anyhow::Result<()> {
        if self.ci {
            print(annotations(cases).trim_end());
        }
        if let Some(path) = env::var_os(SUMMARY).filter(|path| self.ci && !path.is_empty()) {
            append(Path::new(&path), &markdown(cases))?;
        }
        if let Some(path) = &self.junit {
            let xml = junit(cases)?;
            fs::write(path, xml).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{SUMMARY}={} cannot be written", path.display()))
}

/// A line each (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
fn annotations(cases: &[Case]) -> String {
    cases.iter().fold(String::new(), |mut text, case| {
        let level = match case.zone {
            Zone::Green => "notice",
            Zone::Yellow => "warning",
            Zone::Red => "error",
        };
        let title =
            escaped(&format!("{}: {}", case.suite, case.name)).replace(':', "%3A").replace(',', "%2C");
        let _ = writeln!(text, "::{level} title={title}::{}", escaped(&case.message));
        text
    })
}

/// What would end a command.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn markdown(cases: &[Case]) -> String {
    let rows = cases.iter().fold(String::new(), |mut rows, case| {
        let (suite, name, message) = (cell(&case.suite), cell(&case.name), cell(&case.message));
        let _ = writeln!(rows, "| {suite} | {} | {name} | {message} |", case.zone.word());
        rows
    });
    format!("\n| what | | found | evidence |\n|---|---|---|---|\n{rows}")
}

/// Text, whatever it has: names of functions are full of what Markdown, and HTML in it, have a meaning for
/// (<https://github.github.com/gfm/#backslash-escapes>).
fn cell(text: &str) -> String {
    text.chars().fold(String::new(), |mut cell, letter| {
        match letter {
            '\n' => cell.push(' '),
            letter if "\\`*_[]<>|~&".contains(letter) => cell.extend(['\\', letter]),
            letter => cell.push(letter),
        }
        cell
    })
}

fn junit(cases: &[Case]) -> anyhow::Result<String> {
    let mut report = Report::new("exportpool");
    for cases in cases.chunk_by(|a, b| a.suite == b.suite) {
        let suite = cases.first().map_or("", |case| case.suite.as_str());
        let mut suite = TestSuite::new(suite);
        suite.add_test_cases(cases.iter().map(test_case));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn test_case(case: &Case) -> TestCase {
    let status = if case.zone == Zone::Red {
        let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
        failed.set_message(case.message.clone()).set_type(case.name.clone());
        failed
    } else {
        TestCaseStatus::success()
    };
    let mut told = TestCase::new(case.name.clone(), status);
    told.set_system_out(format!("{}: {}", case.zone.word(), case.message));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, zone: Zone, message: &str) -> Case {
        Case { suite: "doctor".into(), name: name.into(), zone, message: message.into() }
    }

    #[test]
    fn annotations_have_a_level_and_no_text_ends_them() {
        let told = annotations(&[
            case("blocked main loop", Zone::Red, "100 % of it\nat f::g"),
            case("crowded CPUs: 2, of 2", Zone::Yellow, "wait"),
            case("healthy", Zone::Green, "fine"),
        ]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines,
            [
                "::error title=doctor%3A blocked main loop::100 %25 of it%0Aat f::g",
                "::warning title=doctor%3A crowded CPUs%3A 2%2C of 2::wait",
                "::notice title=doctor%3A healthy::fine",
            ]
        );
    }

    #[test]
    fn red_is_a_failure_in_junit_and_nothing_else_is() {
        let cases = [case("blocked <main>", Zone::Red, "a & b"), case("healthy", Zone::Green, "fine")];
        let xml = junit(&cases).unwrap();
        assert!(xml.contains("tests=\"2\"") && xml.contains("failures=\"1\""), "{xml}");
        assert!(xml.contains("blocked &lt;main>") || xml.contains("blocked &lt;main&gt;"), "{xml}");
    }

    #[test]
    fn a_summary_is_a_table_that_no_text_breaks() {
        let told = markdown(&[case("a|b", Zone::Yellow, "one\ntwo")]);
        assert!(told.contains("| doctor | yellow | a\\|b | one two |"), "{told}");
        let told = markdown(&[case("hot function", Zone::Red, "<Vec<T> as a_trait>::f has 9 %")]);
        assert!(told.contains("| \\<Vec\\<T\\> as a\\_trait\\>::f has 9 % |"), "{told}");
    }
}
