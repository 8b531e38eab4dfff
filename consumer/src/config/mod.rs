//! The environment, read once and checked. A wrong value stops the start with one line that names the variable,
//! the value and what is allowed.

pub mod arguments;
mod variables;

use std::{
    env,
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use exportpool_contract::environment as name;
use ipnet::IpNet;

use crate::{aws::connect::Access, message::QueueName};
use variables::Variables;
pub(crate) use variables::is_region;

/// Exit code of a wrong configuration (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// The largest object S3 takes (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const MAX_OBJECT_BYTES: u64 = 5 * 1024 * 1024 * 1024 * 1024;

/// Everything a consumer is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Region, endpoint, credentials.
    pub access: Access,
    /// URL of `export-jobs`.
    pub export_jobs: String,
    /// URL of `download-tasks`.
    pub download_tasks: String,
    /// Dead-letter queues; by default from the redrive policies.
    pub export_jobs_dlq: Option<String>,
    /// See [`Config::export_jobs_dlq`].
    pub download_tasks_dlq: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// Put before every key.
    pub prefix: Option<String>,
    /// The table.
    pub table: String,
    /// Worker threads and places.
    pub pool: Pool,
    /// Longest run of one task.
    pub task_timeout: Duration,
    /// From the signal to stop to the end.
    pub grace: Duration,
    /// Visibility timeout of received messages.
    pub visibility: Duration,
    /// Starts of a task before it is given up.
    pub max_attempts: u32,
    /// Largest file.
    pub max_file_bytes: u64,
    /// Memory for all download buffers, in bytes.
    pub memory_budget: u64,
    /// Limits per host.
    pub per_host: PerHost,
    /// Networks that downloads may reach although they are not public.
    pub allowed_networks: Vec<IpNet>,
    /// Where credentials for Export APIs are.
    pub credentials_dir: Option<PathBuf>,
    /// How logs are written.
    pub log_format: LogFormat,
    /// What is logged, as `tracing-subscriber` reads it.
    pub log_filter: String,
    /// Records expire after this.
    pub record_ttl: Option<Duration>,
    /// Port of the HTTP server; 0 takes any free one.
    pub port: u16,
    /// Where profiles are asked for.
    pub profiles: Profiles,
    /// The UID of the pod we are in, when there is one.
    pub pod_uid: Option<String>,
}

/// Where profiles are asked for, on 127.0.0.1 alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profiles {
    /// At 3001, or where another consumer of this machine has that, at any port that is free.
    Somewhere,
    /// At this port.
    At(u16),
    /// Nowhere: nobody may.
    Nowhere,
}

/// Sizes of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Worker threads.
    pub workers: usize,
    /// Tasks at a time on each.
    pub tasks_per_worker: usize,
    /// Jobs in hand at a time.
    pub max_jobs: usize,
    /// Tasks waiting in memory at most.
    pub max_waiting: usize,
}

impl Pool {
    /// Tasks that can run at a time.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.workers * self.tasks_per_worker
    }
}

/// Limits per host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerHost {
    /// Downloads at a time.
    pub concurrency: usize,
    /// Downloads started a second.
    pub rate: Option<u32>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Human {
        /// With the colours of a terminal.
        colour: bool,
    },
}

