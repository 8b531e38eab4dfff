//! The documents say what is there.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot read the house fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

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
    for krate in ["contract", "scaling", "profile", "consumer", "operator", "cli", "e2e"] {
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

/// `head_object` is `HeadObject`.
fn in_pascal_case(name: &str) -> String {
    let words = name.split('_').filter_map(|word| Some((word.get(..1)?, word.get(1..)?)));
    words.map(|(first, rest)| first.to_uppercase() + rest).collect()
}

/// Operations of AWS that a consumer calls.
fn called() -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for file in files(&house().join("consumer/src/aws"), "rs") {
        let text = fs::read_to_string(file).expect("a source");
        let behind = text.split("self.client").skip(1);
        let calls = behind.filter_map(|rest| rest.trim_start().strip_prefix('.')?.split_once("()"));
        called.extend(calls.map(|(name, _)| in_pascal_case(name)));
    }
    // Asks nobody.
    called.remove("Config");
    called
}

#[test]
fn the_page_of_permissions_names_what_is_called_and_nothing_else() {
    let text = fs::read_to_string(house().join("docs/permissions.md")).expect("the document");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(" | "));
    let named = rows.filter_map(|mut cells| cells.nth(2)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    assert_eq!(named.map(str::to_owned).collect::<BTreeSet<_>>(), called());
}

/// Each action that a row of the page of permissions names, with the kind of what it is on.
fn rights() -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(house().join("docs/permissions.md")).expect("the document");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(" | "));
    let rights = rows.filter_map(|mut cells| Some((cells.next()?.trim_matches('`'), cells.next()?)));
    let each =
        rights.flat_map(|(action, on)| on.split(" and ").map(move |on| (action.to_owned(), on.to_owned())));
    each.collect()
}

/// What of the page of permissions an ARN is.
fn on(arn: &str) -> &'static str {
    match arn {
        arn if arn.starts_with("arn:aws:sqs:") && arn.ends_with("-dlq") => "both dead-letter queues",
        arn if arn.starts_with("arn:aws:sqs:") => "both queues",
        arn if arn.starts_with("arn:aws:s3:") && arn.ends_with("/*") => "its objects",
        arn if arn.starts_with("arn:aws:s3:") => "the bucket",
        arn if arn.starts_with("arn:aws:dynamodb:") => "the table",
        arn => panic!("{arn} is on no page"),
    }
}

/// A string, or each of a list, as IAM has it.
fn each(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map_or_else(|| value.as_str().into_iter().collect(), |list| list.iter().flat_map(each).collect())
}

/// What a policy among the examples allows.
fn allowed(policy: &str) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(house().join("examples/iam").join(policy)).expect("the policy");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().expect("statements") {
        assert_eq!(statement["Effect"], "Allow");
        for action in each(&statement["Action"]) {
            allowed.extend(
                each(&statement["Resource"]).into_iter().map(|arn| (action.to_owned(), on(arn).to_owned())),
            );
        }
    }
    allowed
}

#[test]
fn the_workers_policy_allows_what_the_page_of_permissions_names_and_nothing_else() {
    assert_eq!(allowed("worker-policy.json"), rights());
}

#[test]
fn the_operators_policy_allows_it_to_read_the_depth_of_queues_alone() {
    let depth = ("sqs:GetQueueAttributes".to_owned(), "both queues".to_owned());
    assert_eq!(allowed("operator-policy.json"), BTreeSet::from([depth]));
}
