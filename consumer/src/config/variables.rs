//! Reads single variables, each checked.

use std::{
    net::Ipv4Addr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use exportpool_contract::{ObjectKey, environment as name};
use ipnet::IpNet;

use super::{ConfigError, LogFormat, PerHost, Pool, Profiles};
use crate::{
    aws::connect::{Access, AccessKey},
    cgroup,
    observe::log,
    work::store::MIN_PART_BYTES,
};

const MIB: u64 = 1024 * 1024;
/// Read under this name by whatever logs as we do.
const RUST_LOG: &str = "RUST_LOG";
const NO_COLOR: &str = "NO_COLOR";
/// Read by the SDK itself.
const SDK_ENDPOINTS: [&str; 4] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_DYNAMODB"];

pub(super) struct Variables<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    pub(super) fn text(&self, name: &'static str, allowed: &'static str) -> Result<String, ConfigError> {
        self.optional(name).ok_or(ConfigError::Missing { name, allowed })
    }

    pub(super) fn number<N>(
        &self,
        name: &'static str,
        range: RangeInclusive<N>,
        default: N,
    ) -> Result<N, ConfigError>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(value) = self.optional(name) else { return Ok(default) };
        value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| ConfigError::Invalid {
            name,
            allowed: format!("a whole number from {} to {}", range.start(), range.end()),
            value,
        })
    }

    /// Where profiles are.
    pub(super) fn profiles(&self) -> Result<Profiles, ConfigError> {
        match self.optional(name::PROFILE_PORT).as_deref() {
            None => Ok(Profiles::Somewhere),
            Some("none") => Ok(Profiles::Nowhere),
            Some(value) => value.parse().map(Profiles::At).map_err(|_| ConfigError::Invalid {
                name: name::PROFILE_PORT,
                allowed: format!("a port from 0 to {}, or none", u16::MAX),
                value: value.to_owned(),
            }),
        }
    }

    pub(super) fn seconds(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<Duration, ConfigError> {
        self.number(name, range, default).map(Duration::from_secs)
    }

    pub(super) fn access(&self) -> Result<Access, ConfigError> {
        let key = match (self.optional(name::AWS_ACCESS_KEY_ID), self.optional(name::AWS_SECRET_ACCESS_KEY)) {
            (Some(id), Some(secret)) => {
                Some(AccessKey { id, secret, session_token: self.optional(name::AWS_SESSION_TOKEN) })
            }
            (None, None) => None,
            (Some(_), None) => return Err(missing_half(name::AWS_SECRET_ACCESS_KEY)),
            (None, Some(_)) => return Err(missing_half(name::AWS_ACCESS_KEY_ID)),
        };
        let endpoint = self.endpoint()?;
        Ok(Access { region: self.region(endpoint.is_some())?, endpoint, key })
    }

    /// AWS's own regions have a form; what stands in for AWS has names of its own.
    fn region(&self, has_endpoint: bool) -> Result<String, ConfigError> {
        let value = self.text(name::AWS_REGION, "a region such as eu-west-1")?;
        let elsewhere = has_endpoint || SDK_ENDPOINTS.iter().any(|name| self.optional(name).is_some());
        if is_region(&value) || (elsewhere && is_label(&value)) {
            return Ok(value);
        }
        let allowed = "a region such as eu-west-1, in lower-case letters, digits and hyphens".into();
        Err(ConfigError::Invalid { name: name::AWS_REGION, value, allowed })
    }

    pub(super) fn bucket(&self) -> Result<String, ConfigError> {
        let value = self.text(name::S3_BUCKET, "the name of a bucket")?;
        if is_bucket(&value) {
            return Ok(value);
        }
        let allowed = "the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots, a letter or a digit \
                       at both ends, no two dots in a row, and no IP address; or the ARN of an access point"
            .into();
        Err(ConfigError::Invalid { name: name::S3_BUCKET, value, allowed })
    }

    pub(super) fn endpoint(&self) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.optional(name::AWS_ENDPOINT) else { return Ok(None) };
        if is_http_url(&value) {
            return Ok(Some(value));
        }
        let allowed = "a URL such as http://127.0.0.1:4566".into();
        Err(ConfigError::Invalid { name: name::AWS_ENDPOINT, value, allowed })
    }

    pub(super) fn queue_url(&self, name: &'static str) -> Result<String, ConfigError> {
        self.optional_queue_url(name)?
            .ok_or(ConfigError::Missing { name, allowed: "the URL of a standard SQS queue" })
    }

    pub(super) fn optional_queue_url(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.optional(name) else { return Ok(None) };
        let allowed = if !is_http_url(&value) {
            "the URL of a queue such as https://sqs.eu-west-1.amazonaws.com/123456789012/export-jobs"
        } else if is_fifo(&value) {
            "a standard queue; FIFO queues are not supported (order is not kept by a pool of workers)"
        } else {
            return Ok(Some(value));
        };
        Err(ConfigError::Invalid { name, value, allowed: allowed.into() })
    }

    /// What can be known of the queues before they are asked: where they are, and that they are different.
    pub(super) fn queues(&self, region: &str) -> Result<(), ConfigError> {
        const WORKED_ON: [&str; 2] = [name::SQS_EXPORT_JOBS_URL, name::SQS_DOWNLOAD_TASKS_URL];
        for name in
            [WORKED_ON[0], WORKED_ON[1], name::SQS_EXPORT_JOBS_DLQ_URL, name::SQS_DOWNLOAD_TASKS_DLQ_URL]
        {
            let Some(value) = self.optional(name) else { continue };
            if let Some(its) = region_of(&value).filter(|its| its != region) {
                let allowed = format!("a queue in AWS_REGION={region}; it is in {its}: set AWS_REGION={its}");
                return Err(ConfigError::Invalid { name, value, allowed });
            }
            let mut before = WORKED_ON.iter().take_while(|other| **other != name);
            let same = before.find(|other| self.optional(other).as_ref() == Some(&value));
            if let Some(other) = same {
                let allowed = format!("another queue than {other}");
                return Err(ConfigError::Invalid { name, value, allowed });
            }
        }
        Ok(())
    }

    pub(super) fn prefix(&self) -> Result<Option<String>, ConfigError> {
        let Some(value) = self.optional(name::S3_PREFIX) else { return Ok(None) };
        let trimmed = value.trim_end_matches('/');
        match ObjectKey::new(trimmed) {
            Ok(_) => Ok(Some(trimmed.to_owned())),
            Err(why) => Err(ConfigError::Invalid {
                name: name::S3_PREFIX,
                allowed: format!("a relative prefix of keys, such as exports/2026 ({why})"),
                value,
            }),
        }
    }

    pub(super) fn pool(&self) -> Result<Pool, ConfigError> {
        Ok(Pool {
            workers: self.number(name::WORKER_POOL_SIZE, 1..=256, 4)?,
            tasks_per_worker: self.number(name::TASKS_PER_WORKER, 1..=64, 1)?,
            max_jobs: self.number(name::MAX_CONCURRENT_JOBS, 1..=10_000, 20)?,
            max_waiting: self.number(name::MAX_QUEUE_SIZE, 0..=100_000, 100)?,
        })
    }

    /// Draining may take a task's whole time, and what comes before and after it.
    pub(super) fn grace(&self, task_timeout: Duration) -> Result<Duration, ConfigError> {
        let least = task_timeout.as_secs() + 35;
        let value = self.optional(name::SHUTDOWN_GRACE_SECONDS);
        self.seconds(name::SHUTDOWN_GRACE_SECONDS, least..=86_400, least + 15).map_err(|_| {
            ConfigError::Invalid {
                name: name::SHUTDOWN_GRACE_SECONDS,
                value: value.unwrap_or_default(),
                allowed: format!("a whole number from {least} (20 + TASK_TIMEOUT_SECONDS + 15) to 86400"),
            }
        })
    }

    pub(super) fn memory_budget(&self, pool: Pool) -> Result<u64, ConfigError> {
        let default = cgroup::limit().map_or(512, |limit| (limit / 2 / MIB).max(1));
        let mib = self.number(name::MEMORY_BUDGET_MIB, 1..=1_048_576, default)?;
        let slots = pool.slots() as u64;
        let least = (slots * MIN_PART_BYTES).div_ceil(MIB);
        if mib >= least {
            return Ok(mib * MIB);
        }
        Err(ConfigError::Invalid {
            name: name::MEMORY_BUDGET_MIB,
            value: mib.to_string(),
            allowed: format!(
                "at least {least} MiB for {slots} slots of {} MiB each; raise it, or lower WORKER_POOL_SIZE ({}) \
                 or TASKS_PER_WORKER ({})",
                MIN_PART_BYTES / MIB,
                pool.workers,
                pool.tasks_per_worker
            ),
        })
    }

    pub(super) fn per_host(&self) -> Result<PerHost, ConfigError> {
        let rate = self.number(name::PER_HOST_RATE, 0..=100_000, 0)?;
        let concurrency = self.number(name::PER_HOST_CONCURRENCY, 1..=10_000, 16)?;
        Ok(PerHost { concurrency, rate: (rate > 0).then_some(rate) })
    }

    pub(super) fn networks(&self) -> Result<Vec<IpNet>, ConfigError> {
        let value = self.optional(name::EXPORT_ALLOWED_NETWORKS).unwrap_or_default();
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::parse::<IpNet>).collect::<Result<_, _>>().map_err(|_| ConfigError::Invalid {
            name: name::EXPORT_ALLOWED_NETWORKS,
            value: value.clone(),
            allowed: "networks in CIDR notation, comma-separated, such as 10.0.0.0/8,::1/128".into(),
        })
    }

    pub(super) fn credentials_dir(&self) -> Result<Option<PathBuf>, ConfigError> {
        let Some(value) = self.optional(name::EXPORT_API_CREDENTIALS_DIR) else { return Ok(None) };
        if Path::new(&value).is_dir() {
            return Ok(Some(value.into()));
        }
        Err(ConfigError::Invalid {
            name: name::EXPORT_API_CREDENTIALS_DIR,
            value,
            allowed: "a folder with a file for each credential: an origin on the first line, a header on the second"
                .into(),
        })
    }

    /// By default for whoever reads them; colours are for a terminal, without NO_COLOR (<https://no-color.org>).
    pub(super) fn log_format(&self, terminal: bool) -> Result<LogFormat, ConfigError> {
        let human = LogFormat::Human { colour: terminal && self.optional(NO_COLOR).is_none() };
        match self.optional(name::LOG_FORMAT).as_deref() {
            Some("human") => Ok(human),
            None if terminal => Ok(human),
            Some("json") | None => Ok(LogFormat::Json),
            Some(value) => Err(ConfigError::Invalid {
                name: name::LOG_FORMAT,
                value: value.into(),
                allowed: "json or human".into(),
            }),
        }
    }

    pub(super) fn log_filter(&self) -> Result<String, ConfigError> {
        let Some(value) = self.optional(RUST_LOG) else { return Ok(log::DEFAULT_FILTER.to_owned()) };
        log::check_filter(&value).map(|()| value.clone()).map_err(|why| ConfigError::Invalid {
            name: RUST_LOG,
            allowed: format!(
                "levels, by module if need be, such as info or warn,exportpool_consumer=debug ({why})"
            ),
            value,
        })
    }

    pub(super) fn record_ttl(&self) -> Result<Option<Duration>, ConfigError> {
        /// Longer than the longest retention of a queue and of its dead-letter queue, 14 days each: what is redriven
        /// must find its record.
        const LEAST: u64 = 29;
        let days: u64 = self.number(name::RECORD_TTL_DAYS, 0..=36_500, 0)?;
        if (1..LEAST).contains(&days) {
            return Err(ConfigError::Invalid {
                name: name::RECORD_TTL_DAYS,
                value: days.to_string(),
                allowed: format!("0 (never), or from {LEAST} (two retentions of 14 days, and one) to 36500"),
            });
        }
        Ok((days > 0).then(|| Duration::from_secs(days * 86_400)))
    }
}

