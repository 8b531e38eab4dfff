//! Profiles that are kept under a name, for later ones to be compared with: `exportctl baselines`.

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use anyhow::Context as _;
use chrono::{DateTime, Local};
use exportpool_profile::{
    analyse::{
        baseline::{Baseline, Comparison, Measured, compare},
        quantile::median,
    },
    record::Tool,
};

use crate::{say::print, usage::usage};

/// In the folder of reports.
const FOLDER: &str = "baselines";
const LONGEST: usize = 64;

/// List, show and remove baselines: what `exportctl profile TOOL --save-baseline NAME` keeps, and --compare NAME compares with
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    exportctl profile doctor 300 --save-baseline main    keep one\n  \
    exportctl profile doctor 300 --compare main          exit code 1 if something is worse\n  \
    exportctl baselines list\n  \
    exportctl baselines show main\n  \
    exportctl baselines rm main")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Where reports are; baselines are in a folder of it.
    #[arg(long, value_name = "FOLDER", default_value = ".exportctl", global = true)]
    reports: PathBuf,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All of them
    List,
    /// What was measured, and of what
    Show {
        /// Its name
        name: Name,
        /// All of it, as it is kept
        #[arg(long)]
        json: bool,
    },
    /// Remove some
    Rm {
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Name>,
    },
}

/// A baseline's name: a file's, and no path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !text.is_empty()
            && text.len() <= LONGEST
            && text.chars().all(is_plain)
            && !text.starts_with(['.', '-'])
        {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a name has 1 to {LONGEST} letters, digits, '-', '_' and '.', and begins with none of the last three"
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Runs `exportctl baselines`.
///
/// # Errors
/// There is none of that name, or it cannot be read.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let baselines = Baselines::of(&args.reports);
    let text = match &args.command {
        Command::List => baselines.list()?,
        Command::Show { name, json: false } => shown(name, &baselines.read(name)?),
        Command::Show { name, json: true } => serde_json::to_string_pretty(&baselines.read(name)?)? + "\n",
        Command::Rm { names } => {
            // All or none.
            let (names, there) = (BTreeSet::from_iter(names), baselines.names()?);
            if let Some(missing) = names.iter().find(|name| !there.contains(name)) {
                return Err(baselines.none(missing)?);
            }
            names.into_iter().try_fold(String::new(), |text, name| {
                baselines.remove(name)?;
                anyhow::Ok(format!("{text}removed {name}\n"))
            })?
        }
    };
    print(text.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Where they are kept.
#[derive(Debug, Clone)]
pub(super) struct Baselines(PathBuf);

impl Baselines {
    /// In the folder of reports.
    pub(super) fn of(reports: &Path) -> Self {
        Self(reports.join(FOLDER))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    /// The names of all, sorted.
    fn names(&self) -> anyhow::Result<Vec<Name>> {
        let files = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            files => files.with_context(|| format!("{} cannot be read", self.0.display()))?,
        };
        let name = |file: fs::DirEntry| file.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut names: Vec<Name> = files.flatten().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// Reads one.
    ///
    /// # Errors
    /// There is none of that name: those that there are, are told; or another version made it.
    pub(super) fn read(&self, name: &Name) -> anyhow::Result<Baseline> {
        let text = match fs::read_to_string(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.none(name)?),
            text => text.with_context(|| format!("{} cannot be read", self.path(name).display()))?,
        };
        Baseline::read(&text).with_context(|| format!("baseline {name}")).map_err(|error| usage(error).into())
    }

    fn none(&self, name: &Name) -> anyhow::Result<anyhow::Error> {
        let names: Vec<_> = self.names()?.iter().map(ToString::to_string).collect();
        let others = match names.as_slice() {
            [] => "there is none yet: --save-baseline keeps one".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        Ok(usage(anyhow::anyhow!("there is no baseline {name} in {}: {others}", self.0.display())).into())
    }

    /// Keeps one, in the place of one of that name.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep(&self, name: &Name, baseline: &Baseline) -> anyhow::Result<PathBuf> {
        let (path, text) = (self.path(name), serde_json::to_string(baseline)?);
        fs::create_dir_all(&self.0)
            .with_context(|| format!("the folder {} cannot be made", self.0.display()))?;
        // Whole, or not at all.
        let begun = self.0.join(format!(".{name}.{}", std::process::id()));
        let kept = fs::write(&begun, text).and_then(|()| fs::rename(&begun, &path));
        kept.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    fn remove(&self, name: &Name) -> anyhow::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.none(name)?),
            removed => removed.with_context(|| format!("{} cannot be removed", self.path(name).display())),
        }
    }

    fn list(&self) -> anyhow::Result<String> {
        let names = self.names()?;
        if names.is_empty() {
            return Ok(format!(
                "no baselines in {}: exportctl profile TOOL --save-baseline NAME keeps one\n",
                self.0.display()
            ));
        }
        let head = format!("{:24}{:8}{:12}{:18}of\n", "name", "tool", "version", "when");
        Ok(names.iter().fold(head, |text, name| text + &self.line(name)))
    }

    fn line(&self, name: &Name) -> String {
        match self.read(name) {
            Ok(of) => {
                let name = name.to_string();
                let (tool, version, when) = (of.tool.name(), &of.version, when(&of));
                let settings: Vec<_> =
                    of.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{name:24}{tool:8}{version:12}{when:18}{}\n", settings.join(" "))
            }
            Err(error) => format!("{name}  {error:#}\n"),
        }
    }
}

