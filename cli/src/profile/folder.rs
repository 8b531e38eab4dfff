//! Where a profile is kept.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chrono::{DateTime, Local};
use exportpool_profile::record::{Ending, Record};

/// What was recorded, a line of JSON each.
pub(super) const RAW: &str = "profile.ndjson";
/// What it means, for machines.
pub(super) const REPORT: &str = "report.json";
/// What it means, for people.
pub(super) const PAGE: &str = "report.html";
/// What it is compared with, and its own baseline, so that its report can be made again.
pub(super) const COMPARED: &str = "compared.json";
/// Profiles of the same tool that may begin in the same second.
const SAME_SECOND: u32 = 100;

/// The folder of a profile.
#[derive(Debug, Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Makes `<reports>/<tool>-<time>`, of its own.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn make(reports: &Path, tool: &str, now: DateTime<Local>) -> anyhow::Result<Self> {
        let wrong = |folder: &Path| {
            format!("the folder {} cannot be made: give another one with --reports", folder.display())
        };
        fs::create_dir_all(reports).with_context(|| wrong(reports))?;
        let name = format!("{tool}-{}", now.format("%Y%m%d-%H%M%S"));
        for other in 0..SAME_SECOND {
            let name = if other == 0 { name.clone() } else { format!("{name}-{other}") };
            let folder = reports.join(name);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.with_context(|| wrong(&folder)).map(|()| Self(folder)),
            }
        }
        anyhow::bail!("there are {SAME_SECOND} profiles of this second in {}", reports.display())
    }

    /// Makes a folder in one of several profiles.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn of_run(all: &Self, name: &str) -> anyhow::Result<Self> {
        let folder = all.0.join(name);
        fs::create_dir(&folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }

    /// Where what is recorded goes.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn raw(&self) -> anyhow::Result<Raw> {
        let path = self.0.join(RAW);
        let file = File::create(&path).with_context(|| not_written(&path))?;
        Ok(Raw { file: BufWriter::new(file), path })
    }

    /// Writes a file of it; answers where it is.
    ///
    /// # Errors
    /// The disk takes it not.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        if let Err(error) = fs::write(&path, text) {
            // A part of it is none.
            let _ = fs::remove_file(&path);
            return Err(error).with_context(|| not_written(&path));
        }
        Ok(path)
    }

    /// Without anything in it that would be worth keeping.
    pub(crate) fn discard(&self) {
        // A folder that stays is no fault.
        let _ = fs::remove_file(self.0.join(RAW));
        let _ = fs::remove_dir(&self.0);
    }
}

fn not_written(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// What is recorded.
pub(crate) struct Raw {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Raw {
    /// Keeps a line, with its end.
    ///
    /// # Errors
    /// The disk takes no more.
    pub(super) fn write(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(line).with_context(|| not_written(&self.path))
    }

    /// Keeps a record.
    ///
    /// # Errors
    /// The disk takes no more.
    pub(super) fn keep(&mut self, record: &Record) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.write(&line)
    }

    /// Keeps how it ended, and everything before.
    ///
    /// # Errors
    /// The disk takes no more.
    pub(super) fn end(&mut self, ending: &Ending) -> anyhow::Result<()> {
        self.keep(&Record::Ended(ending.clone()))?;
        self.file.flush().with_context(|| not_written(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_of_the_same_second_have_folders_of_their_own() {
        let (reports, now) = (tempfile::tempdir().unwrap(), Local::now());
        let folders: Vec<_> =
            (0..3).map(|_| Folder::make(reports.path(), "doctor", now).unwrap().0).collect();
        let names: Vec<_> =
            folders.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()).collect();
        assert!(
            names[0].starts_with("doctor-2") && names[1].ends_with("-1") && names[2].ends_with("-2"),
            "{names:?}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Folder::make(&file.path().join("reports"), "doctor", Local::now()).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("--reports") && error.contains("Not a directory"), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_with_what_it_does_not_take() {
        let mut raw = Raw { file: BufWriter::new(File::create("/dev/full").unwrap()), path: "raw".into() };
        let error = (0..100_000).try_for_each(|_| raw.write(b"a line of a profile\n")).unwrap_err();
        assert_eq!(format!("{error:#}"), "raw cannot be written: No space left on device (os error 28)");
    }
}