/// A variable that is missing or wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, and there is no default.
    #[error("{name} is not set: it must be {allowed}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Set to something that is not allowed.
    #[error("{name}={value:?} is not allowed: it must be {allowed}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that is missing or wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(&|name| env::var(name).ok())
    }

    /// Reads variables by name; an empty value counts as not set.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that is missing or wrong.
    pub fn from_variables(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Variables(read);
        let pool = vars.pool()?;
        let task_timeout = vars.seconds(name::TASK_TIMEOUT_SECONDS, 1..=43_000, 300)?;
        let access = vars.access()?;
        vars.queues(&access.region)?;
        let config = Self {
            export_jobs: vars.queue_url(name::SQS_EXPORT_JOBS_URL)?,
            download_tasks: vars.queue_url(name::SQS_DOWNLOAD_TASKS_URL)?,
            export_jobs_dlq: vars.optional_queue_url(name::SQS_EXPORT_JOBS_DLQ_URL)?,
            download_tasks_dlq: vars.optional_queue_url(name::SQS_DOWNLOAD_TASKS_DLQ_URL)?,
            bucket: vars.bucket()?,
            prefix: vars.prefix()?,
            table: vars.text(name::DYNAMODB_TABLE, "the name of a table")?,
            pool,
            task_timeout,
            grace: vars.grace(task_timeout)?,
            visibility: vars.seconds(name::VISIBILITY_SECONDS, 15..=43_200, 60)?,
            max_attempts: vars.number(name::MAX_ATTEMPTS, 1..=100, 5)?,
            max_file_bytes: vars.number(name::MAX_FILE_BYTES, 1..=MAX_OBJECT_BYTES, MAX_OBJECT_BYTES)?,
            memory_budget: vars.memory_budget(pool)?,
            per_host: vars.per_host()?,
            allowed_networks: vars.networks()?,
            credentials_dir: vars.credentials_dir()?,
            log_format: vars.log_format(io::stdout().is_terminal())?,
            log_filter: vars.log_filter()?,
            record_ttl: vars.record_ttl()?,
            port: vars.number(name::PORT, 0..=u16::MAX, 3000)?,
            profiles: vars.profiles()?,
            pod_uid: vars.optional(name::POD_UID),
            access,
        };
        Ok(config)
    }

    /// The URL of a queue.
    #[must_use]
    pub fn url(&self, queue: QueueName) -> &str {
        match queue {
            QueueName::ExportJobs => &self.export_jobs,
            QueueName::DownloadTasks => &self.download_tasks,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn with(changes: &[(&'static str, &str)]) -> Result<Config, ConfigError> {
        let mut variables: BTreeMap<&str, &str> = [
            (name::AWS_REGION, "us-east-1"),
            (name::SQS_EXPORT_JOBS_URL, "http://127.0.0.1:4566/000000000000/export-jobs"),
            (name::SQS_DOWNLOAD_TASKS_URL, "http://127.0.0.1:4566/000000000000/download-tasks"),
            (name::S3_BUCKET, "exports"),
            (name::DYNAMODB_TABLE, "exports"),
            (name::MEMORY_BUDGET_MIB, "512"),
        ]
        .into();
        variables.extend(changes.iter().copied());
        Config::from_variables(&|name| variables.get(name).map(ToString::to_string))
    }

    #[test]
    fn the_defaults_are_sane() {
        let config = with(&[]).unwrap();
        assert_eq!(config.pool, Pool { workers: 4, tasks_per_worker: 1, max_jobs: 20, max_waiting: 100 });
        assert_eq!(config.grace, Duration::from_secs(350));
        assert_eq!((config.port, config.profiles, config.max_attempts), (3000, Profiles::Somewhere, 5));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        for (name, value, allowed) in [
            (name::WORKER_POOL_SIZE, "0", "from 1 to 256"),
            (name::WORKER_POOL_SIZE, "abc", "from 1 to 256"),
            (name::MAX_QUEUE_SIZE, "-1", "from 0 to 100000"),
            (name::MAX_CONCURRENT_JOBS, "1.5", "from 1 to 10000"),
            (name::PORT, "65536", "from 0 to 65535"),
            (name::PROFILE_PORT, "off", "or none"),
            (name::SHUTDOWN_GRACE_SECONDS, "30", "from 335"),
            (name::SQS_EXPORT_JOBS_URL, "http://h/1/jobs.fifo", "standard queue"),
            (name::SQS_EXPORT_JOBS_URL, "http://h/1/jobs.fifo/ ", "standard queue"),
            (name::SQS_DOWNLOAD_TASKS_URL, "download-tasks", "URL of a queue"),
            (name::AWS_ENDPOINT, "localhost:4566", "http://127.0.0.1:4566"),
            (name::S3_PREFIX, "../up", "relative prefix"),
            (name::EXPORT_ALLOWED_NETWORKS, "10.0.0.0/99", "CIDR"),
            (name::EXPORT_API_CREDENTIALS_DIR, "/no/such/folder", "a folder"),
            (name::LOG_FORMAT, "xml", "json or human"),
            ("RUST_LOG", "info,exportpool_consumer=loud", "exportpool_consumer=debug"),
            (name::AWS_REGION, "EU-WEST-1", "lower-case"),
            (name::AWS_REGION, "eu_west_1", "such as eu-west-1"),
            (name::AWS_REGION, "somewhere", "such as eu-west-1"),
            (name::S3_BUCKET, "s3://exports", "3 to 63"),
            (name::S3_BUCKET, "Exports", "lower-case"),
            (name::S3_BUCKET, "ex", "3 to 63"),
            (name::S3_BUCKET, "exports-", "both ends"),
            (name::S3_BUCKET, "my..exports", "no two dots"),
            (name::S3_BUCKET, "192.168.5.4", "no IP address"),
            (name::RECORD_TTL_DAYS, "28", "from 29"),
            (name::MEMORY_BUDGET_MIB, "19", "at least 20 MiB for 4 slots"),
        ] {
            let error = with(&[(name, value)]).unwrap_err().to_string();
            let wanted = format!("{name}={value:?} is not allowed");
            assert!(error.starts_with(&wanted) && error.contains(allowed), "{error}");
            assert!(!error.contains('\n'), "one line: {error}");
        }
    }

    #[test]
    fn what_stands_in_for_aws_has_regions_of_its_own() {
        for elsewhere in [name::AWS_ENDPOINT, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let at = |region| with(&[(elsewhere, "http://127.0.0.1:9000"), (name::AWS_REGION, region)]);
            assert_eq!(at("garage").unwrap().access.region, "garage");
            assert!(at("gar age").is_err());
        }
    }

    #[test]
    fn buckets_have_the_names_that_s3_gives() {
        let access_point = "arn:aws:s3:eu-west-1:123456789012:accesspoint/exports";
        for bucket in ["exports", "2026.exports-eu", "abc", &"x".repeat(63), access_point] {
            assert_eq!(with(&[(name::S3_BUCKET, bucket)]).unwrap().bucket, bucket);
        }
        assert!(with(&[(name::S3_BUCKET, &"x".repeat(64))]).is_err());
    }

    #[test]
    fn logs_have_colours_on_a_terminal_alone_and_where_they_are_wanted() {
        let format = |terminal, changes: &[(&'static str, &str)]| {
            let read = |name: &str| {
                changes.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
            };
            Variables(&read).log_format(terminal).unwrap()
        };
        let human = (name::LOG_FORMAT, "human");
        assert_eq!(format(true, &[]), LogFormat::Human { colour: true });
        assert_eq!(format(true, &[("NO_COLOR", "1")]), LogFormat::Human { colour: false });
        assert_eq!(format(false, &[human]), LogFormat::Human { colour: false });
        assert_eq!(format(false, &[]), LogFormat::Json);
        assert_eq!(format(true, &[(name::LOG_FORMAT, "json")]), LogFormat::Json);
    }

    #[test]
    fn a_queue_of_another_region_stops_the_start() {
        for host in [
            "sqs.eu-west-1.amazonaws.com",
            "sqs-fips.eu-west-1.amazonaws.com",
            "eu-west-1.queue.amazonaws.com",
            "sqs.eu-west-1.api.aws",
            "vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com",
            "sqs.eu-west-1.localhost.localstack.cloud:4566",
        ] {
            let url = format!("https://{host}/123456789012/q");
            let error = with(&[(name::SQS_DOWNLOAD_TASKS_URL, &url)]).unwrap_err().to_string();
            assert!(
                error.contains("AWS_REGION=us-east-1") && error.contains("it is in eu-west-1"),
                "{error}"
            );
            let region = (name::AWS_REGION, "eu-west-1");
            assert!(with(&[region, (name::SQS_DOWNLOAD_TASKS_URL, &url)]).is_ok(), "{host}");
        }
    }

    #[test]
    fn each_queue_has_a_url_of_its_own_and_no_queue_is_its_dead_letter_queue() {
        let jobs = "http://127.0.0.1:4566/000000000000/export-jobs";
        for variable in
            [name::SQS_DOWNLOAD_TASKS_URL, name::SQS_EXPORT_JOBS_DLQ_URL, name::SQS_DOWNLOAD_TASKS_DLQ_URL]
        {
            let error = with(&[(variable, jobs)]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && error.contains("SQS_EXPORT_JOBS_URL"), "{error}");
        }
        let shared = "http://127.0.0.1:4566/000000000000/dead";
        let both = [(name::SQS_EXPORT_JOBS_DLQ_URL, shared), (name::SQS_DOWNLOAD_TASKS_DLQ_URL, shared)];
        assert!(with(&both).is_ok(), "both may share one");
    }

    #[test]
    fn a_missing_value_is_named() {
        for name in [name::AWS_REGION, name::SQS_EXPORT_JOBS_URL, name::S3_BUCKET, name::DYNAMODB_TABLE] {
            assert!(with(&[(name, "")]).unwrap_err().to_string().starts_with(&format!("{name} is not set")));
        }
    }

    #[test]
    fn half_a_credential_is_refused_and_a_whole_one_is_never_shown() {
        let error = with(&[(name::AWS_ACCESS_KEY_ID, "AKIA")]).unwrap_err().to_string();
        assert!(error.starts_with("AWS_SECRET_ACCESS_KEY is not set"), "{error}");
        let whole = [(name::AWS_ACCESS_KEY_ID, "AKIA"), (name::AWS_SECRET_ACCESS_KEY, "hush")];
        assert!(!format!("{:?}", with(&whole).unwrap()).contains("hush"));
    }
}
