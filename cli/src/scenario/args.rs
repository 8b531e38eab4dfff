//! What the command line asks for.

use std::path::PathBuf;

use super::catalog::{Scenario, all};
use crate::profile::Telling;

/// Play a consumer through stated situations, and check what must hold in each
///
/// Each has a consumer and an AWS stand-in of its own, with the settings that it states. Exit codes: 0 all of it holds, 1
/// something does not or could not be played, 2 nothing was played, 130 interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub(crate) struct Args {
    /// Which, or `all`.
    #[arg(value_name = "NAME", value_parser = names())]
    pub(super) name: String,
    /// Shorter: pauses of seconds, no sources of 2 s, 5 s of /health. Minutes instead of a quarter of an hour.
    #[arg(long)]
    pub(super) fast: bool,
    /// The consumer's binary [default: exportpool-consumer beside this program]; isolation needs one with kill points.
    #[arg(long, value_name = "PATH")]
    pub(super) consumer: Option<PathBuf>,
    /// Reports go into a folder of this one.
    #[arg(long, value_name = "FOLDER", default_value = ".exportctl")]
    pub(super) reports: PathBuf,
    #[command(flatten)]
    pub(super) telling: Telling,
}

impl Args {
    /// Those that are asked for.
    pub(super) fn scenarios(&self) -> Vec<Scenario> {
        all(self.fast)
            .into_iter()
            .filter(|scenario| self.name == "all" || self.name == scenario.name)
            .collect()
    }
}

fn names() -> clap::builder::PossibleValuesParser {
    let names: Vec<_> = all(false).iter().map(|scenario| scenario.name).chain(["all"]).collect();
    clap::builder::PossibleValuesParser::new(names)
}

fn help() -> String {
    let rows = all(false)
        .iter()
        .fold(String::new(), |rows, scenario| format!("{rows}  {:16}{}\n", scenario.name, scenario.about));
    format!(
        "Scenarios:\n{rows}\nExamples:\n  exportctl scenario no-blocking\n  exportctl scenario all --fast"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn asked(line: &str) -> Result<Vec<&'static str>, String> {
        let line = Line::try_parse_from(["scenario"].into_iter().chain(line.split_whitespace()));
        let scenarios = line.map_err(|error| error.to_string())?.args.scenarios();
        Ok(scenarios.iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn one_or_all_are_played_and_others_are_refused_with_those_there_are() {
        assert_eq!(asked("leak").unwrap(), ["leak"]);
        let all = asked("all --fast").unwrap();
        assert_eq!((all.len(), all[0]), (11, "no-blocking"));
        let error = asked("everything").unwrap_err();
        assert!(all.iter().all(|name| error.contains(name)), "{error}");
    }
}
