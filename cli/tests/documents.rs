//! The documents say what is there.

#![expect(clippy::expect_used, reason = "a test that cannot read the house fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let entries = entries.filter(|path| !path.ends_with("target"));
    let found = entries.flat_map(|path| if path.is_dir() { files(&path, ending) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect()
}

/// Names of all functions below the crates.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for krate in ["contract", "scaling", "consumer", "cli"] {
        for file in files(&house().join(krate), "rs") {
            let text = fs::read_to_string(file).expect("a source");
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            names.extend(found.map(str::to_owned));
        }
    }
    names
}

#[test]
fn each_promise_names_tests_that_exist() {
    let text = fs::read_to_string(house().join("docs/semantics.md")).expect("the document");
    let functions = functions();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise "));
    let mut promises = 0;
    for row in rows {
        let tests = row.rsplit_once(" | ").expect("two columns").1;
        let named: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "a promise without a test: {row}");
        for name in named {
            assert!(functions.contains(name), "no test is called {name}: {row}");
        }
        promises += 1;
    }
    assert!(promises > 40, "only {promises} rows are read");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files(&house().join("docs"), "md");
    documents.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| house().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains(':')) {
            let path = document.parent().expect("a folder").join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", document.display());
        }
    }
}
