//! What we claim to support.

use std::{env, path::PathBuf};

use crate::suite::Port;

/// An implementation of SQS, S3 or DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// `exportctl aws`.
    Embedded,
    /// <https://github.com/ministackorg/ministack>, from PyPI.
    MiniStack,
    /// <https://github.com/localstack/localstack>, from PyPI instead of its image.
    LocalStack,
    /// <https://github.com/softwaremill/elasticmq>, from Maven Central.
    ElasticMq,
    /// <https://github.com/getmoto/moto> as a server, from PyPI.
    Moto,
}

impl Implementation {
    /// All of them, ours first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Embedded, Self::MiniStack, Self::LocalStack, Self::ElasticMq, Self::Moto];

    /// As in the table.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Embedded => "`exportctl aws`",
            Self::MiniStack => "MiniStack",
            Self::LocalStack => "LocalStack",
            Self::ElasticMq => "ElasticMQ",
            Self::Moto => "Moto",
        }
    }

    /// As in the file of versions and in `EXPORTPOOL_CONFORMANCE`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::MiniStack => "ministack",
            Self::LocalStack => "localstack",
            Self::ElasticMq => "elasticmq",
            Self::Moto => "moto",
        }
    }

    /// Whether it has what is behind a port, as far as we claim to support it.
    pub(crate) const fn has(self, port: Port) -> bool {
        match self {
            Self::Embedded | Self::MiniStack => true,
            // Its DynamoDB is another vendor's program, downloaded when first used.
            Self::LocalStack => !matches!(port, Port::Ledger),
            Self::ElasticMq => matches!(port, Port::Queue),
            // Its S3 knows no CRC64NVME.
            Self::Moto => matches!(port, Port::Ledger),
        }
    }

    /// The version that is installed; ours has the workspace's.
    pub(crate) fn version(self) -> &'static str {
        const VERSIONS: &str = include_str!("versions");
        let named = VERSIONS.lines().filter_map(|line| line.split_once(' '));
        named.into_iter().find(|(name, _)| *name == self.name()).map_or("", |(_, version)| version)
    }

    /// Where `cli/tests/conformance/install` put it.
    ///
    /// # Panics
    /// Says how to install it when it is not there.
    pub(crate) fn folder(self) -> PathBuf {
        let home = env::var_os("HOME").expect("HOME");
        let tools = PathBuf::from(home).join(".cache/exportpool/tools");
        let folder = tools.join(format!("{}-{}", self.name(), self.version()));
        assert!(
            folder.join("installed").is_file(),
            "{} is not installed in {}: run `make conformance-tools`, or choose others with {CHOICE}",
            self.title(),
            folder.display()
        );
        folder
    }

    /// Whether it is left out, by choice.
    pub(crate) fn is_left_out(self) -> bool {
        let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
        env::var(CHOICE).is_ok_and(|chosen| self.is_left_out_of(&chosen, in_ci))
    }

    /// Whether a list of names leaves it out.
    ///
    /// # Panics
    /// On names that nobody knows, and in CI, where nothing may be left out.
    fn is_left_out_of(self, chosen: &str, in_ci: bool) -> bool {
        let chosen: Vec<_> = chosen.split(',').map(str::trim).collect();
        let known = |name: &str| Self::ALL.iter().any(|implementation| implementation.name() == name);
        let stranger = chosen.iter().find(|name| !known(name));
        assert_eq!(stranger, None, "{CHOICE} names an implementation that nobody knows");
        let left_out = !chosen.contains(&self.name());
        assert!(!(left_out && in_ci), "{CHOICE} leaves {} out: not in CI", self.title());
        left_out
    }
}

/// The variable that lists the implementations to try, by name and separated by commas. Without it, all are.
pub(crate) const CHOICE: &str = "EXPORTPOOL_CONFORMANCE";

#[test]
fn what_is_not_named_is_left_out() {
    let left_out = |chosen| Implementation::ALL.map(|one| one.is_left_out_of(chosen, false));
    assert_eq!(left_out("embedded, moto"), [false, true, true, true, false]);
}

#[test]
#[should_panic = "names an implementation that nobody knows"]
fn a_name_that_nobody_knows_is_refused() {
    Implementation::Embedded.is_left_out_of("embedded,localstak", false);
}

#[test]
#[should_panic = "not in CI"]
fn nothing_is_left_out_in_ci() {
    Implementation::LocalStack.is_left_out_of("embedded", true);
}