/// Compares with one that was kept.
///
/// # Errors
/// It is of another tool.
pub(super) fn compared(before: &Baseline, now: &Baseline) -> anyhow::Result<Comparison> {
    Ok(compare(before, now).map_err(usage)?)
}

/// Whether a baseline is of that tool, before a profile is made for nothing.
///
/// # Errors
/// It is not.
pub(super) fn fits(name: &Name, baseline: &Baseline, tool: Tool) -> anyhow::Result<()> {
    let (of, wanted) = (baseline.tool.name(), tool.name());
    if baseline.tool == tool {
        return Ok(());
    }
    Err(usage(anyhow::anyhow!("baseline {name} is of profile {of}, and this is profile {wanted}")).into())
}

fn when(of: &Baseline) -> String {
    let millis = i64::try_from(of.unix_millis).unwrap_or(i64::MAX);
    let when = DateTime::from_timestamp_millis(millis).unwrap_or_default().with_timezone(&Local);
    when.format("%Y-%m-%d %H:%M").to_string()
}

fn shown(name: &Name, of: &Baseline) -> String {
    let machine = &of.machine;
    let head = format!(
        "{name}: profile {} of exportpool-consumer {}, {}\non {} CPUs, {} {}\n",
        of.tool.name(),
        of.version,
        when(of),
        machine.cpus,
        machine.os,
        machine.processor
    );
    let settings = of.settings.iter().fold(head, |text, (name, value)| format!("{text}  {name}={value}\n"));
    of.measured.iter().fold(settings + "\n", |text, measured| text + &line_of(measured))
}

fn line_of(of: &Measured) -> String {
    let (words, unit, windows) = (of.quantity.words(), of.quantity.unit(), of.values.len());
    format!("{words:36}{:>12.2} {unit:8} median of {windows}\n", median(&mut of.values.clone()))
}

#[cfg(test)]
mod tests {
    use exportpool_profile::{
        read::Recorded,
        record::{Began, SCHEMA},
    };

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn a_baseline(tool: Tool) -> Baseline {
        let began = Began {
            schema: SCHEMA,
            tool,
            version: "1.2.3".into(),
            pid: 1,
            unix_millis: 0,
            workers: 2,
            tasks_per_worker: 1,
            cpus: 2,
            os: "linux".into(),
            processor: "x86_64".into(),
        };
        Baseline::of(&Recorded::of(began), Default::default())
    }

    #[test]
    fn a_name_is_no_path() {
        for bad in ["", "../main", "a/b", ".main", "-rf", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert!(["main", "release-1.2_x"].iter().all(|good| good.parse::<Name>().is_ok()));
    }

    #[test]
    fn baselines_are_kept_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let baselines = Baselines::of(folder.path());
        assert!(baselines.list().unwrap().starts_with("no baselines"));
        let of = a_baseline(Tool::Doctor);
        baselines.keep(&name("main"), &of).unwrap();
        assert_eq!(baselines.read(&name("main")).unwrap(), of);
        let list = baselines.list().unwrap();
        assert!(list.contains("main") && list.contains("doctor") && list.contains("1.2.3"), "{list}");
        let error = format!("{:#}", baselines.read(&name("other")).unwrap_err());
        assert!(error.contains("there is no baseline other") && error.contains("there are main"), "{error}");
        let rm = |names: &[&str]| {
            let names = names.iter().map(|each| name(each)).collect();
            run(&Args { command: Command::Rm { names }, reports: folder.path().to_owned() })
        };
        assert!(rm(&["main", "other"]).is_err() && baselines.read(&name("main")).is_ok(), "all or none");
        assert!(rm(&["main", "main"]).is_ok() && rm(&["main"]).is_err());
    }

    #[test]
    fn a_baseline_of_another_version_or_tool_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let baselines = Baselines::of(folder.path());
        baselines
            .keep(&name("old"), &Baseline { schema: 99, made_by: "9.9".into(), ..a_baseline(Tool::Doctor) })
            .unwrap();
        let error = format!("{:#}", baselines.read(&name("old")).unwrap_err());
        assert!(error.contains("version 9.9 with schema 99") && error.contains("--save-baseline"), "{error}");
        assert!(fits(&name("x"), &a_baseline(Tool::Flame), Tool::Doctor).is_err());
        assert!(fits(&name("x"), &a_baseline(Tool::Flame), Tool::Flame).is_ok());
    }
}
