//! The house: imports go one way, the SDK stays in its rooms, files stay small.

#![expect(clippy::expect_used, reason = "a test that cannot read the house fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Crates of ours that a crate depends on, tests not counted.
fn imports(krate: &str) -> Vec<String> {
    let manifest = fs::read_to_string(house().join(krate).join("Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).expect("dependencies");
    let dependencies = dependencies.split("\n[").next().expect("text");
    let ours = dependencies.lines().filter_map(|line| line.strip_prefix("exportpool-"));
    ours.filter_map(|line| line.split(['.', ' ']).next()).map(str::to_owned).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let found = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn imports_go_one_way() {
    assert_eq!(imports("contract"), [""; 0]);
    assert_eq!(imports("scaling"), ["contract"]);
    assert_eq!(imports("profile"), [""; 0]);
    assert_eq!(imports("consumer"), ["contract", "profile"]);
    assert_eq!(imports("operator"), ["contract", "scaling"]);
    assert_eq!(imports("cli"), ["consumer", "contract", "operator", "profile", "scaling"]);
    assert_eq!(imports("bench"), ["consumer", "contract"]);
}

#[test]
fn the_consumer_knows_the_sdk_in_one_room() {
    let src = house().join("consumer/src");
    for file in sources(&src).iter().filter(|file| !file.starts_with(src.join("aws"))) {
        let text = fs::read_to_string(file).expect("a source");
        for word in ["aws_sdk", "aws_config", "aws_smithy", "aws_credential"] {
            let used = text
                .lines()
                .any(|line| line.contains(&format!("{word}_")) || line.contains(&format!("{word}::")));
            // A filter for log lines names crates in a string.
            assert!(!used || file.ends_with("observe/log.rs"), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn the_operator_knows_the_sdk_in_one_room_and_decides_in_another_without_a_cluster() {
    let src = house().join("operator/src");
    let code = |file: &PathBuf| fs::read_to_string(file).expect("a source");
    for file in sources(&src).iter().filter(|file| !file.starts_with(src.join("observe/queues"))) {
        assert!(!code(file).contains("aws_"), "{} names the SDK", file.display());
    }
    let pure = ["decide", "apply/render", "lead/decide.rs", "apply/victims.rs", "report/conditions.rs"];
    let is_pure = |file: &&PathBuf| pure.iter().any(|room| file.starts_with(src.join(room)));
    for file in sources(&src).iter().filter(is_pure) {
        let text = code(file);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["::now()", "tokio::", "async fn", ".await", "Client", "std::env"] {
            assert!(!text.contains(word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn deciding_knows_no_clock_and_no_channel() {
    let place = house().join("consumer/src/place");
    let is_test = |file: &&PathBuf| {
        let of =
            |folder: &str| file.starts_with(place.join(folder)) || file.ends_with(format!("{folder}.rs"));
        of("tests") || of("model")
    };
    for file in sources(&place).iter().filter(|file| !is_test(file)) {
        let text = fs::read_to_string(file).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["Instant::now", "SystemTime", "tokio::", "async fn", ".await", "std::env"] {
            assert!(!code.contains(word), "{} uses {word}", file.display());
        }
    }
}

#[test]
fn files_stay_small() {
    const MOST: usize = 400;
    for krate in ["contract", "scaling", "profile", "consumer", "operator", "cli", "bench"] {
        for file in sources(&house().join(krate).join("src")) {
            let lines = fs::read_to_string(&file).expect("a source").lines().count();
            assert!(lines <= MOST, "{} has {lines} lines", file.display());
        }
    }
}