fn missing_half(name: &'static str) -> ConfigError {
    ConfigError::Missing {
        name,
        allowed: "set together with its other half, or neither (the default chain is used)",
    }
}

/// The region in the host of a queue's URL: `sqs.<region>.…`, or the older `<region>.queue.…`. `None` where there is
/// none to read.
fn region_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let labels: Vec<_> = url.domain()?.split('.').collect();
    let after_sqs = labels.iter().position(|label| matches!(*label, "sqs" | "sqs-fips")).map(|at| at + 1);
    let before_queue = labels.iter().position(|label| *label == "queue").and_then(|at| at.checked_sub(1));
    let region = *labels.get(after_sqs.or(before_queue)?)?;
    is_region(region).then(|| region.to_owned())
}

/// `eu-west-1`, `us-gov-east-1`. Stand-ins have names of their own, which say nothing.
pub(crate) fn is_region(name: &str) -> bool {
    let mut parts = name.split('-');
    let number =
        parts.next_back().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    let area = parts.next().is_some_and(|first| first.len() >= 2);
    is_label(name) && number && area && parts.next().is_some()
}

/// Part of a host's name.
fn is_label(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// By the rules for names of buckets (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>);
/// of an ARN, S3 itself says whether it is one.
fn is_bucket(name: &str) -> bool {
    let named = (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.'])
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err();
    named || (name.starts_with("arn:") && name.contains(":accesspoint"))
}

fn is_http_url(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// By the path as it is read: a URL may end in spaces, a slash or a query.
fn is_fifo(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| url.path().trim_end_matches('/').ends_with(".fifo"))
}
