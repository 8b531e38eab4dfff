//! Consumers killed at random ages, some of them just born: the short version of `make chaos`.

use crate::{demo, process::killable_consumer};

#[test]
fn a_hundred_random_kills_lose_and_double_nothing() {
    let binary = killable_consumer();
    let arguments = [
        &["--messages", "60", "--mixed", "--delay", "20ms", "--max-replicas", "3"][..],
        &["--failure-rate", "0.03", "--flaky-rate", "0.05", "--invalid-rate", "0.02"],
        &[
            "--chaos",
            "kill",
            "--kills",
            "100",
            "--kill-every",
            "150ms",
            "--consumer",
            binary.to_str().unwrap(),
        ],
    ]
    .concat();
    let summary = demo::summary(&arguments, &[]);
    let count = |name: &str| demo::count(&summary, name);
    assert!(count("kills") >= 100, "{summary:#}");
    assert!(count("tasks") > 60 && count("failed") > 0, "{summary:#}");
    assert_eq!(count("stored") + count("failed"), count("tasks"), "{summary:#}");
    for none in ["unclosed", "givenUp", "openUploads"] {
        assert_eq!(count(none), 0, "{none}: {summary:#}");
    }
}
