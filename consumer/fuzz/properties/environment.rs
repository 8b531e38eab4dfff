//! The environment: a start is refused with one line that names the variable, or the numbers fit together.
//!
//! Each line of the input sets one variable: the first character picks it, the rest is its value. Whatever no line
//! sets has a value that works.

use std::collections::BTreeMap;

use exportpool_consumer::{
    config::{Config, ConfigError},
    work::store::MIN_PART_BYTES,
};
use exportpool_contract::environment::{self as name, ALL};

const SECRET: &str = "hush-hush-0451";

/// Holds for every environment.
pub(crate) fn hold(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut variables: BTreeMap<&str, String> =
        WORKING.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    for line in text.split('\n') {
        let mut line = line.chars();
        let Some(pick) = line.next() else { continue };
        variables.insert(ALL[pick as usize % ALL.len()], line.as_str().to_owned());
    }
    if !variables[name::AWS_SECRET_ACCESS_KEY].is_empty() {
        variables.insert(name::AWS_SECRET_ACCESS_KEY, SECRET.into());
    }
    match Config::from_variables(&|name| variables.get(name).cloned()) {
        Ok(config) => fits(&config),
        Err(refusal) => tells(&refusal),
    }
}

const WORKING: &[(&str, &str)] = &[
    (name::AWS_REGION, "eu-west-1"),
    (name::AWS_ACCESS_KEY_ID, "AKIA"),
    (name::AWS_SECRET_ACCESS_KEY, SECRET),
    (name::SQS_EXPORT_JOBS_URL, "http://127.0.0.1:4566/000000000000/export-jobs"),
    (name::SQS_DOWNLOAD_TASKS_URL, "http://127.0.0.1:4566/000000000000/download-tasks"),
    (name::S3_BUCKET, "exports"),
    (name::DYNAMODB_TABLE, "exports"),
    (name::MEMORY_BUDGET_MIB, "512"),
    (name::LOG_FORMAT, "json"),
];

fn fits(config: &Config) {
    let slots = config.pool.slots() as u64;
    assert!(slots >= 1 && config.pool.max_jobs >= 1 && config.per_host.concurrency >= 1);
    assert!(config.memory_budget >= slots * MIN_PART_BYTES, "a slot could wait for memory for good");
    assert!(config.grace.as_secs() >= config.task_timeout.as_secs() + 35);
    assert!((15..=43_200).contains(&config.visibility.as_secs()) && config.max_attempts >= 1);
    assert!(config.record_ttl.is_none_or(|ttl| ttl.as_secs() >= 29 * 86_400));
    let urls = [&config.export_jobs, &config.download_tasks].into_iter();
    for url in urls.chain(&config.export_jobs_dlq).chain(&config.download_tasks_dlq) {
        let url = url::Url::parse(url).expect("a queue's URL is one");
        assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
        assert!(!url.path().ends_with(".fifo"), "{url} is a FIFO queue");
    }
    if let Some(prefix) = &config.prefix {
        assert!(!prefix.starts_with('/') && !prefix.split('/').any(|step| matches!(step, "" | "." | "..")));
    }
    assert!(!format!("{config:?}").contains(SECRET), "a secret is shown");
}

fn tells(refusal: &ConfigError) {
    let line = refusal.to_string();
    assert!(!line.contains(['\n', '\r']), "one line: {line:?}");
    assert!(!line.contains(SECRET), "a secret is shown: {line}");
    let named = ALL.iter().any(|name| line.starts_with(name));
    assert!(named && line.contains("must be "), "{line:?} does not say what is wrong");
}
