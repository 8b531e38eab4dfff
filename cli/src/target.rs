//! Where AWS is and what things are called there: from the environment, or from `--emulator URL`.

use std::env;

use exportpool_consumer::aws::connect::{Access, AccessKey};
use exportpool_contract::environment as name;

use crate::program::program;

/// The account that stand-ins serve.
pub(crate) const EMULATOR_ACCOUNT: &str = "000000000000";
const EMULATOR_REGION: &str = "us-east-1";
const EMULATOR_KEY: &str = "test";

/// The resources of an installation, and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Region, endpoint, credentials.
    pub access: Access,
    /// URL of `export-jobs`.
    pub export_jobs: String,
    /// URL of `download-tasks`.
    pub download_tasks: String,
    /// URL of the dead-letter queue of `export-jobs`, when known.
    pub export_jobs_dlq: Option<String>,
    /// URL of the dead-letter queue of `download-tasks`, when known.
    pub download_tasks_dlq: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The table.
    pub table: String,
}

/// Why there is no target.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTarget {
    /// A variable is not set.
    #[error(
        "{0} is not set. Run `{program} aws` in another terminal and export what it prints, \
         or pass --emulator URL for a stand-in that runs already",
        program = program()
    )]
    Missing(&'static str),
    /// `--emulator` is no URL.
    #[error("--emulator {0:?} is not a URL such as http://127.0.0.1:4566")]
    NotAUrl(String),
}

impl Target {
    /// `--emulator URL` when given, with the names `exportctl aws` uses; else the environment.
    ///
    /// # Errors
    /// [`NoTarget`] names the variable or the value, and the remedy.
    pub(crate) fn find(emulator: Option<&str>) -> Result<Self, NoTarget> {
        emulator.map_or_else(|| Self::from_variables(|name| env::var(name).ok()), Self::emulator)
    }

    /// The resources of a stand-in at `url`, by the names `exportctl aws` uses.
    ///
    /// # Errors
    /// [`NoTarget::NotAUrl`].
    pub(crate) fn emulator(url: &str) -> Result<Self, NoTarget> {
        let parsed =
            url::Url::parse(url).ok().filter(|url| url.has_host() && url.scheme().starts_with("http"));
        if parsed.is_none() {
            return Err(NoTarget::NotAUrl(url.to_owned()));
        }
        let endpoint = url.trim_end_matches('/');
        let queue = |name: &str| format!("{endpoint}/{EMULATOR_ACCOUNT}/{name}");
        let key = AccessKey { id: EMULATOR_KEY.into(), secret: EMULATOR_KEY.into(), session_token: None };
        Ok(Self {
            access: Access {
                region: EMULATOR_REGION.into(),
                endpoint: Some(endpoint.into()),
                key: Some(key),
            },
            export_jobs: queue("export-jobs"),
            download_tasks: queue("download-tasks"),
            export_jobs_dlq: Some(queue("export-jobs-dlq")),
            download_tasks_dlq: Some(queue("download-tasks-dlq")),
            bucket: "exports".into(),
            table: "exports".into(),
        })
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, NoTarget> {
        let optional = |name: &'static str| read(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| optional(name).ok_or(NoTarget::Missing(name));
        let key = match (optional(name::AWS_ACCESS_KEY_ID), optional(name::AWS_SECRET_ACCESS_KEY)) {
            (Some(id), Some(secret)) => {
                Some(AccessKey { id, secret, session_token: optional(name::AWS_SESSION_TOKEN) })
            }
            _ => None,
        };
        Ok(Self {
            access: Access {
                region: required(name::AWS_REGION)?,
                endpoint: optional(name::AWS_ENDPOINT),
                key,
            },
            export_jobs: required(name::SQS_EXPORT_JOBS_URL)?,
            download_tasks: required(name::SQS_DOWNLOAD_TASKS_URL)?,
            export_jobs_dlq: optional(name::SQS_EXPORT_JOBS_DLQ_URL),
            download_tasks_dlq: optional(name::SQS_DOWNLOAD_TASKS_DLQ_URL),
            bucket: required(name::S3_BUCKET)?,
            table: required(name::DYNAMODB_TABLE)?,
        })
    }

    /// The environment of a consumer that works on this target.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let key = self.access.key.as_ref();
        let optional = [
            (name::AWS_ENDPOINT, self.access.endpoint.clone()),
            (name::AWS_ACCESS_KEY_ID, key.map(|key| key.id.clone())),
            (name::AWS_SECRET_ACCESS_KEY, key.map(|key| key.secret.clone())),
            (name::AWS_SESSION_TOKEN, key.and_then(|key| key.session_token.clone())),
            (name::SQS_EXPORT_JOBS_DLQ_URL, self.export_jobs_dlq.clone()),
            (name::SQS_DOWNLOAD_TASKS_DLQ_URL, self.download_tasks_dlq.clone()),
        ];
        let required = [
            (name::AWS_REGION, self.access.region.clone()),
            (name::SQS_EXPORT_JOBS_URL, self.export_jobs.clone()),
            (name::SQS_DOWNLOAD_TASKS_URL, self.download_tasks.clone()),
            (name::S3_BUCKET, self.bucket.clone()),
            (name::DYNAMODB_TABLE, self.table.clone()),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        required.into_iter().chain(optional).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_an_emulator_is_the_emulator() {
        let target = Target::emulator("http://127.0.0.1:4566/").unwrap();
        let variables = target.variables();
        let read = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        assert_eq!(Target::from_variables(read).unwrap(), target);
    }

    #[test]
    fn temporary_keys_go_to_a_consumer_with_their_token() {
        let mut target = Target::emulator("http://127.0.0.1:4566/").unwrap();
        let [id, secret, token] = ["id", "secret", "token"].map(str::to_owned);
        target.access.key = Some(AccessKey { id, secret, session_token: Some(token) });
        let variables = target.variables();
        let read = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        assert_eq!(Target::from_variables(read).unwrap(), target);
    }

    #[test]
    fn a_missing_variable_is_named_with_the_remedy() {
        let error = Target::from_variables(|_| None).unwrap_err().to_string();
        assert!(error.starts_with("AWS_REGION is not set") && error.contains("exportctl aws"), "{error}");
    }

    #[test]
    fn an_emulator_must_be_a_url() {
        for bad in ["", "localhost:4566", "ftp://x", "4566"] {
            assert_eq!(Target::emulator(bad), Err(NoTarget::NotAUrl(bad.to_owned())));
        }
    }
}
